"""The registry of classifiers, and the networks of `zoo.toml`, which are Keras files among the assets.

A newcomer adds a row to the table, or registers a function without arguments that returns a Classifier.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any

from workbench.classifiers.classifier import Classifier, Preprocessing
from workbench.classifiers.heads import Head
from workbench.registry import Registry

CLASSIFIERS: Registry[Callable[[], Classifier]] = Registry("classifier")


def _load_row(name: str, row: Mapping[str, Any]) -> Classifier:
    from workbench import assets
    from workbench.classifiers.building import build
    from workbench.classifiers.keras.reading import read_keras

    path = assets.path(row["asset"])
    model = read_keras(path)
    height, width = row["size"]
    preprocessing = Preprocessing((height, width), row["channels"], tuple(row["mean"]), tuple(row["std"]))
    provenance = {key: str(row[key]) for key in ("summary", "licence", "citation", "caveat", "training_data")}
    provenance |= {
        "source": f"asset {row['asset']}",
        "file": path.name,
        "sha256": assets.sha256_of(path),
        "reader": f"Keras {model.keras_version}; left out: {model.stripped or 'nothing'}",
    }
    return build(
        name,
        model.module,
        {"expression": Head(tuple(row["labels"]), model.kind)},
        preprocessing,
        layer=row["cam_layer"],
        provenance=provenance,
    )


def _register_table() -> None:
    table = tomllib.loads(resources.files("workbench.classifiers").joinpath("zoo.toml").read_text("utf-8"))
    for name, row in table.items():
        details = {key: value for key, value in row.items() if key not in ("summary", "citation")}
        CLASSIFIERS.add(
            name, partial(_load_row, name, row), summary=row["summary"], reference=row["citation"], **details
        )


_register_table()

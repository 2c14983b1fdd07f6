"""`workbench list`: what there is, from the registries."""

from __future__ import annotations

import argparse
import importlib
from typing import Any, Final

from workbench.cli._common import print_json, print_table

NAME = "list"
HELP = "list classifiers, explainers, scores, null models, distances, masks, layouts of data sets or assets"
REGISTRIES: Final = {  # kind → where its registry is
    "classifiers": "workbench.classifiers.CLASSIFIERS",
    "explainers": "workbench.explainers.EXPLAINERS",
    "scores": "workbench.scores.SCORES",
    "nulls": "workbench.scores.nulls.NULLS",
    "faithfulness": "workbench.faithfulness.FAITHFULNESS",
    "distances": "workbench.comparison.DISTANCES",
    "masks": "workbench.masks.MASKS",
    "layouts": "workbench.faces.LAYOUTS",
    "assets": "workbench.assets.ASSETS",
}
KINDS: Final = tuple(REGISTRIES)
_COLUMNS = {
    "classifiers": ("name", "licence", "summary"),
    "explainers": ("name", "family", "summary"),
    "scores": ("name", "range", "best", "takes", "summary"),
    "nulls": ("name", "hypothesis"),
    "faithfulness": ("name", "summary"),
    "distances": ("name", "summary"),
    "masks": ("name", "dimension", "authority", "summary"),
    "layouts": ("name", "summary"),
    "assets": ("name", "package", "version", "licence", "cached"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench list KIND [--json]`."""
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def entries(kind: str) -> list[dict[str, Any]]:
    """The entries of one registry as plain dictionaries."""
    room, _, name = REGISTRIES[kind].rpartition(".")
    registry = getattr(importlib.import_module(room), name)
    if kind == "assets":
        from workbench.assets import status

        return [{**entry.as_dict(), "cached": str(status(entry.name))} for entry in registry]
    return [entry.as_dict() for entry in registry]


def run(args: argparse.Namespace) -> int:
    """Print the entries."""
    found = entries(args.kind)
    if args.json:
        print_json({args.kind: found})
    else:
        print_table(found, _COLUMNS[args.kind])
    return 0

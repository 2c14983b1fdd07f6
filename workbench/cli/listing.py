"""`workbench list`: what there is, from the registries."""

from __future__ import annotations

import argparse
from typing import Any

from workbench.cli._common import print_json, print_table

NAME = "list"
HELP = "list classifiers, explainers, scores, masks, layouts of data sets or assets"
KINDS = ("classifiers", "explainers", "scores", "masks", "layouts", "assets")
_COLUMNS = {
    "classifiers": ("name", "licence", "summary"),
    "explainers": ("name", "family", "summary"),
    "scores": ("name", "range", "summary"),
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
    if kind == "classifiers":
        from workbench.classifiers import CLASSIFIERS as registry
    elif kind == "explainers":
        from workbench.explainers import EXPLAINERS as registry  # type: ignore[assignment]
    elif kind == "scores":
        from workbench.scores import SCORES as registry  # type: ignore[assignment]
    elif kind == "masks":
        from workbench.masks import MASKS as registry  # type: ignore[assignment]
    elif kind == "layouts":
        from workbench.faces import LAYOUTS as registry  # type: ignore[assignment]
    else:
        from workbench.assets import ASSETS as registry  # type: ignore[assignment]
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

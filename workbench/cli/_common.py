"""What several verbs share: JSON on standard output, tables, options of a classifier."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import UsageError, WorkbenchError


def plain(value: Any) -> Any:
    """`value` with NumPy scalars, tuples and paths made plain and every NaN or infinity made None, for JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def print_json(document: Any) -> None:
    """One JSON document on standard output, and nothing else there."""
    json.dump(plain(document), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as an aligned text table with a header line."""
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(row[i]) for row in cells)) if cells else len(column) for i, column in enumerate(columns)
    ]
    for line in [list(columns), *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def say(*lines: str) -> None:
    """Log lines, on standard error."""
    for line in lines:
        print(line, file=sys.stderr)


def out_folder(text: str | os.PathLike[str], option: str = "--out") -> Path:
    """The folder named by `option`, looked at before any work; it is not made yet.

    Raises UsageError for an empty name or a file in its place, WorkbenchError where it could not be written.
    """
    if not str(text).strip():
        raise UsageError(f"{option} is empty; name a folder")
    folder = Path(text).expanduser()
    here = folder.absolute()
    while not here.exists() and here != here.parent:
        here = here.parent
    if not here.is_dir():
        raise UsageError(f"{option} {folder}: {here} is a file; name a folder")
    if not os.access(here, os.W_OK | os.X_OK):
        raise WorkbenchError(
            f"{option} {folder} cannot be written (no right to write in {here}); choose another folder"
        )
    return folder


def counted(number: int, noun: str) -> str:
    """`1 face`, `2 faces`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def failure_line(name: str, reason: str) -> str:
    """Name and reason, the name once: most reasons begin with the path."""
    first = reason.partition(": ")[0]
    return reason if name and (first.endswith(name) or reason.startswith(f"{name} ")) else f"{name}: {reason}"


def map_failures(maps: Any) -> list[str]:
    """One line for each network and explainer that gave no map."""
    return [
        ": ".join(part for part in (entry["model"], entry["explainer"], entry["reason"]) if part)
        for entry in json.loads(maps.attrs.get("failures", "[]"))
    ]


def add_classifier_arguments(parser: argparse.ArgumentParser) -> None:
    """`--classifier` and what describes one's own checkpoint."""
    parser.add_argument(
        "--classifier",
        required=True,
        metavar="NAME",
        help="a zoo name (workbench list classifiers), a timm name, or a Keras .h5/.hdf5 file",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of a timm network (.pt, .pth, .safetensors)")
    parser.add_argument("--labels", metavar="A,B,C", help="class names in output order")
    parser.add_argument("--size", type=int, metavar="PX", help="input side in pixels")
    parser.add_argument("--mean", metavar="M[,M,M]", help="subtracted after scaling to 0…1")
    parser.add_argument("--std", metavar="S[,S,S]", help="divided by after subtracting the mean")
    parser.add_argument("--channels", type=int, choices=(1, 3), help="1 for grey input, 3 for RGB")
    parser.add_argument("--layer", metavar="NAME", help="the layer that CAM methods use")


def classifier_options(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `load_classifier` from the parsed options."""
    options: dict[str, Any] = {}
    for name in ("checkpoint", "size", "channels", "layer"):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)
    if args.labels:
        options["labels"] = [label.strip() for label in args.labels.split(",")]
    for name in ("mean", "std"):
        text = getattr(args, name)
        if text:
            try:
                options[name] = tuple(float(part) for part in text.split(","))
            except ValueError:
                raise UsageError(f"--{name} {text!r} is not a number or a comma-separated list of numbers") from None
    return options

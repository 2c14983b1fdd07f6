"""Codebooks: which action units an author lists for an expression."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from workbench import vocabulary
from workbench.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Codebook:
    """Expression → alternatives, each a tuple of (AU number, optional?); summary and citation as sentences."""

    name: str
    summary: str
    citation: str
    expressions: dict[str, tuple[tuple[tuple[int, bool], ...], ...]]

    def required(self, expression: str) -> list[int]:
        """The AUs that are not optional in at least one alternative, in ascending order."""
        return sorted({au for way in self.expressions[expression] for au, optional in way if not optional})


def masks_root() -> Path:
    """The folder of the mask sets that ship with the workbench: inside the wheel, else the checkout's `masks`."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_masks"
    return inside if inside.is_dir() else package.parent / "masks"


def load_codebook(name: str) -> Codebook:
    """The codebook of that name from `masks/codebooks.toml`; UnknownNameError offers the nearest names."""
    books = _read(masks_root() / "codebooks.toml")
    if name not in books:
        raise UnknownNameError("codebook", name, books)
    return books[name]


def codebook_names() -> list[str]:
    """Names of all codebooks."""
    return list(_read(masks_root() / "codebooks.toml"))


@cache
def _read(path: Path) -> dict[str, Codebook]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _codebook(name, entry, f"{path.name}: {name}") for name, entry in table.items()}


def _codebook(name: str, entry: dict[str, Any], where: str) -> Codebook:
    expressions = {}
    for expression, alternatives in entry["expressions"].items():
        if expression not in vocabulary.EXPRESSIONS:
            raise UsageError(f"{where}: {expression!r} is no expression")
        ways = tuple(tuple(_unit(unit, f"{where}: {expression}") for unit in way) for way in alternatives)
        if not ways or not all(any(not optional for _, optional in way) for way in ways):
            raise UsageError(f"{where}: {expression} has an alternative without a required action unit")
        expressions[expression] = ways
    return Codebook(name, entry["summary"], entry["citation"], expressions)


def _unit(unit: Any, where: str) -> tuple[int, bool]:
    number, optional = (unit["au"], bool(unit.get("optional", False))) if isinstance(unit, dict) else (unit, False)
    if number not in vocabulary.ACTION_UNITS:
        raise UsageError(f"{where}: {number!r} is no action unit")
    return int(number), optional


def combine(book: Codebook, names: list[str], maps: np.ndarray) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """Maps per AU (A, y, x) → expression names, their maps (E, y, x): the pixelwise maximum over the expression's
    required AUs, and the AUs that went into each. UsageError if an AU of the codebook has no mask."""
    used = {expression: [f"AU{au}" for au in book.required(expression)] for expression in book.expressions}
    missing = sorted({au for units in used.values() for au in units} - set(names))
    if missing:
        raise UsageError(f"codebook {book.name!r} needs masks of {', '.join(missing)}, which the mask set lacks")
    order = [e for e in vocabulary.EXPRESSIONS if e in used]
    combined = np.stack([maps[[names.index(au) for au in used[e]]].max(axis=0) for e in order])
    return order, combined, {e: used[e] for e in order}

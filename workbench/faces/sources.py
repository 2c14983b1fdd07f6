"""What a user may call faces (a file, a folder, a table, a list) as one list of items to look at."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench import vocabulary
from workbench.errors import UnknownNameError, UnreadableFileError, UsageError, WorkbenchError
from workbench.faces.columns import MEASURED, REQUIRED, with_numbers
from workbench.faces.images import SUFFIXES, read_image

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Item:
    """One picture to look at: `read()` gives RGB and notes; label "" or a vocabulary expression.

    groups: further columns of the table by name: groups ("age"), and annotations (`au_12`, `valence`), which belong to
    the largest face. landmarks: points that came with the data set, called when needed: (P, 2) in pixels of the
    picture, P = 68 or 478.
    """

    name: str
    read: Callable[[], tuple[np.ndarray, list[str]]]
    label: str = ""
    subject: str = ""
    source: str = ""
    groups: Mapping[str, Any] = field(default_factory=dict)
    landmarks: Callable[[], np.ndarray] | None = None

    @staticmethod
    def of_file(
        name: str,
        path: Path,
        *,
        label: str = "",
        subject: str = "",
        source: str = "",
        groups: Mapping[str, Any] | None = None,
        landmarks: Callable[[], np.ndarray] | None = None,
    ) -> Item:
        """A picture file; its `source` is its path unless another is given."""
        return Item(name, lambda: read_image(path), label, subject, source or str(path), groups or {}, landmarks)

    @staticmethod
    def of_array(
        name: str,
        rgb: np.ndarray,
        *,
        label: str = "",
        subject: str = "",
        source: str = "array",
        groups: Mapping[str, Any] | None = None,
    ) -> Item:
        """A picture in memory: (H, W, 3) RGB or (H, W) grey, uint8. Raises UsageError for another array."""
        if (
            not isinstance(rgb, np.ndarray)
            or rgb.dtype != np.uint8
            or rgb.size == 0
            or not (rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 3))
        ):
            found = f"{rgb.shape} {rgb.dtype}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
            raise UsageError(f"the picture {name!r} must be an (H, W, 3) RGB or (H, W) grey uint8 array, got {found}")
        colour = rgb if rgb.ndim == 3 else np.repeat(rgb[:, :, None], 3, axis=2)
        return Item(name, lambda: (colour, []), label, subject, source, groups or {})


def items_of(source: Any) -> tuple[list[Item], list[str]]:
    """The items of a source and notes on how it was understood.

    Raises UsageError for a source of another kind, an empty list, a table without `path` or with an unknown label
    (row and value named), WorkbenchError for a folder without pictures, UnreadableFileError for a missing path.
    """
    if isinstance(source, pd.DataFrame):
        return _of_table(source, Path.cwd(), "the table"), []
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if path.is_dir():
            return _of_folder(path)
        if path.suffix.lower() in TABLE_SUFFIXES:
            return _of_table(_read_table(path), path.absolute().parent, str(path)), []
        return [Item.of_file(path.name or str(path), path)], []
    if isinstance(source, np.ndarray) or not isinstance(source, Iterable):
        raise UsageError(
            f"faces come from a path, a table or a list, not from {type(source).__name__}; "
            "give pictures in memory as [(name, array), …]"
        )
    return _of_list(list(source)), []


def _of_list(entries: Sequence[Any]) -> list[Item]:
    if not entries:
        raise UsageError("the list of pictures is empty; give at least one path or (name, array)")
    items: list[Item] = []
    paths = [Path(entry).expanduser() for entry in entries if isinstance(entry, str | os.PathLike)]
    short = _short_names(paths)
    for position, entry in enumerate(entries):
        if isinstance(entry, str | os.PathLike):
            items.append(Item.of_file(short.pop(0), paths[len(paths) - len(short) - 1]))
        elif isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str):
            items.append(Item.of_array(entry[0], entry[1]))
        else:
            raise UsageError(
                f"entry {position} of the list is a {type(entry).__name__}; give paths or (name, array) pairs"
            )
    return with_unique_names(items)


def _short_names(paths: Sequence[Path]) -> list[str]:
    """File names, or paths below the common folder for those whose file name is not unique."""
    count = Counter(path.name for path in paths)
    parents = [str(path.absolute().parent) for path in paths]
    try:
        common = Path(os.path.commonpath(parents)) if parents else Path()
    except ValueError:  # several drives
        common = Path()
    return [
        path.name if count[path.name] == 1 else Path(os.path.relpath(path.absolute(), common)).as_posix()
        for path in paths
    ]


def with_unique_names(items: Sequence[Item]) -> list[Item]:
    """The items, a name that occurred before with a number: `a.png`, `a.png (2)`."""
    from dataclasses import replace

    taken: set[str] = set()
    unique = []
    for item in items:
        name, copy = item.name, 1
        while name in taken:
            copy += 1
            name = f"{item.name} ({copy})"
        taken.add(name)
        unique.append(item if name == item.name else replace(item, name=name))
    return unique


def _of_folder(folder: Path) -> tuple[list[Item], list[str]]:
    """Pictures in a folder and below; the nearest folder that is named like an expression gives the label."""
    items, others = [], 0
    for here, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = Path(here, name)
            if path.suffix.lower() not in SUFFIXES:
                others += 1
                continue
            relative = path.relative_to(folder)
            labels = [label for part in relative.parts[:-1] if (label := _label_of_folder(part))]
            items.append(Item.of_file(relative.as_posix(), path, label=labels[-1] if labels else ""))
    if not items:
        raise WorkbenchError(
            f"{folder}: no picture in this folder or below it ({others} other "
            f"file{'s' * (others != 1)}); name a folder that holds pictures"
        )
    notes = [f"{others} file{'s' * (others != 1)} passed over in {folder.name}: no picture by name"] if others else []
    return items, notes


def _label_of_folder(name: str) -> str:
    """The expression a folder is named after; codes such as `AN` are words elsewhere and count in tables only."""
    split = vocabulary.split_file_stem(name)
    return split[1] if split and vocabulary.is_expression(name) else ""


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UnreadableFileError(f"{path}: no such table; correct the path")
    text = {"path": str, "name": str, "label": str, "subject": str}
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            dtype=text,
            keep_default_na=False,
            na_values={},
            encoding="utf-8-sig",
        )
    except ImportError as error:
        message = f"{path}: reading Parquet needs pyarrow; pip install pyarrow, or save it as CSV"
        raise WorkbenchError(message) from error
    except Exception as error:  # parsers raise ValueError, UnicodeError, pyarrow's own and more
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreadableFileError(f"{path}: no table that can be read ({reason}); save it as UTF-8 CSV") from error


def _of_table(table: pd.DataFrame, base: Path, origin: str) -> list[Item]:
    if "path" not in table.columns:
        found = ", ".join(map(str, table.columns)) or "none"
        raise UsageError(f"{origin}: no column 'path' (columns: {found}); name the column that holds the files")
    if table.empty:
        raise UsageError(f"{origin}: no rows; list one picture a row")
    if taken := [c for c in ("source", "sha256", *MEASURED) if c in table.columns]:
        raise UsageError(f"{origin}: the column {taken[0]!r} is filled in by the workbench; rename it")
    table = with_numbers(table, origin)
    groups = [c for c in table.columns if c not in ("path", *REQUIRED)]
    paths, labels = [], []
    for row, (path, label) in enumerate(zip(table["path"], _column(table, "label"), strict=True), start=1):
        if not isinstance(path, str | os.PathLike) or not str(path).strip():
            raise UsageError(f"{origin}, row {row}: 'path' is empty; name a picture file")
        paths.append(base / Path(path).expanduser())
        try:
            labels.append(vocabulary.expression(label) if label else "")
        except UnknownNameError as error:
            raise UsageError(f"{origin}, row {row} ({path}): label {label!r}: {error}") from error
    names = _column(table, "name") if "name" in table.columns else [""] * len(table)
    if repeated := [name for name, n in Counter(filter(None, names)).items() if n > 1]:
        raise UsageError(f"{origin}: the name {repeated[0]!r} stands in more than one row; names must be unique")
    short = _short_names(paths)
    return with_unique_names(
        [
            Item.of_file(
                names[i] or short[i],
                paths[i],
                label=labels[i],
                subject=subject,
                groups={str(c): table[c].iloc[i] for c in groups},
            )
            for i, subject in enumerate(_column(table, "subject"))
        ]
    )


def _column(table: pd.DataFrame, column: str) -> list[str]:
    """A text column, "" where it is missing."""
    if column not in table.columns:
        return [""] * len(table)
    return ["" if pd.isna(value) else str(value).strip() for value in table[column]]

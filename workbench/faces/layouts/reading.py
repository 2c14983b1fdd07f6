"""What readers share: lines, tables and numbers of text files with the line in every error, and pictures by name."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench.errors import UnreadableFileError, UsageError
from workbench.faces.images import SUFFIXES


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line) of every line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path}: cannot be read as text ({error}); replace the file") from error


def table_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV with a header; column names in lower case and without blanks around them.

    Raises UsageError where a needed column or a cell is missing.
    """
    header = [cell.strip().lower() for cell in csv_header(path)]
    if missing := [column for column in needed if column not in header]:
        found = ", ".join(header[:8]) or "none"
        raise UsageError(f"{path}, line 1: no column {missing[0]!r} (columns: {found}); name the columns in line 1")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            next(reader)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise UsageError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns; "
                        "complete the row or replace the file"
                    )
                yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"{path}: no CSV that can be read ({error}); save it as UTF-8 CSV") from error


def csv_header(path: Path) -> list[str]:
    """The cells of the first line, [] for an empty file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader([file.readline(1 << 16)]), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"{path}: no CSV that can be read ({error}); save it as UTF-8 CSV") from error


def whole(text: str, path: Path, line: int, what: str) -> int:
    """A whole number, also as `3.0000000e+00`; UsageError names file, line and value."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value != int(value):
        raise UsageError(f"{path}, line {line}: {what} is {text!r}, not a whole number; correct the line")
    return int(value)


def coded(codes: Mapping[int, str], text: str, path: Path, line: int, what: str = "the expression") -> str:
    """What a numeric code stands for; UsageError lists the codes."""
    number = whole(text, path, line, what)
    if number not in codes:
        known = ", ".join(f"{code} {name}" for code, name in codes.items())
        raise UsageError(f"{path}, line {line}: {what} is {number}; the layout knows {known}")
    return codes[number]


def files_below(root: Path) -> Iterator[Path]:
    """All files in a folder and below, in order of their names, hidden ones left out."""
    for here, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here, name)


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name."""
    return path.suffix.lower() in SUFFIXES


def first_pictures(root: Path, count: int = 50) -> list[Path]:
    """The first pictures in a folder and below, for a look at their names."""
    found = []
    for path in files_below(root):
        if is_picture(path):
            found.append(path)
            if len(found) == count:
                break
    return found

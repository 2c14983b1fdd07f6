"""The two layouts that are not a data set's own: folders named after expressions, and a table of files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.errors import UsageError
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import TABLE_SUFFIXES, Item, items_of


@layout("class-folders")
def class_folders(path: Path, notes: Notes) -> Iterable[Item]:
    """Pictures in a folder and below; the nearest folder named like an expression (happy, sadness) gives the label."""
    if not path.is_dir():
        raise UsageError(f"{path}: layout 'class-folders' is a folder of folders; name the folder")
    items, said = items_of(path)
    for sentence in said:
        notes.say(sentence)
    return items


@layout("table")
def table(path: Path, notes: Notes) -> Iterable[Item]:
    """A CSV, TSV or Parquet table with a column `path`, optionally `name`, `label`, `subject`, `au_12`, groups."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise UsageError(f"{path}: layout 'table' is a CSV, TSV or Parquet file; name the file")
    return items_of(path)[0]

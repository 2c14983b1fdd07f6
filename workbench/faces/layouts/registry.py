"""What a layout is, the registry of all, and how one is chosen, read and checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from workbench import vocabulary
from workbench.errors import UnknownNameError, UnreadableFileError, UsageError, WorkbenchError
from workbench.faces.sources import Item, with_unique_names
from workbench.registry import Registry

_HOME = "workbench.faces.layouts"


class Notes:
    """What a reader decided, for the FaceSet's notes: sentences, and counts of what was left out."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._left_out: dict[str, list[str]] = {}

    def say(self, sentence: str) -> None:
        """One sentence, kept once."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)

    def left_out(self, reason: str, name: str) -> None:
        """One more picture, row or file left out for a reason."""
        self._left_out.setdefault(reason, []).append(name)

    def sentences(self) -> list[str]:
        """All of it, counts as `12 left out (first: a.png): no expression by name`."""
        counts = [f"{len(names)} left out (first: {names[0]}): {why}" for why, names in self._left_out.items()]
        return [*self._sentences, *counts]


@dataclass(frozen=True)
class Layout:
    """read(path, notes, **options) yields an `Item` a picture; recognise(path), where given, is True only for a folder
    or file that cannot be of another layout, and cheap (it sees every path given without a layout)."""

    read: Callable[..., Iterable[Item]]
    recognise: Callable[[Path], bool] | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that `read` takes."""
        return tuple(inspect.signature(self.read).parameters)[2:]


LAYOUTS: Final[Registry[Layout]] = Registry(
    "layout",
    homes=tuple(
        f"{_HOME}.{name}" for name in ("plain", "fer2013", "raf_db", "affectnet", "ck_plus", "named", "au_frames")
    ),
)


def layout(
    name: str, *, recognise: Callable[[Path], bool] | None = None, reference: str = ""
) -> Callable[[Callable[..., Iterable[Item]]], Callable[..., Iterable[Item]]]:
    """Decorator: register a reader as a layout; its docstring's first line is the summary shown in errors."""

    def decorate(read: Callable[..., Iterable[Item]]) -> Callable[..., Iterable[Item]]:
        summary = (inspect.getdoc(read) or "").partition("\n")[0]
        made = Layout(read, recognise)
        LAYOUTS.add(name, made, summary=summary, reference=reference, options=list(made.options))
        return read

    return decorate


def recognised(path: Path) -> tuple[str, list[str]]:
    """The one layout that recognises the path ("" for none, or several) and a note that says so."""
    found = [entry.name for entry in LAYOUTS if entry.value.recognise and _asks(entry.value, path)]
    if len(found) == 1:
        other = "class-folders" if path.is_dir() else "table"
        return found[0], [f"{path.name} was read as layout {found[0]!r}; state layout={other!r} if it is not"]
    if found:
        return "", [
            f"{path.name} may be of layout {' or '.join(map(repr, found))}; state the layout to have it read so"
        ]
    return "", []


def _asks(candidate: Layout, path: Path) -> bool:
    try:
        return bool(candidate.recognise and candidate.recognise(path))
    except (OSError, UnicodeError, WorkbenchError):
        return False


def read_layout(name: str, path: Path, options: dict[str, Any]) -> tuple[list[Item], list[str]]:
    """The items of a data set and notes on what was decided.

    Raises UnknownNameError for an unknown layout or option, UnreadableFileError for a missing path, UsageError where a
    file does not fit (file and line named), WorkbenchError where nothing is found.
    """
    entry = LAYOUTS[name]
    if unknown := [option for option in options if option not in entry.value.options]:
        raise UnknownNameError(f"option of layout {name!r}", unknown[0], entry.value.options)
    if not path.exists():
        raise UnreadableFileError(f"{path}: no such file or folder; correct the path")
    notes = Notes()
    items = [_checked(item, name) for item in entry.value.read(path, notes, **options)]
    if not items:
        said = "; ".join(notes.sentences())
        raise WorkbenchError(
            f"{path}: nothing of layout {name!r} in it ({said or entry.summary}); correct the path or the layout"
        )
    return with_unique_names(items), notes.sentences()


def _checked(item: Item, name: str) -> Item:
    try:
        return replace(item, label=vocabulary.expression(item.label)) if item.label else item
    except UnknownNameError as error:
        raise UsageError(f"{item.source} (layout {name!r}): label {item.label!r}: {error}") from error

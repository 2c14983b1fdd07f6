"""One registry for everything a newcomer adds: classifier, explainer, score, mask set, asset."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from workbench.errors import UnknownNameError, UsageError

T = TypeVar("T")
F = TypeVar("F")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing under its name.

    `summary` is one sentence; `reference` a citation (paper, equation) or URL; `details` holds whatever
    the kind needs besides (family, licence, range, …), as plain JSON-able values.
    """

    name: str
    value: T
    summary: str = ""
    reference: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What `workbench list … --json` prints for this entry."""
        return {"name": self.name, "summary": self.summary, "reference": self.reference, **self.details}


def first_line(value: object) -> str:
    """The first line of something's docstring, "" without one: the summary of what is registered."""
    return ((getattr(value, "__doc__", None) or "").strip().splitlines() or [""])[0]


class Registry(Generic[T]):
    """Names to entries of one kind; the modules in `homes` are imported at the first look-up."""

    def __init__(self, kind: str, homes: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._homes = list(homes)
        self._entries: dict[str, Entry[T]] = {}
        self._loading = False
        self._makers: list[Callable[[str], Entry[T] | None]] = []

    def add(self, name: str, value: T, *, summary: str = "", reference: str = "", **details: Any) -> T:
        """Register `value` under `name`; a name is given once (UsageError otherwise)."""
        if name in self._entries:
            raise UsageError(f"the {self.kind} {name!r} is registered already; choose another name or remove() it")
        self._entries[name] = Entry(name, value, summary, reference, details)
        return value

    def register(self, name: str, *, summary: str = "", reference: str = "", **details: Any) -> Callable[[F], F]:
        """Decorator form of `add`; the summary defaults to the docstring's first line."""

        def decorate(value: F) -> F:
            self.add(name, value, summary=summary or first_line(value), reference=reference, **details)  # type: ignore[arg-type]
            return value

        return decorate

    def derived(self, make: Callable[[str], Entry[T] | None]) -> None:
        """Names that stand for something made of registered things: `make(name)` gives its entry, or None for a name
        of another form. Such names can be looked up and are not listed."""
        self._makers.append(make)

    def remove(self, name: str) -> None:
        """Forget a name (tests and notebooks that re-run a registering cell)."""
        self._load_homes()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        del self._entries[name]

    def _load_homes(self) -> None:
        if self._loading:  # a home that looks something up sees the homes before it
            return
        self._loading = True
        try:
            while self._homes:
                importlib.import_module(self._homes[0])
                del self._homes[0]
        finally:
            self._loading = False

    def __getitem__(self, name: str) -> Entry[T]:
        self._load_homes()
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            for make in self._makers if isinstance(name, str) else ():
                entry = make(name)
                if entry is not None:
                    return entry
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except UsageError:
            return False
        return True

    def __iter__(self) -> Iterator[Entry[T]]:
        self._load_homes()
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        self._load_homes()
        return len(self._entries)

    def names(self) -> list[str]:
        """All names, in order of registration."""
        return [entry.name for entry in self]

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self.names())})"

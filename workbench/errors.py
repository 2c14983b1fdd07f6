"""What the workbench raises: one line that says what, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class WorkbenchError(Exception):
    """Work that failed; the command line ends with status 1."""

    exit_status = 1


class UsageError(WorkbenchError, ValueError):
    """A request that cannot be carried out as stated; the command line ends with status 2."""

    exit_status = 2


class UnknownNameError(UsageError, KeyError):
    """A name that no registry, table or dimension holds; the nearest names are offered."""

    def __init__(self, kind: str, name: object, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = difflib.get_close_matches(str(name).lower(), [k.lower() for k in self.known], n=3, cutoff=0.5)
        originals = {k.lower(): k for k in self.known}
        message = f"there is no {kind} {str(name)!r}"
        if near:
            message += "; did you mean " + " or ".join(originals[n] for n in near) + "?"
        elif self.known:
            shown = ", ".join(self.known[:12]) + (", …" if len(self.known) > 12 else "")
            message += f"; known: {shown}"
        else:
            message += f"; no {kind} is known"
        super().__init__(message + (f" {hint}" if hint else ""))

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class UnreadableFileError(WorkbenchError):
    """A file that is not what its name says: unreadable, truncated, empty or too large."""


class AssetError(WorkbenchError):
    """An asset that is missing, has the wrong hash, or cannot be fetched."""


class ClassifierError(WorkbenchError):
    """A network that cannot be loaded, or whose output does not match its labels."""


class LayerError(UsageError):
    """A layer that does not exist, or whose output is not spatial."""


class UnsuitedError(LayerError):
    """An explainer that has no meaning for this network; says what is missing and what to take instead."""


class FrameMismatchError(UsageError):
    """Maps and masks that live in different frames or on grids of different size."""


def whole_numbers(least: int = 0, **given: object) -> None:
    """UsageError, naming it, for one of the arguments that is no whole number of at least `least`."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise UsageError(f"{name}={value!r} should be a whole number, {least} or more")

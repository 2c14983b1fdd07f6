"""Named outputs: what a head is, how heads and labels are stated, and how a module's answer becomes columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from workbench import vocabulary
from workbench.errors import ClassifierError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["softmax", "sigmoid", "linear"]
Labels = str | Iterable[str] | Mapping[str, int] | Mapping[int, str]

KINDS: Mapping[str, Kind] = {"expression": "softmax", "au": "sigmoid", "affect": "linear"}  # by a head's name

_AU = re.compile(r"(?:au)?[\s_-]*0*(\d+)(?:_[rc])?", re.IGNORECASE)  # 12, AU12, au_12, AU06_r


@dataclass(frozen=True)
class Head:
    """One named output: `labels` in output order; softmax (expression), sigmoid (AUs) or linear (affect).

    Raises ClassifierError without labels, or where one stands twice.
    """

    labels: tuple[str, ...]
    kind: Kind = "softmax"

    def __post_init__(self) -> None:
        if not self.labels:
            raise ClassifierError("a head needs at least one label")
        twice = [label for label in self.labels if self.labels.count(label) > 1]
        if twice:
            raise ClassifierError(
                f"the label {twice[0]!r} stands {len(twice)} times among "
                f"{', '.join(self.labels)}; every output needs a name of its own"
            )
        if self.kind not in get_args(Kind):
            raise UsageError(f"a head is softmax, sigmoid or linear, not {self.kind!r}")


def action_unit(label: object) -> str:
    """The FACS number of an action unit as text: "AU12", 12, "au_12", "AU12_r" → "12".

    Raises UnknownNameError for what is no unit of `vocabulary.ACTION_UNITS`.
    """
    match = _AU.fullmatch(str(label).strip())
    if match is None or int(match[1]) not in vocabulary.ACTION_UNITS:
        raise UnknownNameError("action unit", label, [str(number) for number in vocabulary.ACTION_UNITS])
    return str(int(match[1]))


def read_labels(labels: Labels) -> tuple[str, ...]:
    """Labels in output order: a list, a text with commas, or a mapping between name and column.

    Names of expressions are put into the workbench's vocabulary ("Happy" → "happiness"), others ("other", "AU12")
    stay as they are. Raises UsageError for a mapping whose columns are not 0, 1, 2, …
    """
    names = _in_order(labels)
    return tuple(vocabulary.expression(name) if vocabulary.is_expression(name) else name for name in names)


def _in_order(labels: object) -> list[str]:
    if isinstance(labels, str):
        labels = labels.split(",")
    if isinstance(labels, Mapping):
        pairs = [(value, key) if isinstance(value, int) else (int(key), value) for key, value in labels.items()]
        if sorted(column for column, _ in pairs) != list(range(len(pairs))):
            raise UsageError(
                f"the columns of labels must be 0 to {len(pairs) - 1}, each once, not "
                + ", ".join(str(column) for column, _ in pairs)
            )
        labels = [str(name) for _, name in sorted(pairs)]
    if not isinstance(labels, Iterable):
        raise UsageError(f"labels must name every output of the network, in order; {labels!r} was given")
    names = ["" if label is None else str(label).strip() for label in labels]
    if not names or not all(names):
        raise UsageError("labels must name every output of the network, in order; an empty name was given")
    return names


def read_heads(heads: Mapping[str, Any]) -> dict[str, Head]:
    """Heads in the order of the module's columns, from name → labels, `Head`, or {"labels": …, "kind": …}.

    The kind goes by the name: expression softmax, au sigmoid, affect linear; a head of another name must state it.
    Labels of `expression` are put into the vocabulary, those of `au` become FACS numbers, those of `affect` lower
    case. Raises UsageError for a head without a kind, UnknownNameError for an action unit that does not exist.
    """
    if not isinstance(heads, Mapping) or not heads:
        raise UsageError(f"heads are given as name → labels, for example {{'au': ['AU1', 'AU12']}}, not {heads!r}")
    result = {}
    for name, stated in heads.items():
        if not isinstance(name, str) or not name.strip() or ":" in name:
            raise UsageError(f"a head's name is a text without colon, not {name!r}")
        kind: Kind | None = KINDS.get(name)
        labels: Any = stated
        if isinstance(stated, Head):
            labels, kind = stated.labels, stated.kind
        elif isinstance(stated, Mapping) and "labels" in stated:
            labels, kind = stated["labels"], stated.get("kind", kind)
        if kind is None:
            raise UsageError(
                f"the head {name!r} needs a kind: heads={{{name!r}: Head((…), 'softmax' | 'sigmoid' | 'linear')}}; "
                f"only {', '.join(KINDS)} go without one"
            )
        result[name] = Head(_normalised(name, labels), kind)
    return result


def _normalised(head: str, labels: Any) -> tuple[str, ...]:
    if head == "expression":
        return read_labels(labels)
    names = _in_order([labels] if isinstance(labels, int) else labels)
    if head == "au":
        return tuple(action_unit(name) for name in names)
    return tuple(name.lower() for name in names) if head == "affect" else tuple(names)


def collate(raw: object, heads: Mapping[str, Head], owner: str) -> Tensor:
    """(N, columns) float32, the heads' columns one after another, of whatever a module returned.

    Understood are one tensor with all columns; a tuple or list with one tensor a head, in order; a mapping, named
    tuple or dataclass with one tensor under each head's name, or all of these under `logits`. A head of one label may
    give (N,). Raises ClassifierError that says what was found and what was expected.
    """
    import torch

    total = sum(len(head.labels) for head in heads.values())
    if isinstance(raw, torch.Tensor):
        if raw.dim() == 2 and raw.shape[1] == total:
            return raw.float()
        if not (raw.dim() == 1 and total == 1):
            labels = [label for head in heads.values() for label in head.labels]
            raise ClassifierError(
                f"{owner!r} gives {_seen(raw)} for {total} labels; expected (images, {total}), one column each: "
                + ", ".join(labels[:12])
                + (", …" if len(labels) > 12 else "")
            )
        return raw.float()[:, None]
    named = _by_name(raw)
    if "logits" in named and "logits" not in heads and not set(heads) <= set(named):
        raw = named["logits"]
        if isinstance(raw, torch.Tensor):
            return collate(raw, heads, owner)
    parts = _parts(raw, heads)
    if parts is not None:
        parts = [
            part[:, None] if isinstance(part, torch.Tensor) and part.dim() == 1 and len(head.labels) == 1 else part
            for part, head in zip(parts, heads.values(), strict=True)
        ]
        if all(
            isinstance(part, torch.Tensor) and part.dim() == 2 and part.shape[1] == len(head.labels)
            for part, head in zip(parts, heads.values(), strict=True)
        ):
            return torch.cat([part.float() for part in parts], 1)
    wanted = ", ".join(f"{name} (images, {len(head.labels)})" for name, head in heads.items())
    raise ClassifierError(f"{owner!r} gives {_seen(raw)}; expected {wanted}, by name or in this order")


def _parts(raw: object, heads: Mapping[str, Head]) -> list[Any] | None:
    """One part a head; None where they cannot be told."""
    held = _by_name(raw)
    if all(name in held for name in heads):
        return [held[name] for name in heads]
    if isinstance(raw, Sequence) and not isinstance(raw, str) and len(raw) == len(heads):
        return list(raw)
    return None


def _by_name(raw: object) -> Mapping[str, Any]:
    """What a mapping, a named tuple or an object with attributes holds, by name."""
    if isinstance(raw, Mapping):
        return raw
    if hasattr(raw, "_asdict"):
        return dict(raw._asdict())
    return vars(raw) if hasattr(raw, "__dict__") else {}


def _seen(raw: object) -> str:
    """A module's answer in words: shapes, by name where it has names."""
    shape = getattr(raw, "shape", None)
    if shape is not None:
        return str(tuple(shape))
    named = _by_name(raw)
    inner = [f"{name}: {_seen(one)}" for name, one in list(named.items())[:6]]
    if not inner and isinstance(raw, Sequence) and not isinstance(raw, str):
        inner = [_seen(one) for one in raw[:6]]
    return f"{type(raw).__name__} of [{', '.join(inner)}]" if inner else type(raw).__name__

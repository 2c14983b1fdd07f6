"""A network cut into a few blocks of layers, from its input to its head, so that blocks can be started anew in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from workbench.classifiers.classifier import Classifier
from workbench.classifiers.listening import noise, run
from workbench.errors import UnknownNameError, UsageError

MOST = 8  # blocks that are made where none are named

Wanted = int | Sequence[str] | Mapping[str, Sequence[str]] | None


@dataclass(frozen=True)
class Stage:
    """One block: the modules whose own parameters belong to it, and how many numbers these are."""

    name: str
    parts: tuple[str, ...]
    parameters: int


def stages_of(classifier: Classifier, wanted: Wanted = None) -> list[Stage]:
    """The network's blocks in order of execution, the input's first.

    wanted: at most so many (8); or names of modules, each a block with all that lies in it; or block → names of
    modules. Without names, modules are opened while one of them holds more than half of all layers, norms go with the
    layer before them, and neighbours with the fewest layers are joined; the head stays by itself. Raises UsageError
    for a network without parameters, and for a block that has none or shares a part with another; UnknownNameError
    for a module that does not exist.
    """
    order = _in_order(classifier)
    if not order:
        raise UsageError(f"the network {classifier.name!r} has no parameters, so that none can be randomised")
    modules = dict(classifier.module.named_modules())
    if wanted is None or isinstance(wanted, int):
        most = MOST if wanted is None else int(wanted)
        if most < 1:
            raise UsageError(f"stages={most} leaves no block; give 1 or more, or names of modules")
        found = [(group.name, group.parts) for group in _grouped(order, modules, most)]
    else:
        found = _named(wanted, order, modules, classifier.name)
    return [Stage(name, tuple(parts), sum(_size(modules[part]) for part in parts)) for name, parts in found]


@dataclass
class _Group:
    prefix: tuple[str, ...]
    parts: list[str] = field(default_factory=list)
    layers: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        names = self.names or [".".join(self.prefix) or (self.parts[0] if len(self.parts) == 1 else "")]
        return (names[0] or "input tokens") if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _in_order(classifier: Classifier) -> list[str]:
    """Modules with parameters (or norms with statistics) of their own, by their first call; those that are never
    called, because another uses their weights, where the module around them is."""
    called: dict[str, int] = {}
    with torch.no_grad(), _calls(classifier.module, called):
        run(classifier.module, noise(classifier.preprocessing, 2))
    holders = [name for name, part in classifier.module.named_modules() if _holds(part)]

    def place(name: str) -> int:
        while name not in called and name:
            name = name.rpartition(".")[0]
        return called.get(name, -1)

    return sorted(holders, key=place)


@contextmanager
def _calls(module: nn.Module, called: dict[str, int]) -> Iterator[None]:
    def hear(name: str) -> Callable[..., None]:
        def ear(*_: object) -> None:
            called.setdefault(name, len(called))

        return ear

    handles = [part.register_forward_pre_hook(hear(name)) for name, part in module.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _holds(part: nn.Module) -> bool:
    statistics = isinstance(part, nn.modules.batchnorm._NormBase) and any(True for _ in part.buffers(recurse=False))
    return statistics or any(True for _ in part.parameters(recurse=False))


def _size(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters(recurse=False))


def _weighs(part: nn.Module) -> bool:
    return any(parameter.dim() >= 2 for parameter in part.parameters(recurse=False))


def _grouped(order: list[str], modules: Mapping[str, nn.Module], most: int) -> list[_Group]:
    whole = sum(_weighs(modules[name]) for name in order)
    groups = [_Group((), list(order), whole)]
    while True:
        big = max(range(len(groups)), key=lambda i: groups[i].layers)
        inner = _opened(groups[big], modules)
        if len(inner) < 2 or (2 * groups[big].layers <= whole and len(groups) >= min(3, most)):
            break
        groups[big : big + 1] = inner
    for group in groups:
        group.names = [".".join(group.prefix)] if group.prefix else []
    groups = _norms_with_layers(groups)
    while len(groups) > most:
        pairs = range(len(groups) - (2 if len(groups) > 2 else 1))  # the head stays by itself
        at = min(pairs, key=lambda i: groups[i].layers + groups[i + 1].layers)
        _join(groups, at)
    return groups


def _opened(group: _Group, modules: Mapping[str, nn.Module]) -> list[_Group]:
    """A group as the groups one level below, in order of execution."""
    depth = len(group.prefix)
    inner: dict[tuple[str, ...], _Group] = {}
    for name in group.parts:
        path = tuple(name.split(".")) if name else ()
        key = path[: depth + 1]
        inner.setdefault(key, _Group(key)).parts.append(name)
        inner[key].layers += _weighs(modules[name])
    found = list(inner.values())
    if len(found) == 1 and found[0].prefix != group.prefix:
        return _opened(found[0], modules)
    return found


def _norms_with_layers(groups: list[_Group]) -> list[_Group]:
    at = 0
    while len(groups) > 1 and at < len(groups):
        if groups[at].layers:
            at += 1
            continue
        near, own = (at - 1, at) if at else (1, 0)
        name = groups[near].names
        _join(groups, min(near, own))
        groups[min(near, own)].names = name
    return groups


def _join(groups: list[_Group], at: int) -> None:
    one, other = groups[at], groups.pop(at + 1)
    one.names = [*(one.names or [one.name]), *(other.names or [other.name])]
    one.parts, one.layers = one.parts + other.parts, one.layers + other.layers


def _named(
    wanted: Sequence[str] | Mapping[str, Sequence[str]], order: list[str], modules: Mapping[str, nn.Module], owner: str
) -> list[tuple[str, list[str]]]:
    if isinstance(wanted, str):
        wanted = [wanted]
    blocks = dict(wanted) if isinstance(wanted, Mapping) else {name: [name] for name in wanted}
    taken: dict[str, str] = {}
    found = []
    for block, names in blocks.items():
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            if name not in modules:
                raise UnknownNameError(f"module of {owner!r}", name, [known for known in modules if known])
        parts = [part for part in order if any(part == name or part.startswith(f"{name}.") for name in names)]
        if not parts:
            raise UsageError(f"the block {block!r} of {owner!r} has no parameters, so that none can be randomised")
        for part in parts:
            if part in taken:
                raise UsageError(f"the blocks {taken[part]!r} and {block!r} of {owner!r} share {part!r}; name it once")
            taken[part] = block
        found.append((block, parts))
    if not found:
        raise UsageError(f"no block of {owner!r} was named; leave stages away to have them found")
    return sorted(found, key=lambda pair: order.index(pair[1][0]))

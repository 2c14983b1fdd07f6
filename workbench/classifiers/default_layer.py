"""The layer that CAM methods look at by default, chosen from the network itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.classifiers.heads import Head, collate
from workbench.classifiers.layers import Probe, passes_on
from workbench.classifiers.layout import Layout
from workbench.classifiers.listening import listening, noise, run
from workbench.errors import ClassifierError


def default_layer(
    module: nn.Module, preprocessing: Preprocessing, found: Probe, heads: Mapping[str, Head]
) -> tuple[str, str]:
    """(layer, the rule that chose it, in one sentence); "" where there is none.

    The last layer with features whose gradient at the places is not zero for any head, one forward and one backward
    on noise a head. Of layers on the same grid (of all token layers) the last through which everything passes that
    the scores know of the picture is preferred, so that a branch or a part of a block is not taken for the whole.
    Where only other tokens are read at the end (a class token), the last block sees the places through its first norm
    alone: the output of that norm is taken, on which gradient times activation has a meaning; before it the two cancel
    at every place, because the norm does not see a place's scale.
    Left out are pooling and the like, layers that run twice, and a grid whose mean is the class score itself: on it
    every CAM method gives one and the same map.
    """
    if not found.features:
        return "", "no layer holds a grid of places"
    if found.unplaced:
        return "", (
            "tokens follow the last grid whose places could not be told from the network; state layer=, or "
            "tokens=(prefix, height, width)"
        )
    parts = dict(module.named_modules())
    able = [name for name in found.features if found.layouts[name].kind != "tokens" or not _is_norm(parts[name])]
    lively, whole = _flow(module, preprocessing, found, heads, able)
    last = next((name for name in reversed(able) if name in lively), None)
    if last is None:
        grids = [name for name in found.features if found.layouts[name].kind != "tokens"]
        if not grids:
            return "", "no layer with a grid of places has a gradient that is not zero"
        return _name(grids[-1], parts, found), "chosen: the last layer with features on a grid; no gradient reaches it"
    kind, grid = found.layouts[last].kind, found.layouts[last].grid
    chosen = whole or last
    fits = found.layouts[chosen]
    if (fits.kind == "tokens") != (kind == "tokens") or (kind != "tokens" and fits.grid != grid):
        chosen = last
    if kind == "tokens":
        if not set(able[able.index(chosen) :]) - lively:
            return _name(chosen, parts, found), (
                "chosen: the last token block whose gradient at the places of the picture is not zero"
            )
        behind = found.features[found.features.index(chosen) + 1 :][:1]
        if behind and _is_norm(parts[behind[0]]) and behind[0] in lively:
            return _name(behind[0], parts, found), (
                f"chosen: what the last block reads of {_name(chosen, parts, found)!r}, normalised; behind it no "
                "gradient reaches the places of the picture (the scores are read off other tokens)"
            )
        return _name(chosen, parts, found), (
            "chosen: the last token block whose gradient at the places of the picture is not zero (a later one has "
            "none: the scores are read off other tokens)"
        )
    return _name(chosen, parts, found), "chosen: the last layer with features on a grid before pooling"


def _name(layer: str, parts: Mapping[str, nn.Module], found: Probe) -> str:
    """The best of the names under which the same tensor is known: no dropout, no list of blocks around tokens."""
    names = [name for name in found.aliases[layer] if not passes_on(parts[name])] or [layer]
    if found.layouts[layer].kind == "tokens":
        names = [name for name in names if not isinstance(parts[name], nn.Sequential)] or names[:1]
    return names[-1]


def _is_norm(part: nn.Module) -> bool:
    return "norm" in type(part).__name__.lower()


def _flow(
    module: nn.Module, preprocessing: Preprocessing, found: Probe, heads: Mapping[str, Head], able: Sequence[str]
) -> tuple[set[str], str]:
    """Layers with a gradient at their places under every head; and the last of those in `able` that no path from the
    scores to the picture goes around, "" if there is none."""
    nodes: dict[str, Any] = {}
    alive: dict[str, set[str]] = {name: set() for name in found.features}

    def hear(name: str, _part: nn.Module, _inputs: object, output: object) -> None:
        if name in alive and name not in nodes and isinstance(output, Tensor) and output.grad_fn is not None:
            nodes[name] = (output.grad_fn, output.output_nr)

    images = noise(preprocessing, 2).to(found.outputs.device).requires_grad_()
    handles = []
    try:
        with torch.inference_mode(False), torch.enable_grad():
            with listening(module, hear):
                outputs = collate(run(module, images.clone()), heads, "the module")
            if not outputs.requires_grad:
                return set(), ""
            head_now = [""]
            for name, (node, number) in nodes.items():
                layout = found.layouts[name]
                handles.append(node.register_hook(_watch(layout, number, alive[name], head_now)))
            stream = torch.Generator().manual_seed(2)
            parts = outputs.split([len(head.labels) for head in heads.values()], 1)
            for name, part in zip(heads, parts, strict=True):
                head_now[0] = name
                weights = torch.randn(part.shape[1], generator=stream).to(part.device)
                if part.requires_grad:
                    torch.autograd.grad((part @ weights).sum(), images, retain_graph=True, allow_unused=True)
    except (RuntimeError, ClassifierError):  # an operation without a derivative
        return set(), ""
    finally:
        for handle in handles:
            handle.remove()
    lively = {name for name, reached in alive.items() if reached == set(heads)}
    for name in reversed(able):
        if name in lively and _is_passage(outputs.grad_fn, nodes[name][0], images):
            return lively, name
    return lively, ""


def _watch(layout: Layout, number: int, reached: set[str], head_now: list[str]) -> Any:
    """A hook that notes the present head where the gradient at the layer's places is not zero."""

    def hook(_inputs: object, gradients: tuple[Tensor | None, ...]) -> None:
        gradient = gradients[number] if number < len(gradients) else None
        if gradient is not None and layout.fits(gradient.shape) and bool(layout.to_grid(gradient).any()):
            reached.add(head_now[0])

    return hook


def _is_passage(end: Any, node: Any, start: Tensor) -> bool:
    """Whether every path of the graph from `end` back to the leaf `start` goes through `node`."""
    seen, waiting = {end}, [end]
    while waiting:
        one = waiting.pop()
        if one is node:
            continue
        if getattr(one, "variable", None) is start:
            return False
        for following, _ in one.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return True

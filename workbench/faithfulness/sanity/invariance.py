"""Is a map the same for a network that answers the same, but whose input is shifted? (Kindermans et al. 2019)"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from workbench.classifiers.classifier import Classifier
from workbench.errors import UnsuitedError, UsageError
from workbench.explain.native import Options
from workbench.explainers import NativeMaps
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.controls import other_images, unrelated
from workbench.faithfulness.sanity.maps import Question, asked, good, why_not
from workbench.faithfulness.sanity.means import Means
from workbench.faithfulness.sanity.randomising import chance
from workbench.faithfulness.sanity.similarities import DEFAULT, MEASURES, Floats

AGREE: Final = 1e-4  # of the largest output: what float32 may cost where a shift is added and taken away again
EQUAL: Final = 1e-3  # of a map's largest value: maps that differ by less are equal
_SHIFTABLE = (nn.Conv2d, nn.Linear, nn.modules.batchnorm._NormBase)


def input_invariance(
    classifier: Classifier,
    faces: FaceSet,
    explainers: str | Sequence[str],
    *,
    shift: float | Sequence[float] = 1.0,
    target: str = "predicted",
    similarity: Sequence[str] = DEFAULT,
    absolute: bool = False,
    tolerance: float = EQUAL,
    seed: int = 0,
    options: Options | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Maps of the network beside those of its twin, which is fed with shifted inputs and takes the shift back at once.

    shift: what is added to every input value, in the units of the network's inputs; one number, or one for each
    channel. The two networks answer the same to every picture, so their maps must be equal. tolerance: the largest
    difference, as a share of the map's largest value, that still counts as equal.

    Returns `difference` (explainer, image), that share; `similarity` (explainer, measure, image); beside it
    `floor_images` and `smooth_random_*` as in `parameter_randomisation`, `reason` why values are missing, and
    `verdict` (explainer). How far the outputs of the two networks differ is in `attrs["outputs_differ"]`.

    Raises what `shifted_twin` raises. Source: Kindermans et al., The (Un)reliability of Saliency Methods, 2019.
    """
    question = asked(classifier, faces, explainers, target, similarity, absolute, options, seed, progress)
    if isinstance(tolerance, bool) or not 0 < tolerance < 1:
        raise UsageError(f"tolerance={tolerance!r} is no share of a map's largest value; give one such as {EQUAL}")
    twin, differ = shifted_twin(classifier, faces.images, shift)
    maps, others = question.maps(), question.maps(twin)
    found = question.compared(maps, others)
    difference = np.stack([_difference(question, maps[name], others[name]) for name in question.names])
    reasons = [
        [a or b for a, b in zip(why_not(maps[n], "the network"), why_not(others[n], "its shifted twin"), strict=True)]
        for n in question.names
    ]
    chances = [[chance(row) for row in rows] for rows in unrelated(question, maps)]
    means = Means.over(faces, seed)
    verdicts = [
        _verdict(question, means, found[e], difference[e], tolerance, next(filter(None, reasons[e]), ""))
        for e in range(len(question.names))
    ]
    per_image, one = ("explainer", "measure", "image"), ("explainer", "measure")
    return xr.Dataset(
        {
            "difference": (("explainer", "image"), difference),
            "similarity": (per_image, found),
            "floor_images": (per_image, other_images(question, maps)),
            **{
                f"smooth_random_{at}": (one, np.array([[getattr(c, at) for c in row] for row in chances]))
                for at in ("mean", "low", "high")
            },
            "reason": (("explainer", "image"), np.array(reasons, dtype=str)),
            "verdict": ("explainer", np.array(verdicts, dtype=str)),
        },
        coords={
            "explainer": list(question.names),
            "measure": list(question.measures),
            "image": faces.names,
            "subject": ("image", faces.table["subject"].to_numpy(str)),
        },
        attrs={
            "check": "input invariance",
            "model": classifier.name,
            "target": target,
            "shift": str(shift),
            "tolerance": tolerance,
            "outputs_differ": differ,
            "measures": "; ".join(f"{name}: {MEASURES[name].summary}" for name in question.measures),
        },
    )


def shifted_twin(
    classifier: Classifier, images: np.ndarray, shift: float | Sequence[float] = 1.0
) -> tuple[Classifier, float]:
    """The network whose inputs are shifted and whose first layer takes the shift back, and how far outputs differ.

    The first layer (convolution, dense, norm) loses what the shift adds to its output, in its bias; where zero padding
    makes that differ from place to place, place by place. images: crops (N, S, S, 3) on which both are compared; the
    difference is a share of the largest output. Raises UnsuitedError where the first layer with parameters is of
    another kind, or where the outputs differ by more than 1e-4; UsageError for a shift that is none.
    """
    wanted = classifier.preprocessing
    moves = (
        np.broadcast_to(np.asarray(shift, np.float64), (wanted.channels,)) if np.ndim(shift) == 0 else np.array(shift)
    )
    if moves.shape != (wanted.channels,) or not np.isfinite(moves).all() or not np.any(moves):
        raise UsageError(f"shift={shift!r} is none; give a number other than 0, or one for each of {wanted.channels}")
    mean, std = (np.broadcast_to(np.array(values), (wanted.channels,)) for values in (wanted.mean, wanted.std))
    prepared = replace(wanted, mean=tuple((mean - moves * std).tolist()), std=tuple(std.tolist()))
    module = copy.deepcopy(classifier.module)
    name, layer, plain, moved = _first(classifier, module, moves)
    _take_back(module, name, layer, moved - plain)
    twin = replace(classifier, name=f"{classifier.name}-shifted", module=module, preprocessing=prepared)
    twin = twin.knowing(classifier.layouts)
    before, after = (one.logits(one.inputs(images)) for one in (classifier, twin))
    differ = float((before - after).abs().max() / before.abs().max().clamp_min(1e-12))
    if not differ <= AGREE:
        raise UnsuitedError(
            f"the shift of the input of {classifier.name!r} cannot be taken back in its first layer {name!r}: outputs "
            f"differ by {differ:.1g} of the largest; a network is needed whose first layer sees the input itself"
        )
    return twin, differ


def _first(classifier: Classifier, module: nn.Module, moves: np.ndarray) -> tuple[str, nn.Module, Tensor, Tensor]:
    """The first layer with parameters to run, and its outputs for an input of zeros and for the shift alone."""
    heard: list[tuple[str, nn.Module, Tensor]] = []

    def ear(name: str) -> Any:
        def hear(part: nn.Module, _: Any, output: Any) -> None:
            if any(True for _ in part.parameters(recurse=False)) and isinstance(output, Tensor):
                heard.append((name, part, output.detach().clone()))

        return hear

    handles = [part.register_forward_hook(ear(name)) for name, part in module.named_modules() if name]
    size = (1, classifier.preprocessing.channels, *classifier.preprocessing.size)
    zeros = torch.zeros(size, device=classifier.device).contiguous(memory_format=classifier.memory_format)
    try:
        outputs = []
        for added in (np.zeros_like(moves), moves):
            heard.clear()
            with torch.no_grad():
                module(zeros + zeros.new_tensor(added).view(1, -1, 1, 1))
            outputs.append(heard[0] if heard else None)
    finally:
        for handle in handles:
            handle.remove()
    if outputs[0] is None or outputs[1] is None or not isinstance(outputs[0][1], _SHIFTABLE):
        what = "none" if outputs[0] is None else f"{outputs[0][0]!r}, a {type(outputs[0][1]).__name__}"
        raise UnsuitedError(
            f"a shift of the input of {classifier.name!r} is taken back in a convolution, dense layer or norm that "
            f"comes first; its first layer with parameters is {what}"
        )
    name, layer, plain = outputs[0]
    return name, layer, plain, outputs[1][2]


def _take_back(module: nn.Module, name: str, layer: nn.Module, added: Tensor) -> None:
    """Subtract from the layer's output what the shift added, in its bias where that is one number a channel."""
    channels = 1 if added.dim() > 2 else added.dim() - 1
    others = [d for d in range(added.dim()) if d != channels]
    level = added.mean(others, keepdim=True)
    even = bool(torch.allclose(added, level.expand_as(added), rtol=1e-5, atol=1e-6 * float(added.abs().max())))
    if even and not isinstance(layer, nn.modules.batchnorm._NormBase) and len(level.flatten()) == _width(layer):
        bias = dict(layer.named_parameters(recurse=False)).get("bias")
        before = torch.zeros_like(level.flatten()) if bias is None else bias.detach()
        layer.bias = nn.Parameter(before - level.flatten(), requires_grad=False)
        return
    kind = type(layer)

    def forward(self: nn.Module, *inputs: Tensor) -> Tensor:
        made: Tensor = kind.forward(self, *inputs)
        return made - self.get_buffer("taken_back")

    layer.register_buffer("taken_back", added, persistent=False)
    layer.__class__ = type(f"Shifted{kind.__name__}", (kind,), {"forward": forward})


def _width(layer: nn.Module) -> int:
    return int(getattr(layer, "out_channels", getattr(layer, "out_features", -1)))


def _difference(question: Question, one: NativeMaps, other: NativeMaps) -> Floats:
    found = np.full(len(one), np.nan)
    if one.values.shape != other.values.shape:
        return found
    both = good(one) & good(other)
    a, b = question.read(one)[both], question.read(other)[both]
    found[both] = np.abs(a - b).max((1, 2)) / np.abs(a).max((1, 2))
    return found


def _verdict(question: Question, means: Means, found: Floats, difference: Floats, tolerance: float, reason: str) -> str:
    known = difference[np.isfinite(difference)]
    if not len(known):
        return f"not testable: {reason or 'no image has a map of both networks'}"
    lost = len(difference) - len(known)
    missing = f"; {lost} of {len(difference)} images without both maps" if lost else ""
    if known.max() <= tolerance:
        return f"invariant: maps differ by at most {known.max():.1g} of their largest value{missing}"
    name = question.measures[0]
    mean = means.of(found[0], (MEASURES[name].low, 1.0))
    short = f" ({mean.reason})" if mean.reason and mean.images else ""
    return (
        f"not invariant: in {(known > tolerance).sum()} of {len(known)} images maps differ by more than {tolerance:g} "
        f"of their largest value, by {np.median(known):.2g} in the median; {name} {mean}{short}{missing}"
    )

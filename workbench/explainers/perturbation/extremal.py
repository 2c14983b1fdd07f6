"""Extremal perturbation: the smooth mask of a given area that keeps the score highest, found by gradient ascent.

Its own engine: masks are not drawn and asked about once, as in the designs, but follow the score's gradient step by
step. Each score of each face is optimised by itself, and all its areas together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import (
    FLAT,
    Explainer,
    Job,
    NativeMaps,
    Request,
    add,
    checked,
    checks_of,
    options_of,
    statuses,
)
from workbench.explainers.passes import pass_length, streamed
from workbench.explainers.perturbation.fills import check_fill, fill
from workbench.explainers.spaces import check_space, scores

if TYPE_CHECKING:
    import torch

    Answer = Callable[[torch.Tensor, torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor]]

ENGINE: Final = __name__
SHARED: Final = {"fill": "blur", "space": "logit"}
COLDNESS: Final = 20.0  # of the smooth maximum
PULL: Final = (30.0, 300.0)  # weight of the area's loss at the first and the last step; it grows geometrically
PATH: Final = 5.0  # Adam's rate times the steps; rate and weights by trial: no mask below the best disc for 6 faces
SCAN: Final = 7  # places a side that the first look tries
TOGETHER: Final = 8  # masks in one pass on a CPU, always, so that the last bit depends on nothing else


def _check_masks(areas: str, smoothness: float) -> None:
    parsed(areas)
    _check_smoothness(smoothness)


@checked(_check_masks)
def extremal_perturbation(
    answer: Answer,
    size: tuple[int, int],
    targets: int,
    stream: np.random.Generator,
    *,
    areas: str = "0.05, 0.1, 0.2",
    steps: int = 100,
    smoothness: float = 0.094,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth masks of the stated areas that keep the score highest when all else is hidden; their mean.

    answer(masks (K, H, W), rows (K,), slope) → score (K,) of target rows[k] under mask k, and its gradient (K, H, W),
    or zeros without `slope`. areas: shares of the picture, separated by commas. smoothness: radius of the smallest
    blob, as a share of the side. Returns maps (targets, h, w) in [0, 1], the mean over the areas, and (targets,) where
    no mask moves the score.

    As in the paper, a mask is the smooth max-convolution of a coarse grid with a radial kernel, and the area is held
    by a loss on the sorted mask, whose weight grows from step to step. Other than there: the ascent starts from what a
    soft disc of that area keeps of the score at 7 × 7 places; from the whole picture it often ended below the best
    disc. The score is measured in units of the largest change seen so far, so that the unit of the logits does not
    matter. Adam stands in place of plain momentum, and a mask mixes picture and fill linearly. UsageError for an area
    outside (0, 1) or smoothness outside (0, 1].
    """
    import torch

    wanted = parsed(areas)
    smooth = SmoothMasks(size, smoothness)
    rows = torch.arange(targets).repeat_interleave(len(wanted))
    sorted_mask = _sorted_masks(wanted, smooth.pixels).repeat(targets, 1)
    ends = torch.cat([torch.zeros(targets, *size), torch.ones(targets, *size)])
    hidden, shown = answer(ends, torch.arange(targets).repeat(2), False)[0].split(targets)
    hidden, reach = hidden[rows], (shown - hidden).abs()[rows]
    largest, moved = torch.maximum(shown.abs()[rows], hidden.abs()[rows]), torch.zeros(len(rows), dtype=torch.bool)

    noise = 1 - 0.01 * stream.random((len(wanted), *smooth.cells), dtype=np.float32)  # no two cells alike: ranks
    cells = first_look(answer, size, targets, wanted, smooth.cells, 1.6 * smoothness)
    cells = (cells * torch.from_numpy(noise).repeat(targets, 1, 1)).requires_grad_()
    ascent = torch.optim.Adam([cells], lr=min(0.5, PATH / steps), betas=(0.9, 0.99))
    for step in range(steps):
        pull = PULL[0] * (PULL[1] / PULL[0]) ** (step / max(1, steps - 1))
        masks = smooth(cells)
        large = enlarged(masks, size)
        found, gradient = answer(large.detach(), rows, True)
        reach = torch.maximum(reach, (found - hidden).abs())
        largest = torch.maximum(largest, found.abs())
        moved |= gradient.flatten(1).abs().amax(1) != 0  # also where it is NaN
        unit = torch.where(reach > 0, reach, 1)[:, None, None]
        misfit = ((masks.flatten(1).sort(1).values - sorted_mask) ** 2).mean(1)
        ascent.zero_grad()
        (pull * misfit.sum() - (large * gradient / unit).sum()).backward()
        ascent.step()
        with torch.no_grad():
            cells.clamp_(0, 1)
    with torch.no_grad():
        maps = smooth(cells).unflatten(0, (targets, len(wanted))).mean(1)
    silent = (~moved | (reach <= FLAT * largest)).unflatten(0, (targets, len(wanted))).all(1)
    return torch.where(silent[:, None, None], 0, maps), silent


def first_look(
    answer: Answer, size: tuple[int, int], targets: int, areas: list[float], cells: tuple[int, int], rim: float
) -> torch.Tensor:
    """How much of each score a disc of each area keeps, from place to place: (targets · areas, rows, columns), from
    0.05 at the worst of `SCAN` × `SCAN` places to 1 at the best, bilinear between them. A disc fades over `rim`, a
    share of the side."""
    import torch

    down, across = ((torch.arange(side) + 0.5) / side for side in size)
    places = (torch.arange(SCAN) + 0.5) / SCAN
    apart = torch.hypot(
        (down[None] - places[:, None])[:, None, :, None], (across[None] - places[:, None])[None, :, None, :]
    ).flatten(0, 1)
    kept = []
    for target in range(targets):
        for area in areas:
            discs = (((area / math.pi) ** 0.5 - apart) / rim + 0.5).clamp(0, 1)
            found = answer(discs, torch.full((len(discs),), target), False)[0]
            spread = found.max() - found.min()
            kept.append(torch.where(spread > 0, 0.05 + 0.95 * (found - found.min()) / spread, 1))
    return enlarged(torch.stack(kept).unflatten(1, (SCAN, SCAN)), cells)


def _check_smoothness(smoothness: float) -> None:
    if not 0 < smoothness <= 1:
        raise UsageError(f"option smoothness={smoothness} is a share of the picture's side; give one such as 0.094")


class SmoothMasks:
    """Masks (K, h, w) on a grid twice as fine as the cells (K, rows, columns) in [0, 1] that they are made of.

    m(u) = smax_v k(|u − v|) · cell(v): the smooth maximum, Σ f e^{cf} / Σ e^{cf} with coldness c, over the cells v
    around u. The kernel k(z) = exp(−2 max(0, z − ½)²), z in units of `smoothness` sides, is flat to half a unit, so
    that no blob is smaller than that. Outside the picture all cells are 0.
    """

    def __init__(self, size: tuple[int, int], smoothness: float) -> None:
        import torch

        _check_smoothness(smoothness)
        fine = math.ceil(1.5 / smoothness)
        self.cells = (max(2, min(fine, size[0] // 2)), max(2, min(fine, size[1] // 2)))
        units = [smoothness * count for count in self.cells]  # the kernel's unit, in cells
        down, across = (
            min(count - 1, max(1, math.ceil(1.75 * unit))) for count, unit in zip(self.cells, units, strict=True)
        )
        self._reach = (down, across)
        distance = [
            (torch.arange(-reach, reach + 1)[None] - torch.tensor([[-0.25], [0.25]])) / unit
            for reach, unit in zip(self._reach, units, strict=True)
        ]
        apart = torch.hypot(distance[0][:, None, :, None], distance[1][None, :, None, :])
        self._kernel = torch.exp(-2 * (apart - 0.5).clamp(min=0) ** 2).reshape(4, -1)  # (places in a cell, neighbours)

    @property
    def pixels(self) -> int:
        """Pixels of one mask."""
        return 4 * self.cells[0] * self.cells[1]

    def __call__(self, cells: torch.Tensor) -> torch.Tensor:
        """The masks of these cells; differentiable."""
        from torch.nn import functional

        window = (2 * self._reach[0] + 1, 2 * self._reach[1] + 1)
        near = functional.unfold(cells[:, None], window, padding=self._reach)[:, None]
        values = near * self._kernel.to(cells)[None, :, :, None]
        masks = (values * (COLDNESS * values).softmax(2)).sum(2)
        return functional.pixel_shuffle(masks.unflatten(2, self.cells), 2)[:, 0]


def parsed(areas: str) -> list[float]:
    """Areas from their text, such as "0.05, 0.1"; UsageError for one that is no share between 0 and 1."""
    try:
        found = [float(part) for part in areas.replace(",", " ").split()]
    except ValueError:
        found = []
    if not found or not all(0 < area < 1 for area in found):
        raise UsageError(f"option areas={areas!r} is a list of shares between 0 and 1; give one such as '0.05, 0.1'")
    return found


def enlarged(masks: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Masks (K, h, w) at the network's input size, bilinearly (K, H, W); differentiable."""
    from torch.nn import functional

    return functional.interpolate(masks[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _sorted_masks(areas: list[float], pixels: int) -> torch.Tensor:
    """The values (A, pixels), in ascending order, of a binary mask of each area; one pixel may be in between."""
    import torch

    return (torch.arange(pixels)[None] + 1 - pixels * (1 - torch.tensor(areas)[:, None])).clamp(0, 1)


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """Face by face and, on a CPU, target by target, so that neither can change the other's last bit."""
    import torch

    from workbench.explainers._capture import borrowed

    for _, options in group:
        check_fill(options["fill"])
        check_space(options["space"])
    maps: list[list[list[np.ndarray]]] = [[[] for _ in range(job.targets)] for _ in group]
    silent: list[list[list[bool]]] = [[[] for _ in range(job.targets)] for _ in group]
    with borrowed(job.classifier.module) as module, torch.inference_mode(False), torch.enable_grad():
        for index in range(len(job.images)):
            inputs = job.inputs(slice(index, index + 1))
            size = (inputs.shape[2], inputs.shape[3])
            together = job.targets if inputs.device.type == "cuda" else 1
            for place, (explainer, options) in enumerate(group):
                hidden = fill(options["fill"], job, index, inputs)
                for first in range(0, job.targets, together):
                    weights = torch.as_tensor(job.weights[index, first : first + together]).to(inputs)
                    answer = _answering(job, module, inputs, hidden, weights, options["space"])
                    stream = job.stream(index, explainer.name)
                    found, still = explainer.method(answer, size, len(weights), stream, **explainer.own(options))
                    for offset in range(len(weights)):
                        maps[place][first + offset].append(found[offset].numpy())
                        silent[place][first + offset].append(bool(still[offset]))
            job.advance(1)
    return [
        [
            NativeMaps(values, statuses(values, np.array(silent[place][target]), "zero-gradient"), "", dict(options))
            for target in range(job.targets)
            for values in [np.stack(maps[place][target]).astype(np.float32)]
        ]
        for place, (_, options) in enumerate(group)
    ]


def _answering(
    job: Job,
    module: torch.nn.Module,
    inputs: torch.Tensor,
    hidden: torch.Tensor,
    weights: torch.Tensor,
    space: str,
) -> Answer:
    """The network's answers about one picture (1, C, H, W): scores under masks, and their gradients, on the CPU."""
    import torch

    from workbench.explainers._capture import laid_like

    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), inputs.dtype)

    def answer(masks: torch.Tensor, rows: torch.Tensor, slope: bool) -> tuple[torch.Tensor, torch.Tensor]:
        def work(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
            leaf = masks[part].to(inputs).detach().requires_grad_(slope)
            mixed = torch.lerp(hidden, inputs, leaf[:, None]).to(kind)
            outputs = job.classifier.outputs_of(module(laid_like(mixed, inputs)))
            found = scores(outputs, weights[rows[part].to(weights.device)], job.classifier, space)
            taken = torch.autograd.grad(found.sum(), leaf, allow_unused=True)[0] if found.requires_grad else None
            return found.detach().float().cpu(), (torch.zeros_like(leaf) if taken is None else taken).float().cpu()

        length = pass_length(inputs, gradients=True) if inputs.device.type == "cuda" else TOGETHER
        found, slopes = zip(*(made for _, made in streamed(work, len(masks), length)), strict=True)
        return torch.cat(found), torch.cat(slopes)

    return answer


add(
    Explainer(
        "extremal_perturbation",
        extremal_perturbation,
        "perturbation",
        options={**options_of(extremal_perturbation), **SHARED},
        shared=tuple(SHARED),
        engine=ENGINE,
        cost="450 forwards and 300 backwards a target",
        expensive=True,
        checks=(check_space, check_fill, *checks_of(extremal_perturbation)),
    ),
    reference="Fong, Patrick & Vedaldi, ICCV 2019, section 3: area constraint by vecsort, smooth max-convolution",
)

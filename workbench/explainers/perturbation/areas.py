"""Named areas of a face, action units or face regions, as the features of a game."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation import coalitions
from workbench.explainers.perturbation.plan import Plan, Scene

if TYPE_CHECKING:
    import torch

REST = "rest"
OPAQUE = -30.0  # natural logarithm of what shines through a mask of 1; e^-30 is nothing beside a float32 of 1


@checked(coalitions.at_least(4))
def areas(scene: Scene, *, regions: str = "facs-au", samples: int = 2048) -> Plan:
    """Coalitions of the regions of the mask set `regions`, drawn onto this face, and of the "rest" of the picture.

    Regions m_p may be soft and overlap: hiding several lets through what each lets through, Π (1 − m_p) over the
    hidden ones. The rest is what no region covers, R = Π_p (1 − m_p); hiding it takes R away, so that nothing shown is
    nothing at all. With z the coalition: shown = Π_p (1 − (1 − z_p) m_p) − (1 − z_rest) R. All 2^P coalitions where
    `samples` allow that (P = regions + 1), so that Shapley values are exact, else a draw from the Shapley kernel.
    """
    names, found = scene.regions(regions)
    masks = np.asarray(found, np.float32)
    if not len(masks):
        raise UsageError(f"option regions={regions!r} names a mask set without regions; choose another")
    features, weights = coalitions.kernel(len(masks) + 1, samples, scene.stream)
    return overlapping(scene, masks, features, names=[*names, REST], weights=weights)


def overlapping(
    scene: Scene, masks: np.ndarray, features: np.ndarray, *, names: list[str], weights: np.ndarray | None = None
) -> Plan:
    """The plan that shows soft regions (P − 1, H, W) in [0, 1] and their rest as features (count, P) 0/1 say."""
    import torch

    if masks.min() < 0 or masks.max() > 1:
        raise UsageError(f"regions have values from {masks.min():g} to {masks.max():g}; they must lie in [0, 1]")
    through = 1 - masks.astype(np.float64)
    rest = through.prod(0)
    with np.errstate(divide="ignore"):
        veils = torch.from_numpy(np.maximum(np.log(through), OPAQUE).astype(np.float32)).flatten(1).to(scene.device)
    behind = torch.from_numpy(rest.astype(np.float32)).flatten().to(scene.device)
    hidden = torch.from_numpy(1 - features).float().to(scene.device)

    def draw(start: int, stop: int) -> torch.Tensor:
        part = hidden[start:stop]
        shown = torch.exp(part[:, :-1] @ veils) - part[:, -1:] * behind
        return shown.clamp_(0, 1).reshape(-1, *scene.size)

    cover = np.concatenate([masks, rest[None].astype(np.float32)])
    return Plan(scene.size, len(features), draw, features=features, regions=cover, names=names, weights=weights)

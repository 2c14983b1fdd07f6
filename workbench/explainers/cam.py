"""Class activation maps: the engine reads one layer once; a method is a pure function of what was read.

A method maps activations A and gradients G = dS/dA, both (N, C, h, w), and scores S (N,) to maps (N, h, w) at the
layer's own resolution. Maps are raw and signed: the final ReLU of the papers is left to whoever normalises (the
positive part is taken there), so that scale and sign are not lost here. A ReLU *inside* a weight stays, it is the
method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.explainers.explainer import Explainer, Function, Job, NativeMaps, Request, add, options_of, statuses

if TYPE_CHECKING:
    import torch

BATCH = 16


def cam_method(name: str, *, reference: str, summary: str = "") -> Callable[[Function], Function]:
    """Register `(activations, gradients, scores, *, options) -> maps`; option `layer` ("" = `cam_layer`) is added."""

    def decorate(function: Function) -> Function:
        add(
            Explainer(
                name,
                function,
                "cam",
                options={"layer": "", **options_of(function)},
                shared=("layer",),
                cost="1 forward, shared by all CAM methods",
            ),
            summary=summary,
            reference=reference,
        )
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> dict[str, NativeMaps]:
    """One forward and one backward down to the layer for each batch, whatever the number of methods."""
    import torch

    from workbench.explainers._capture import view

    layer = group[0][1]["layer"] or job.classifier.cam_layer
    maps: dict[str, list[np.ndarray]] = {explainer.name: [] for explainer, _ in group}
    silent = []
    for start in range(0, len(job.images), BATCH):
        part = slice(start, start + BATCH)
        seen = view(job.classifier, layer, job.classifier.inputs(job.images[part]), torch.as_tensor(job.targets[part]))
        silent.append(seen.silent.cpu().numpy())
        for explainer, options in group:
            found = explainer.method(seen.activations, seen.gradients, seen.scores, **explainer.own(options))
            if found.shape != (seen.activations.shape[0], *seen.activations.shape[2:]):
                raise ValueError(f"{explainer.name} gave maps of shape {tuple(found.shape)}; expected (N, h, w)")
            maps[explainer.name].append(found.float().cpu().numpy())
        job.advance(len(job.images[part]))
    result = {}
    for explainer, options in group:
        values = np.concatenate(maps[explainer.name])
        status = statuses(values, np.concatenate(silent), "zero-gradient")
        result[explainer.name] = NativeMaps(values, status, layer, options)
    return result


@cam_method("grad_cam", reference="Selvaraju et al., ICCV 2017, eq. 1–2: w_c = mean_ij G, L = Σ_c w_c A_c")
def grad_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their mean gradient."""
    return (gradients.mean((2, 3), keepdim=True) * activations).sum(1)


@cam_method(
    "grad_cam_pp",
    reference="Chattopadhyay et al., WACV 2018, eq. 10 and 19: α = G² / (2G² + Σ_ab A_ab G³), w_c = Σ_ij α ReLU(G)",
)
def grad_cam_pp(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their positive gradients, each place by its share α in the class score.

    The paper's closed form holds for Y = exp(S) of a score S that is piecewise linear in A. There α reduces to
    1 / (2 + G Σ_ab A_ab) wherever G ≠ 0, which does not underflow. The common factor exp(S) of each image is left
    out: it only scales the map, and overflows.
    """
    share = 2 + gradients * activations.sum((2, 3), keepdim=True)
    alpha = (share != 0) / share.where(share != 0, 1.0)
    return ((alpha * gradients.relu()).sum((2, 3), keepdim=True) * activations).sum(1)


@cam_method("layer_cam", reference="Jiang et al., IEEE TIP 2021, eq. 6–7: L = Σ_c ReLU(G) A")
def layer_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Each place of each channel weighted by its own positive gradient."""
    return (gradients.relu() * activations).sum(1)


@cam_method("hires_cam", reference="Draelos & Carin, arXiv 2011.08891, eq. 5: L = Σ_c G A")
def hires_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Gradient times activation, summed over channels; equals grad_cam on a pooling-and-linear head."""
    return (gradients * activations).sum(1)


@cam_method("grad_cam_elementwise", reference="pytorch-grad-cam, GradCAMElementWise: L = Σ_c ReLU(G A)")
def grad_cam_elementwise(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Gradient times activation, only its positive terms, summed over channels."""
    return (gradients * activations).relu().sum(1)


@cam_method("x_grad_cam", reference="Fu et al., BMVC 2020, eq. 7: w_c = Σ_ij G A / Σ_ij A, L = Σ_c w_c A_c")
def x_grad_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their gradient averaged over their own activation; an empty channel has weight 0."""
    total = activations.sum((2, 3), keepdim=True)
    weights = (gradients * activations).sum((2, 3), keepdim=True) / total.where(total != 0, 1.0)
    return (weights * (total != 0) * activations).sum(1)


@cam_method("eigen_cam", reference="Muhammad & Yeasin, IJCNN 2020: projection of A on its first right singular vector")
def eigen_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The layer's first principal component, uncentred; knows no class, and its sign is chosen to sum positive."""
    import torch

    places = activations.flatten(2).transpose(1, 2).double()  # (N, hw, C); the smaller of its Gram matrices is enough
    if places.shape[1] <= places.shape[2]:
        values, vectors = torch.linalg.eigh(places @ places.transpose(1, 2))
        projected = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(places.transpose(1, 2) @ places)
        projected = (places @ vectors[:, :, -1:])[:, :, 0]
    projected = projected * torch.where(projected.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return projected.reshape(len(activations), *activations.shape[2:])

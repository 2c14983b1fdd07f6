"""Principal components of what a layer gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.cam.engine import cam_method
from workbench.explainers.explainer import checked

if TYPE_CHECKING:
    import torch

KERNELS = ("sigmoid", "rbf")


def _check_kernel(kernel: str) -> None:
    if kernel not in KERNELS:
        raise UsageError(f"option kernel={kernel!r} of 'kpca_cam' is not known; choose one of {', '.join(KERNELS)}")


DENSE = 512  # up to this size a direct method is sure and fast; beyond it, Lanczos


@cam_method(
    "eigen_cam",
    reference="Muhammad & Yeasin, IJCNN 2020: projection of A on its first right singular vector",
    classless=True,
)
def eigen_cam(
    activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor, *, centred: bool = False
) -> torch.Tensor:
    """The layer's first principal component; knows no class, and its sign is chosen to sum positive.

    centred: subtract each channel's mean first (not in the paper). Then every map sums to 0, and its sign is chosen
    to follow the places' squared length.
    """
    places = _places(activations)
    if centred:
        length = places.square().sum(2)
        return _grid(_first_component(places - places.mean(1, keepdim=True), length), activations)
    return _grid(_first_component(places, None), activations)


@cam_method(
    "eigen_grad_cam",
    reference="pytorch-grad-cam, EigenGradCAM: first principal component of G · A, centred",
)
def eigen_grad_cam(
    activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor, *, centred: bool = True
) -> torch.Tensor:
    """First principal component of gradient times activation; its sign follows hires_cam, Σ_c G A.

    Where that is empty, its sign follows the positive terms. centred: subtract each channel's mean first, so that
    every map sums to 0.
    """
    places = _places(gradients * activations)
    evidence = places.sum(2) + 1e-3 * places.relu().sum(2)
    if centred:
        places, evidence = places - places.mean(1, keepdim=True), evidence - evidence.mean(1, keepdim=True)
    return _grid(_first_component(places, evidence), activations)


@cam_method(
    "kpca_cam",
    reference="Karmani et al., arXiv 2410.00267: first kernel principal component of the places' activations",
    classless=True,
)
@checked(_check_kernel)
def kpca_cam(
    activations: torch.Tensor,
    gradients: torch.Tensor,
    scores: torch.Tensor,
    *,
    kernel: str = "sigmoid",
    gamma: float = 0.0,
) -> torch.Tensor:
    """First kernel principal component of the layer; knows no class, its sign follows the places' squared length.

    kernel: "sigmoid", tanh(γ a·b + 1), or "rbf", exp(−γ |a − b|²), between places with each channel's mean
    subtracted; the kernel matrix is centred. gamma: γ, or 0 for 1 / number of channels. Raises UsageError for
    another kernel.
    """
    import torch

    _check_kernel(kernel)
    places = _places(activations).double()  # where tanh saturates, what is left of the kernel is small
    length = places.square().sum(2)
    places = places - places.mean(1, keepdim=True)
    gamma = gamma or 1 / places.shape[2]
    products = places @ places.transpose(1, 2)
    if kernel == "sigmoid":
        matrix = torch.tanh(gamma * products + 1)
    else:
        own = products.diagonal(dim1=1, dim2=2)
        matrix = torch.exp(-gamma * (own[:, :, None] + own[:, None, :] - 2 * products).clamp(min=0))
    matrix = matrix - matrix.mean(1, keepdim=True) - matrix.mean(2, keepdim=True) + matrix.mean((1, 2), keepdim=True)
    values, vectors = _leading(matrix)
    return _grid(_signed(vectors * values.clamp(min=0).sqrt()[:, None], length), activations)


def _places(grid: torch.Tensor) -> torch.Tensor:
    """(N, C, h, w) → (N, places, C)."""
    return grid.flatten(2).transpose(1, 2)


def _grid(projected: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return projected.reshape(len(like), *like.shape[2:])


def _first_component(places: torch.Tensor, along: torch.Tensor | None) -> torch.Tensor:
    """Projections (N, P) of rows (N, P, C) on their first right singular vector, by the smaller Gram matrix."""
    if places.shape[1] <= places.shape[2]:
        values, vectors = _leading((places @ places.transpose(1, 2)).double())
        projected = vectors * values.clamp(min=0).sqrt()[:, None]
    else:
        _, vectors = _leading((places.transpose(1, 2) @ places).double())
        projected = (places.double() @ vectors[:, :, None])[:, :, 0]
    return _signed(projected, along)


def _signed(projected: torch.Tensor, along: torch.Tensor | None) -> torch.Tensor:
    """The sign that an eigenvector leaves open: that of the sum, or of the covariance with `along` (N, P)."""
    import torch

    if along is None:
        agreement = projected.sum(1, keepdim=True)
    else:
        agreement = (projected * (along - along.mean(1, keepdim=True))).sum(1, keepdim=True)
    return projected * torch.where(agreement < 0, -1.0, 1.0)


def _leading(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Largest eigenvalue (N,) and its unit vector (N, n) of symmetric matrices (N, n, n); NaN where not finite."""
    import torch

    finite = torch.isfinite(matrix).flatten(1).all(1)
    matrix = matrix.where(finite[:, None, None], 0.0)
    if matrix.device.type != "cpu":
        every, all_vectors = torch.linalg.eigh(matrix)
        values, vectors = every[:, -1], all_vectors[:, :, -1]
    else:
        found = [_leading_of(one) for one in matrix.numpy()]
        values = torch.from_numpy(np.array([value[0] for value, _ in found]))
        vectors = torch.from_numpy(np.array([vector[:, 0] for _, vector in found]))
    return values, vectors.where(finite[:, None], torch.nan)


def _leading_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last eigenpair alone: a quarter of the time that all of them take."""
    size = len(matrix)
    if size <= DENSE:
        from scipy.linalg import eigh

        pair: tuple[np.ndarray, np.ndarray] = eigh(matrix, subset_by_index=(size - 1, size - 1), check_finite=False)
        return pair
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).standard_normal(size)
    values, vectors = eigsh(matrix, k=1, which="LA", v0=start)
    return values, vectors

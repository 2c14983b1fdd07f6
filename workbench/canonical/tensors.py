"""The warp on a torch device: the same sampling as in `sampling`, for tensors, differentiable in the maps.

torch is imported only where a tensor is at hand.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

_EDGE = 1e-6


def is_tensor(value: Any) -> bool:
    """Whether this is a torch tensor (False where torch was never imported)."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_numpy(value: Any) -> np.ndarray:
    """An array, fetched from its device where it is a tensor."""
    return value.detach().cpu().numpy() if is_tensor(value) else np.asarray(value)


def warp(weights: Any, domain: np.ndarray, points: np.ndarray, maps: Any, factor: np.ndarray | None) -> Any:
    """Tensor of maps (F, K, h, w) → (F, K, height, width) float32 on its device.

    weights: (n, P) sparse with three entries a row; points: (F, P, 2) shares of the crops; factor: (F, n) or None.
    Bilinear between pixel centres, edges repeated; NaN outside the crop, 0 outside the domain.
    """
    import torch
    from torch.nn import functional

    device = maps.device
    faces, count = maps.shape[:2]
    n = weights.shape[0]
    corners = torch.as_tensor(weights.indices.reshape(n, 3), device=device).long()
    parts = torch.as_tensor(weights.data.reshape(n, 3), device=device)
    table = torch.as_tensor(points.astype(np.float32).transpose(1, 0, 2).reshape(points.shape[1], -1), device=device)
    shares = functional.embedding_bag(corners, table, per_sample_weights=parts, mode="sum")
    shares = shares.reshape(n, faces, 2).transpose(0, 1)
    grid = (2 * shares - 1)[:, None]
    values = functional.grid_sample(
        maps.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    ).reshape(faces, count, n)
    if factor is not None:
        values = values * torch.as_tensor(factor, device=device)[:, None]
    outside = ((shares < -_EDGE) | (shares > 1 + _EDGE)).any(dim=-1)
    values = values.masked_fill(outside[:, None], torch.nan)
    where = torch.as_tensor(np.flatnonzero(domain), device=device)
    out = torch.zeros((faces, count, domain.size), dtype=torch.float32, device=device)
    return out.index_copy(2, where, values).reshape(faces, count, *domain.shape)

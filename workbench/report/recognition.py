"""Which expressions a network recognises on these faces: accuracy, confusion, and classes whose maps mislead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Recognition:
    """One network's answers on the labelled faces.

    right and labelled count faces per labelled expression; classes holds what the network can answer.
    """

    model: str
    classes: tuple[str, ...]
    right: dict[str, int]
    labelled: dict[str, int]

    @property
    def n(self) -> int:
        """Labelled faces."""
        return sum(self.labelled.values())

    @property
    def accuracy(self) -> float:
        """Share of labelled faces called by their label, in [0, 1]; NaN without any."""
        return sum(self.right.values()) / self.n if self.n else float("nan")

    def fails(self, expression: str) -> bool:
        """Whether the expression is labelled on some face and recognised no more often than by guessing."""
        seen = self.labelled.get(expression, 0)
        return seen > 0 and self.right.get(expression, 0) / seen <= 1 / max(len(self.classes), 1)

    def failed(self) -> list[str]:
        """Expressions for which `fails` holds, in alphabetical order."""
        return sorted(e for e in self.labelled if self.fails(e))


def recognition(maps: xr.DataArray, probabilities: xr.DataArray | None) -> list[Recognition]:
    """Answers of every network in per-image maps; empty where the maps carry no predictions."""
    if "predicted" not in maps.coords:
        return []
    labels = maps["label"].values.astype(str) if "label" in maps.coords else np.full(maps.sizes["image"], "")
    predicted = maps["predicted"].transpose("model", "image").values.astype(str)
    out = []
    for position, model in enumerate(maps["model"].values.astype(str)):
        if probabilities is not None:
            known = np.isfinite(probabilities.values[position]).any(axis=0)
            classes = tuple(str(c) for c in probabilities["class"].values[known])
        else:
            classes = tuple(sorted(set(predicted[position])))
        labelled = {str(e): int((labels == e).sum()) for e in sorted(set(labels) - {""})}
        right = {e: int(((labels == e) & (predicted[position] == e)).sum()) for e in labelled}
        out.append(Recognition(str(model), classes, right, labelled))
    return out

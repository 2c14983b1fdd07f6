"""Max-sensitivity: how much a map changes when its input hardly does."""

from __future__ import annotations

import numpy as np

from workbench.faithfulness.registry import Floats, faithfulness_score


@faithfulness_score(
    "max_sensitivity",
    takes="explainer",
    best=0,
    span=(0, float("inf")),
    reference="Yeh et al., NeurIPS 2019, arXiv 1901.09392, definition 4.1; relative to the map's own norm",
)
def max_sensitivity(original: Floats, others: Floats) -> float:
    """Largest change of the map, relative to its norm, over ten inputs with uniform noise of .02 of the range."""
    norm = np.linalg.norm(original)
    if not norm > 0:
        return float("nan")
    return float(np.linalg.norm((others - original).reshape(len(others), -1), axis=1).max() / norm)

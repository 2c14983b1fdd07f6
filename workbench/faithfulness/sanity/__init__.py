"""Sanity of an explainer: does its map depend on what the network learnt, and on nothing that should not matter?

Each check returns a Dataset that holds, beside every similarity, the controls that say how to read it, and a verdict
in words. They are asked of single images at the explainer's own resolution.
"""

from __future__ import annotations

from workbench.faithfulness.sanity.invariance import input_invariance, shifted_twin
from workbench.faithfulness.sanity.labels import label_randomisation
from workbench.faithfulness.sanity.parameters import parameter_randomisation
from workbench.faithfulness.sanity.similarities import MEASURES, similarity
from workbench.faithfulness.sanity.stability import stability

__all__ = [
    "MEASURES",
    "input_invariance",
    "label_randomisation",
    "parameter_randomisation",
    "shifted_twin",
    "similarity",
    "stability",
]

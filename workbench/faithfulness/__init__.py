"""Map against network: does the network's score follow what a map says matters?

`faithfulness` gives scores of maps beside references that know nothing of the network, `faithfulness_table` their means
with intervals. `au_occlusion` hides or keeps the region of one action unit at a time.
"""

from workbench.faithfulness.action_unit_table import au_occlusion_table
from workbench.faithfulness.action_units import au_occlusion
from workbench.faithfulness.measure import DEFAULT, REFERENCES, faithfulness
from workbench.faithfulness.registry import (
    FAITHFULNESS,
    Answer,
    FaithfulnessScore,
    Pictures,
    Sample,
    Undefined,
    faithfulness_score,
)
from workbench.faithfulness.table import faithfulness_table

__all__ = [
    "DEFAULT",
    "FAITHFULNESS",
    "REFERENCES",
    "Answer",
    "FaithfulnessScore",
    "Pictures",
    "Sample",
    "Undefined",
    "au_occlusion",
    "au_occlusion_table",
    "faithfulness",
    "faithfulness_score",
    "faithfulness_table",
]

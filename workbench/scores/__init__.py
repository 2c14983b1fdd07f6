"""Scores of agreement between maps and masks, each beside its chance level and controls."""

from workbench.scores.action_units.attribution import attributions, region_attributions
from workbench.scores.action_units.attribution_means import attribution_table
from workbench.scores.action_units.correlation import correlations
from workbench.scores.action_units.correlation_means import att_cos, cam_cos, correlation_table
from workbench.scores.ceiling import ceiling
from workbench.scores.columns import all_masks
from workbench.scores.curves import curves
from workbench.scores.evaluation import evaluate
from workbench.scores.registry import SCORES, Score, score
from workbench.scores.reliability import reliability
from workbench.scores.summary import rows, summary, tidy
from workbench.scores.sweep import sweep
from workbench.scores.undefined import why_undefined

__all__ = [
    "SCORES",
    "Score",
    "all_masks",
    "att_cos",
    "attribution_table",
    "attributions",
    "cam_cos",
    "ceiling",
    "correlation_table",
    "correlations",
    "curves",
    "evaluate",
    "region_attributions",
    "reliability",
    "rows",
    "score",
    "summary",
    "sweep",
    "tidy",
    "why_undefined",
]

"""Scores of agreement between maps and masks, each beside its chance level and controls."""

from workbench.scores.evaluation import evaluate
from workbench.scores.registry import SCORES, Score, score
from workbench.scores.summary import rows, summary, tidy
from workbench.scores.table import all_masks

__all__ = ["SCORES", "Score", "all_masks", "evaluate", "rows", "score", "summary", "tidy"]

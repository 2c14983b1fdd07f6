"""Scores of agreement between maps and masks, each beside its chance level and controls."""

from workbench.scores.evaluate import evaluate
from workbench.scores.registry import SCORES, Score, score
from workbench.scores.summary import rows, summary, tidy

__all__ = ["SCORES", "Score", "evaluate", "rows", "score", "summary", "tidy"]

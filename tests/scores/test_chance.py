"""Closed forms against independent regions drawn at random."""

import numpy as np
import pytest

from workbench.scores import SCORES
from workbench.scores.chance import chance_levels
from workbench.scores.registry import Score

N, A, B = 4000, 0.3, 0.2


def level(name, a, b, n=400):
    """Chance of a score for a foreground of area share a and a mask of share b."""
    foreground, mask = np.arange(n) < a * n, np.arange(n) < b * n
    return chance_levels(SCORES[name].value, foreground * 255.0, foreground, mask[None])[0]


def test_by_hand():
    assert level("iou", 0.25, 0.2) == pytest.approx(0.05 / 0.4)
    assert level("precision", 0.25, 0.2) == pytest.approx(0.2)
    assert level("recall", 0.25, 0.2) == pytest.approx(0.25)
    assert level("f1", 0.25, 0.2) == pytest.approx(0.1 / 0.45)
    assert level("iou", 0.5, 0.5) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["iou", "precision", "recall", "f1", "correlation"])
def test_the_closed_form_is_the_mean_over_independent_regions_of_the_same_areas(name):
    rng = np.random.default_rng(0)
    mask = np.arange(N) < B * N
    values = np.arange(N, dtype=float)
    score = SCORES[name].value
    drawn = []
    for _ in range(400):
        shuffled = rng.permutation(values)
        drawn.append(score.function(shuffled, shuffled >= N * (1 - A), mask))
    error = np.std(drawn) / np.sqrt(len(drawn))
    expected = chance_levels(score, values, values >= N * (1 - A), mask[None])[0]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * error + 2e-4)


def test_a_score_without_a_closed_form_is_shuffled():
    exact = SCORES["iou"].value
    shuffled = Score(exact.function, "foreground", 1, 0, 1)
    values = np.arange(N, dtype=float)
    foreground, mask = values >= N * (1 - A), np.arange(N) >= N * (1 - B)
    assert exact.function(values, foreground, mask) == pytest.approx(2 / 3)
    found = chance_levels(shuffled, values, foreground, mask[None])
    assert found == pytest.approx(chance_levels(exact, values, foreground, mask[None]), abs=0.01)
    assert found == chance_levels(shuffled, values, foreground, mask[None])


def test_chance_of_nothing_is_undefined():
    assert np.isnan(level("iou", 0, 0))
    assert np.isnan(level("precision", 0, 0.5))
    assert np.isnan(level("recall", 0.5, 0))

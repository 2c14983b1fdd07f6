"""Closed forms against independent regions drawn at random."""

import numpy as np
import pytest

from workbench.scores import SCORES
from workbench.scores.chance import chance_f1, chance_iou, chance_level, chance_precision, chance_recall
from workbench.scores.registry import Score

N, A, B = 4000, 0.3, 0.2


def test_by_hand():
    assert chance_iou(0.25, 0.2) == pytest.approx(0.05 / 0.4)
    assert chance_precision(0.25, 0.2) == 0.2
    assert chance_recall(0.25, 0.2) == 0.25
    assert chance_f1(0.25, 0.2) == pytest.approx(0.1 / 0.45)
    assert chance_iou(0.5, 0.5) == pytest.approx(1 / 3)


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
    assert np.mean(drawn) == pytest.approx(score.chance(A, B), abs=4 * error + 2e-4)


def test_a_score_without_a_closed_form_is_shuffled():
    exact = SCORES["iou"].value
    shuffled = Score(exact.function, "foreground", 1, 0, 1, None)
    values = np.arange(N, dtype=float)
    foreground, mask = values >= N * (1 - A), np.arange(N) >= N * (1 - B)
    assert exact.function(values, foreground, mask) == pytest.approx(2 / 3)
    found = chance_level(shuffled, values, foreground, mask)
    assert found == pytest.approx(chance_level(exact, values, foreground, mask), abs=0.01)
    assert found == chance_level(shuffled, values, foreground, mask)


def test_chance_of_nothing_is_undefined():
    assert np.isnan(chance_iou(0, 0))
    assert np.isnan(chance_precision(0, 0.5))
    assert np.isnan(chance_recall(0.5, 0))

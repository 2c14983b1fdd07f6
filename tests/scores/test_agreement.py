"""The scores against numbers by hand, scikit-learn and NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from workbench.scores import SCORES

FOREGROUND = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
MASK = np.array([0, 1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
VALUES = np.array([9, 8, 7, 0, 0, 0, 0, 0, 0, 0.0])


def value(name, values, foreground, mask):
    return SCORES[name].value.function(values, foreground, mask)


@pytest.mark.parametrize(("name", "expected"), [("iou", 2 / 5), ("precision", 2 / 3), ("recall", 1 / 2), ("f1", 4 / 7)])
def test_overlaps_by_hand(name, expected):
    assert value(name, VALUES, FOREGROUND, MASK) == pytest.approx(expected)


def test_correlation_by_hand():
    # two pixels of two: map [1, 0], mask [1, 0] → 1; mask [0, 1] → −1
    assert value("correlation", np.array([1.0, 0.0]), FOREGROUND[:2], np.array([True, False])) == pytest.approx(1)
    assert value("correlation", np.array([1.0, 0.0]), FOREGROUND[:2], np.array([False, True])) == pytest.approx(-1)


@given(st.integers(0, 10_000))
def test_against_scikit_learn_and_numpy(seed):
    rng = np.random.default_rng(seed)
    values, mask = rng.normal(size=60), rng.random(60) < 0.4
    foreground = values > rng.normal()
    if not (0 < foreground.sum() < 60 and 0 < mask.sum() < 60):
        return
    assert value("iou", values, foreground, mask) == pytest.approx(metrics.jaccard_score(mask, foreground))
    assert value("precision", values, foreground, mask) == pytest.approx(metrics.precision_score(mask, foreground))
    assert value("recall", values, foreground, mask) == pytest.approx(metrics.recall_score(mask, foreground))
    assert value("f1", values, foreground, mask) == pytest.approx(metrics.f1_score(mask, foreground))
    assert value("correlation", values, foreground, mask) == pytest.approx(np.corrcoef(values, mask)[0, 1], abs=1e-12)


def test_an_undefined_score_is_nan_and_never_zero():
    none = np.zeros(10, bool)
    assert np.isnan(value("precision", VALUES, none, MASK))
    assert np.isnan(value("recall", VALUES, FOREGROUND, none))
    assert np.isnan(value("iou", VALUES, none, none))
    assert np.isnan(value("f1", VALUES, none, none))
    for constant, mask in ((np.ones(10), MASK), (VALUES, none), (VALUES, ~none)):
        assert np.isnan(value("correlation", constant, FOREGROUND, mask))


def contract_arrays():
    rng = np.random.default_rng(5)
    return [(rng.random(200) * 255, rng.random(200) < p, rng.random(200) < q) for p in (0.1, 0.5) for q in (0.2, 0.9)]


@pytest.mark.parametrize("entry", list(SCORES), ids=lambda entry: entry.name)
def test_every_score_keeps_its_word(entry):
    """The contract of the registry: a float in the stated range, best on the mask itself, pixels in any order."""
    score = entry.value
    assert entry.summary
    assert entry.reference
    assert score.takes in ("foreground", "values")
    assert score.low <= score.best <= score.high
    for values, foreground, mask in contract_arrays():
        found = score.function(values, foreground, mask)
        assert isinstance(found, float)
        assert score.low <= found <= score.high
        order = np.random.default_rng(0).permutation(mask.size)
        assert score.function(values[order], foreground[order], mask[order]) == pytest.approx(found)
        assert score.function(mask * 255.0, mask, mask) == pytest.approx(score.best)
        other = score.function(values, ~foreground, mask) if score.takes == "values" else found
        assert other == found, "a score that takes values does not look at the foreground"

"""The scores against scikit-learn, SciPy, NumPy and Quantus."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from scipy.optimize import linprog
from scipy.spatial.distance import cdist, cosine
from sklearn import metrics

from workbench.scores import SCORES


def value(name, values, mask, *places, foreground=None):
    return SCORES[name].value.function(values, foreground, mask, *places)


def drawn(seed, size=60, levels=None):
    """Grey values, with ties where `levels` is given, and a mask; None where the mask or the map says nothing."""
    rng = np.random.default_rng(seed)
    values, mask = rng.random(size) * 255, rng.random(size) < rng.uniform(0.1, 0.9)
    values = np.floor(values * levels / 256) * (255 / levels) if levels else values
    return (values, mask) if 0 < mask.sum() < size and np.ptp(values) > 0 else None


@given(st.integers(0, 10_000))
def test_overlaps_and_correlation(seed):
    if (found := drawn(seed)) is None:
        return
    values, mask = found
    foreground = values > np.random.default_rng(seed).uniform(20, 200)
    if not foreground.any():
        return
    assert value("iou", values, mask, foreground=foreground) == pytest.approx(metrics.jaccard_score(mask, foreground))
    for name, theirs in (("precision", "precision_score"), ("recall", "recall_score"), ("f1", "f1_score")):
        assert value(name, values, mask, foreground=foreground) == pytest.approx(
            getattr(metrics, theirs)(mask, foreground)
        )
    assert value("correlation", values, mask) == pytest.approx(np.corrcoef(values, mask)[0, 1], abs=1e-12)
    assert value("cosine", values, mask) == pytest.approx(1 - cosine(values, mask.astype(float)))


@given(st.integers(0, 10_000), st.sampled_from([None, 2, 5, 20]))
def test_ranking_with_and_without_ties(seed, levels):
    if (found := drawn(seed, levels=levels)) is None:
        return
    values, mask = found
    assert value("auc", values, mask) == pytest.approx(metrics.roc_auc_score(mask, values))
    mann_whitney = stats.mannwhitneyu(values[mask], values[~mask]).statistic / (mask.sum() * (~mask).sum())
    assert value("auc", values, mask) == pytest.approx(mann_whitney)
    theirs = metrics.average_precision_score(mask, values)
    assert value("average_precision", values, mask) == pytest.approx(theirs)
    assert value("average_precision", np.rint(values), mask) == pytest.approx(
        metrics.average_precision_score(mask, np.rint(values))
    )


@given(st.integers(0, 10_000))
def test_soft_iou_and_densities(seed):
    if (found := drawn(seed)) is None:
        return
    values, mask = found
    v = values / 255
    assert value("soft_iou", values, mask) == pytest.approx(np.minimum(v, mask).sum() / np.maximum(v, mask).sum())
    assert value("energy_ratio", values, mask) == pytest.approx(values[mask].mean() / values[~mask].mean())


@settings(deadline=None)  # the first distance imports POT
@given(st.integers(0, 10_000))
def test_transport_along_a_line_is_scipys_wasserstein(seed):
    if (found := drawn(seed, size=28)) is None:
        return
    values, mask = found
    at = np.arange(28) / 28
    for places in (np.stack([at, 0 * at], axis=1), np.stack([0 * at, at], axis=1)):
        theirs = stats.wasserstein_distance(at, at, values, mask.astype(float))
        assert value("earth_movers", values, mask, places) == pytest.approx(theirs, abs=1e-12)


def test_transport_in_the_plane_is_the_linear_programme():
    grid = (6, 5)
    places = np.argwhere(np.ones(grid)) / grid[0]
    values, mask = drawn(3, size=30)
    give, take, way = values / values.sum(), mask / mask.sum(), cdist(places, places)
    marginals = np.concatenate([np.kron(np.eye(30), np.ones(30)), np.kron(np.ones(30), np.eye(30))])
    theirs = linprog(way.ravel(), A_eq=marginals, b_eq=np.concatenate([give, take]))
    assert value("earth_movers", values, mask, places) == pytest.approx(theirs.fun, abs=1e-9)


def test_a_coarse_grid_is_close_to_the_full_one():
    """Cells of two pixels by two, against all pixels with nothing averaged."""
    ot = pytest.importorskip("ot")
    grid = (40, 24)
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).random(grid), 4)
    values = 255 * (smooth - smooth.min()) / np.ptp(smooth)
    mask = np.zeros(grid, bool)
    mask[5:20, 9:20] = True
    places = np.argwhere(np.ones(grid)) / grid[0]
    give, take = values.ravel() / values.sum(), mask.ravel() / mask.sum()
    exact = ot.emd2(give, take, cdist(places, places), numItermax=1_000_000)
    assert value("earth_movers", values.ravel(), mask.ravel(), places) == pytest.approx(exact, abs=0.25 / grid[0])


def test_centres_of_mass_are_scipys():
    grid = (9, 14)
    values, mask = (part.reshape(grid) for part in drawn(4, size=9 * 14))
    places = np.argwhere(np.ones(grid)) / grid[0]
    apart = np.subtract(ndimage.center_of_mass(values), ndimage.center_of_mass(mask))
    assert value("centre_of_mass", values.ravel(), mask.ravel(), places) == pytest.approx(np.hypot(*apart) / grid[0])


@pytest.fixture(scope="module")
def quantus():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("quantus")


def theirs(metric, values, mask, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(metric(disable_warnings=True).evaluate_batch(a_batch=values[None], s_batch=mask[None], **more)[0])


@pytest.mark.parametrize("seed", range(8))
def test_quantus(quantus, seed):
    values, mask = drawn(seed, size=400)
    assert value("relevance_mass", values, mask) == pytest.approx(theirs(quantus.RelevanceMassAccuracy, values, mask))
    assert value("relevance_rank", values, mask) == pytest.approx(theirs(quantus.RelevanceRankAccuracy, values, mask))
    assert value("pointing_game", values, mask) == theirs(quantus.PointingGame, values, mask)
    assert value("auc", values, mask) == pytest.approx(theirs(quantus.AUC, values, mask))
    inside = theirs(quantus.AttributionLocalisation, values, mask, x_batch=np.zeros((1, 3, 20, 20)))
    assert value("relevance_mass", values, mask) == pytest.approx(inside)  # theirs adds 1e-9 below the line


def test_where_quantus_differs(quantus):
    """Of a tie for the maximum, one pixel in the mask is a hit there; a constant map has values there, none here."""
    values, mask = np.array([5.0, 5, 5, 1]), np.array([True, False, False, False])
    assert theirs(quantus.PointingGame, values, mask) == 1
    assert value("pointing_game", values, mask) == pytest.approx(1 / 3)
    constant = np.full(4, 3.0)
    for name, metric in (
        ("relevance_mass", "RelevanceMassAccuracy"),
        ("auc", "AUC"),
        ("pointing_game", "PointingGame"),
    ):
        assert np.isfinite(theirs(getattr(quantus, metric), constant, mask)), name
        assert np.isnan(value(name, constant, mask)), name

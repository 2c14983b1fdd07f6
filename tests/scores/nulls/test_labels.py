"""The permutation of labels by hand, against SciPy, with gaps, and under its own hypothesis."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, permutation_test

from workbench.errors import UsageError
from workbench.heatmaps.folder import load_folder
from workbench.masks import load_masks
from workbench.scores import all_masks, evaluate
from workbench.scores.nulls.labels import label_permutation

NAN = np.nan


def test_by_hand():
    found = label_permutation([[[0.9, 0.1, 0.2], [0.3, 0.4, 0.6], [0.1, 0.7, 0.5]]], [0, 1, 2])
    np.testing.assert_allclose(found.null * 3, [1.8, 2.2, 0.9, 0.8, 1.2, 0.7])
    assert found.observed == pytest.approx(0.6)
    assert found.mean == pytest.approx(7.6 / 18)
    assert found.p == pytest.approx(2 / 6)
    assert (found.count, found.enumerated, found.resolution) == (6, True, pytest.approx(1 / 6))
    assert (found.labels, found.cells, found.left_out, found.reason) == ((0, 1, 2), 3, 0, "")


def test_where_less_is_better():
    table = [[0.9, 0.1, 0.2], [0.3, 0.4, 0.6], [0.1, 0.7, 0.5]]
    assert label_permutation(table, [0, 1, 2], sign=-1).p == pytest.approx(5 / 6)


def test_as_scipy_permutes_pairings():
    rng = np.random.default_rng(0)
    table = rng.random((3, 2, 5, 7))
    own = np.array([6, 0, 3, 2, 5])
    mean = table.mean(axis=(0, 1))
    reference = permutation_test(
        (own,), lambda dealt: mean[np.arange(5), dealt].mean(), permutation_type="pairings", alternative="greater"
    )
    found = label_permutation(table, own)
    assert found.count == len(reference.null_distribution) == 120
    assert found.observed == pytest.approx(reference.statistic)
    assert found.p == pytest.approx(reference.pvalue)
    np.testing.assert_allclose(np.sort(found.null), np.sort(reference.null_distribution))
    assert found.null[0] == pytest.approx(found.observed)


def test_one_permutation_is_dealt_to_all_networks_together():
    table = np.stack([np.eye(3), np.eye(3), np.eye(3)])
    assert label_permutation(table, [0, 1, 2]).p == pytest.approx(1 / 6)


def test_expressions_without_a_mask_and_masks_without_an_expression_take_no_part():
    rng = np.random.default_rng(1)
    table = rng.random((2, 4, 5))
    found = label_permutation(table, [3, -1, 0, 1])
    alone = label_permutation(table[:, [0, 2, 3]][..., [3, 0, 1]], [0, 1, 2])
    np.testing.assert_array_equal(found.null, alone.null)
    assert found.labels == (0, 2, 3)
    assert found.cells == 6


def test_a_map_without_a_score_is_left_out_and_its_mask_stays():
    table = np.random.default_rng(2).random((2, 3, 3))
    table[1, 2] = NAN
    found = label_permutation(table, [0, 1, 2])
    sums = [
        (table[0, [0, 1, 2], order].sum() + table[1, [0, 1], order[:2]].sum()) / 5
        for order in map(list, itertools.permutations(range(3)))
    ]
    np.testing.assert_allclose(found.null, sums)
    assert (found.cells, found.left_out, found.labels) == (5, 1, (0, 1, 2))


def test_a_map_that_lacks_one_score_is_left_out_whichever_mask_it_is():
    table = np.random.default_rng(3).random((2, 3, 3))
    dropped = {}
    for k in range(3):
        gap = table.copy()
        gap[0, 1, k] = NAN
        dropped[k] = label_permutation(gap, [0, 1, 2]).null
    np.testing.assert_array_equal(dropped[0], dropped[1])
    np.testing.assert_array_equal(dropped[0], dropped[2])


def test_an_expression_whose_mask_scores_with_no_map_is_left_out_with_its_mask():
    table = np.random.default_rng(4).random((2, 4, 4))
    rest = table[:, [0, 1, 3]][..., [0, 1, 3]]
    table[..., 2] = NAN
    found = label_permutation(table, [0, 1, 2, 3])
    np.testing.assert_array_equal(found.null, label_permutation(rest, [0, 1, 2]).null)
    assert (found.labels, found.cells, found.left_out, found.count) == ((0, 1, 3), 6, 2, 6)


def test_permutations_that_differ_on_idle_masks_only_do_not_sharpen_the_resolution():
    table = np.full((1, 4, 4), NAN)
    table[0, :2] = [[0.9, 0.1, 0.2, 0.3], [0.1, 0.8, 0.2, 0.3]]
    found = label_permutation(table, [0, 1, 2, 3])
    assert found.count == 24
    assert found.p == found.resolution == pytest.approx(2 / 24)


@pytest.mark.parametrize(
    ("table", "own", "says"),
    [
        (np.full((2, 3, 3), NAN), [0, 1, 2], "fewer than two expressions"),
        (np.ones((2, 3, 3)), [0, -1, -1], "fewer than two expressions"),
        (np.where(np.eye(3) > 0, NAN, 1.0), [0, 1, 2], "no map has a score with every mask"),
        (np.ones((0, 3, 3)), [0, 1, 2], "fewer than two expressions"),
    ],
)
def test_where_nothing_can_be_permuted_there_is_a_reason(table, own, says):
    found = label_permutation(table, own)
    assert np.isnan([found.p, found.observed, found.mean, found.resolution]).all()
    assert says in found.reason
    assert found.null.size == found.count == 0


def test_more_than_eight_labels_are_drawn():
    table = np.eye(9) + 0.01 * np.random.default_rng(5).random((9, 9))
    found = label_permutation(table, np.arange(9), draws=499, seed=3)
    assert (found.count, found.enumerated, found.p, found.resolution) == (499, False, 1 / 500, 1 / 500)
    np.testing.assert_array_equal(found.null, label_permutation(table, np.arange(9), draws=499, seed=3).null)
    assert (found.null != label_permutation(table, np.arange(9), draws=499, seed=4).null).any()
    every = table.mean()
    assert found.mean == pytest.approx(every, abs=4 * found.null.std() / np.sqrt(499))
    assert label_permutation(table[:8, :8], np.arange(8)).count == 40_320


@pytest.mark.parametrize(
    ("own", "options", "says"),
    [
        ([0, 1], {}, r"own column an expression; the matrix is \(9, 9\)"),
        ([9, *range(1, 9)], {}, "column 9 is named"),
        ([1, *range(1, 9)], {}, "column 1 is the own mask of two"),
        (range(9), {"sign": 0}, "sign is 0"),
        (range(9), {"draws": 19}, "at least 20"),
    ],
)
def test_bad_input(own, options, says):
    with pytest.raises(UsageError, match=says):
        label_permutation(np.ones((9, 9)), list(own), **options)


def exchangeable(rng, gaps):
    """Scores of 3 networks whose maps know nothing of the labels: networks alike, maps and masks unequal."""
    maps, masks, shared = rng.normal(size=(3, 4, 1)), rng.normal(size=4), rng.normal(size=(4, 4))
    table = maps + 2 * masks + shared + 0.5 * rng.normal(size=(3, 4, 4))
    if gaps:
        table[rng.random((3, 4)) < 0.2] = NAN
        table[0, 0, 1] = NAN
    return table


@pytest.mark.parametrize("gaps", [False, True])
def test_over_all_labellings_of_one_table_small_p_are_as_rare_as_they_say(gaps):
    table = exchangeable(np.random.default_rng(6), gaps)
    p = np.array([label_permutation(table, own).p for own in itertools.permutations(range(4))])
    assert np.isfinite(p).all()
    for alpha in np.unique(p):
        assert (p <= alpha).mean() <= alpha + 1e-12
    assert len(np.unique(p)) > 5


def test_over_all_labellings_with_an_idle_mask_too():
    table = exchangeable(np.random.default_rng(7), False)
    table[..., 3] = NAN
    p = np.array([label_permutation(table, own).p for own in itertools.permutations(range(4))])
    for alpha in np.unique(p):
        assert (p <= alpha).mean() <= alpha + 1e-12


@pytest.mark.parametrize("gaps", [False, True])
def test_200_exchangeable_tables_at_every_attainable_level(gaps):
    rng, runs = np.random.default_rng(8), 200
    p = np.array([label_permutation(exchangeable(rng, gaps), range(4)).p for _ in range(runs)])
    p = p[np.isfinite(p)]
    assert len(p) > 190
    for alpha in np.arange(1, 24) / 24:
        assert (p <= alpha + 1e-9).sum() <= binom.ppf(0.999, len(p), alpha)


def test_maps_that_know_their_labels_are_found():
    rng = np.random.default_rng(9)
    p = [label_permutation(exchangeable(rng, False) + 3 * np.eye(4), range(4)).p for _ in range(50)]
    assert np.mean(np.array(p) <= 0.05) > 0.9


def test_the_published_maps(published):
    heat = load_folder(published / "by_network").assign_attrs(frame="published")
    masks = load_masks(published / "ground_truth")
    table = all_masks(evaluate(heat, masks, scores=()))
    own = [list(table["mask"].values).index(e) for e in table["expression"].values]
    found = label_permutation(table.transpose("model", "explainer", "expression", "mask").values, own)
    assert (found.count, found.enumerated, found.cells) == (720, True, 72)
    assert f"{found.observed:.4f} {found.mean:.4f} {found.p:.2f}" == "0.2689 0.2634 0.39"

"""What is easily got wrong at the door: every refusal names the thing, the value and the way out."""

import numpy as np
import pytest
import xarray as xr

import workbench as wb
from workbench import figures
from workbench.comparison import co_clustering
from workbench.errors import UnknownNameError, UsageError, whole_numbers
from workbench.masks import MaskSet
from workbench.scores import all_masks, ceiling, rows, summary
from workbench.vocabulary import BASIC_EXPRESSIONS

GRID = (12, 10)


@pytest.fixture(scope="module")
def masks():
    values = np.random.default_rng(0).random((6, *GRID)) < 0.3
    maps = xr.DataArray(values.astype(np.float32), dims=("expression", "y", "x"))
    maps = maps.assign_coords(expression=list(BASIC_EXPRESSIONS))
    return MaskSet("toy", maps, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")))


@pytest.fixture(scope="module")
def heat():
    return xr.DataArray(
        np.random.default_rng(1).random((3, 1, 6, *GRID), dtype=np.float32),
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["a", "b", "c"], "explainer": ["x"], "expression": list(BASIC_EXPRESSIONS)},
    )


@pytest.fixture(scope="module")
def faces():
    names = [BASIC_EXPRESSIONS[k % 6] for k in range(12)]
    return xr.DataArray(
        np.random.default_rng(2).random((2, 1, 12, *GRID), dtype=np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": ["a", "b"],
            "explainer": ["x"],
            "image": [f"i{k}" for k in range(12)],
            "predicted": (("model", "image"), [names, names]),
            "group_gender": ("image", ["female", "male"] * 6),
        },
    )


@pytest.fixture(scope="module")
def table(heat, masks):
    return wb.evaluate(heat, masks, nulls=())


@pytest.mark.parametrize("value", [0, -1, 1.5, "7", None, True])
def test_whole_numbers(value):
    with pytest.raises(UsageError, match=rf"draws={value!r} should be a whole number, 1 or more"):
        whole_numbers(1, draws=value)
    whole_numbers(1, draws=1, seed=np.int64(2))


def test_one_score_may_be_named_without_a_list(heat, masks, table):
    found = wb.evaluate(heat, masks, scores="f1", nulls=None)
    np.testing.assert_array_equal(found["f1"], table["f1"])
    assert "precision" not in found
    assert "p_toroidal_iou" not in found
    assert float(ceiling(masks, masks, scores="f1")["ceiling_f1"][0]) == 1
    with pytest.raises(UnknownNameError, match="no score 'pointing game'"):
        wb.evaluate(heat, masks, scores="pointing game", nulls=())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda h, f, m: wb.evaluate(h, m, draws="many"), "draws='many' should be a whole number, 1 or more"),
        (lambda h, f, m: wb.evaluate(f, m, seed=-1), "seed=-1 should be a whole number, 0 or more"),
        (lambda h, f, m: wb.evaluate(h, m, nulls=("labels",)), "(the labels' permutation comes with any of them)"),
        (lambda h, f, m: wb.evaluate(h, m, second="belharbi"), "second is a MaskSet, not str"),
        (lambda h, f, m: ceiling("friesen-ekman"), "masks are a MaskSet, not str; make it with load_masks"),
        (lambda h, f, m: wb.reliability(f, seed=None), "seed=None should be a whole number"),
        (lambda h, f, m: wb.reliability(f, domain="face"), "the domain 'face' is a name; here it is a boolean array"),
        (lambda h, f, m: wb.cluster(h, draws="x"), "draws='x' should be a whole number, 0 or more"),
        (lambda h, f, m: wb.cluster(f, seed="a"), "seed='a' should be a whole number"),
        (lambda h, f, m: co_clustering(h, clusters=1), "clusters=1 should be a whole number, 2 or more"),
        (lambda h, f, m: wb.grouping_test(h, ["p", "q", "q"]), "{network: group}, not list; networks: a, b, c"),
        (lambda h, f, m: wb.grouping_test(h, {"a": "p", "b": "q", "c": None}), "no group is given for c"),
        (lambda h, f, m: wb.trajectory(f, draws=-1), "draws=-1 should be a whole number, 0 or more"),
        (lambda h, f, m: wb.trajectory(h, domain="face"), "the frame 'unknown' has no face domain on 12×10"),
        (lambda h, f, m: wb.compare_groups(f, "gender", domain="mouth"), "no domain 'mouth'; known: canvas, face"),
        (lambda h, f, m: wb.trajectory(h, "epoch"), "no dimension of steps 'epoch'; known: layer, model"),
        (lambda h, f, m: wb.compare_groups(f, None), "an array with one a face, not NoneType"),
        (lambda h, f, m: wb.compare_groups(f, "gender", contrasts=5), r"\[\(first, second\), …\], not 5"),
        (lambda h, f, m: wb.compare_groups(f, "gender", minimum="5"), "minimum='5' should be a whole number, 2 or"),
        (lambda h, f, m: wb.compare_groups(f, "gender", rows=1), "rows=1 should be a whole number, 4 or more"),
        (lambda h, f, m: wb.compare_groups(f, "gender", masks="facs-au"), "masks are a MaskSet, not str"),
        (lambda h, f, m: figures.dendrograms(h), "what cluster(…) returns, not of DataArray"),
        (lambda h, f, m: figures.trajectory(h), "what trajectory(…) returns, not of DataArray"),
        (lambda h, f, m: figures.group_difference(h), "what compare_groups(…) returns, not of DataArray"),
        (lambda h, f, m: figures.scores(h), "what evaluate(…) returns, not of DataArray"),
        (lambda h, f, m: summary(h), "what evaluate(…) returns, not of DataArray"),
        (lambda h, f, m: rows(None), "what evaluate(…) returns, not of NoneType"),
    ],
)
def test_what_cannot_be_is_named(call, says, heat, faces, masks):
    with pytest.raises(UsageError) as refused:
        call(heat, faces, masks)
    assert says.replace("\\", "") in str(refused.value)


def test_scores_that_a_table_lacks(table):
    with pytest.raises(UnknownNameError, match="score in this table: 'auc'; known: correlation, f1, iou"):
        all_masks(table, "auc")
    with pytest.raises(UsageError, match=r"no score 'auc'; make it with evaluate\(…, scores=\('auc',\)\)"):
        figures.scores(table, "x", "auc")
    with pytest.raises(UnknownNameError, match="no explainer 'y'; known: x"):
        figures.scores(table, "y")


def test_networks_each_in_a_group_of_its_own(heat):
    found = wb.grouping_test(heat, {"a": "p", "b": "q", "c": "r"})
    assert np.isnan(found["p"]).all()
    assert found["reason"].values[0] == (
        "too few networks with a usable map: p 1, q 1, r 1 (at least two groups are needed, one of them with two)"
    )


def test_a_tree_says_in_words_what_stands_beside_its_branches(heat):
    words = repr(wb.cluster(heat))
    assert "support unavailable (no per-image maps); agreement over 24 combinations of distance and linkage" in words

"""What stands beside every score of `evaluate`: null models, corrections, excess over controls, the ladder's steps."""

import json

import numpy as np
import pytest
import xarray as xr
from statsmodels.stats.multitest import multipletests

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import global_heatmaps
from workbench.masks import MaskSet
from workbench.scores import all_masks, evaluate, summary
from workbench.scores.nulls import NULLS, Scored
from workbench.scores.registry import SCORES
from workbench.statistics.multiplicity import least_at_smallest

GRID = (36, 28)
CORNERS = {"anger": (5, 5), "disgust": (5, 22), "fear": (30, 5), "sadness": (30, 22), "surprise": (18, 14)}


def spot(centre, width=5.0):
    down, across = np.indices(GRID)
    return np.exp(-((down - centre[0]) ** 2 + (across - centre[1]) ** 2) / (2 * width**2)).astype(np.float32)


@pytest.fixture(scope="module")
def masks():
    values = np.stack([spot(c) > 0.5 for c in CORNERS.values()]).astype(np.float32)
    maps = xr.DataArray(values, dims=("expression", "y", "x"), coords={"expression": list(CORNERS)})
    return MaskSet("spots", maps, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")))


def faces(places, people=30, noise=0.3, seed=0):
    """Maps of one network: a spot for each face of an expression, and noise; one face a person and expression."""
    rng = np.random.default_rng(seed)
    names = list(places)
    values = np.stack([spot(places[n]) + rng.normal(0, noise, GRID) for n in names for _ in range(people)])
    images = [f"{n}-{i}" for n in names for i in range(people)]
    return xr.DataArray(
        np.maximum(values, 0)[None, None].astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": ["net"],
            "explainer": ["cam"],
            "image": images,
            "predicted": (("model", "image"), [[n for n in names for _ in range(people)]]),
            "subject": ("image", [f"person {i}" for _ in names for i in range(people)]),
        },
        attrs={"target": "predicted"},
    )


def cell(table, expression):
    return table.sel(model="net", explainer="cam", expression=expression)


@pytest.fixture(scope="module")
def table(masks):
    """Anger where its mask is, fear in the middle, disgust between its own mask and anger's."""
    places = {"anger": CORNERS["anger"], "fear": (18, 14), "disgust": (5, 14)}
    return evaluate(faces(places), masks, draws=100, null_draws=400, progress=False)


def test_the_ladder_on_planted_maps(table):
    assert str(cell(table, "anger").verdict.item()).startswith("better than a blob and specific (own mask against")
    assert str(cell(table, "fear").verdict.item()).startswith("not distinguishable from chance (IoU .00")
    assert str(cell(table, "sadness").verdict.item()) == "not scored: no image with a map enters this expression"
    assert summary(table)["verdicts"] == {"chance": 2, "specific": 1}


def test_a_central_mask_and_a_central_map_are_no_better_than_a_blob(masks):
    table = evaluate(faces({"surprise": CORNERS["surprise"]}), masks, draws=100, null_draws=400, progress=False)
    said = str(cell(table, "surprise").verdict.item())
    assert said.startswith("above chance, no better than a blob of the same area (difference")
    assert float(cell(table, "surprise").p_toroidal_iou) < 0.05
    assert float(cell(table, "surprise").bh_over_centre_iou) > 0.05


def test_a_map_between_two_masks_is_not_specific(masks):
    both = masks.maps.copy()
    both.loc["disgust"] = np.maximum(spot((5, 5)), spot((5, 22))) > 0.5
    shared = MaskSet("shared", both, "image", masks.domain)
    table = evaluate(faces({"disgust": CORNERS["anger"]}), shared, draws=100, null_draws=400, progress=False)
    said = cell(table, "disgust")
    assert float(said.rank_of_own_mask) == 2
    assert str(said.verdict.item()).startswith("better than a blob, not specific to this expression")


def test_few_people_let_nothing_be_called_significant(masks):
    table = evaluate(faces({"anger": CORNERS["anger"]}, people=3), masks, draws=50, null_draws=50, progress=False)
    said = str(cell(table, "anger").verdict.item())
    assert said.startswith("n too small to call anything significant (n = 3 images, 3 subjects); described: IoU")
    assert np.isnan(float(cell(table, "anger").p_over_centre_iou))


@pytest.mark.parametrize("aggregated", [False, True])
def test_few_faces_let_nothing_be_called_significant_without_intervals_either(masks, aggregated):
    maps = faces({"anger": CORNERS["anger"]}, people=3)
    maps = global_heatmaps(maps) if aggregated else maps
    table = evaluate(maps, masks, intervals=False, nulls=("toroidal",), progress=False)
    said = str(cell(table, "anger").verdict.item())
    who = "subjects unknown" if aggregated else "3 subjects"
    assert said.startswith(f"n too small to call anything significant (n = 3 images, {who}); described: IoU")
    enough = evaluate(faces({"anger": CORNERS["anger"]}), masks, intervals=False, nulls=("toroidal",), progress=False)
    assert str(cell(enough, "anger").verdict.item()).startswith("above chance (toroidal")


def test_one_person_is_one_unit_without_intervals_either(masks):
    maps = faces({"anger": CORNERS["anger"]}).assign_coords(subject=("image", ["same"] * 30))
    table = evaluate(maps, masks, intervals=False, nulls=("toroidal",), progress=False)
    assert str(cell(table, "anger").verdict.item()).startswith("n too small to call anything significant (n = 30")


def test_masks_outside_the_domain_do_not_count_as_beaten(masks):
    maps = faces({"anger": CORNERS["anger"]})
    near = np.zeros(GRID, bool)
    near[:14, :14] = True  # anger's mask and a corner of surprise's
    table = evaluate(maps, masks, domain=near, draws=60, null_draws=100, progress=False)
    assert "rank 1 of 2;" in str(cell(table, "anger").verdict.item())
    assert "own mask first in 1 of 1 (0.2 expected by chance)" in summary(table)["caution"]
    near[:, 11:] = False
    table = evaluate(maps, masks, domain=near, draws=60, null_draws=100, progress=False)
    assert "specific: not testable (no other mask has a score)" in str(cell(table, "anger").verdict.item())


def test_what_an_enumerated_null_cannot_reach_asks_for_no_draws(masks):
    rng = np.random.default_rng(0)
    values = rng.random((8, 1, 5, *GRID)).astype(np.float32)[..., :5, :4]
    small = xr.DataArray(
        np.ones((5, 5, 4), np.float32) * (np.arange(20).reshape(5, 4) < 6), dims=("expression", "y", "x")
    )
    small = small.astype(np.float32).assign_coords(expression=list(CORNERS))
    few = MaskSet("few", small, "image", xr.DataArray(np.ones((5, 4), bool), dims=("y", "x")))
    maps = xr.DataArray(
        values,
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": [f"net {i}" for i in range(8)], "explainer": ["cam"], "expression": list(CORNERS)},
    )
    said = json.loads(evaluate(maps, few, nulls=("toroidal",), progress=False).attrs["nulls"])["toroidal"]
    assert said["least_at_smallest"] == 40
    assert "20 arrangements can give" in said["says"]
    assert "null_draws" not in said["says"]


def test_what_a_null_cannot_test_is_said_and_words_about_nothing_are_valid_json(masks):
    def strict(text):
        return json.loads(text, parse_constant=pytest.fail)

    maps = xr.DataArray(
        np.random.default_rng(0).random((1, 1, 1, 5, 5)).astype(np.float32),
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger"]},
    )
    mask = xr.DataArray(
        np.eye(5, dtype=np.float32)[None], dims=("expression", "y", "x"), coords={"expression": ["anger"]}
    )
    small = MaskSet("small", mask, "image", xr.DataArray(np.ones((5, 5), bool), dims=("y", "x")))
    table = evaluate(maps, small, progress=False)
    assert "random fields not testable" in str(cell(table, "anger").verdict.item())
    assert [summary(table)["nulls"][name]["tested"] for name in ("toroidal", "field")] == [1, 0]
    table = evaluate(maps * np.nan, small, progress=False)
    assert strict(table.attrs["nulls"])["toroidal"]["resolution"] is None
    assert strict(json.dumps(summary(table)))["cells"] == 0


def test_the_smallest_p_that_few_labels_can_give_is_said(masks, table):
    assert float(table.resolution_labels_iou[0]) == pytest.approx(1 / 60)  # 3 maps, 5 masks: 5 · 4 · 3 ways
    assert "cannot be below" not in summary(table)["caution"]
    one = evaluate(faces({"anger": CORNERS["anger"]}), masks, intervals=False, nulls=("toroidal",), progress=False)
    assert float(one.p_labels_iou[0]) == float(one.resolution_labels_iou[0]) == pytest.approx(1 / 5)
    assert "p .20, which cannot be below .20" in summary(one)["caution"]
    assert summary(one)["labels"][0]["resolution"] == pytest.approx(1 / 5)


def test_a_mask_where_the_map_has_no_data_is_no_test(masks):
    maps = xr.DataArray(
        np.stack([spot((5, 5)), spot((18, 14))])[None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger", "surprise"]},
    )
    maps[0, 0, 0].values[masks.maps.values[0] > 0.5] = np.nan
    table = evaluate(maps, masks, nulls=("toroidal",), progress=False)
    assert str(cell(table, "anger").reason.item()) == "the mask 'anger' lies where the map has no data"
    assert str(cell(table, "anger").verdict.item()).startswith("not scored")
    assert table.attrs["tests"] == int(np.isfinite(table.p_toroidal_iou).sum()) == 1
    assert np.isfinite(float(cell(table, "anger").iou_with_surprise))


def test_every_p_is_corrected_over_the_cells_of_the_call(table):
    for score in ("iou", "correlation"):
        for name in ("toroidal", "field", "over_centre", "over_other_masks"):
            p = table[f"p_{name}_{score}"].values
            known = np.isfinite(p)
            assert known.sum() == 3
            for first, method in (("bh", "fdr_bh"), ("by", "fdr_by")):
                wanted = multipletests(p[known], method=method)[1]
                np.testing.assert_allclose(table[f"{first}_{name}_{score}"].values[known], wanted)
                assert np.isnan(table[f"{first}_{name}_{score}"].values[~known]).all()
    assert table.attrs["tests"] == 3


def test_the_null_models_are_those_of_the_registry(masks):
    heat = xr.DataArray(
        spot((9, 9))[None, None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger"]},
    )
    table = evaluate(heat, masks, nulls=("toroidal",))
    from workbench.heatmaps import grey, otsu

    pixels = grey(spot((9, 9)))
    scores = {name: SCORES[name].value for name in ("iou", "precision", "recall", "f1", "correlation")}
    observed = {name: table[f"{name}_with_anger"].values.ravel() for name in scores}
    everywhere = np.ones(GRID, bool)
    scored = Scored(
        pixels.astype(float), pixels > otsu(pixels), everywhere, masks.maps.values[:1] > 0.5, scores, observed
    )
    alone = NULLS["toroidal"].value(scored, draws=1, seed=0)
    for name in scores:
        assert float(cell(table, "anger")[f"p_toroidal_{name}"]) == alone.p[name][0]
        assert float(cell(table, "anger")[f"toroidal_{name}"]) == alone.mean[name][0]
        assert float(cell(table, "anger")[f"toroidal_95_{name}"]) == alone.upper[name][0]
    assert "p_field_iou" not in table
    said = json.loads(table.attrs["nulls"])["toroidal"]
    assert (said["draws"], said["enumerated"], said["tests"]) == (36 * 28, True, 1)
    assert said["resolution"] == pytest.approx(1 / (36 * 28))


def test_what_too_few_draws_cannot_reach_is_said(masks):
    table = evaluate(
        faces({"anger": (5, 5), "fear": (18, 14)}), masks, nulls=("field",), null_draws=30, intervals=False
    )
    said = json.loads(table.attrs["nulls"])["field"]
    assert said["least_at_smallest"] == least_at_smallest(1 / 31, 2) == 2
    assert "ask for null_draws=40" in said["says"]
    assert "ask for null_draws=40" in summary(table)["caution"]


def test_the_excess_over_the_controls(table):
    one = cell(table, "anger")
    rest = [float(one[f"iou_with_{name}"]) for name in CORNERS if name != "anger"]
    assert float(one.over_other_masks_iou) == pytest.approx(float(one.iou) - np.mean(rest))
    assert float(one.over_centre_iou) == pytest.approx(float(one.iou) - float(one.centre_iou_equal_area))
    assert float(one.low_over_centre_iou) < float(one.over_centre_iou) < float(one.high_over_centre_iou)
    assert float(one.low_iou) <= float(one.iou) <= float(one.high_iou)
    assert str(one.interval_iou.item()) in ("bca", "corrected")


def test_content_free_references_by_hand(masks):
    heat = np.stack([spot((5, 5)) > 0.9, spot((30, 22)) > 0.9]).astype(np.float32)
    maps = xr.DataArray(
        heat[None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger", "sadness"]},
    )
    table = evaluate(maps, masks, nulls=())
    one = cell(table, "anger")
    mask = masks.maps.values[0] > 0.5
    assert float(one.uniform_iou) == pytest.approx(mask.mean())
    assert float(one.uniform_recall) == 1
    assert np.isnan(float(one.uniform_correlation))
    assert "uniform" in json.loads(table.attrs["reasons"])["uniform_correlation"]
    both = (heat.sum(axis=0)) > 0
    assert float(one.mean_map_iou) == pytest.approx((both & mask).sum() / (both | mask).sum())
    assert str(one.verdict.item()).startswith("chance was not tested; described: IoU")
    assert "No null model was asked for" in table.attrs["caution"]


def test_the_map_turned_and_mirrored_by_hand():
    square = np.zeros((20, 20), np.float32)
    square[2:8, 3:7] = 1
    mask = np.zeros((20, 20), np.float32)
    mask[1:9, 12:19] = 1
    grid = {"dims": ("expression", "y", "x"), "coords": {"expression": ["anger"]}}
    masks = MaskSet("square", xr.DataArray(mask[None], **grid), "image", xr.DataArray(mask >= 0, dims=("y", "x")))
    table = evaluate(xr.DataArray(square[None], **grid).expand_dims(model=["net"], explainer=["cam"]), masks, nulls=())
    table = cell(table, "anger")

    def iou(values):
        return ((values > 0) & (mask > 0)).sum() / ((values > 0) | (mask > 0)).sum()

    assert float(table.mirrored_iou) == pytest.approx(iou(square[:, ::-1]))
    assert float(table.upside_down_iou) == pytest.approx(iou(square[::-1]))
    assert float(table.turned_iou) == pytest.approx(np.mean([iou(np.rot90(square, k)) for k in (1, 2, 3)]))
    assert "p_turned_iou" not in table


def test_every_score_has_its_ranks_and_its_matrix_and_distances_count_downwards(masks):
    heat = xr.DataArray(
        spot((6, 6))[None, None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger"]},
    )
    table = evaluate(heat, masks, scores=("centre_of_mass", "auc"), nulls=("toroidal",))
    one = cell(table, "anger")
    assert float(one.rank_of_own_mask_auc) == float(one.rank_of_own_mask_centre_of_mass) == 1
    assert float(one.over_other_masks_centre_of_mass) > 0 > -float(one.centre_of_mass)
    matrix = all_masks(table, "centre_of_mass").sel(expression="anger").values.ravel()
    assert matrix.argmin() == 0
    assert np.isnan(float(one.p_toroidal_centre_of_mass))
    assert json.loads(table.attrs["reasons"])["p_toroidal_centre_of_mass"]
    assert float(one.p_toroidal_auc) < 0.05


def test_reasons_of_single_scores(masks):
    heat = xr.DataArray(
        spot((6, 6), 2.0)[None, None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["anger"]},
    )
    table = evaluate(heat, masks, domain=masks.maps.values[0] > 0.5, nulls=())
    assert np.isnan(float(cell(table, "anger").correlation))
    assert str(cell(table, "anger").reason_correlation.item()) == "the mask covers the whole domain"
    assert str(cell(table, "anger").reason_iou.item()) == ""


def test_wrong_requests_are_refused_before_any_work(masks):
    maps = faces({"anger": (5, 5)}, people=2)
    with pytest.raises(UnknownNameError, match="toroidal"):
        evaluate(maps, masks, nulls=("toroid",))
    with pytest.raises(UsageError, match="null_draws is 0"):
        evaluate(maps, masks, null_draws=0)
    with pytest.raises(UsageError, match=r"value:0\.5"):
        evaluate(maps, masks, threshold="half")


def test_names_written_otherwise_and_groupings_of_global_maps_are_said(masks):
    heat = xr.DataArray(
        np.stack([spot((5, 5)), spot((9, 9))])[None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": ["net"], "explainer": ["cam"], "expression": ["Angry", "boredom"]},
    )
    table = evaluate(heat, masks, nulls=())
    assert table["reason"].values.ravel().tolist() == [
        "'spots' has no mask for Angry; write 'anger'",
        "'spots' has no mask for boredom",
    ]
    with pytest.raises(UsageError, match="by='labelled' groups maps of single images"):
        evaluate(heat, masks, by="labelled")


def test_the_labels_are_corrected_over_the_explainers(masks):
    maps = xr.concat(
        [faces(dict(list(CORNERS.items())[:3]), people=5).assign_coords(explainer=[name]) for name in ("cam", "lime")],
        "explainer",
    )
    table = evaluate(maps, masks, nulls=("toroidal",), intervals=False)
    np.testing.assert_allclose(table["p_labels_iou"], 1 / 60)  # three maps, five masks: 5! / 2! ways
    np.testing.assert_allclose(table["bh_labels_iou"], multipletests([1 / 60, 1 / 60], method="fdr_bh")[1])

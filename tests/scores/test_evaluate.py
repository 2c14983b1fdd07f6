"""One map, six masks, numbers by hand; and what happens to a cell that cannot be scored."""

import json

import numpy as np
import pytest
import xarray as xr

from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.heatmaps import otsu, save
from workbench.masks import MaskSet
from workbench.scores import SCORES, all_masks, evaluate, score, tidy
from workbench.scores.centre import centre_blob
from workbench.scores.evaluation import DEFAULT_SCORES
from workbench.vocabulary import BASIC_EXPRESSIONS


def at(table, expression="fear", **more):
    return table.sel({"model": "net", "explainer": "cam", "expression": expression, **more})


@pytest.fixture
def table(heat_of, toy_masks, box_of):
    # foreground: the left half without its lowest row, 15 of 36 pixels; the fear mask is the left half, 18 pixels
    return evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), toy_masks)


def test_scores_by_hand(table):
    cell = at(table)
    assert float(cell.iou) == pytest.approx(15 / 18)
    assert float(cell.precision) == 1
    assert float(cell.recall) == pytest.approx(15 / 18)
    assert float(cell.f1) == pytest.approx(30 / 33)
    assert float(cell.area) == pytest.approx(15 / 36)
    mask, values = np.repeat([[1, 1, 1, 0, 0, 0]], 6, 0), np.zeros((6, 6))
    values[:5, :3] = 1
    assert float(cell.correlation) == pytest.approx(np.corrcoef(mask.ravel(), values.ravel())[0, 1])


def test_chance_by_hand(table):
    cell, a, b = at(table), 15 / 36, 1 / 2
    assert float(cell.chance_iou) == pytest.approx(a * b / (a + b - a * b))
    assert float(cell.chance_precision) == pytest.approx(b)
    assert float(cell.chance_recall) == pytest.approx(a)
    assert float(cell.chance_f1) == pytest.approx(2 * a * b / (a + b))
    assert float(cell.chance_correlation) == 0


def test_the_other_masks_by_hand(table):
    # with anger: 6 in 21; disgust: column 2 of rows 2, 3: 2 in 17; happiness: 3 in 24; sadness: 9 in 15; surprise: 0
    wanted = [6 / 21, 2 / 17, 15 / 18, 3 / 24, 9 / 15, 0]
    np.testing.assert_allclose(at(all_masks(table)), wanted)
    assert float(at(table).other_masks_iou) == pytest.approx((6 / 21 + 2 / 17 + 3 / 24 + 9 / 15 + 0) / 5)
    assert float(at(table).rank_of_own_mask) == 1


def test_a_tie_does_not_lower_the_rank(heat_of, toy_masks, box_of):
    table = evaluate(heat_of({"anger": box_of(0, 0, 2, 2), "happiness": box_of(0, 0, 3, 3)}), toy_masks)
    # the happiness map misses its own mask: sadness 1, fear .5, anger 6/15, disgust 1/12 are higher, surprise is equal
    assert float(at(table, "happiness").rank_of_own_mask) == 5


def test_the_centre_blob(table, toy_masks):
    blob = centre_blob((6, 6))
    own = blob > otsu(blob)
    mask = toy_masks.maps.sel(expression="fear").values > 0
    assert float(at(table).centre_iou) == pytest.approx((own & mask).sum() / (own | mask).sum())
    # at the map's area: 12 pixels (4 + 8), as the next ring of equal values would make it 16 > 15
    assert float(at(table).centre_iou_equal_area) == pytest.approx(6 / 24)


def test_the_blob_lies_in_the_middle_and_scales_with_the_grid():
    blob = centre_blob((275, 224)).astype(int)
    assert (blob == blob[::-1]).all()
    assert (blob == blob[:, ::-1]).all()
    assert blob[137, 111] == 254
    assert blob[137 + 60, 111] == int(255 * np.exp(-0.5 * (1 + (0.5 / 50) ** 2)))
    large = centre_blob((550, 448)).astype(int)
    assert abs(large[::2, ::2] - blob).max() <= 3


def test_a_cell_without_a_map_is_nan_with_a_reason(table):
    for name in ("anger", "sadness"):
        assert np.isnan(float(at(table, name).iou))
        assert str(at(table, name).reason.item()) == "there is no map"
        assert str(at(table, name).verdict.item()) == "not scored: there is no map"
    assert str(at(table).reason.item()) == ""


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.full((6, 6), 3.0), "constant"),
        (np.where(np.eye(6) > 0, np.inf, 0), "infinite"),
        (np.where(np.arange(36).reshape(6, 6) < 20, np.nan, np.arange(36).reshape(6, 6)), "44% of the domain only"),
    ],
)
def test_a_map_that_cannot_be_scored_is_never_zero(heat_of, toy_masks, box_of, values, says):
    table = evaluate(heat_of({"fear": values, "anger": box_of(0, 0, 2, 2)}), toy_masks)
    cell = at(table)
    assert says in str(cell.reason.item())
    for name in (*DEFAULT_SCORES, "chance_iou", "other_masks_iou", "rank_of_own_mask"):
        assert np.isnan(float(cell[name])), name
    assert np.isfinite(float(cell.centre_iou)), "the blob needs no map"
    assert float(at(table, "anger").iou) == pytest.approx(4 / 12)


def test_missing_pixels_are_left_out_of_every_number(heat_of, toy_masks, box_of):
    values = box_of(0, 0, 5, 3)
    values[:, 5] = np.nan
    cell = at(evaluate(heat_of({"fear": values}), toy_masks))
    a, b = 15 / 30, 18 / 30
    assert float(cell.covered) == pytest.approx(30 / 36)
    assert float(cell.area) == pytest.approx(a)
    assert float(cell.chance_iou) == pytest.approx(a * b / (a + b - a * b))


def test_an_area_instead_of_otsu(heat_of, toy_masks):
    cell = at(evaluate(heat_of({"fear": np.arange(36).reshape(6, 6)}), toy_masks, threshold=0.25))
    assert float(cell.area) == 0.25
    assert float(cell.iou) == pytest.approx(3 / 24)  # pixels 27 … 35: row 4 from column 3 on, all of row 5


def test_controls_that_nobody_made_are_nan_with_a_reason(table):
    reasons = json.loads(table.attrs["reasons"])
    for name in ("random_weights_iou", "edge_map_f1", "low_iou", "high_correlation", "chance_iou_face"):
        assert np.isnan(table[name]).all()
        assert reasons[name], name
    assert reasons["low_iou"] == "no per-image maps"
    assert "controls=('edge_map',)" in reasons["edge_map_iou"]


def test_control_maps_become_columns_and_not_rows(heat_of, toy_masks, box_of):
    pick = dict(zip(("cam", "cam@random_weights", "edge_map", "lime"), ((5, 3), (2, 2), (6, 3), (1, 6)), strict=True))
    each = [heat_of({"fear": box_of(0, 0, *size)}, explainer=name) for name, size in pick.items()]
    heat = xr.concat(each, "explainer")
    heat = heat.assign_coords(role=("explainer", ["method", "control", "control", "method"]))
    table = evaluate(heat, toy_masks)
    assert table.explainer.values.tolist() == ["cam", "lime"]
    assert float(at(table).random_weights_iou) == pytest.approx(4 / 18)
    assert float(at(table).edge_map_iou) == 1
    assert float(at(table, explainer="lime").edge_map_iou) == 1
    assert np.isnan(float(at(table, explainer="lime").random_weights_iou))
    assert "edge_map_iou" not in json.loads(table.attrs["reasons"])


def test_controls_alone_are_no_study(heat_of, toy_masks, box_of):
    heat = heat_of({"fear": box_of(0, 0, 5, 3)}).assign_coords(role=("explainer", ["control"]))
    with pytest.raises(UsageError, match="every map is a control"):
        evaluate(heat, toy_masks)


def test_the_domain_may_be_narrowed(heat_of, toy_masks, box_of):
    domain = box_of(0, 0, 6, 4) > 0
    cell = at(evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), toy_masks, domain=domain))
    assert float(cell.area) == pytest.approx(15 / 24)
    assert float(cell.chance_precision) == pytest.approx(18 / 24)


def test_a_mask_outside_the_domain_is_undefined_with_a_reason(heat_of, toy_masks, box_of):
    maps = {"fear": box_of(0, 0, 2, 1), "happiness": box_of(0, 0, 2, 1)}
    table = evaluate(heat_of(maps), toy_masks, domain=box_of(0, 0, 3, 6) > 0)
    assert "'happiness' is empty in the domain" in str(at(table, "happiness").reason.item())
    assert np.isnan(float(at(table, "happiness").recall))


def test_other_grids_and_frames_are_refused_by_name(heat_of, toy_masks, box_of):
    heat = heat_of({"fear": box_of(0, 0, 5, 3)})
    with pytest.raises(FrameMismatchError, match="6×5 and the masks 'toy' in frame 'image' on 6×6"):
        evaluate(heat.isel(x=slice(0, 5)), toy_masks)
    with pytest.raises(FrameMismatchError, match=r"'mediapipe478'.*'image'"):
        evaluate(heat.assign_attrs(frame="mediapipe478"), toy_masks)


@pytest.mark.parametrize("domain", ["face", "skull"])
def test_a_domain_that_does_not_exist(heat_of, toy_masks, box_of, domain):
    with pytest.raises(UsageError, match="face"):
        evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), toy_masks, domain=domain)


def test_an_unknown_score_is_refused_with_the_nearest_name(heat_of, toy_masks, box_of):
    with pytest.raises(UnknownNameError, match="precision"):
        evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), toy_masks, scores=("precison",))


def test_an_expression_without_a_mask_is_said(heat_of, toy_masks, box_of):
    heat = heat_of({"fear": box_of(0, 0, 5, 3), "disgust": box_of(0, 0, 5, 3)})
    heat = heat.assign_coords(expression=["anger", "contempt", *BASIC_EXPRESSIONS[2:]])
    table = evaluate(heat, toy_masks)
    assert str(at(table, "contempt").reason.item()) == "'toy' has no mask for contempt"
    assert str(at(table, "contempt").verdict.item()).startswith("not scored")


def test_action_units_are_a_dimension_each_with_its_controls(heat_of, au_masks, box_of):
    table = evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), au_masks)
    assert table.iou.dims == ("model", "explainer", "expression", "au")
    # AU12 counts where it is at least .5: rows 4, 5 of the left half
    np.testing.assert_allclose(at(table).iou, [6 / 21, 3 / 18, 15 / 18])
    np.testing.assert_allclose(at(table).rank_of_own_mask, [2, 3, 1])
    np.testing.assert_allclose(at(table).other_masks_iou[0], (3 / 18 + 15 / 18) / 2)
    np.testing.assert_allclose(at(table).chance_precision, [1 / 3, 1 / 6, 1 / 2])
    assert at(table).centre_iou.shape == (3,)
    assert set(at(table, "anger").reason.values.tolist()) == {"there is no map"}
    frame = tidy(table)
    assert len(frame) == 18
    assert {"au", "iou", "chance_iou"} <= set(frame.columns)


def test_a_newcomer_appears_with_all_its_controls(heat_of, toy_masks, box_of):
    @score("spared", chance=lambda a, b: 1 - a)
    def spared(values, foreground, mask):
        """Share of the pixels outside the mask that the map leaves free."""
        return float((~foreground[~mask]).mean())

    @score("peak", span=(0, 255), best=255, takes="values")
    def peak(values, foreground, mask):
        """Mean grey value in the mask."""
        return float(values[mask].mean())

    try:
        cell = at(evaluate(heat_of({"fear": box_of(0, 0, 5, 4)}), toy_masks, scores=("spared", "peak")))
    finally:
        SCORES.remove("spared")
        SCORES.remove("peak")
    assert float(cell.spared) == pytest.approx(1 - 5 / 18)
    assert float(cell.chance_spared) == pytest.approx(1 - 20 / 36)
    for name in ("other_masks_spared", "centre_spared", "centre_spared_equal_area", "centre_peak"):
        assert np.isfinite(float(cell[name])), name
    assert float(cell.chance_peak) == pytest.approx(255 * 20 / 36, rel=0.15)  # no closed form: shuffled
    assert "iou" in cell
    assert "precision" not in cell


def test_one_row_a_cell(table):
    frame = tidy(table)
    assert len(frame) == 6
    assert frame.set_index("expression").loc["fear", "iou_with_sadness"] == pytest.approx(9 / 15)
    assert not frame.columns.duplicated().any()
    assert table.to_dataframe().index.names == ["model", "explainer", "expression"]


def test_the_table_can_be_written(table, tmp_path):
    table.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as back:
        np.testing.assert_array_equal(back.iou, table.iou)
        assert back.verdict.values.astype(str).tolist() == table.verdict.values.tolist()


def test_maps_of_single_images_are_aggregated_first(noisy_maps, toy_masks, tmp_path):
    from workbench.heatmaps import global_heatmaps

    table = evaluate(noisy_maps, toy_masks, intervals=False)
    again = evaluate(global_heatmaps(noisy_maps), toy_masks)
    np.testing.assert_allclose(table.iou, again.iou)
    assert float(at(table).n) == 12
    assert json.loads(table.attrs["reasons"])["low_iou"] == "intervals=False"
    assert str(at(table, "anger").reason.item()) == "no image with a map enters this expression"
    assert save(noisy_maps, tmp_path / "maps.nc").exists()


def test_the_threshold_is_set_on_the_masks_domain_and_counted_on_the_given_one(toy_masks, heat_of, box_of):
    """Otsu on the whole grid parts 9 from the rest; on the left half alone it would part 4 from 0."""
    values = np.where(box_of(0, 3, 6, 3) > 0, 9.0, 4 * box_of(0, 0, 3, 3))
    values[0, 0] = 9
    left = box_of(0, 0, 6, 3) > 0
    cell = at(evaluate(heat_of({"sadness": values}), toy_masks, domain=left), "sadness")
    assert float(cell.area) == pytest.approx(1 / 18)
    domain = xr.DataArray(left, dims=("y", "x"))
    masks = MaskSet("narrow", toy_masks.maps.sel(expression=["anger", "fear", "sadness"]) * left, "image", domain)
    own = at(evaluate(heat_of({"sadness": values}), masks), "sadness")
    assert float(own.area) == pytest.approx(9 / 18), (
        "the masks' own domain is the left half: the threshold is set there"
    )
    wide = at(evaluate(heat_of({"sadness": values}), masks, domain="canvas"), "sadness")
    assert float(wide.area) == pytest.approx(19 / 36), "set on a domain that reaches further"


def test_edges_are_those_of_the_faces_that_an_explainer_ran_on(toy_masks, box_of):
    values = np.zeros((1, 3, 4, 6, 6), np.float32)
    values[0, :2] = box_of(0, 0, 6, 2)
    values[0, 2, :2], values[0, 2, 2:] = box_of(0, 0, 6, 3), 3 * box_of(4, 3, 2, 3)
    status = np.full((1, 3, 4), "ok", dtype="<U12")
    status[0, 1, 2:], values[0, 1, 2:] = "not computed", np.nan  # LIME on the first two faces only
    maps = xr.DataArray(
        values,
        {"model": ["net"], "explainer": ["cam", "lime", "edge_map"], "image": list("abcd")},
        ("model", "explainer", "image", "y", "x"),
    ).assign_coords(
        status=(("model", "explainer", "image"), status),
        role=("explainer", ["method", "method", "control"]),
        predicted=(("model", "image"), [["fear"] * 4]),
    )
    table = evaluate(maps, toy_masks, intervals=False)
    assert list(table["explainer"].values) == ["cam", "lime"]
    assert float(at(table, explainer="lime").edge_map_iou) == 1
    assert float(at(table).edge_map_iou) == float(at(evaluate(maps.isel(explainer=[0, 2]), toy_masks)).edge_map_iou) < 1


def test_the_name_of_a_mask_set_is_no_mask_set():
    maps = xr.DataArray(
        np.eye(4, dtype=np.float32)[None, None],
        dims=("model", "expression", "y", "x"),
        coords={"model": ["a"], "expression": ["fear"]},
    )
    with pytest.raises(UsageError, match="masks are a MaskSet, not str; make it with load_masks"):
        evaluate(maps, "friesen-ekman")

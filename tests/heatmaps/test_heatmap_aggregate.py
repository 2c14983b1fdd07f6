"""Who enters an expression, on which scale, and what is counted."""

import numpy as np
import pytest

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import aggregate, global_heatmaps
from workbench.vocabulary import BASIC_EXPRESSIONS


def test_the_mean_of_two_maps_by_hand(four_faces):
    heat = global_heatmaps(four_faces)
    # ([0 .25; .5 1] + [1 0; 0 0]) / 2 = [.5 .125; .25 .5] → min–max over [.125, .5]
    np.testing.assert_allclose(
        heat.sel(model="net0", explainer="cam", expression="anger"), [[1, 0], [1 / 3, 1]], atol=1e-6
    )
    cell = heat.sel(model="net0", explainer="cam", expression="anger")
    assert (int(cell.n), int(cell.left_out), float(cell.coverage)) == (2, 1, 1.0)


def test_none_and_sum_are_other_scales(four_faces):
    # none: ([0 1; 2 4] + [8 0; 0 0]) / 2 = [4 .5; 1 2]; sum: ([0 1; 2 4] / 7 + [1 0; 0 0]) / 2
    none = global_heatmaps(four_faces, normalise="none").sel(model="net0", explainer="cam", expression="anger")
    np.testing.assert_allclose(none, [[1, 0], [1 / 7, 3 / 7]], atol=1e-6)
    summed = global_heatmaps(four_faces, normalise="sum").sel(model="net0", explainer="cam", expression="anger")
    np.testing.assert_allclose(summed, [[1, 0], [1 / 6, 0.5]], atol=1e-6)


def test_an_expression_that_nobody_was_given_is_nan_with_n_zero(four_faces):
    heat = global_heatmaps(four_faces)
    assert heat.expression.values.tolist() == list(BASIC_EXPRESSIONS)
    assert np.isnan(heat.sel(expression="sadness")).all()
    assert (heat["n"].sel(expression="sadness") == 0).all()


def test_correct_needs_prediction_and_label(four_faces):
    heat = global_heatmaps(four_faces, by="correct")
    assert heat["n"].sel(model="net0", explainer="cam").values.tolist() == [1, 0, 1, 0, 0, 0]
    assert heat["left_out"].sel(model="net0", explainer="cam").values.tolist() == [1, 0, 0, 0, 0, 0]
    assert heat["n"].sel(model="net1", explainer="cam").values.tolist() == [0, 0, 2, 0, 0, 0]


def test_maps_of_the_predicted_class_are_not_grouped_by_label(four_faces):
    with pytest.raises(UsageError, match=r"3 maps explain the predicted class.*target='labelled'"):
        global_heatmaps(four_faces, by="labelled")


def test_maps_of_the_labelled_class_are_grouped_by_label_only(four_faces):
    maps = four_faces.assign_attrs(target="labelled")
    assert global_heatmaps(maps, by="labelled")["n"].sel(model="net1", explainer="cam").values.tolist() == [
        1,
        0,
        2,
        0,
        0,
        0,
    ]
    with pytest.raises(UsageError, match="use by='labelled'"):
        global_heatmaps(maps, by="predicted")
    assert global_heatmaps(maps).identical(global_heatmaps(maps, by="labelled"))
    assert global_heatmaps(four_faces).attrs["by"] == "predicted"


def test_grouping_by_label_is_fine_where_every_prediction_is_right(build_maps):
    maps = build_maps(np.arange(8.0).reshape(1, 1, 2, 2, 2), [["anger", "fear"]], ["Angry", "scared"])
    heat = global_heatmaps(maps, by="labelled")
    assert heat["n"].sel(expression=["anger", "fear"]).values.ravel().tolist() == [1, 1]


def test_maps_of_one_fixed_class_fill_that_expression_alone(four_faces):
    heat = global_heatmaps(four_faces.assign_attrs(target="expression:fear"))
    assert heat["n"].sel(model="net0", explainer="cam").values.tolist() == [0, 0, 1, 0, 0, 0]


def test_a_missing_label_is_said(four_faces):
    with pytest.raises(UsageError, match="no coordinate 'label'"):
        global_heatmaps(four_faces.drop_vars("label"), by="correct")


def test_an_unknown_grouping_is_refused(four_faces):
    with pytest.raises(UnknownNameError, match="did you mean predicted"):
        global_heatmaps(four_faces, by="predictd")


def test_a_pixel_is_averaged_over_the_maps_that_cover_it(build_maps):
    maps = build_maps([[[[[0, 4], [2, np.nan]], [[4, 0], [0, 2]]]]], [["fear", "fear"]])
    cell = global_heatmaps(maps).sel(model="net0", explainer="cam", expression="fear")
    # [0 1; .5 –] and [1 0; 0 .5]: [.5 .5; .25 .5]
    np.testing.assert_allclose(cell, [[1, 1], [0, 1]], atol=1e-6)
    assert float(cell.coverage) == 0.5


def test_the_stretch_is_inside_the_domain_and_zero_outside(build_maps):
    maps = build_maps([[[[[8, 1], [2, 4]]]]], [["fear"]])
    domain = np.array([[False, True], [True, True]])
    heat = global_heatmaps(maps, domain=domain)
    np.testing.assert_allclose(heat.sel(expression="fear").squeeze(), [[0, 0], [1 / 3, 1]], atol=1e-6)
    assert (heat["domain"].values == domain).all()
    again = global_heatmaps(maps.assign_coords(domain=(("y", "x"), domain)))
    assert again.identical(heat)


@pytest.mark.parametrize("state", ["constant", "non-finite", "zero-gradient"])
def test_a_map_that_failed_is_left_out_and_counted(build_maps, state):
    values = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    heat = global_heatmaps(build_maps(values, [["fear", "fear"]], status=[[["ok", state]]]))
    cell = heat.sel(model="net0", explainer="cam", expression="fear")
    assert (int(cell.n), int(cell.left_out)) == (1, 1)
    np.testing.assert_allclose(cell, [[0, 1 / 3], [2 / 3, 1]], atol=1e-6)


def test_a_map_that_was_not_asked_for_is_no_failure(build_maps):
    values = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    values[0, 0, 1] = np.nan
    cell = global_heatmaps(build_maps(values, [["fear", "fear"]], status=[[["ok", "not computed"]]])).sel(
        model="net0", explainer="cam", expression="fear"
    )
    assert (int(cell.n), int(cell.left_out)) == (1, 0)


def test_the_values_are_looked_at_even_where_the_status_says_ok(build_maps):
    values = np.arange(16.0).reshape(1, 1, 4, 2, 2)
    values[0, 0, 1, 0, 0], values[0, 0, 2], values[0, 0, 3] = np.inf, 7.0, -values[0, 0, 3]
    heat = global_heatmaps(build_maps(values, [["fear"] * 4], status=[[["ok"] * 4]]))
    cell = heat.sel(model="net0", explainer="cam", expression="fear")
    assert (int(cell.n), int(cell.left_out)) == (1, 3)


def test_the_size_of_a_block_does_not_matter(build_maps, monkeypatch):
    rng = np.random.default_rng(0)
    predicted = [["fear"] * 13, ["anger", *["fear"] * 12]]
    maps = build_maps(rng.normal(size=(2, 2, 13, 6, 5)), predicted, explainer=("a", "b"))
    whole = global_heatmaps(maps)
    monkeypatch.setattr(aggregate, "_BLOCK_BYTES", 6 * 5 * 4 * 2)
    small = global_heatmaps(maps)
    np.testing.assert_allclose(whole.values, small.values, atol=1e-6)
    assert (whole["n"] == small["n"]).all()


def test_policy_roles_and_frame_travel_with_the_map(four_faces):
    maps = four_faces.assign_coords(role=("explainer", ["control"])).assign_attrs(frame="published", seed=7)
    heat = global_heatmaps(maps, normalise="none")
    assert heat["role"].values.tolist() == ["control"]
    assert (heat.attrs["frame"], heat.attrs["by"], heat.attrs["normalise"]) == ("published", "predicted", "none")
    assert heat.attrs["seed"] == 7
    assert "the network predicts it" in heat.attrs["policy"]
    assert heat.dtype == np.float32


def test_global_maps_are_not_aggregated_twice(four_faces):
    with pytest.raises(UsageError, match="global already"):
        global_heatmaps(global_heatmaps(four_faces))


def test_dimensions_in_another_order_are_put_right(four_faces):
    assert global_heatmaps(four_faces.transpose("x", "image", "y", "explainer", "model")).identical(
        global_heatmaps(four_faces)
    )


def test_what_was_explained_goes_before_the_target(four_faces):
    explained = [["anger", "anger", "", "anger"], ["fear"] * 4]
    heat = global_heatmaps(four_faces.assign_coords(explained=(("model", "image"), explained)))
    assert heat["n"].sel(model="net0", explainer="cam").values.tolist() == [2, 0, 0, 0, 0, 0]
    explained[0][0] = "fear"
    maps = four_faces.assign_coords(explained=(("model", "image"), explained))
    with pytest.raises(UsageError, match="1 maps explain the predicted class"):
        global_heatmaps(maps)


def test_flagged_faces_enter_the_mean_and_are_counted(four_faces):
    maps = four_faces.assign_coords(
        folded=("image", [True, False, True, False]), turned=("image", [True, False, False, True])
    )
    heat, plain = global_heatmaps(maps), global_heatmaps(four_faces)
    np.testing.assert_array_equal(heat.values, plain.values)
    cell = {"model": "net0", "explainer": "cam"}
    assert heat["n_folded"].sel({**cell, "expression": "anger"}).item() == 1
    assert heat["n_turned"].sel({**cell, "expression": "anger"}).item() == 2
    assert heat["n_folded"].sel({**cell, "expression": "fear"}).item() == 1
    assert heat.attrs["policy"] == plain.attrs["policy"]
    assert "leave_out" not in heat.attrs
    assert "n_folded" not in plain.coords


def test_flagged_faces_are_left_out_and_counted_where_asked(four_faces):
    maps = four_faces.assign_coords(
        folded=("image", [True, False, False, False]), turned=("image", [False, False, False, True])
    )
    heat = global_heatmaps(maps, leave_out=("folded", "turned"))
    cell = heat.sel(model="net0", explainer="cam", expression="anger")
    assert (int(cell.n), int(cell.left_out), int(cell.n_folded), int(cell.n_turned)) == (1, 2, 1, 1)
    np.testing.assert_allclose(cell, [[1, 0], [0, 0]], atol=1e-6)
    assert heat.attrs["leave_out"] == "folded, turned"
    assert "maps of folded and turned faces are left out" in heat.attrs["policy"]
    one = global_heatmaps(maps, leave_out="folded").sel(model="net0", explainer="cam", expression="anger")
    assert (int(one.n), int(one.left_out)) == (1, 2)  # the last map is constant


def test_a_flagged_face_whose_map_was_not_computed_is_not_counted_as_left_out(build_maps):
    values = np.arange(8.0).reshape(1, 1, 2, 2, 2)
    values[0, 0, 1] = np.nan
    maps = build_maps(values, [["fear", "fear"]], status=[[["ok", "not computed"]]])
    heat = global_heatmaps(maps.assign_coords(turned=("image", [False, True])), leave_out=["turned"])
    cell = heat.sel(model="net0", explainer="cam", expression="fear")
    assert (int(cell.n), int(cell.left_out), int(cell.n_turned)) == (1, 0, 1)


def test_flags_that_are_unknown_or_missing_are_refused(four_faces):
    with pytest.raises(UsageError, match="no coordinate 'folded'"):
        global_heatmaps(four_faces, leave_out=("folded",))
    with pytest.raises(UnknownNameError, match="did you mean turned"):
        global_heatmaps(four_faces, leave_out=("turnd",))

"""The summary and the rows that the command line prints."""

import json

import numpy as np
import pytest

from workbench.scores import evaluate, rows, summary


def test_rows_leave_out_what_never_was_and_keep_what_failed(heat_of, toy_masks, box_of):
    heat = heat_of({"fear": box_of(0, 0, 5, 3), "anger": np.ones((6, 6))})
    status = np.full((1, 1, 6), "not computed", dtype="<U12")
    status[0, 0, 0], status[0, 0, 2] = "constant", "ok"
    found = rows(evaluate(heat.assign_coords(status=(("model", "explainer", "expression"), status)), toy_masks))
    assert [(r["expression"], r["iou"] is None) for r in found] == [("anger", True), ("fear", False)]
    assert found[1]["explainer"] == "cam"
    assert isinstance(found[1]["rank_of_own_mask"], int)
    json.dumps(found, allow_nan=False)


def test_means_are_over_scored_cells_only(heat_of, toy_masks, box_of):
    maps = {"fear": box_of(0, 0, 5, 3), "sadness": box_of(0, 0, 3, 3), "anger": np.ones((6, 6))}
    found = summary(evaluate(heat_of(maps), toy_masks))
    assert (found["cells"], found["models"], found["masks"]) == (2, 1, 6)
    assert found["iou"] == pytest.approx((15 / 18 + 1) / 2)
    assert (found["own_mask_first"], found["own_mask_first_expected_by_chance"]) == (2, pytest.approx(1 / 3))
    assert found["iou_by_model"] == {"net": pytest.approx((15 / 18 + 1) / 2)}
    assert found["iou_by_expression"]["surprise"] is None
    assert [r["reason"] for r in found["not_scored"]] == ["the map is constant in the domain"]
    assert found["chance_iou_face"] is None
    assert found["caution"].startswith("Mean IoU 0.917 against ")
    json.dumps(found, allow_nan=False)


def test_each_action_unit_is_a_cell(heat_of, au_masks, box_of):
    table = evaluate(heat_of({"fear": box_of(0, 0, 5, 3)}), au_masks)
    assert [r["au"] for r in rows(table)] == ["AU1", "AU12", "AU4"]
    found = summary(table)
    assert found["cells"] == 3
    # one unit of each map is always first: counting that would look like a finding
    assert (found["own_mask_first"], found["own_mask_first_expected_by_chance"]) == (None, None)
    assert "own mask first" not in found["caution"]
    assert "other expressions" not in found["caution"]
    assert "each map against each of 3 masks, none of which is its own" in found["caution"]

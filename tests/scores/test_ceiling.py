"""The two experts against each other, and by hand on toy masks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks import load_masks
from workbench.scores.ceiling import ceiling, other_expert


def test_by_hand(toy_masks):
    """Anger is the two upper of six rows, the other expert's the left half of them; other masks of area 12, 4, …"""
    other = toy_masks.maps.copy(deep=True)
    other.loc["anger"] = 0
    other.loc["anger"][:2, :3] = 1
    table = ceiling(toy_masks, replace(toy_masks, name="other", maps=other), ("iou", "precision", "recall"))
    anger = table.sel(expression="anger")
    assert float(anger.ceiling_iou) == pytest.approx(6 / 12)
    assert float(anger.ceiling_precision) == 1
    assert float(anger.ceiling_recall) == 0.5
    assert float(anger.chance_recall) == pytest.approx(6 / 36)
    assert float(anger.chance_iou) == pytest.approx(2 / (6 + 12 - 2))
    # disgust 0 of 10, fear 6 of 18, happiness 0, sadness 6 of 9, surprise 0
    assert float(anger.other_masks_iou) == pytest.approx((6 / 18 + 6 / 9) / 5)
    assert float(table.sel(expression="fear").ceiling_iou) == 1
    assert table.attrs["second"] == "other"
    assert json.loads(table.attrs["reasons"]) == {}


def test_a_soft_second_is_cut_by_otsu(toy_masks):
    soft = toy_masks.maps * 0.9
    soft.loc["anger"][2:] = 0.1
    table = ceiling(toy_masks, replace(toy_masks, name="soft", maps=soft), ("iou", "correlation"))
    assert float(table.sel(expression="anger").ceiling_iou) == 1
    assert float(table.sel(expression="anger").ceiling_correlation) == pytest.approx(1)


def test_the_two_papers_agree_by_a_quarter_to_two_fifths():
    """Of the published masks and the second paper's maps, cut by Otsu; chance and the other masks well below."""
    table = ceiling(load_masks("friesen-ekman", frame="published"))
    assert table.attrs["second"] == "belharbi-au-published by martinez-2017"
    wanted = {"anger": 0.339, "disgust": 0.332, "fear": 0.251, "happiness": 0.386, "sadness": 0.357, "surprise": 0.366}
    for expression, value in wanted.items():
        assert float(table.sel(expression=expression).ceiling_iou) == pytest.approx(value, abs=5e-4)
    assert float(table.chance_iou.max()) < 0.16
    assert (table.ceiling_iou > table.other_masks_iou).all()


def test_the_other_expert_says_something_else():
    published = load_masks("friesen-ekman", frame="published")
    assert other_expert(load_masks("facs-au", codebook="martinez-2017", frame="published")).name == "friesen-ekman"
    assert other_expert(replace(published, name="a copy")).name.startswith("belharbi")


def test_without_a_second_expert(toy_masks, au_masks):
    table = ceiling(toy_masks)
    assert np.isnan(table.ceiling_iou).all()
    assert "no second expert drew masks on the frame 'image'" in json.loads(table.attrs["reasons"])[""]
    table = ceiling(au_masks)
    assert np.isnan(table.ceiling_iou).all()
    assert "for expressions only" in json.loads(table.attrs["reasons"])[""]


def test_an_expression_that_the_second_lacks(toy_masks):
    table = ceiling(toy_masks, replace(toy_masks, name="five", maps=toy_masks.maps[1:]))
    assert np.isnan(float(table.sel(expression="anger").ceiling_iou))
    assert json.loads(table.attrs["reasons"]) == {"anger": "'five' has no mask for anger"}


def test_bad_input(toy_masks, au_masks):
    with pytest.raises(UnknownNameError, match="iuo"):
        ceiling(toy_masks, toy_masks, ("iuo",))
    with pytest.raises(UsageError, match="ceiling is of expressions"):
        ceiling(au_masks, toy_masks)
    with pytest.raises(UsageError, match="masks of aus"):
        ceiling(toy_masks, au_masks)
    with pytest.raises(FrameMismatchError, match="load both on one frame"):
        ceiling(toy_masks, load_masks("friesen-ekman", frame="ibug68"))

"""How coefficients become maps."""

import numpy as np
import pytest

from workbench.explainers.perturbation.plan import Plan, Scene


def test_a_pixel_gets_its_regions_coefficient():
    plan = Plan((2, 2), 1, None, regions=np.array([[0, 1], [1, 2]]))
    maps = plan.answer(np.array([[1.0, -2, 3], [0, 0, 5]]))
    assert maps.dtype == np.float32
    assert maps.tolist() == [[[1, -2], [-2, 3]], [[0, 0], [0, 5]]]


def test_soft_regions_add_up_where_they_overlap():
    regions = np.array([[[1.0, 0.5, 0]], [[0, 0.5, 1]], [[0, 0.25, 0]]])
    plan = Plan((1, 3), 1, None, regions=regions, names=["a", "b", "rest"])
    maps, parts = plan.answer(np.array([[2.0, 4, 8]]))
    assert maps.tolist() == [[[2, 5, 4]]]
    assert parts.tolist() == [[2, 4, 8]]


def test_cells_stay_a_map_of_cells():
    plan = Plan((8, 8), 1, None, cells=(2, 3))
    assert plan.answer(np.arange(6.0)[None]).tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_plan_without_regions_spreads_nothing():
    with pytest.raises(ValueError, match="nowhere to spread"):
        Plan((2, 2), 1, None).spread(np.zeros((1, 2)))


def test_chunks_are_all_masks_in_order():
    plan = Plan((1, 1), 10, lambda start, stop: list(range(start, stop)))
    parts = list(plan.chunks(4))
    assert [len(masks) for _, masks in parts] == [4, 4, 2]
    assert [number for _, masks in parts for number in masks] == list(range(10))


def test_a_bare_scene_knows_no_regions():
    with pytest.raises(LookupError, match="'facs-au' was asked for"):
        Scene(np.zeros((2, 2, 3), np.uint8), np.random.default_rng(0)).regions("facs-au")

"""HSIC against its definition."""

import numpy as np
import pytest

from workbench.explainers.perturbation.hsic import binary_grids, hsic


def test_every_cell_is_shown_in_half_of_the_samples_and_cells_are_independent(scene):
    plan = binary_grids(scene(), samples=1000, grid=4)
    assert (plan.features.sum(0) == 500).all()
    apart = np.corrcoef(plan.features.T) - np.eye(16)
    assert np.abs(apart).max() < 5 / np.sqrt(1000)
    assert plan.masks(0, 5).shape == (5, *plan.size)


def test_hsic_is_its_definition(scene):
    """tr(KHLH) / (n − 1)², entry by entry."""
    plan = binary_grids(scene(), samples=30, grid=2)
    stream = np.random.default_rng(0)
    scores = np.stack(
        [np.sin(plan.features @ [3.0, 1, 0, 0]) + 0.1 * stream.normal(size=30), stream.normal(size=30)], 1
    )
    found = hsic(plan, scores)
    assert found.shape == (2, 2, 2)
    centre = np.eye(30) - 1 / 30
    for target in range(2):
        y = scores[:, target]
        width = np.median([abs(y[i] - y[j]) for i in range(30) for j in range(i)])
        outer = np.array([[np.exp(-((a - b) ** 2) / (2 * width**2)) for a in y] for b in y])
        for cell in range(4):
            z = plan.features[:, cell]
            inner = np.array([[float(a == b) for a in z] for b in z])
            expected = np.trace(inner @ centre @ outer @ centre) / 29**2
            assert found[target].ravel()[cell] == pytest.approx(expected, rel=1e-5)


def test_scale_and_offset_of_the_score_do_not_matter(scene):
    plan = binary_grids(scene(), samples=60, grid=2)
    scores = (plan.features @ np.array([3.0, 1, 0, 0]) + np.random.default_rng(0).normal(size=60))[:, None]
    assert np.allclose(hsic(plan, scores), hsic(plan, 40 * scores - 1000), rtol=1e-5)


def test_what_decides_stands_out_also_where_it_only_interacts(scene):
    plan = binary_grids(scene(1), samples=400, grid=3)
    z = plan.features.astype(float)
    found = hsic(plan, np.stack([z[:, 4], 2 * z[:, 0] + z[:, 8], np.full(400, 3.0)], 1)).reshape(3, 9)
    assert found[0].argmax() == 4
    assert found[0, 4] > 20 * np.delete(found[0], 4).max()
    assert list(np.argsort(found[1])[-2:]) == [8, 0]
    assert (np.abs(found[2]) < 1e-12).all()  # a score that never changes

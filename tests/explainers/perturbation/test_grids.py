"""RISE against a plain loop, and its masks against torch's own enlargement."""

import numpy as np
import torch
from torch import nn

from workbench.explainers import run
from workbench.explainers.perturbation.averages import CHUNK, mean
from workbench.explainers.perturbation.grids import cell_plan, random_grids


def test_rise_is_the_plain_loop(scene):
    plan = random_grids(scene(4), samples=2 * CHUNK + 7, keep=0.4)
    scores = np.random.default_rng(0).normal(size=(plan.count, 3))
    expected = np.zeros((3, *plan.size))
    for score, mask in zip(scores, plan.masks(0, plan.count).numpy(), strict=True):
        expected += score[:, None, None] * mask / (plan.count * 0.4)
    assert np.allclose(mean(plan, scores), expected, atol=1e-5)


def test_rise_masks_are_enlarged_grids_cropped_at_an_offset(scene):
    size, grid = (20, 13), 4
    plan = random_grids(scene(5, np.zeros((*size, 3), np.uint8)), samples=50, grid=grid, keep=0.3)
    stream = np.random.default_rng(5)
    cells = (stream.random((50, grid, grid)) < 0.3).astype(np.float32)
    tops, lefts = stream.integers(0, 5, 50), stream.integers(0, 4, 50)
    large = nn.functional.interpolate(torch.from_numpy(cells)[:, None], (25, 20), mode="bilinear")[:, 0]
    masks = plan.masks(0, 50)
    assert masks.shape == (50, 20, 13)
    for sample in range(50):
        top, left = tops[sample], lefts[sample]
        assert torch.allclose(masks[sample], large[sample, top : top + 20, left : left + 13], atol=1e-6)
    assert len({*tops}) == 5
    assert len({*lefts}) == 4


def test_rise_finds_the_only_pixel_that_counts(toy, crops):
    class Spot(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 4, 11] + 1, x[:, 0, 12, 2] + 1, -x[:, 0, 4, 11]], 1)

    found = run(toy(Spot()), crops[:2], "rise", [0, 1], progress=False)["rise"].values
    assert np.abs(np.array(np.unravel_index(found[0].argmax(), (16, 16))) - (4, 11)).max() <= 1
    assert np.abs(np.array(np.unravel_index(found[1].argmax(), (16, 16))) - (12, 2)).max() <= 1


def test_cells_have_sharp_edges_and_cover_the_picture(scene):
    plan = cell_plan(scene(shown=np.zeros((7, 4, 3), np.uint8)), np.arange(12).reshape(2, 6) / 11, (3, 2))
    masks = plan.masks(0, 2).numpy()
    assert np.allclose(masks[0], (np.arange(6) / 11).reshape(3, 2)[[0, 0, 0, 1, 1, 2, 2]].repeat(2, 1))
    assert np.allclose(masks[1] - masks[0], 6 / 11)

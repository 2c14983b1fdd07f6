"""Extremal perturbation: masks by hand, blocks that are known, and masks of the same area that do worse."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UsageError
from workbench.explainers import run
from workbench.explainers.explainer import EXPLAINERS
from workbench.explainers.perturbation.extremal import (
    SmoothMasks,
    _sorted_masks,
    enlarged,
    extremal_perturbation,
    first_look,
    parsed,
)

NAME = "extremal_perturbation"
SIDE = 64
BLOCKS = np.zeros((3, SIDE, SIDE), np.float32)  # the third class sees nothing
BLOCKS[0, 20:40, 30:50] = 1
BLOCKS[1, 4:24, 8:28] = 1


class Blocks(nn.Module):
    """Each class is the mean of the input over its block."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.register_buffer("blocks", torch.from_numpy(BLOCKS) * (scale / BLOCKS[0].sum()))

    def forward(self, x):
        return torch.einsum("nchw,khw->nk", x, self.blocks)


@pytest.fixture(scope="module")
def bright():
    return np.random.default_rng(5).integers(180, 255, (2, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def blocks(toy):
    return toy(Blocks(), size=(SIDE, SIDE), name="blocks")


def explained(classifier, images, targets, **options):
    options = {"areas": "0.1", "steps": 60, "fill": "black", **options}
    return run(classifier, images, NAME, targets, options={NAME: options}, progress=False)[NAME]


def test_the_mask_covers_the_block_and_has_the_area(blocks, bright):
    maps = explained(blocks, bright, [0, 1], steps=100)
    assert maps.status == ["ok", "ok"]
    assert maps.values.min() >= 0
    assert maps.values.max() <= 1
    for value, block in zip(maps.values, BLOCKS[:2], strict=True):
        assert value.shape == (32, 32)
        found, wanted = value > 0.5, block[::2, ::2] > 0
        assert (found & wanted).sum() / (found | wanted).sum() > 0.75  # a mask has round corners
        assert value.mean() == pytest.approx(0.1, abs=0.02)


def test_several_areas_are_averaged_and_nested_in_importance(blocks, bright):
    each = [explained(blocks, bright[:1], [0], areas=area).values[0] for area in ("0.05", "0.2")]
    both = explained(blocks, bright[:1], [0], areas="0.05, 0.2").values[0]
    assert [value.mean() for value in each] == pytest.approx([0.05, 0.2], abs=0.02)
    assert both.mean() == pytest.approx(0.125, abs=0.02)
    inside, outside = BLOCKS[0, ::2, ::2] > 0, BLOCKS[0, ::2, ::2] == 0
    assert both[inside].mean() > 3 * both[outside].mean()


def test_the_unit_of_the_scores_does_not_matter(toy, blocks, bright):
    scaled = toy(Blocks(2.0**-12), size=(SIDE, SIDE), name="scaled")
    expected = explained(blocks, bright[:1], [0], steps=10).values
    assert np.array_equal(explained(scaled, bright[:1], [0], steps=10).values, expected)


def test_the_mask_keeps_more_of_the_score_than_discs_of_its_area(networks, crops):
    classifier = networks["branched"]
    image = crops[1:2]
    inputs, black = classifier.inputs(image), classifier.inputs(np.zeros_like(image))
    with torch.no_grad():
        target = int(classifier.module(inputs).argmax())
    found = torch.from_numpy(explained(classifier, image, [target], areas="0.25", steps=150).values)
    rows, columns = np.mgrid[:12, :12]
    distances = np.stack([np.hypot(rows - y, columns - x) for y in range(12) for x in range(12)])
    radii = np.sort(distances.reshape(144, -1))[:, 35]  # 36 of 144 pixels, a quarter
    discs = torch.from_numpy((distances <= radii[:, None, None]).astype(np.float32))
    ranked = enlarged(found, (12, 12))
    top = (ranked >= ranked.flatten().sort().values[-36]).float()
    with torch.no_grad():
        masks = torch.cat([top, discs])[:, None]
        scores = classifier.module(torch.lerp(black.expand(len(masks), -1, -1, -1), inputs, masks))[:, target]
    assert (scores[1:] < scores[0]).float().mean() > 0.95


def test_faces_and_targets_do_not_touch_each_other(blocks, bright):
    both = explained(blocks, bright, [0, 1], steps=15).values
    for index in (0, 1):
        alone = explained(blocks, bright[index : index + 1], [index], steps=15).values[0]
        assert np.array_equal(alone, both[index])


def of_blocks(masks, rows, slope):
    """Score of each row and its gradient, written out: the share of its block that a mask shows."""
    blocks = torch.from_numpy(BLOCKS[:2] / BLOCKS[:2].sum((1, 2), keepdims=True))[rows]
    return (masks * blocks).sum((1, 2)), blocks * slope


def test_targets_in_one_ascent_are_as_targets_alone():
    def ascent(answer, targets):
        stream = np.random.default_rng(4)
        return extremal_perturbation(answer, (SIDE, SIDE), targets, stream, areas="0.05, 0.1", steps=10)[0]

    both = ascent(of_blocks, 2)
    for row in (0, 1):
        alone = ascent(lambda masks, rows, slope, row=row: of_blocks(masks, rows + row, slope), 1)
        assert torch.allclose(alone[0], both[row], atol=1e-4)


def test_the_first_look_finds_the_block():
    look = first_look(of_blocks, (SIDE, SIDE), 2, [0.1], (16, 16), 0.1)
    assert look.shape == (2, 16, 16)
    assert look.max() <= 1
    assert look.min() == pytest.approx(0.05, abs=1e-6)
    for row, (y, x) in enumerate(((30, 40), (14, 18))):  # the middles of the blocks
        assert look[row, y // 4, x // 4] > 0.8
    assert (first_look(lambda m, r, s: (r * 0.0, m), (8, 8), 1, [0.1], (4, 4), 0.1) == 1).all()


def test_the_seed_decides_the_start(blocks, bright):
    def maps(seed):
        options = {NAME: {"areas": "0.1", "steps": 5}}
        return run(blocks, bright[:1], NAME, [0], seed=seed, options=options, progress=False)[NAME].values

    assert np.array_equal(maps(1), maps(1))
    assert not np.array_equal(maps(1), maps(2))


def test_a_score_that_no_mask_moves_has_no_map(blocks, bright):
    maps = explained(blocks, bright[:1], [2], steps=5)
    assert maps.status == ["zero-gradient"]
    assert not maps.values.any()


def test_scores_that_are_no_numbers_are_said_to_be_none(toy, bright):
    maps = explained(toy(Blocks(float("nan")), size=(SIDE, SIDE), name="broken"), bright[:1], [0], steps=3)
    assert maps.status == ["non-finite"]


def test_smooth_masks_equal_the_sum_over_cells_written_out():
    smooth = SmoothMasks((10, 12), 0.3)
    assert smooth.cells == (5, 5)
    cells = torch.from_numpy(np.random.default_rng(2).random((2, 5, 5), dtype=np.float32))
    found = smooth(cells).numpy()
    assert found.shape == (2, 10, 10)
    unit = 0.3 * 5
    for place in ((0, 0), (4, 5), (9, 2)):
        y, x = (place[0] + 0.5) / 2 - 0.5, (place[1] + 0.5) / 2 - 0.5  # in cells
        values = []
        for row in range(place[0] // 2 - 3, place[0] // 2 + 4):
            for column in range(place[1] // 2 - 3, place[1] // 2 + 4):
                cell = cells[0, row, column] if 0 <= row < 5 and 0 <= column < 5 else 0.0
                z = np.hypot(row - y, column - x) / unit
                values.append(float(cell) * np.exp(-2 * max(0.0, z - 0.5) ** 2))
        values = np.array(values)
        weights = np.exp(20 * values)
        assert found[0][place] == pytest.approx((values * weights).sum() / weights.sum(), rel=1e-5)
    assert not smooth(torch.zeros(1, 5, 5)).any()


def test_the_sorted_mask_of_an_area():
    assert _sorted_masks([0.25], 8)[0].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert _sorted_masks([0.3], 8)[0].tolist() == pytest.approx([0, 0, 0, 0, 0, 0.4, 1, 1], abs=1e-6)


def test_bad_options_are_refused_before_the_network_is_asked(blocks, bright):
    for options, match in (
        ({"areas": "0.1, 1.5"}, "areas='0.1, 1.5' is a list of shares"),
        ({"areas": "a lot"}, "areas='a lot' is a list of shares"),
        ({"areas": ""}, "areas='' is a list"),
        ({"smoothness": 0.0}, "smoothness=0.0 is a share"),
        ({"fill": "grey"}, "fill='grey' is not known"),
        ({"space": "odds"}, "space='odds' is not known"),
    ):
        with pytest.raises(UsageError, match=match):
            explained(blocks, bright[:1], [0], **options)
    assert parsed("0.05, 0.1 0.2") == [0.05, 0.1, 0.2]
    assert EXPLAINERS[NAME].value.expensive

"""Games of soft regions that overlap, and of the rest of the picture."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UsageError
from workbench.explainers.explainer import EXPLAINERS, Job
from workbench.explainers.perturbation import engine
from workbench.explainers.perturbation.areas import areas

SOFT = np.zeros((2, 4, 5), np.float32)
SOFT[0, :, 1:3] = [1, 0.5]
SOFT[1, 1:3, 2:4] = [[0.5, 1], [0.25, 0.75]]


@pytest.fixture
def faced(scene):
    return scene(shown=np.zeros((4, 5, 3), np.uint8), regions=lambda name: (["AU1", "AU2"], SOFT))


def test_what_is_shown(faced):
    plan = areas(faced, samples=8)
    assert list(plan.names) == ["AU1", "AU2", "rest"]
    assert sorted(map(tuple, plan.features)) == sorted(product((0, 1), repeat=3))
    rest = (1 - SOFT[0]) * (1 - SOFT[1])
    for z, mask in zip(plan.features, plan.masks(0, 8).numpy(), strict=True):
        shown = np.prod([1 - (1 - z[p]) * SOFT[p] for p in (0, 1)], axis=0) - (1 - z[2]) * rest
        assert np.allclose(mask, shown, atol=1e-6)
    masks = {tuple(z): mask for z, mask in zip(plan.features, plan.masks(0, 8).numpy(), strict=True)}
    assert (masks[1, 1, 1] == 1).all()
    assert np.abs(masks[0, 0, 0]).max() < 1e-6
    assert np.allclose(masks[0, 0, 1], rest, atol=1e-6)
    assert np.allclose(plan.regions[2], rest)


def test_showing_more_never_hides(faced):
    plan = areas(faced, samples=8)
    masks = {tuple(z): mask for z, mask in zip(plan.features, plan.masks(0, 8).numpy(), strict=True)}
    for z in masks:
        for feature in range(3):
            more = tuple(1 if place == feature else value for place, value in enumerate(z))
            assert (masks[more] >= masks[z] - 1e-6).all()


def test_many_regions_are_sampled(scene):
    stream = np.random.default_rng(0)
    crowd = scene(
        shown=np.zeros((4, 5, 3), np.uint8),
        regions=lambda name: ([str(n) for n in range(15)], stream.random((15, 4, 5), np.float32)),
    )
    plan = areas(crowd, samples=100)
    assert plan.count <= 100
    assert plan.weights is not None


@pytest.mark.parametrize(
    ("masks", "words"),
    [(np.zeros((0, 4, 5)), "without regions"), (np.full((1, 4, 5), 1.5), "values from 1.5 to 1.5")],
)
def test_regions_that_make_no_sense_are_refused(scene, masks, words):
    with pytest.raises(UsageError, match=words):
        areas(scene(shown=np.zeros((4, 5, 3), np.uint8), regions=lambda name: (["a"] * len(masks), masks)))


def test_region_shap_of_a_linear_network_by_hand(toy, crops):
    """Nothing interacts: each region is worth its own light."""

    class Light(nn.Module):
        def forward(self, x):
            light = x[:, 0] + 1  # black is 0
            return torch.stack([light.sum((1, 2)), -light[:, :8].sum((1, 2)), 0 * light[:, 0, 0]], 1)

    classifier = toy(Light())
    pictures = np.ascontiguousarray(crops[:2, ::2, ::2])
    regions = np.zeros((2, 16, 16), np.float32)
    regions[0, :8, :8], regions[1, :, 8:12] = 1, 1
    explainer = EXPLAINERS["region_shap"].value
    weights = np.broadcast_to(np.eye(3, dtype=np.float32), (2, 3, 3))
    job = Job(classifier, pictures, weights, ("a", "b", "c"), regions=lambda name, face: ([name, "x"], regions))
    found = engine.compute(job, [(explainer, dict(explainer.options))])[0]
    light = classifier.inputs(pictures)[:, 0].numpy() + 1
    for face in range(2):
        totals = np.array([(light[face] * regions[0]).sum(), (light[face] * regions[1]).sum()])
        rest = light[face].sum() - totals.sum()
        assert found[0].part_names == ["facs-au", "x", "rest"]
        assert np.allclose(found[0].parts[face], [*totals, rest], rtol=1e-4)
        assert np.allclose(found[0].values[face][regions[1] > 0], totals[1], rtol=1e-4)
        assert np.allclose(found[0].values[face][:8, :8], totals[0], rtol=1e-4)
        assert found[1].parts[face].sum() == pytest.approx(-light[face, :8].sum(), rel=1e-4)  # efficiency
    assert found[2].status == ["constant", "constant"]

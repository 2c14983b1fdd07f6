"""What every design promises."""

import numpy as np
import pytest
import torch

from workbench.explainers import EXPLAINERS

ENTRIES = [EXPLAINERS[name].value for name in EXPLAINERS.names()]
DESIGNS = {entry.design.__name__: entry for entry in ENTRIES if entry.engine.endswith("perturbation.engine")}
QUICK = {"samples": 40, "draws": 4, "grid": 3, "n": 2}
STILL = {"windows", "openings", "superpixels_in_turn", "channels", "scaled_channels"}  # no random numbers
UNBOUNDED = {"noisy_channels"}


@pytest.fixture(params=DESIGNS)
def planned(request, scene):
    entry = DESIGNS[request.param]
    soft = np.random.default_rng(0).random((6, 40, 40), np.float32)
    grids = np.random.default_rng(1).normal(size=(5, 4, 4)).astype(np.float32)

    def make(seed=0, **more):
        options = {name: QUICK.get(name, entry.options[name]) for name in entry.together if name != "fill"}
        callables = {"regions": lambda name: (list("abcdef"), soft), "activations": lambda layer: grids}
        return entry.design(scene(seed, **callables, **more), **options)

    make.name = request.param
    return make


def test_masks_are_pictures_of_shares(planned):
    plan = planned()
    masks = plan.masks(0, plan.count)
    assert masks.shape == (plan.count, 40, 40)
    assert masks.dtype == torch.float32
    if planned.name not in UNBOUNDED:
        assert masks.min() >= 0
        assert masks.max() <= 1


def test_any_part_of_the_masks_is_that_part(planned):
    plan = planned()
    masks = plan.masks(0, plan.count)
    for start, stop in ((0, 1), (2, 5), (plan.count - 3, plan.count)):
        assert torch.allclose(plan.masks(start, stop), masks[start:stop], atol=1e-6)


def test_draws_are_the_scenes(planned):
    first, again, other = planned(), planned(), planned(1)
    masks = first.masks(0, first.count)
    assert torch.equal(masks, again.masks(0, again.count))
    assert torch.equal(masks, other.masks(0, other.count)) == (planned.name in STILL)


def test_masks_are_made_where_the_network_is(planned):
    plan = planned(device="meta")
    assert plan.masks(0, 3).device.type == "meta"

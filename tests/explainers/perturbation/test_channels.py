"""Score-CAM and its kin, by hand and against a plain loop."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.explainers import run
from workbench.explainers.perturbation.channels import channel_weights, channels, noisy_channels, scaled_channels


@pytest.fixture(scope="module")
def leafy(scene):
    grids = np.random.default_rng(2).normal(size=(5, 3, 4)).astype(np.float32)
    grids[3] = 0.3  # no structure
    return lambda seed=0: scene(seed, activations=lambda layer: grids * (2 if layer == "other" else 1))


def test_a_mask_is_the_channel_enlarged_and_scaled(leafy, scene):
    plan = channels(leafy())
    masks = plan.masks(0, 5)
    assert masks.shape == (5, 40, 40)
    for number in (0, 1, 2, 4):
        large = nn.functional.interpolate(
            torch.from_numpy(plan.grids[None, number : number + 1]), (40, 40), mode="bilinear"
        )[0, 0]
        assert torch.allclose(masks[number], (large - large.min()) / (large.max() - large.min()), atol=1e-6)
    assert (masks[3] == 0).all()
    assert np.array_equal(channels(leafy(), layer="other").grids, 2 * plan.grids)


def test_only_the_channels_that_vary_most(leafy):
    plan = channels(leafy(), channels=2)
    everything = channels(leafy()).grids
    kept = sorted(np.argsort(-everything.var((1, 2)))[:2])
    assert np.array_equal(plan.grids, everything[kept])


def test_weights_are_a_softmax_over_channels_of_the_mean_score(leafy):
    plan = scaled_channels(leafy(), n=2)
    scores = np.random.default_rng(0).normal(size=(10, 3))
    found = channel_weights(plan, scores)
    assert found.shape == (3, 3, 4)
    for target in range(3):
        weights = np.exp([(scores[2 * k, target] + scores[2 * k + 1, target]) / 2 for k in range(5)])
        expected = sum(w * grid for w, grid in zip(weights / weights.sum(), plan.grids, strict=True))
        assert np.allclose(found[target], expected, atol=1e-6)


def test_steps_lead_from_nothing_to_the_mask(leafy):
    whole, steps = channels(leafy()).masks(0, 5), scaled_channels(leafy(), n=4)
    masks = steps.masks(0, steps.count).reshape(5, 4, 40, 40)
    for step in range(4):
        assert torch.allclose(masks[:, step], whole * (step + 1) / 4)
    assert torch.equal(steps.masks(5, 11), steps.masks(0, 20)[5:11])


def test_noise_is_its_own_for_each_sample_whatever_the_chunk(leafy):
    whole, plan = channels(leafy()).masks(0, 5), noisy_channels(leafy(), n=6, sigma=0.5)
    masks = plan.masks(0, plan.count)
    noise = masks.reshape(5, 6, 40, 40) - whole[:, None]
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    assert abs(noise.mean()) < 0.01
    assert np.abs(np.corrcoef(noise.reshape(30, -1).numpy()) - np.eye(30)).max() < 0.15
    assert torch.equal(plan.masks(7, 12), masks[7:12])
    assert torch.equal(plan.masks(11, 12), masks[11:12])
    assert not torch.equal(noisy_channels(leafy(1), n=6, sigma=0.5).masks(0, 1), masks[:1])


def test_score_cam_is_the_plain_loop(networks, crops):
    """The input times each scaled channel, through the network, one at a time."""
    classifier = networks["plain"]
    found = run(classifier, crops, "score_cam", [2, 1, 0, 1], progress=False)["score_cam"]
    module, kept = classifier.module, {}
    handle = module.norm.register_forward_hook(lambda _m, _i, output: kept.update(a=output.detach().clone()))
    try:
        for index, target in enumerate([2, 1, 0, 1]):
            inputs = classifier.inputs(crops[index : index + 1])
            classifier.logits(inputs)
            activation, scores = kept["a"], []
            for channel in activation[0]:
                large = nn.functional.interpolate(channel[None, None], (16, 16), mode="bilinear")
                mask = (large - large.min()) / (large.max() - large.min()) if channel.std() > 0 else 0 * large
                scores.append(classifier.logits(inputs * mask)[0, target])
            weights = torch.stack(scores).softmax(0)
            expected = (weights[:, None, None] * activation[0]).sum(0)
            assert np.allclose(found.values[index], expected.numpy(), atol=1e-5)
    finally:
        handle.remove()
    assert found.layer == "norm"
    assert found.values.shape[1:] == (8, 8)


@pytest.mark.parametrize("name", ["ss_cam", "is_cam"])
def test_without_noise_and_with_one_step_they_are_score_cam(networks, crops, name):
    options = {name: {"n": 1, "sigma": 0.0} if name == "ss_cam" else {"n": 1}}
    found = run(networks["branched"], crops, [name, "score_cam"], [2, 1, 0, 1], progress=False, options=options)
    assert np.allclose(found[name].values, found["score_cam"].values, atol=1e-6)

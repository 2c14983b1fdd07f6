"""Gradients against hand-made answers and the axioms they are known for."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from workbench.explainers import run


class Weighted(nn.Module):
    """A linear network: the gradient is its weight, wherever it is asked."""

    def __init__(self):
        super().__init__()
        stream = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(3, 3, 8, 8, generator=stream))

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.weight)


@pytest.fixture(scope="module")
def linear(toy):
    return toy(Weighted(), size=(8, 8), channels=3)


def test_saliency_of_a_linear_network_is_its_largest_absolute_weight(linear, crops):
    found = run(linear, crops, "saliency", [0, 1, 2, 0], progress=False)["saliency"].values
    expected = linear.module.weight.detach().abs().amax(1)[[0, 1, 2, 0]].numpy()
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["input_x_gradient", "integrated_gradients"])
def test_on_a_linear_network_both_are_weight_times_distance_from_black(linear, crops, name):
    found = run(linear, crops, name, [0, 1, 2, 0], progress=False)[name].values
    distance = linear.inputs(crops) + 1  # black is −1 after preprocessing
    expected = (distance * linear.module.weight[[0, 1, 2, 0]]).sum(1).detach().numpy()
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_integrated_gradients_are_complete(networks, crops, model):
    classifier, targets = networks[model], [0, 1, 2, 1]
    found = run(classifier, crops, "integrated_gradients", targets, progress=False)["integrated_gradients"].values
    whole = classifier.logits(classifier.inputs(crops)).numpy()[np.arange(4), targets]
    black = classifier.logits(classifier.inputs(np.zeros_like(crops))).numpy()[np.arange(4), targets]
    assert np.abs(whole - black).max() > 0.01
    assert np.allclose(found.sum((1, 2)), whole - black, atol=0.02 * np.abs(whole - black).max())


def test_the_steps_matter_and_are_recorded(networks, crops):
    few = run(
        networks["branched"],
        crops,
        "integrated_gradients",
        [0] * 4,
        progress=False,
        options={"integrated_gradients": {"steps": 2}},
    )["integrated_gradients"]
    many = run(networks["branched"], crops, "integrated_gradients", [0] * 4, progress=False)["integrated_gradients"]
    assert (few.options, many.options) == ({"steps": 2}, {"steps": 50})
    assert not np.allclose(few.values, many.values, rtol=1e-3)


def test_no_warning_of_captum_reaches_the_user(networks, crops):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(networks["plain"], crops, ["saliency", "input_x_gradient", "integrated_gradients"], [0] * 4, progress=False)


def test_a_score_without_gradient_is_named(toy, crops):
    dead = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dead[0].weight.data.zero_()
    found = run(toy(dead), crops, ["saliency", "integrated_gradients"], [0] * 4, progress=False)
    assert found["saliency"].status == found["integrated_gradients"].status == ["zero-gradient"] * 4


def test_a_non_finite_map_is_named(toy, crops):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module[0].weight.data[1] = float("nan")
    found = run(
        toy(module, "0"),
        crops,
        ["saliency", "lime"],
        [0, 1, 0, 1],
        progress=False,
        options={"lime": {"samples": 20, "space": "logit"}},
    )
    assert found["saliency"].status == ["non-finite"] * 4  # 0 · NaN on the way down
    assert found["lime"].status == ["ok", "non-finite"] * 2

"""The gradient at the picture, by hand and against captum."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, Saliency

from workbench.explainers import run


def test_saliency_of_a_linear_network_is_its_largest_absolute_weight(linear, crops):
    found = run(linear, crops, "saliency", [0, 1, 2, 0], progress=False)["saliency"].values
    expected = linear.module.weight.detach().abs().amax(1)[[0, 1, 2, 0]].numpy()
    assert np.allclose(found, expected, atol=1e-6)


def test_signed_saliency_of_a_linear_network_is_the_sum_of_its_weights(linear, crops):
    found = run(linear, crops, "saliency", [2] * 4, progress=False, options={"saliency": {"signed": True}})
    assert np.allclose(found["saliency"].values, linear.module.weight[2].detach().sum(0).numpy(), atol=1e-6)


def test_input_x_gradient_of_a_linear_network_is_weight_times_distance_from_black(linear, crops):
    found = run(linear, crops, "input_x_gradient", [0, 1, 2, 0], progress=False)["input_x_gradient"].values
    distance = linear.inputs(crops) + 1  # black becomes −1 after preprocessing
    expected = (distance * linear.module.weight[[0, 1, 2, 0]]).sum(1).detach().numpy()
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_captum_says_the_same(networks, crops, model):
    classifier = networks[model]
    found = run(classifier, crops, ["saliency", "input_x_gradient"], [0, 1, 2, 1], progress=False)
    inputs, targets = classifier.inputs(crops).requires_grad_(), torch.tensor([0, 1, 2, 1])
    saliency = Saliency(classifier.module).attribute(inputs, target=targets).amax(1).numpy()
    assert np.allclose(found["saliency"].values, saliency, rtol=1e-5, atol=1e-7)
    from_zero = InputXGradient(classifier.module).attribute(inputs, target=targets).detach()
    gradient = Saliency(classifier.module).attribute(inputs, target=targets, abs=False)
    expected = (from_zero + gradient).sum(1).numpy()  # captum counts from 0, which is grey here; black is −1
    assert np.allclose(found["input_x_gradient"].values, expected, rtol=1e-4, atol=1e-6)

"""ShapleyCAM against Shapley values by enumeration, and its derivatives against whole Hessians."""

from itertools import permutations

import numpy as np
import pytest
import torch

from workbench.classifiers.classifier import Head
from workbench.errors import UsageError
from workbench.explainers import EXPLAINERS


def shapley_cam(view, **options):
    return EXPLAINERS["shapley_cam"].value.method(view, **options)


def quadratic(seed=0, size=4):
    stream = torch.Generator().manual_seed(seed)
    linear = torch.randn(size, generator=stream)
    square = torch.randn(size, size, generator=stream)
    return linear, square + square.T


def test_weights_are_the_shapley_values_of_a_quadratic_score(written):
    """Four channels on one place each: w_c A_c is the Shapley value of channel c, by all 24 orders."""
    linear, hessian = quadratic()

    def behind(layer):
        a = layer.mean((2, 3)) * 2  # both places of a channel count alike
        return (a @ linear + (a @ hessian * a).sum(1) / 2)[:, None]

    activations = torch.randn(1, 4, 1, 2, generator=torch.Generator().manual_seed(1))
    values = np.zeros(4)
    for order in permutations(range(4)):
        present = torch.zeros(1, 4, 1, 1)
        for channel in order:
            before = behind(activations * present).item()
            present[0, channel] = 1
            values[channel] += (behind(activations * present).item() - before) / 24
    view = written(behind, activations, torch.ones(1, 1))
    found = shapley_cam(view)
    total = activations.sum((2, 3))[0].numpy()
    weights = values / total
    assert np.allclose(found[0, 0], (weights[:, None] * activations[0, :, 0].numpy()).sum(0), atol=1e-5)
    assert float(found.sum()) == pytest.approx(behind(activations).item() - behind(activations * 0).item(), abs=1e-5)


def test_rest_is_the_score_plus_the_log_probability_of_every_kind_of_head(written):
    """Gradient and Hessian of S + log p written out, for a softmax, a sigmoid and a linear head."""

    heads = {
        "expression": Head(("happiness", "fear", "anger")),
        "au": Head(("12", "4"), "sigmoid"),
        "affect": Head(("valence",), "linear"),
    }
    stream = torch.Generator().manual_seed(5)
    read_out = torch.randn(3, 6, generator=stream)
    activations = torch.randn(1, 3, 2, 2, generator=stream)
    weights = torch.tensor([[1.0, 0.0, -1.0, 0.5, 0.0, 2.0]])

    def behind(layer):
        return torch.tanh(layer.mean((2, 3))) @ read_out

    def utility(flat):
        out = behind(flat.reshape(activations.shape))[0]
        happiness = 2 * out[0] - out[:3].exp().sum().log()
        anger = 2 * out[2] - out[:3].exp().sum().log()
        smile = out[3] - torch.log(1 + torch.exp(-out[3]))
        return happiness - anger + 0.5 * smile + 2 * out[5]

    flat = activations.flatten()
    first = torch.autograd.functional.jacobian(utility, flat)
    second = torch.autograd.functional.hessian(utility, flat) @ flat
    channel = (first - second / 2).reshape(activations.shape).mean((2, 3), keepdim=True)
    found = shapley_cam(written(behind, activations, weights, heads=heads), utility="rest")
    assert torch.allclose(found, (channel * activations).sum(1), atol=1e-6)


def test_where_the_score_is_linear_only_rest_differs_from_grad_cam(written):
    read_out = torch.randn(3, 2, generator=torch.Generator().manual_seed(6))
    activations = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(7))

    heads = {"expression": Head(("happiness", "fear"))}
    view = written(
        lambda layer: layer.mean((2, 3)) @ read_out, activations, torch.tensor([[1.0, 0.0]] * 2), heads=heads
    )
    grad_cam = EXPLAINERS["grad_cam"].value.method(view.activations, view.gradients, view.scores)
    assert torch.allclose(shapley_cam(view), grad_cam, atol=1e-6)
    assert not torch.allclose(shapley_cam(view, utility="rest"), grad_cam, atol=1e-3)


@pytest.mark.parametrize("utility", ["score", "rest"])
def test_the_forward_at_hand_and_one_more_give_the_same(networks, crops, viewed, monkeypatch, utility):
    """A network whose operations cannot be differentiated twice, such as fused attention, is run once more."""
    classifier = networks["branched"]
    view = viewed(classifier, classifier.inputs(crops), torch.eye(4)[[0, 1, 2, 3]], "stem")
    found = shapley_cam(view, utility=utility)
    assert not view.shared.tails
    monkeypatch.setattr("workbench.explainers.cam.second_order.recorded", lambda _: None)
    again = shapley_cam(view, utility=utility)
    assert view.shared.tails
    assert torch.allclose(found, again, rtol=1e-4, atol=1e-6 * float(found.abs().max()))
    if utility == "score":
        weights = (view.gradients - view.product(view.activations) / 2).mean((2, 3))
        assert torch.allclose(found, torch.einsum("nc,nchw->nhw", weights, view.activations), rtol=1e-4, atol=1e-7)


def test_an_unknown_utility_is_refused(written):
    with pytest.raises(UsageError, match=r"utility='gain'.*score, rest"):
        shapley_cam(None, utility="gain")

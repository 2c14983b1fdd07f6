"""Gradient-weighted methods against captum, and against the derivatives they are made of."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from workbench.errors import UnsuitedError
from workbench.explainers import EXPLAINERS, run

A = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
G = torch.tensor([[[[2.0, 0.0]], [[-1.0, 1.0]]]])


def method(name):
    return EXPLAINERS[name].value.method


def test_grad_cam_pp_closed_form_is_the_ratio_of_true_derivatives_of_exp_score():
    """α = Y'' / (2 Y'' + ΣA Y''') with Y = exp(S), by automatic differentiation of a score linear in A."""
    stream = torch.Generator().manual_seed(0)
    activations = torch.rand(1, 3, 2, 2, generator=stream, dtype=torch.float64)
    weights = torch.randn(1, 3, 2, 2, generator=stream, dtype=torch.float64)

    def derivative(index, order):
        place = torch.zeros((), dtype=torch.float64, requires_grad=True)
        shift = torch.zeros(12, dtype=torch.float64)
        shift[index] = 1
        value = ((activations + place * shift.reshape(activations.shape)) * weights).sum().exp()
        for _ in range(order):
            (value,) = torch.autograd.grad(value, place, create_graph=True)
        return value.detach()

    first, second, third = (
        torch.stack([derivative(i, order) for i in range(12)]).reshape(activations.shape) for order in (1, 2, 3)
    )
    alpha = second / (2 * second + activations.sum((2, 3), keepdim=True) * third)
    channel = (alpha * first.relu()).sum((2, 3), keepdim=True)
    expected = (channel * activations).sum(1)
    score = (activations * weights).sum()
    found = method("grad_cam_pp")(activations, weights, score[None])
    assert torch.allclose(found * score.exp(), expected)


def test_grad_cam_pp_survives_gradients_whose_cube_underflows():
    tiny = method("grad_cam_pp")(A, G * 1e-20, None)
    assert torch.isfinite(tiny).all()
    assert (tiny[0, 0] / 1e-20).tolist() == pytest.approx([1 * 1 + 3 * 0.5, 2 * 1 - 0.5])  # α → 1/2


def test_grad_cam_pp_has_no_pole_where_a_signed_layer_cancels_the_denominator():
    activations = torch.tensor([[[[-1.0, -1.0]], [[1.0, 1.0]]]])
    gradients = torch.ones_like(activations)  # 2 + 1 · (-2) = 0 in the first channel, 2 + 2 = 4 in the second
    found = method("grad_cam_pp")(activations, gradients * (1 + 1e-6), None)
    assert found[0, 0].tolist() == pytest.approx([0.5, 0.5], rel=1e-4)  # second channel only, w = 2/4


def test_x_grad_cam_takes_the_mean_gradient_where_a_channel_cancels():
    activations = torch.tensor([[[[1.0, -1.0 + 1e-6]]]])
    gradients = torch.tensor([[[[3.0, 1.0]]]])
    found = method("x_grad_cam")(activations, gradients, None)  # the quotient would be two million
    assert found[0, 0].tolist() == pytest.approx([2.0, -2.0], rel=1e-5)


def test_x_grad_cam_conserves_gradient_times_activation_in_every_channel():
    """Eq. 5 of the paper: Σ_ij w_c A_c = Σ_ij G A, so the whole map sums to Σ G A."""
    stream = torch.Generator().manual_seed(2)
    activations, gradients = torch.rand(2, 5, 3, 4, generator=stream), torch.randn(2, 5, 3, 4, generator=stream)
    found = method("x_grad_cam")(activations, gradients, None)
    assert torch.allclose(found.sum((1, 2)), (gradients * activations).sum((1, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("name", ["grad_cam", "hires_cam", "x_grad_cam"])
def test_raw_maps_are_linear_in_the_logit(name):
    """The map of a S₁ + b S₂ is a times that of S₁ plus b times that of S₂, also for negative a."""
    stream = torch.Generator().manual_seed(3)
    activations = torch.randn(2, 6, 4, 4, generator=stream)
    one, two = (torch.randn(2, 6, 4, 4, generator=stream) for _ in range(2))
    mixed = method(name)(activations, -2 * one + 0.5 * two, None)
    apart = -2 * method(name)(activations, one, None) + 0.5 * method(name)(activations, two, None)
    assert torch.allclose(mixed, apart, atol=1e-4 * float(apart.abs().max()))


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_grad_cam_is_captums(networks, crops, model):
    classifier = networks[model]
    layer = classifier.module.get_submodule(classifier.cam_layer)
    targets = [0, 2, 1, 2]
    ours = run(classifier, crops, "grad_cam", targets, progress=False)["grad_cam"]
    theirs = LayerGradCam(classifier.module, layer).attribute(
        classifier.inputs(crops), torch.tensor(targets), relu_attributions=False
    )
    assert np.allclose(ours.values, theirs[:, 0].detach().numpy(), rtol=1e-4, atol=1e-7)
    assert ours.layer == classifier.cam_layer


def test_hires_cam_sums_to_the_score_of_a_linear_read_out(toy, crops):
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 14 * 14, 3, bias=False))
    classifier = toy(module, "1")
    found = run(classifier, crops, "hires_cam", [2, 2, 2, 2], progress=False)["hires_cam"]
    scores = classifier.logits(classifier.inputs(crops))[:, 2].numpy()
    assert np.allclose(found.values.sum((1, 2)), scores, atol=1e-5)


def test_hires_cam_is_refused_before_a_layer_norm_and_not_behind_it(toy, crops):
    """A layer norm does not see the scale of a place, so by Euler G · A = 0 there; what is left over is rounding."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), PlaceNorm(), nn.Flatten(), nn.Linear(128, 3))
    before, behind = toy(module, "0"), toy(module, "1")
    with pytest.raises(UnsuitedError, match=r"hires_cam is empty at this layer.*take the output of that norm"):
        run(before, crops, "hires_cam", [0, 1, 2, 0], progress=False)
    found = run(before, crops, ["grad_cam", "eigen_grad_cam"], [0, 1, 2, 0], progress=False)
    assert found["grad_cam"].status == found["eigen_grad_cam"].status == ["ok"] * 4
    assert run(behind, crops, "hires_cam", [0, 1, 2, 0], progress=False)["hires_cam"].status == ["ok"] * 4


class PlaceNorm(nn.LayerNorm):
    def __init__(self):
        super().__init__(8)

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def test_hires_cam_shows_no_rounding_of_an_image_that_cancels_beside_others():
    activations = torch.rand(2, 3, 2, 2) + 0.5
    gradients = torch.rand(2, 3, 2, 2)
    gradients[1, 2] = -(gradients * activations)[1, :2].sum(0) / activations[1, 2]
    raw = (gradients * activations).sum(1)
    found = method("hires_cam")(activations, gradients, None)
    assert torch.equal(found[0], raw[0])
    assert not found[1].any()


def test_hires_cam_of_a_score_without_gradient_is_zero_and_not_refused():
    found = method("hires_cam")(A, torch.zeros_like(G), None)
    assert not found.any()

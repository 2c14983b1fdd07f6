"""Every CAM against numbers worked out by hand, against captum, and against the derivatives it is made of."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from workbench.explainers import EXPLAINERS, run
from workbench.explainers._capture import view

# One image, two channels on a 1 × 2 grid.   A = [[1, 2], [3, -1]]   G = [[2, 0], [-1, 1]]
A = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
G = torch.tensor([[[[2.0, 0.0]], [[-1.0, 1.0]]]])
BY_HAND = {
    "grad_cam": [1.0, 2.0],  # w = (1, 0)
    "hires_cam": [2 - 3, 0 - 1],
    "layer_cam": [2.0, -1.0],  # ReLU(G) = [[2, 0], [0, 1]]
    "grad_cam_elementwise": [2.0, 0.0],
    "x_grad_cam": [2 / 3 * 1 - 2 * 3, 2 / 3 * 2 + 2 * 1],  # w = (2/3, -4/2)
    # ΣA = (3, 2); α = 4/(8 + 3·8) = 1/8 and 1/(2 + 2·1) = 1/4; w = (2/8, 1/4)
    "grad_cam_pp": [1 / 4 + 3 / 4, 2 / 4 - 1 / 4],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    found = EXPLAINERS[name].value.method(A, G, torch.tensor([0.7]))
    assert found.shape == (1, 1, 2)
    assert found[0, 0].tolist() == pytest.approx(BY_HAND[name])


def test_eigen_cam_by_hand():
    # places (rows) × channels: [[3, 4], [0, 0]] has the singular vector (.6, .8) and projections (5, 0)
    activations = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    found = EXPLAINERS["eigen_cam"].value.method(activations, G, None)
    assert found[0, 0].tolist() == pytest.approx([5.0, 0.0])


@pytest.mark.parametrize("channels", [3, 30])  # fewer and more than there are places
def test_eigen_cam_is_the_first_component_of_a_singular_value_decomposition(channels):
    places = torch.randn(1, channels, 4, 5, generator=torch.Generator().manual_seed(1))
    left, values, _ = torch.linalg.svd(places[0].flatten(1).T)
    expected = left[:, 0] * values[0]
    found = EXPLAINERS["eigen_cam"].value.method(places, None, None).flatten()
    assert np.allclose(found, expected * expected.sum().sign(), atol=1e-5)


def test_every_cam_method_has_a_number_worked_out_by_hand():
    assert {e.name for e in EXPLAINERS if e.value.family == "cam"} == {*BY_HAND, "eigen_cam"}


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
    found = EXPLAINERS["grad_cam_pp"].value.method(activations, weights, score[None])
    assert torch.allclose(found * score.exp(), expected)


def test_grad_cam_pp_survives_gradients_whose_cube_underflows():
    tiny = EXPLAINERS["grad_cam_pp"].value.method(A, G * 1e-20, None)
    assert torch.isfinite(tiny).all()
    assert (tiny[0, 0] / 1e-20).tolist() == pytest.approx([1 * 1 + 3 * 0.5, 2 * 1 - 0.5])  # α → 1/2


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


def test_on_a_pooling_and_linear_head_three_cams_are_one(networks, crops):
    found = run(networks["plain"], crops, ["grad_cam", "hires_cam", "x_grad_cam"], [0, 1, 2, 0], progress=False)
    scale = np.abs(found["hires_cam"].values).max()
    assert scale > 0
    for name in ("grad_cam", "x_grad_cam"):
        assert np.abs(found[name].values - found["hires_cam"].values).max() < 1e-5 * scale


def test_hires_cam_sums_to_the_score_of_a_linear_read_out(toy, crops):
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 14 * 14, 3, bias=False))
    classifier = toy(module, "1")
    found = run(classifier, crops, "hires_cam", [2, 2, 2, 2], progress=False)["hires_cam"]
    scores = classifier.logits(classifier.inputs(crops))[:, 2].numpy()
    assert np.allclose(found.values.sum((1, 2)), scores, atol=1e-5)


def test_another_layer_by_option(networks, crops):
    found = run(
        networks["plain"],
        crops,
        ["grad_cam", "layer_cam"],
        [0] * 4,
        options={"grad_cam": {"layer": "first"}},
        progress=False,
    )
    assert found["grad_cam"].layer == "first"
    assert found["grad_cam"].values.shape == (4, 16, 16)
    assert found["layer_cam"].layer == "norm"
    assert found["layer_cam"].values.shape == (4, 8, 8)


def test_any_number_of_methods_costs_one_forward(networks, crops):
    classifier = networks["plain"]
    passes = []
    handle = classifier.module.register_forward_hook(lambda *_: passes.append(1))
    run(classifier, crops, [e.name for e in EXPLAINERS if e.value.family == "cam"], [0] * 4, progress=False)
    handle.remove()
    assert len(passes) == 1


def test_zero_gradient_and_constant_are_told_apart(toy, crops):
    dead = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    dead[4].weight.data.zero_()
    found = run(toy(dead, "1"), crops, ["grad_cam", "eigen_cam"], [0] * 4, progress=False)
    assert found["grad_cam"].status == ["zero-gradient"] * 4
    assert found["eigen_cam"].status == ["ok"] * 4  # knows no gradient
    flat = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    flat[0].weight.data.zero_()
    flat[0].bias.data.fill_(1)
    found = run(toy(flat, "1"), crops, ["grad_cam"], [0] * 4, progress=False)
    assert found["grad_cam"].status == ["constant"] * 4


def test_a_batch_larger_than_the_engines_is_the_same(networks, crops):
    many = np.concatenate([crops] * 5)
    found = run(networks["branched"], many, "layer_cam", [0, 1, 2, 3] * 5, progress=False)["layer_cam"].values
    once = run(networks["branched"], crops, "layer_cam", [0, 1, 2, 3], progress=False)["layer_cam"].values
    assert np.allclose(found, np.concatenate([once] * 5), atol=1e-6 * np.abs(once).max())


def test_the_view_is_what_autograd_gives(networks, crops):
    classifier = networks["branched"]
    inputs, target = classifier.inputs(crops), torch.tensor([3, 2, 1, 0])
    seen = view(classifier, "stem", inputs, target)
    activation = classifier.module.stem(inputs).detach().requires_grad_()
    hidden = torch.tanh(activation)
    scores = classifier.module.head(hidden + classifier.module.branch(hidden)).gather(1, target[:, None])
    assert torch.allclose(seen.gradients, torch.autograd.grad(scores.sum(), activation)[0], atol=1e-7)
    assert torch.allclose(seen.scores, scores[:, 0], atol=1e-6)

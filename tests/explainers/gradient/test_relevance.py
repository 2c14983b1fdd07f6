"""DeepLift and LRP: numbers by hand, the sums they promise, and what has no rule is refused."""

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from families import load_family
from torch import nn
from torch.nn import functional as F

from workbench.errors import UnsuitedError, UsageError
from workbench.explainers import run
from workbench.explainers.gradient import relevance

WAYS = ("modules", "functions", "methods", "in_place", "in_place_function", "shared")
FAMILIES = ("resnet", "resnetv2", "densenet", "torchvision_densenet", "vgg", "inception", "xception", "two_heads")
LACKS = {
    "mobilenetv3": "hardsigmoid, hardswish, product",
    "efficientnet": "silu, product",
    "convnext": "gelu, layer norm",
    "vit": "gelu, layer norm, attention",
    "swin": "gelu, layer norm, softmax, product",
    "mambaout": "gelu, layer norm, product",
}


def scores(classifier, faces, target):
    """S(x) and S(black)."""
    inputs = classifier.inputs(np.concatenate([faces, np.zeros_like(faces)]))
    return classifier.logits(inputs)[:, classifier.columns("expression")][:, target].numpy().reshape(2, len(faces))


def row(values):
    """A picture of one row whose input, after grey and scaling to −1 … 1, is about these values."""
    levels = np.round((np.array(values) + 1) * 127.5).astype(np.uint8)
    return levels[None, None, :, None].repeat(3, 3)


class Chain(nn.Module):
    """relu(W x + b) and a linear read-out."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 3)
        self.first.weight.data[:] = torch.tensor([[2.0, -1.0], [1.0, 1.0]])
        self.first.bias.data[:] = torch.tensor([0.5, -0.5])
        self.last.weight.data[:] = torch.tensor([[3.0, -2.0]])
        self.last.bias.data[:] = 1

    def forward(self, x):
        return self.last(F.relu(self.first(x.flatten(1))))


def test_deep_lift_by_hand(toy):
    """x = (1, 0), black = (−1, −1): z = (2.5, .5) against (−.5, −2.5), h = (2.5, .5) against (0, 0)."""
    found = run(toy(Chain(), size=(1, 2)), row([1, 0]), "deep_lift", [0], progress=False)["deep_lift"].values[0, 0]
    x = float(toy(Chain(), size=(1, 2)).inputs(row([1, 0]))[0, 0, 0, 1]) + 1  # a level is not exactly 0
    z = np.array([2.5 - (x - 1), 0.5 + (x - 1)])
    slope = z / (z - np.array([-0.5, -2.5]))  # Δh / Δz
    expected = np.array([2, x]) * (np.array([3, -2]) * slope @ np.array([[2, -1], [1, 1]]))
    assert np.allclose(found, expected, atol=1e-5)
    assert found.sum() == pytest.approx(3 * z[0] - 2 * z[1], abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_deep_lift_sums_to_the_difference_from_black(faces, family):
    classifier = load_family(family)
    found = run(classifier, faces, "deep_lift", [2, 2], progress=False)["deep_lift"].values
    whole, black = scores(classifier, faces, 2)
    assert np.abs(whole - black).max() > 1e-2
    assert np.allclose(found.sum((1, 2)), whole - black, atol=1e-5 * np.abs(found).sum((1, 2)).max())


def test_deep_lift_of_a_contrast_and_of_a_probability_sum_too(toy, written, crops, asked):
    classifier = written("functions")
    found = asked(classifier, crops, "deep_lift", [[1, 0, -1, 0]])["deep_lift", 0].values
    (a, a_black), (b, b_black) = scores(classifier, crops, 0), scores(classifier, crops, 2)
    assert np.allclose(found.sum((1, 2)), a - b - a_black + b_black, atol=1e-4)
    with pytest.raises(UnsuitedError, match="no rule for softmax"):
        run(classifier, crops, "deep_lift", [0] * 4, progress=False, options={"deep_lift": {"space": "probability"}})


@pytest.mark.parametrize("name", ["deep_lift", "lrp"])
def test_the_way_of_writing_does_not_matter(written, crops, name):
    maps = [run(written(how), crops, name, [0, 1, 2, 3], progress=False)[name].values for how in WAYS]
    for how, found in zip(WAYS, maps, strict=True):
        assert np.allclose(found, maps[0], rtol=1e-4, atol=1e-5 * np.abs(maps[0]).max()), how


def captums(module, inputs, black, target):
    with pytest.warns(UserWarning, match="hooks"):
        return DeepLift(module).attribute(inputs, black, target=target)[0, 0].detach().numpy()


def test_captum_says_the_same_where_it_meets_every_operation(toy, crops):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        first = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Tanh()]
        module = nn.Sequential(*first, nn.Flatten(), nn.Linear(64, 3))
    classifier = toy(module)
    found = run(classifier, crops, "deep_lift", [0, 1, 2, 0], progress=False)["deep_lift"].values
    inputs, black = (classifier.inputs(one).requires_grad_() for one in (crops, np.zeros_like(crops[:1])))
    for index, target in enumerate([0, 1, 2, 0]):
        assert np.allclose(found[index], captums(module, inputs[index : index + 1], black, target), atol=1e-6)


def test_where_captum_loses_part_of_the_sum(toy, crops):
    """Windows of a maximum that share a place."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, 1), nn.Flatten(), nn.Linear(4 * 144, 3))
    classifier = toy(module)
    found = run(classifier, crops, "deep_lift", [1] * 4, progress=False)["deep_lift"].values
    whole, black = scores(classifier, crops, 1)
    assert np.allclose(found.sum((1, 2)), whole - black, atol=1e-5)
    inputs, base = (classifier.inputs(one).requires_grad_() for one in (crops[:1], np.zeros_like(crops[:1])))
    assert abs(captums(module, inputs, base, 1).sum() - (whole - black)[0]) > 0.1 * abs((whole - black)[0])


def test_an_attribution_that_misses_its_sum_is_refused(written, crops, monkeypatch):
    original = DeepLift.attribute
    monkeypatch.setattr(DeepLift, "attribute", lambda *args, **kwargs: 1.1 * original(*args, **kwargs))
    with pytest.raises(UnsuitedError, match="not to the score's difference"):
        run(written("modules"), crops, "deep_lift", [0] * 4, progress=False)


def test_lrp_by_hand(toy):
    """x = (1, 1): z = (1.5, 1.5); relevance of h_j is w_j h_j, of x_i its share of z_j, the biases keep theirs."""
    module = Chain()
    found = run(toy(module, size=(1, 2)), row([1, 1]), "lrp", [0], progress=False)["lrp"].values[0, 0]
    relevance_of_h = np.array([3 * 1.5, -2 * 1.5])
    shares = np.array([[2, -1], [1, 1]]) / 1.5
    assert np.allclose(found, relevance_of_h @ shares, atol=1e-5)
    assert found.sum() == pytest.approx(4.5 * 1 / 1.5 - 3 * 2 / 1.5, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_lrp_with_a_small_epsilon_is_gradient_times_input_on_relu_networks(faces, family):
    classifier = load_family(family)
    found = run(classifier, faces, "lrp", [1, 4], progress=False)["lrp"].values
    inputs = classifier.inputs(faces).requires_grad_()
    outputs = classifier.outputs_of(classifier.module(inputs))[:, classifier.columns("expression")]
    gradient = torch.autograd.grad(outputs[0, 1] + outputs[1, 4], inputs)[0]
    expected = (inputs * gradient).sum(1).detach().numpy()
    size = np.abs(expected).max()
    assert np.quantile(np.abs(found - expected), 0.99) <= 0.03 * size  # 1 / sum where two branches nearly cancel
    assert np.median(np.abs(found - expected)) <= 1e-5 * size


def test_lrp_gamma_against_a_direct_loop(toy, crops):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    classifier = toy(module)
    given = {"lrp": {"rule": "gamma", "gamma": 0.4}}
    found = run(classifier, crops, "lrp", [2] * 4, progress=False, options=given)["lrp"].values
    kernel, bias = module[0].weight.detach(), module[0].bias.detach()
    for picture, one in zip(classifier.inputs(crops), found, strict=True):
        hidden = F.conv2d(picture[None], kernel, bias).clamp(min=0)[0].detach()
        arriving = module[4].weight[2].detach()[:, None, None] * hidden / hidden[0].numel()
        favoured = kernel + 0.4 * kernel.clamp(min=0)
        expected = torch.zeros(16, 16)
        for channel in range(3):
            for y in range(14):
                for x in range(14):
                    parts = favoured[channel, 0] * picture[0, y : y + 3, x : x + 3]
                    if arriving[channel, y, x]:
                        expected[y : y + 3, x : x + 3] += (
                            parts / (parts.sum() + bias[channel]) * arriving[channel, y, x]
                        )
        assert np.allclose(one, expected.numpy(), rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_lrp_refuses_what_it_cannot_do(written, crops):
    def lrp(**options):
        return run(written("modules"), crops, "lrp", [0] * 4, progress=False, options={"lrp": options})

    with pytest.raises(UsageError, match="rule='zplus' of 'lrp' is not known; choose one of epsilon, gamma"):
        lrp(rule="zplus")
    with pytest.raises(UsageError, match="take space='logit'"):
        lrp(space="probability")


@pytest.mark.parametrize("family", LACKS)
def test_networks_of_other_operations_are_refused_in_one_sentence(faces, family):
    classifier = load_family(family)
    with pytest.raises(UnsuitedError) as caught:
        run(classifier, faces, "deep_lift", [1, 4], progress=False)
    assert str(caught.value) == f"deep_lift has no rule for {LACKS[family]} in {family!r}; take integrated_gradients"
    with pytest.raises(UnsuitedError, match=r"^lrp has no rule for .*; take integrated_gradients$"):
        run(classifier, faces, "lrp", [1, 4], progress=False)


@pytest.mark.parametrize("name", ["deep_lift", "lrp"])
def test_weights_and_their_memory_stay_the_networks_own(written, crops, name):
    module = written("shared").module
    before = {key: (value.data_ptr(), value.clone()) for key, value in module.state_dict().items()}
    run(
        written("shared"),
        crops,
        name,
        [0] * 4,
        progress=False,
        options={"lrp": {"rule": "gamma"}} if name == "lrp" else {},
    )
    for key, value in module.state_dict().items():
        assert value.data_ptr() == before[key][0]
        assert torch.equal(value, before[key][1])
    assert not any(hasattr(part, "rule") or part._forward_hooks or part._backward_hooks for part in module.modules())


def test_every_operation_of_the_tables_has_a_module(toy):
    from workbench.explainers.gradient.parts import APART, BUILDS

    for table, builds in ((relevance.RESCALED, APART), (relevance.DECOMPOSED, BUILDS)):
        assert {call for calls in table.values() for call in calls} <= set(builds)

"""FullGrad: the sum of the map is the score; every layer's part is its bias times the gradient of its bias."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.classifiers import load_classifier
from workbench.errors import UnsuitedError
from workbench.explainers import run
from workbench.explainers.cam.biases import spread


def full_grad(classifier, crops, targets=(0, 1, 2, 0), **options):
    return run(classifier, crops, "full_grad", list(targets), options={"full_grad": options}, progress=False)[
        "full_grad"
    ].values


def scores(classifier, crops, targets=(0, 1, 2, 0)):
    logits = classifier.logits(classifier.inputs(crops))
    return logits.gather(1, torch.tensor(targets)[:, None])[:, 0].numpy()


class Gate(nn.Module):
    """Squeeze and excitation: the features times a function of their mean."""

    def __init__(self, soft=True):
        super().__init__()
        self.soft = soft
        self.fall = nn.Conv2d(6, 2, 1)
        self.rise = nn.Conv2d(2, 6, 1)

    def forward(self, x):
        gate = self.rise(F.silu(self.fall(x.mean((2, 3), keepdim=True))))
        return x * (gate.sigmoid() if self.soft else F.hardsigmoid(gate))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of a grid, as ConvNeXt has it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
SMALL = {
    "relu": lambda: [nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2)],
    "silu in place": lambda: [nn.Conv2d(1, 6, 3, stride=2), nn.BatchNorm2d(6), nn.SiLU(inplace=True), Gate()],
    "hardswish": lambda: [
        nn.Conv2d(1, 6, 5),
        nn.GroupNorm(2, 6),
        nn.Hardswish(),
        Gate(soft=False),
        nn.Conv2d(6, 6, 3, groups=6),
    ],
    "gelu": lambda: [nn.Conv2d(1, 6, 4, stride=4), ChannelNorm(), nn.GELU(), nn.Dropout(0.5)],
}


@pytest.fixture
def small(toy, request):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        module = nn.Sequential(*SMALL[request.param](), *HEAD)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                nn.init.normal_(part.weight)
                nn.init.normal_(part.bias)
    return toy(module, "0", name=request.param)


@pytest.mark.parametrize("small", SMALL, indirect=True)
def test_the_map_sums_to_the_score(small, crops):
    found = full_grad(small, crops)
    assert found.shape == (4, 16, 16)
    assert np.allclose(found.sum((1, 2)), scores(small, crops), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["plain", "branched"])
def test_the_map_sums_to_the_score_of_the_common_networks(networks, crops, name):
    found = full_grad(networks[name], crops)
    assert np.allclose(found.sum((1, 2)), scores(networks[name], crops), rtol=1e-4, atol=1e-5)


def test_the_map_of_a_probability_sums_to_it(networks, crops):
    found = full_grad(networks["plain"], crops, space="probability")
    expected = networks["plain"].logits(networks["plain"].inputs(crops)).softmax(1)
    assert np.allclose(found.sum((1, 2)), expected.gather(1, torch.tensor([0, 1, 2, 0])[:, None])[:, 0], atol=1e-5)


def test_parts_are_bias_times_the_gradient_of_the_bias(toy, crops):
    """Bias gradients of a ReLU network by differentiating with respect to its parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(9)
        module = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), *HEAD
        )
    classifier = toy(module, "2")
    found = full_grad(classifier, crops[:1], [1])
    inputs = classifier.inputs(crops[:1]).requires_grad_()
    places = {}
    for name in ("0", "2"):  # a bias of its own at every place
        module.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: out + places.setdefault(name, torch.zeros_like(out).requires_grad_())
        )
    score = module(inputs)[0, 1]
    by_input, by_first, by_second = torch.autograd.grad(score, [inputs, places["0"], places["2"]])
    expected = (by_input * inputs).sum(1)
    expected = expected + (by_first * module[0].bias[:, None, None]).sum(1)
    expected = expected + (by_second * module[2].bias[:, None, None]).sum(1)
    expected = expected + module[-1].bias[1] / 256  # the read-out's bias has no place
    assert np.allclose(found, expected.detach().numpy(), atol=1e-6)


def test_without_biases_it_is_input_times_gradient(toy, crops):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, 3, bias=False)
        )
    classifier = toy(module, "0")
    inputs = classifier.inputs(crops).requires_grad_()
    (gradient,) = torch.autograd.grad(module(inputs)[:, 2].sum(), inputs)
    expected = (gradient * inputs).sum(1).detach().numpy()
    assert np.allclose(full_grad(classifier, crops, [2] * 4), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (7, 5), (3, 4)])
def test_spreading_keeps_what_each_place_is_worth(size):
    grid = torch.zeros(7 * 5, 7, 5)
    grid.flatten(1).fill_diagonal_(1)
    assert torch.allclose(spread(grid, torch.Size(size)).sum((1, 2)), torch.ones(35), atol=1e-5)


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 4, stride=4)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.stem(x)
        tokens = x.flatten(2).transpose(1, 2)
        mixed = (tokens @ tokens.transpose(1, 2)).softmax(2) @ tokens
        return self.head(mixed.mean(1))


def test_attention_is_refused(toy, crops):
    with pytest.raises(UnsuitedError, match="full_grad is defined for convolutional networks; 'looks' uses attention"):
        full_grad(toy(Attentive(), "stem", name="looks"), crops)


def test_nothing_is_left_in_the_network(networks, crops):
    module = networks["plain"].module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    full_grad(networks["plain"], crops)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks or part._backward_hooks for part in module.modules())


def test_a_margin_of_minus_infinity_before_a_max_pooling_has_no_part_in_the_map():
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = nn.functional.pad(self.conv(x), (0, 1, 0, 1), value=float("-inf"))
            return self.linear(nn.functional.max_pool2d(x, 3, 2).mean((2, 3)))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = load_classifier(Padded(), labels=["anger", "fear", "happiness"], size=16)
    crops = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    maps = run(classifier, crops, "full_grad", [0, 1], progress=False)["full_grad"]
    scores = classifier.logits(classifier.inputs(crops)).numpy()[[0, 1], [0, 1]]
    assert maps.status == ["ok", "ok"]
    np.testing.assert_allclose(maps.values.sum((1, 2)), scores, rtol=1e-4)

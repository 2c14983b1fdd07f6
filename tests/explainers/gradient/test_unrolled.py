"""Networks with their operations as modules: equal outputs, nothing missed, and what autograd says of them."""

import pytest
import torch
from families import FAMILIES, load_family
from torch import nn
from torch.nn import functional as F

from workbench.explainers.gradient.audit import operations, plainly
from workbench.explainers.gradient.parts import APART, BUILDS, ApartMaxPool
from workbench.explainers.gradient.unrolled import Unrolled


def example(channels=3, side=64, seed=0):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_what_it_gave(family):
    classifier = load_family(family)
    for parameter in classifier.module.parameters():
        parameter.requires_grad_(False)

    def network(x):
        return classifier.outputs_of(classifier.module(x.clone()))

    inputs = example()
    unrolled = Unrolled(network, inputs, APART)
    for given in (inputs, example(seed=1)):
        expected = network(given)
        assert torch.allclose(unrolled(given), expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))
    met, calls = operations(network(inputs)), unrolled.counts
    assert (met["Relu"], met["Convolution"]) == (calls["relu"], calls["conv2d"])
    assert met["MaxPool2DWithIndices"] == calls["max_pool2d"]
    assert met["NativeBatchNorm"] == calls["batch_norm"]


def test_gradients_go_through_the_modules():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)).requires_grad_(False)
    inputs = example(side=12)
    unrolled = Unrolled(lambda x: module(x).sum((2, 3)), inputs, APART)
    for part in unrolled.parts:
        part.register_forward_hook(lambda _m, _i, given: 2 * given)
    ours = torch.autograd.grad(unrolled(inputs).sum(), inputs)[0]
    theirs = torch.autograd.grad(module(inputs).sum(), inputs)[0]
    assert torch.allclose(ours, 8 * theirs, atol=1e-5)  # three operations, doubled each


def test_in_place_operations_still_overwrite_their_operand():
    def network(x):
        x = x * 1
        F.relu_(x)  # what it gives is not taken; x itself has changed
        y = x + 0.5
        y += x
        return y.mean((2, 3))

    inputs = example(side=4)
    unrolled = Unrolled(network, inputs, {"relu": BUILDS["relu"], "add": BUILDS["add"]})
    assert unrolled.counts == {"relu": 1, "add": 1}
    assert torch.allclose(unrolled(inputs), network(inputs))


def test_what_does_not_depend_on_the_input_stays_the_networks_own():
    kernel = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(1))

    def network(x):
        return F.conv2d(x, torch.relu(kernel)).mean((2, 3))

    assert Unrolled(network, example(side=6), BUILDS).counts == {"conv2d": 1, "mean": 1}


def test_another_course_of_calls_is_an_error():
    courses = [[F.relu, torch.tanh], [torch.tanh, F.relu], [F.relu]]

    def network(x):
        for step in course:
            x = step(x)
        return x.mean((2, 3))

    inputs, course = example(side=4), courses[0]
    unrolled = Unrolled(network, inputs, {name: BUILDS[name] for name in ("relu", "tanh")})
    unrolled(inputs)
    course = courses[1]
    with pytest.raises(RuntimeError, match="called tanh where it called relu"):
        unrolled(inputs)
    course = courses[2]
    with pytest.raises(RuntimeError, match="fewer calls"):
        unrolled(inputs)


@pytest.mark.parametrize("side", [7, 8, 9])
@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(3, 2, 0, ceil_mode=True),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d((3, 2), (2, 1), (1, 0)),
        nn.MaxPool2d(2, 3, 1, ceil_mode=True),
        nn.MaxPool2d(3, 1, 1, dilation=2),
    ],
    ids=str,
)
def test_pooling_apart_is_pooling(pool, side):
    inputs = torch.randn(2, 3, side, side + 1, generator=torch.Generator().manual_seed(side))
    assert torch.equal(ApartMaxPool(pool)(inputs), pool(inputs))


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_autograd_tells_products_and_own_functions():
    x = torch.ones(3, requires_grad=True)
    assert operations((x * 2).sum()) == {"Mul": 1, "Sum": 1}
    assert operations((x * x.sum()).sum()) == {"Mul": 1, "Sum": 2, "product": 1}
    assert operations(Own.apply(x).exp()) == {"own function": 1, "Exp": 1}
    assert operations(torch.nn.functional.gelu(x).view(3, 1)) == {"Gelu": 1, "View": 1}
    assert plainly(["Gelu", "NativeLayerNorm", "ScaledDotProductEfficientAttention"]) == "gelu, layer norm, attention"

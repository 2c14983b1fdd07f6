"""The original CAM, and which methods are one map on a pooling-and-linear head."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UnsuitedError
from workbench.explainers import run
from workbench.explainers.cam.duplicates import SAME, same_map
from workbench.explainers.cam.graph import proven_linear
from workbench.explainers.cam.linear import linear_by_trial


def layer_of(classifier, crops, name):
    kept = {}
    layer = classifier.module.get_submodule(name)
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.update(layer=out.detach().clone()))
    classifier.logits(classifier.inputs(crops))
    handle.remove()
    return kept["layer"]


def test_cam_is_the_class_weights_times_the_layer(networks, crops):
    classifier, targets = networks["plain"], [0, 1, 2, 0]
    found = run(classifier, crops, "cam", targets, progress=False)["cam"].values
    weights = classifier.module.head.weight.detach()[targets]
    expected = torch.einsum("nc,nchw->nhw", weights, layer_of(classifier, crops, "norm")).numpy()
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_mean_of_cam_is_the_score_without_its_bias(networks, crops):
    classifier = networks["plain"]
    found = run(classifier, crops, "cam", [1] * 4, progress=False)["cam"].values
    scores = classifier.logits(classifier.inputs(crops))[:, 1] - classifier.module.head.bias[1]
    assert np.allclose(found.mean((1, 2)), scores.detach().numpy(), atol=1e-5)


def test_on_a_pooling_and_linear_head_four_cams_are_one(networks, crops):
    classifier = networks["plain"]
    found = run(classifier, crops, list(SAME), [0, 1, 2, 0], progress=False)
    scale = np.abs(found["hires_cam"].values).max()
    assert scale > 0
    places = found["cam"].values[0].size
    for name, factor in (("grad_cam", 1), ("x_grad_cam", 1), ("cam", places)):
        assert np.abs(found[name].values / factor - found["hires_cam"].values).max() < 1e-5 * scale
    assert same_map(classifier)


def test_cam_is_refused_where_the_head_is_more(networks, crops):
    with pytest.raises(UnsuitedError, match="lies behind layer 'branch' of 'branched'; take grad_cam or hires_cam"):
        run(networks["branched"], crops, "cam", [0] * 4, progress=False)
    with pytest.raises(UnsuitedError, match="lies behind layer 'first' of 'plain'"):
        run(networks["plain"], crops, "cam", [0] * 4, options={"cam": {"layer": "first"}}, progress=False)
    with pytest.raises(UnsuitedError, match="probabilities are not linear"):
        run(networks["plain"], crops, "cam", [0] * 4, options={"cam": {"space": "probability"}}, progress=False)


def test_a_head_that_only_starts_and_ends_like_one_is_told_apart(toy, crops):
    """Pooling, ReLU, linear: the gradient is equal at all places, the score is not linear in the layer."""
    hidden = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    )
    assert not same_map(toy(hidden, "1"))
    linear = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Tanh(), nn.AvgPool2d(14), nn.Dropout(), nn.Conv2d(8, 3, 1), nn.Flatten()
    )
    assert same_map(toy(linear, "1"))
    flattened = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 14 * 14, 3))
    assert not same_map(toy(flattened, "1"))  # linear, but each place has weights of its own


TAILS = {
    "mean": (lambda: [Mean(), nn.Linear(6, 3)], True),
    "flattened": (lambda: [nn.Dropout(), nn.Flatten(), nn.Linear(6 * 64, 3)], True),
    "pooled and convolved": (lambda: [nn.AvgPool2d(2), nn.Conv2d(6, 3, 4), nn.Flatten()], True),
    "twice pooled": (lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.Linear(4, 3)], True),
    "gated": (lambda: [Gated(), nn.Flatten(), nn.Linear(6, 3)], False),
    "rectified": (lambda: [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)], False),
    "greatest": (lambda: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 3)], False),
    "normed": (lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 3)], False),
}


class Mean(nn.Module):
    def forward(self, x):
        return (2 * x + 1).mean((2, 3))


class Gated(nn.Module):
    def forward(self, x):
        return (x * x.mean((2, 3), keepdim=True)).mean((2, 3))


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", TAILS)
def test_graph_and_trial_say_the_same(toy, crops, viewed, name, order):
    make, linear = TAILS[name]
    with torch.random.fork_rng():
        torch.manual_seed(8)
        module = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), *make()).to(memory_format=order)
    classifier = toy(module, "0", channels=3, name=name)
    assert classifier.memory_format == order
    view = viewed(classifier, classifier.inputs(crops), torch.eye(3)[[0, 1, 2, 1]])
    assert proven_linear(view) == linear
    assert linear_by_trial(view).tolist() == [linear] * 4


def test_without_a_layer_nothing_is_a_duplicate(toy):
    assert not same_map(toy(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)), ""))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_relu_behind_a_layer_that_is_positive_everywhere_is_found(toy, crops, inplace):
    """There the gradient is equal at all places; only other values of the layer tell."""
    conv = nn.Conv2d(1, 4, 3, bias=True)
    nn.init.constant_(conv.bias, 50.0)
    module = nn.Sequential(conv, nn.ReLU(inplace=inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(UnsuitedError, match="more than pooling and a linear layer lies behind layer '0'"):
        run(toy(module, "0"), crops, "cam", [0, 1, 2, 0], progress=False)

"""A network and its twin with shifted inputs: equal answers, so equal maps."""

import numpy as np
import pytest
import torch
from families import FAMILIES, load_family
from network_state import assert_same, state
from torch import nn

from workbench.errors import UnsuitedError, UsageError
from workbench.faithfulness.sanity import input_invariance, shifted_twin

from .conftest import Conv, network


def _gradient(classifier, images):
    inputs = classifier.inputs(images).requires_grad_(True)
    classifier.module(inputs)[:, 0].sum().backward()
    return inputs.detach(), inputs.grad


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_the_gradient_is_equal_and_gradient_times_raw_input_is_not(twelve, padding, bias):
    torch.manual_seed(2)
    classifier = network(Conv(padding, bias=bias))
    twin, differ = shifted_twin(classifier, twelve.images, -1.0)
    assert differ < 1e-5
    one, other = _gradient(classifier, twelve.images), _gradient(twin, twelve.images)
    assert torch.allclose(other[0], one[0] - 1, atol=1e-6)
    size = float(one[1].abs().max())
    assert torch.allclose(one[1], other[1], atol=1e-5 * size)
    assert not torch.allclose(one[0] * one[1], other[0] * other[1], atol=0.1 * size)


def test_without_padding_the_shift_is_taken_back_in_the_bias(twelve):
    torch.manual_seed(2)
    classifier = network(Conv())
    twin, _ = shifted_twin(classifier, twelve.images, 0.5)
    first, before = twin.module.first, classifier.module.first
    assert type(first) is nn.Conv2d
    assert torch.allclose(first.bias, before.bias - 0.5 * before.weight.sum((1, 2, 3)), atol=1e-6)
    dense = network(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)))
    twin, _ = shifted_twin(dense, twelve.images, 0.5)
    assert torch.allclose(twin.module[1].bias, dense.module[1].bias - 0.5 * dense.module[1].weight.sum(1), atol=1e-5)


def test_verdicts(conv, twelve):
    before = state(conv.module)
    table = input_invariance(
        conv,
        twelve,
        ["saliency", "input_x_gradient", "occlusion"],
        options={"occlusion": {"fill": "zero", "window": 0.25, "stride": 0.25}},
        progress=False,
    )
    assert (table.difference.sel(explainer=["saliency", "input_x_gradient"]) < 1e-4).all()
    assert np.allclose(table.similarity.sel(explainer="saliency", measure="spearman"), 1, atol=1e-3)
    words = [str(text) for text in table.verdict.values]
    assert words[0].startswith("invariant: maps differ by at most")
    assert words[1].startswith("invariant")  # it is measured from black, which is shifted too
    assert words[2].startswith("not invariant: in 12 of 12 images")
    assert (table.similarity.sel(explainer="occlusion", measure="spearman") < 0.99).all()
    assert table.attrs["outputs_differ"] < 1e-5
    assert_same(before, state(conv.module))


def test_each_channel_has_a_shift_of_its_own():
    torch.manual_seed(0)
    classifier = network(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3)), channels=3)
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    twin, differ = shifted_twin(classifier, images, (0.5, -1.0, 2.0))
    moved = twin.inputs(images) - classifier.inputs(images)
    assert torch.allclose(moved.mean((0, 2, 3)), torch.tensor([0.5, -1.0, 2.0]), atol=1e-5)
    assert differ < 1e-5


def test_what_an_explainer_cannot_do_on_the_twin_is_said(twelve):
    torch.manual_seed(2)
    table = input_invariance(network(Conv(padding=1)), twelve, ["lrp", "grad_cam"], progress=False)
    assert np.isnan(table.difference).all()
    lrp, grad_cam = (str(text) for text in table.verdict.values)
    assert lrp == f"not testable: {table.reason.sel(explainer='lrp').values[0]}"
    assert "the map of its shifted twin is not computed (lrp has no rule for sub" in lrp
    assert "the map of the network is not computed" in grad_cam  # it has no layer for CAMs


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    classifier = load_family(name)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    before = state(classifier.module)
    twin, differ = shifted_twin(classifier, images)
    assert differ < 1e-4
    assert twin.device == classifier.device
    assert_same(before, state(classifier.module))


class Squared(nn.Module):
    """Its first layer does not see the input itself."""

    def __init__(self):
        super().__init__()
        self.inner = Conv()

    def forward(self, x):
        return self.inner(x**2)


def test_refusals(twelve, linear):
    torch.manual_seed(2)
    with pytest.raises(UnsuitedError, match=r"back in its first layer 'inner\.first': outputs differ"):
        input_invariance(network(Squared()), twelve, "saliency", progress=False)
    normed = network(nn.Sequential(nn.Flatten(), nn.LayerNorm(256), nn.Linear(256, 3)))
    with pytest.raises(UnsuitedError, match="first layer with parameters is '1', a LayerNorm"):
        input_invariance(normed, twelve, "saliency", progress=False)
    for shift in (0, (1.0, 2.0), float("nan")):
        with pytest.raises(UsageError, match="shift="):
            input_invariance(linear, twelve, "saliency", shift=shift, progress=False)
    with pytest.raises(UsageError, match="tolerance=0"):
        input_invariance(linear, twelve, "saliency", tolerance=0, progress=False)

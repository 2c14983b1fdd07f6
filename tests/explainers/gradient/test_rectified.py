"""ReLU rules: numbers by hand, captum's answer where captum meets the ReLUs, and the same however these are written."""

import numpy as np
import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop, GuidedGradCam
from families import load_family
from torch import nn

from workbench.errors import UnsuitedError
from workbench.explainers import run

WAYS = ("modules", "functions", "methods", "in_place", "in_place_function", "shared")
RULES = {"guided_backprop": GuidedBackprop, "deconvolution": Deconvolution}
RELU_FAMILIES = ("resnet", "resnetv2", "densenet", "torchvision_densenet", "vgg", "inception", "xception", "two_heads")
OTHERS = {
    "mobilenetv3": "hardswish",
    "efficientnet": "silu",
    "convnext": "gelu",
    "vit": "gelu",
    "swin": "gelu",
    "maxvit": "gelu, silu",
    "mambaout": "gelu",
}


def test_by_hand(toy):
    """S = −2 · relu(x₀) + 3 · relu(x₁) + 5 · relu(x₂) at x = (.5, .5, −1), a picture of one row."""
    head = nn.Linear(3, 3, bias=False)
    head.weight.data[:] = torch.tensor([[-2.0, 3.0, 5.0]])
    module = nn.Sequential(nn.ReLU(), nn.Flatten(), head)
    crop = np.array([191, 191, 0], np.uint8)[None, None, :, None].repeat(3, 3)  # to −1 … 1: about .5, .5, −1
    found = run(toy(module, size=(1, 3)), crop, list(RULES), [0], progress=False)
    assert found["guided_backprop"].values[0, 0].tolist() == [0, 3, 0]
    assert found["deconvolution"].values[0, 0].tolist() == [0, 3, 5]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("how", WAYS)
def test_captum_on_modules_and_ours_on_any_way_of_writing(written, crops, name, how):
    classifier = written(how)
    found = run(classifier, crops, name, [0, 1, 2, 3], progress=False)[name].values
    inputs, targets = classifier.inputs(crops).requires_grad_(), torch.tensor([0, 1, 2, 3])
    with pytest.warns(UserWarning, match="backward hooks"):
        expected = RULES[name](written("modules").module).attribute(inputs, target=targets).sum(1).numpy()
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
    plain = torch.autograd.grad(classifier.module(inputs.clone()).gather(1, targets[:, None]).sum(), inputs)[0].sum(1)
    assert not np.allclose(found, plain.numpy(), rtol=0.1, atol=1e-3 * np.abs(expected).max())


def test_where_captum_gives_the_plain_gradient(written, crops):
    """Why ReLUs that are functions have to be met by other means."""
    classifier = written("functions")
    inputs = classifier.inputs(crops).requires_grad_()
    with pytest.warns(UserWarning, match="backward hooks"):
        theirs = GuidedBackprop(classifier.module).attribute(inputs, target=1)
    plain = torch.autograd.grad(classifier.module(inputs)[:, 1].sum(), inputs)[0]
    assert torch.equal(theirs, plain)
    ours = run(classifier, crops, "guided_backprop", [1] * 4, progress=False)["guided_backprop"].values
    assert np.abs(ours - plain.sum(1).numpy()).max() > 0.1 * np.abs(ours).max()


@pytest.mark.parametrize("family", RELU_FAMILIES)
def test_a_relu_network_of_any_family(faces, family):
    classifier = load_family(family)
    before = {name: value.clone() for name, value in classifier.module.state_dict().items()}
    found = run(classifier, faces, [*RULES, "saliency"], [1, 4], progress=False, options={"saliency": {"signed": True}})
    for name in RULES:
        assert found[name].status == ["ok"] * 2
        assert np.corrcoef(found[name].values.ravel(), found["saliency"].values.ravel())[0, 1] < 0.99
    assert all(torch.equal(before[name], value) for name, value in classifier.module.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in classifier.module.modules())


@pytest.mark.parametrize("name", ["guided_backprop", "deconvolution", "guided_grad_cam"])
@pytest.mark.parametrize("family", OTHERS)
def test_networks_of_other_bends_are_refused_in_one_sentence(faces, family, name):
    with pytest.raises(UnsuitedError) as caught:
        run(load_family(family), faces, name, [1, 4], progress=False)
    assert str(caught.value) == (
        f"guided_backprop, deconvolution and guided_grad_cam are for ReLU networks, and {family!r} has "
        f"{OTHERS[family]}; take integrated_gradients or smooth(saliency)"
    )


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


@pytest.mark.parametrize(
    ("bend", "lack"),
    [
        (torch.sigmoid, "has none"),
        (lambda x: x.clamp(min=0), "has clamp;"),
        (lambda x: torch.relu(Own.apply(x)), "has own function"),
        (torch.ops.aten.relu.default, "has ReLUs out of reach"),
    ],
)
def test_rectifiers_that_are_no_relu_to_be_met_are_refused(toy, crops, bend, lack):
    class Bent(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.head = nn.Conv2d(1, 3, 3), nn.Flatten()

        def forward(self, x):
            return bend(self.last(x)).mean((2, 3))

    with pytest.raises(UnsuitedError, match=lack):
        run(toy(Bent()), crops, "deconvolution", [0] * 4, progress=False)


def test_guided_grad_cam_is_captums_with_bilinear_upsampling(written, crops):
    classifier = written("modules")
    found = run(
        classifier, crops, "guided_grad_cam", [0, 1, 2, 3], progress=False, options={"guided_grad_cam": {"layer": "b"}}
    )
    inputs, targets = classifier.inputs(crops).requires_grad_(), torch.tensor([0, 1, 2, 3])
    with pytest.warns(UserWarning, match="backward hooks"):
        theirs = GuidedGradCam(classifier.module, classifier.module.b).attribute(
            inputs, target=targets, interpolate_mode="bilinear"
        )
    expected = theirs.sum(1).detach().numpy()
    assert np.abs(expected).max() > 0
    assert found["guided_grad_cam"].layer == "b"
    assert np.allclose(found["guided_grad_cam"].values, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_guided_grad_cam_needs_a_layer(toy, crops):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(UnsuitedError.__mro__[1], match="no layer with a grid"):
        run(toy(flat), crops, "guided_grad_cam", [0] * 4, progress=False)

"""The engine of class activation maps: what is read, what is shared, what is said about empty maps."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.explainers import EXPLAINERS, run
from workbench.explainers._capture import Forward, borrowed

FREE = sorted(
    e.name
    for e in EXPLAINERS
    if e.value.engine == "workbench.explainers.cam.engine" and e.value.cost == "1 forward, shared by all CAM methods"
)


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
    run(classifier, crops, FREE, [0] * 4, progress=False)
    handle.remove()
    assert len(FREE) >= 11
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


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_a_batch_is_its_images_one_by_one(networks, crops, model):
    classifier, targets = networks[model], [0, 1, 2, 0]
    names = [
        e.name
        for e in EXPLAINERS
        if e.value.engine == "workbench.explainers.cam.engine" and (model == "plain" or e.name != "cam")
    ]
    together = run(classifier, crops, names, targets, progress=False)
    for index, target in enumerate(targets):
        alone = run(classifier, crops[index : index + 1], names, [target], progress=False)
        for name in names:
            expected = alone[name].values[0]
            assert np.abs(together[name].values[index] - expected).max() <= 1e-5 * np.abs(expected).max(), name


def test_what_is_read_is_what_autograd_gives(networks, crops):
    classifier = networks["branched"]
    inputs, target = classifier.inputs(crops), torch.tensor([3, 2, 1, 0])
    with borrowed(classifier.module) as module:
        read = Forward(classifier, module, ["stem", "branch"], inputs)
        scores, gradients = read.gradients(torch.eye(4)[target], "logit")
    activation = classifier.module.stem(inputs).detach().requires_grad_()
    hidden = torch.tanh(activation)
    branch = classifier.module.branch(hidden)
    expected = classifier.module.head(hidden + branch).gather(1, target[:, None])
    at_stem, at_branch = torch.autograd.grad(expected.sum(), [activation, branch])
    assert torch.allclose(gradients["stem"], at_stem, atol=1e-7)
    assert torch.allclose(gradients["branch"], at_branch, atol=1e-7)
    assert torch.allclose(scores, expected[:, 0], atol=1e-6)

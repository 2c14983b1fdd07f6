"""Occlusion and its opposite, against captum and by hand."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from workbench.explainers import run
from workbench.explainers.perturbation.windows import openings, windows


@pytest.fixture(scope="module")
def corner(toy):
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 0, 0], x[:, 0].sum((1, 2)), 0 * x[:, 0, 0, 0]], 1)

    return toy(Corner(), size=(4, 4))


def test_occlusion_is_captums(networks, crops):
    classifier, targets = networks["plain"], [0, 1, 2, 0]
    ours = run(
        classifier,
        crops,
        "occlusion",
        targets,
        progress=False,
        options={"occlusion": {"window": 0.25, "stride": 0.125}},
    )["occlusion"].values
    theirs = Occlusion(classifier.module).attribute(
        classifier.inputs(crops), (1, 4, 4), strides=(1, 2, 2), baselines=-1.0, target=torch.tensor(targets)
    )
    assert np.allclose(ours, theirs[:, 0].detach().numpy(), atol=1e-5)


def test_occlusion_by_hand(corner, crops):
    found = run(
        corner,
        crops[:3],
        "occlusion",
        [0, 1, 2],
        progress=False,
        options={"occlusion": {"window": 0.5, "stride": 0.5}},
    )["occlusion"]
    light = corner.inputs(crops[:3])[:, 0].numpy() + 1  # above black
    pixel = np.zeros((4, 4))
    pixel[:2, :2] = light[0, 0, 0]
    assert np.allclose(found.values[0], pixel, atol=1e-5)
    blocks = light[1].reshape(2, 2, 2, 2).sum((1, 3))
    assert np.allclose(found.values[1], blocks.repeat(2, 0).repeat(2, 1), atol=1e-4)
    assert found.status == ["ok", "ok", "constant"]


def test_inclusion_equals_occlusion_for_a_linear_score(corner, crops):
    """What a window takes away is what it brings, where nothing interacts."""
    found = run(corner, crops[:3], ["occlusion", "inclusion"], [0, 1, 2], progress=False)
    assert np.allclose(found["inclusion"].values, found["occlusion"].values, atol=1e-4)
    assert found["inclusion"].status == ["ok", "ok", "constant"]


def test_inclusion_sees_what_occlusion_cannot(toy, crops):
    """One of two bright places is enough: hiding either changes nothing, showing either is all."""

    class Either(nn.Module):
        def forward(self, x):
            light = x[:, 0] + 1
            either = torch.maximum(light[:, :2, :2].amax((1, 2)), light[:, 2:, 2:].amax((1, 2)))
            return torch.stack([either.clamp(max=0.01), -either, 0 * either], 1)

    options = {name: {"window": 0.5, "stride": 0.5} for name in ("occlusion", "inclusion")}
    found = run(toy(Either(), size=(4, 4)), crops[:1], list(options), [0], progress=False, options=options)
    assert np.abs(found["occlusion"].values).max() < 1e-6
    both = np.kron(np.eye(2), np.ones((2, 2)))
    assert np.allclose(found["inclusion"].values[0], 0.01 * both, atol=1e-6)


def test_the_last_window_ends_at_the_border(scene):
    plan = windows(scene(shown=np.zeros((10, 7, 3), np.uint8)), window=0.4, stride=0.3)
    hidden = 1 - plan.masks(0, plan.count).numpy()
    assert hidden[0].sum() == 0
    assert set(hidden[1:].sum((1, 2))) == {4.0 * 3.0}
    assert hidden[1:].max(0).min() == 1  # every pixel is hidden at least once
    assert len(np.unique(hidden, axis=0)) == plan.count


def test_openings_are_windows_turned_around(scene):
    blank = scene(shown=np.zeros((10, 7, 3), np.uint8))
    hidden, shown = windows(blank, window=0.4, stride=0.3), openings(blank, window=0.4, stride=0.3)
    assert torch.equal(shown.masks(0, shown.count), 1 - hidden.masks(0, hidden.count))

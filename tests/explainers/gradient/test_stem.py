"""The large first convolution that a path goes through once: the same map, and not where something goes around it."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.explainers import run
from workbench.explainers.gradient import paths, stem


class First(nn.Module):
    """A large first convolution with a bias and a stride; `around` lets the input go past it."""

    def __init__(self, around=False, kernel=5, scaled=False):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.first, self.fc = nn.Conv2d(3, 6, kernel, stride=2, padding=kernel // 2), nn.Linear(6, 3)
        self.around, self.scaled = around, scaled

    def forward(self, x):
        h = torch.tanh(self.first(x * 2 if self.scaled else x)).mean((2, 3))
        return self.fc(h) + (x.mean((1, 2, 3))[:, None] ** 2 if self.around else 0)


@pytest.mark.parametrize(
    ("settings", "used"), [({}, True), ({"around": True}, False), ({"kernel": 3}, False), ({"scaled": True}, False)]
)
def test_the_map_is_the_same_and_the_short_way_taken_only_where_it_is_one(toy, crops, monkeypatch, settings, used):
    classifier = toy(First(**settings), channels=3)
    taken = []
    back = stem.Stem.back
    monkeypatch.setattr(stem.Stem, "back", lambda self, gradient: taken.append(1) or back(self, gradient))
    short = run(classifier, crops, "integrated_gradients", [0, 1, 2, 0], progress=False)["integrated_gradients"]
    assert bool(taken) == used
    monkeypatch.setattr(paths, "stem_of", lambda _: None)
    long = run(classifier, crops, "integrated_gradients", [0, 1, 2, 0], progress=False)["integrated_gradients"]
    assert np.allclose(short.values, long.values, atol=1e-6 * np.abs(long.values).max())


def test_the_first_layer_runs_twice_a_face_not_once_a_step(toy, crops):
    classifier = toy(First(), channels=3)
    runs = []
    handle = classifier.module.first.register_forward_hook(lambda _m, _i, output: runs.append(len(output)))
    try:
        run(classifier, crops[:1], "integrated_gradients", [0], progress=False)
    finally:
        handle.remove()
    own = [count for count in runs if count == 1]
    assert len(own) <= 6  # the picture, black, the way back, and finding out; the steps are answered in batches
    assert "forward" not in vars(classifier.module.first)

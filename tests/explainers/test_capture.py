"""A network is given back exactly as it was, whatever happens while it is borrowed."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from workbench.errors import ClassifierError, LayerError
from workbench.explainers._capture import borrowed, plain, reading, view


def state(module):
    return {
        "modes": [part.training for part in module.modules()],
        "flags": [p.requires_grad for p in module.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "values": [value.clone() for value in module.state_dict().values()],
        "hooks": [
            len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks)
            for part in module.modules()
        ],
        "random": torch.get_rng_state(),
    }


def assert_same(before, after):
    for key in ("modes", "flags", "hooks"):
        assert before[key] == after[key], key
    for key in ("grads", "values"):
        for one, other in zip(before[key], after[key], strict=True):
            assert (one is None and other is None) or torch.equal(one, other), key
    assert torch.equal(before["random"], after["random"])


@pytest.fixture
def lived_in(toy):
    """A network in the middle of its owner's work: training mode, one frozen layer, gradients accumulated."""
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3 * 14 * 14, 3)
    )
    classifier = toy(module, "0")
    module.train()
    module[1].eval()
    module[0].weight.requires_grad_(False)
    module(torch.randn(2, 1, 16, 16)).sum().backward()
    return classifier


def test_the_network_is_unchanged_after_a_view(lived_in):
    before = state(lived_in.module)
    view(lived_in, "0", torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1]))
    assert_same(before, state(lived_in.module))


@pytest.mark.parametrize("error", [RuntimeError, IndexError, KeyboardInterrupt])
def test_the_network_is_unchanged_after_an_error_which_is_not_swallowed(lived_in, error):
    before = state(lived_in.module)

    def work():
        with borrowed(lived_in.module) as module, reading(module, "2", "toy"):
            module(torch.zeros(1, 1, 16, 16))
            raise error("stop")

    with pytest.raises(error, match="stop"):
        work()
    assert_same(before, state(lived_in.module))


def test_the_network_is_unchanged_after_an_error_in_its_own_forward(lived_in):
    before = state(lived_in.module)
    with pytest.raises(RuntimeError):
        view(lived_in, "0", torch.zeros(1, 1, 9, 9), torch.tensor([0]))
    assert_same(before, state(lived_in.module))


def test_random_numbers_drawn_by_the_network_do_not_move_the_owners_stream(toy):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3)

        def forward(self, x):
            return functional.dropout(self.conv(x), 0.5, training=True).mean((2, 3))

    classifier = toy(Noisy(), "conv")
    before = torch.get_rng_state()
    view(classifier, "conv", torch.ones(1, 1, 8, 8), torch.tensor([0]))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("inplace", [False, True])
def test_an_in_place_operation_after_the_layer_does_not_change_what_was_read(toy, inplace):
    conv = nn.Conv2d(1, 3, 1, bias=False)
    conv.weight.data = torch.tensor([1.0, -1.0, 2.0]).reshape(3, 1, 1, 1)
    module = nn.Sequential(conv, nn.ReLU(inplace=inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    inputs = torch.tensor([[[[1.0, -2.0], [3.0, -4.0]]]])
    seen = view(toy(module, "0"), "0", inputs, torch.tensor([1]))
    assert torch.equal(seen.activations[0, :, 0], torch.tensor([[1.0, -2.0], [-1.0, 2.0], [2.0, -4.0]]))
    assert torch.equal(seen.gradients[0, 1], torch.tensor([[0.0, 0.25], [0.0, 0.25]]))
    assert seen.gradients[0, 0].abs().sum() == 0
    assert seen.scores.tolist() == [1.5]


def test_the_layer_itself_may_work_in_place(toy):
    module = nn.Sequential(
        nn.Conv2d(1, 3, 1), nn.ReLU(inplace=True), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    inputs = torch.randn(2, 1, 4, 4)
    seen = view(toy(module, "1"), "1", inputs, torch.tensor([0, 2]))
    assert torch.equal(seen.activations, module[0](inputs).relu())


def test_nothing_upstream_of_the_layer_is_differentiated(toy):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, *gradients):
            raise AssertionError("went too far down")

    class Guarded(nn.Module):
        def __init__(self):
            super().__init__()
            self.below, self.layer = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 1)

        def forward(self, x):
            return self.layer(Once.apply(self.below(x))).mean((2, 3))

    seen = view(toy(Guarded(), "layer"), "layer", torch.randn(1, 1, 4, 4).requires_grad_(), torch.tensor([0]))
    assert torch.allclose(seen.gradients[0, 0], torch.full((4, 4), 1 / 16))


def test_works_inside_the_callers_inference_mode_and_no_grad(toy):
    classifier = toy(nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0")
    for context in (torch.inference_mode, torch.no_grad):
        with context():
            seen = view(classifier, "0", torch.ones(1, 1, 8, 8), torch.tensor([0]))
        assert not seen.silent[0]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.unused, self.fc = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 1), nn.Linear(1, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.fc(self.pool(self.conv(self.conv(x))).flatten(1))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("conv", "runs twice in one forward"),
        ("unused", "does not run"),
        ("fc", r"gives \(2, 3\), not \(images, channels, height, width\)"),
        ("pool", r"gives \(2, 1, 1, 1\)"),
        ("convv", "has no layer 'convv'; its last convolutions: conv, unused"),
        ("", "has no layer with a grid"),
    ],
)
def test_a_layer_that_cannot_be_read_is_refused_by_name(toy, layer, words):
    classifier = toy(Twice(), layer)
    with pytest.raises(LayerError, match=words):
        view(classifier, layer, torch.randn(2, 1, 8, 8), torch.tensor([0, 1]))
    assert not classifier.module.conv._forward_hooks


def test_one_target_for_a_batch_is_refused(toy):
    classifier = toy(nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0")
    with pytest.raises(ValueError, match="1 targets for 4 images"):
        view(classifier, "0", torch.ones(4, 1, 8, 8), torch.tensor([0]))


def test_output_that_does_not_match_the_labels_is_refused(toy):
    classifier = toy(nn.Sequential(nn.Conv2d(1, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0", classes=3)
    with pytest.raises(ClassifierError, match=r"gives \(1, 5\) for 3 labels"):
        view(classifier, "0", torch.ones(1, 1, 8, 8), torch.tensor([0]))


def test_a_layer_that_the_score_does_not_depend_on_has_no_gradient(toy):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.other = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 3, 3)

        def forward(self, x):
            self.conv(x)
            return self.other(x).mean((2, 3))

    seen = view(toy(Cut(), "conv"), "conv", torch.randn(2, 1, 8, 8), torch.tensor([0, 1]))
    assert seen.silent.all()
    assert not np.any(seen.gradients.numpy())


def test_wrappers_are_taken_off():
    inner = nn.Sequential(nn.Conv2d(1, 1, 1))
    assert plain(nn.DataParallel(inner)) is inner
    assert plain(torch.compile(inner, backend="eager")) is inner
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        scripted = torch.jit.trace(inner, torch.zeros(1, 1, 2, 2))
    with pytest.raises(ClassifierError, match="TorchScript"):
        plain(scripted)

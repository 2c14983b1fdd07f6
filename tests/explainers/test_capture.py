"""A network is given back exactly as it was, whatever happens while it is borrowed."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from network_state import assert_same, state
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from workbench.errors import ClassifierError, LayerError
from workbench.explainers._capture import Forward, Tail, borrowed, plain
from workbench.explainers.cam.view import Shared
from workbench.explainers.explainer import Job


@dataclass
class Seen:
    activations: torch.Tensor
    gradients: torch.Tensor
    scores: torch.Tensor


def view(classifier, layer, inputs, targets):
    """One forward and one backward of each image's class score."""
    weights = nn.functional.one_hot(targets, classifier.outputs).float()
    with borrowed(classifier.module) as module:
        forward = Forward(classifier, module, [layer], inputs)
        scores, gradients = forward.gradients(weights, "logit")
    return Seen(forward.leaves[layer].detach(), gradients[layer], scores)


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
        with borrowed(lived_in.module) as module:
            behind = Tail(lived_in, module, "2", torch.zeros(1, 1, 16, 16))

            def stop(*_):
                raise error("stop")

            handle = module[4].register_forward_hook(stop)
            try:
                behind(torch.zeros(1, 3, 14, 14), torch.tensor([0]))
            finally:
                handle.remove()

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
        assert seen.gradients.any()


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
        ("unused", "is not spatial"),
        ("fc", "'fc' of 'toy' is not spatial"),
        ("pool", "'pool' of 'toy' is not spatial"),
        ("convv", "has no layer 'convv'; usable, for example: conv"),
    ],
)
def test_a_layer_that_cannot_be_read_is_refused_by_name(toy, layer, words):
    classifier = toy(Twice(), layer)
    with pytest.raises(LayerError, match=words):
        view(classifier, layer, torch.randn(2, 1, 8, 8), torch.tensor([0, 1]))
    assert not classifier.module.conv._forward_hooks


def test_output_that_does_not_match_the_labels_is_refused(toy):
    classifier = toy(nn.Sequential(nn.Conv2d(1, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0", classes=3)
    with pytest.raises(ClassifierError, match="5"):
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
    assert not np.any(seen.gradients.numpy())


def test_wrappers_are_taken_off():
    inner = nn.Sequential(nn.Conv2d(1, 1, 1))
    assert plain(nn.DataParallel(inner)) is inner
    assert plain(torch.compile(inner, backend="eager")) is inner
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        scripted = torch.jit.trace(inner, torch.zeros(1, 1, 2, 2))
    with pytest.raises(ClassifierError, match="TorchScript"):
        plain(scripted)


class Residual(nn.Module):
    """Functional operations, an in-place sum, one activation used three times, and modules within modules."""

    def __init__(self):
        super().__init__()
        self.stem, self.act = nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.body = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)) for _ in range(3))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        for block in self.body:
            shortcut = x.clone()
            x = self.act(block(x))
            x += shortcut
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def residual(toy):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return toy(Residual(), "body.1")


LAYERS = ["stem", "body.0.0", "body.1", "body.2.1"]
INPUTS = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_tail_behind_a_layer_is_the_network_with_that_layer_replaced(residual, layer):
    grids = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    for rows in (torch.tensor([0, 2, 1, 1, 0]), torch.tensor([2, 2, 2, 2, 2])):
        target = residual.module.get_submodule(layer)
        handle = target.register_forward_hook(lambda *_: grids.clone())
        expected = residual.module(INPUTS[rows])
        handle.remove()
        with borrowed(residual.module) as module:
            behind = Tail(residual, module, layer, INPUTS)
            found = behind(grids, rows)
        assert torch.allclose(found, expected, atol=1e-6)
        assert behind._kept or layer == "stem"  # nothing had to be computed again


def test_the_tail_runs_nothing_that_lies_before_the_layer(residual):
    before = state(residual.module)
    with borrowed(residual.module) as module:
        behind = Tail(residual, module, "body.1", INPUTS)
        ran = []
        handles = [
            part.register_forward_pre_hook(lambda part, _: ran.append(part))
            for part in module.modules()
            if isinstance(part, nn.Conv2d)
        ]
        own = [part.forward for part in module.modules()]
        behind(torch.zeros(2, 4, 8, 8), torch.tensor([0, 0]))
        assert [part.forward for part in module.modules()] == own
        for handle in handles:
            handle.remove()
    assert residual.module.body[2][0] in ran
    assert residual.module.body[0][0] not in ran
    assert_same(before, state(residual.module))


def test_a_network_whose_state_defies_replay_runs_whole(toy):
    class Counting(nn.Module):
        """Computes with what its first layer left on the module, which a replayed layer does not do."""

        def __init__(self):
            super().__init__()
            self.first, self.second, self.fc = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Linear(2, 3)
            outer = self

            class Leaving(nn.Conv2d):
                def forward(self, x):
                    outer.left = x.mean((1, 2, 3), keepdim=True)
                    return super().forward(x)

            self.first = Leaving(1, 2, 3)

        def forward(self, x):
            return self.fc((self.second(self.first(x)) * self.left).mean((2, 3)))

    classifier = toy(Counting(), "second")
    rows, grids = torch.tensor([1, 1]), torch.ones(2, 2, 4, 4)
    handle = classifier.module.second.register_forward_hook(lambda *_: grids)
    expected = classifier.module(INPUTS[rows])
    handle.remove()
    with borrowed(classifier.module) as module:
        behind = Tail(classifier, module, "second", INPUTS)
        assert behind._kept == {}
        assert torch.allclose(behind(grids, rows), expected, atol=1e-6)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_in_a_users_own_forward(toy, reentrant):
    class Saving(Residual):
        def forward(self, x):
            x = torch.tanh(self.stem(x))
            for block in self.body:
                x = checkpoint(block, x, use_reentrant=reentrant)
            return self.fc(x.mean((2, 3)))

    class Open(Residual):
        def forward(self, x):
            x = torch.tanh(self.stem(x))
            for block in self.body:
                x = block(x)
            return self.fc(x.mean((2, 3)))

    modules = [Saving(), Open()]
    modules[1].load_state_dict(modules[0].state_dict())
    found, expected = (view(toy(module, "body.1.0"), "body.1.0", INPUTS, torch.tensor([0, 1, 2])) for module in modules)
    assert torch.equal(found.activations, expected.activations)
    assert torch.allclose(found.gradients, expected.gradients, atol=1e-7)
    assert found.gradients.any()


class Steps(nn.Module):
    """Two convolutions, the layer, and a head that reads the layer's output and what was there before it."""

    def __init__(self):
        super().__init__()
        self.stem, self.mid, self.layer = nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        before = self.mid(self.stem(x))
        return self.read(before, self.layer(before))

    def read(self, before, after):
        return self.fc(torch.tanh(before + after).mean((2, 3)))


class InPlaceOnWhatWasBefore(Steps):
    def read(self, before, after):
        before.mul_(0.5).add_(1)
        after.clamp_(min=0.1)
        return super().read(before, after)


class InPlaceOnTheInput(Steps):
    def forward(self, x):
        x.sub_(0.3).div_(0.5)
        before = self.mid(self.stem(x))
        return self.read(before, self.layer(before)) + x.mean((1, 2, 3))[:, None]


class Viewing(Steps):
    def read(self, before, after):
        return super().read(before.view(-1).view(after.shape), after)


class Gives(nn.Module):
    """A module that gives what `make` makes of its input."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, *x):
        return self.make(*x)


class Pair(NamedTuple):
    one: torch.Tensor
    other: torch.Tensor


class Keyed(dict):
    __getattr__ = dict.__getitem__


class InTwo(Steps):
    """What the first module gives is a thing with names."""

    def __init__(self, kind):
        super().__init__()
        self.pair = Gives(lambda x: kind(one=x, other=2 * x))

    def forward(self, x):
        pair = self.pair(self.stem(x))
        before = self.mid(pair.one)
        return self.read(before, self.layer(before) + pair.other)


class WithTable(Steps):
    """A module gives a table that has nothing to do with the images, and as many rows as there are images."""

    def __init__(self):
        super().__init__()
        self.table = Gives(lambda: torch.arange(12.0).reshape(3, 4))

    def forward(self, x):
        before, table = self.mid(self.stem(x)), self.table()
        return self.read(before, self.layer(before)) + self.fc(table.sum(0))


class Folded(Steps):
    """The images of a batch are folded into the places, and taken apart by the size of the batch."""

    def __init__(self):
        super().__init__()
        self.fold = Gives(lambda x: x.flatten(2).transpose(1, 2).reshape(-1, 4))

    def forward(self, x):
        before = self.mid(self.stem(x))
        rows, after = self.fold(before), self.layer(before)
        return self.read(before, after) + self.fc(rows.view(len(after), -1, 4).tanh().sum(1))


class BatchSecond(Steps):
    """Tokens first, images second, as in `nn.MultiheadAttention` by default."""

    def __init__(self):
        super().__init__()
        self.tokens = Gives(lambda x: x.flatten(2).permute(2, 0, 1)[:3])

    def forward(self, x):
        before = self.mid(self.stem(x))
        tokens, after = self.tokens(before), self.layer(before)
        both = torch.cat([tokens, after.flatten(2).permute(2, 0, 1)])
        return self.fc((both * torch.linspace(0.5, 2, len(both))[:, None, None]).tanh().sum(0))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "make",
    [
        *(InPlaceOnWhatWasBefore, InPlaceOnTheInput, Viewing, WithTable, Folded, BatchSecond),
        *(partial(InTwo, Pair), partial(InTwo, Keyed)),
    ],
)
def test_the_tail_of_networks_that_make_replay_hard(toy, make, count):
    """Whatever was run before: one image or several, once or many times, as many copies as there are places or rows."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        classifier = toy(make(), "layer", size=(8, 8))
        inputs = torch.randn(count, 1, 8, 8)
        last = count - 1
        choices = [[0], [0], [last] * 4, [0], list(range(count)), [last, 0, 0, 0, last], [0, 0, 0], [last]]
        drawn = [(torch.tensor(rows), torch.randn(len(rows), 4, 4, 4)) for rows in choices]
    given = inputs.clone()
    with borrowed(classifier.module) as module, torch.no_grad():
        behind = Tail(classifier, module, "layer", inputs)
        for rows, grids in drawn:
            handle = module.layer.register_forward_hook(lambda *_, grids=grids: grids.clone())
            expected = module(given[rows].clone())
            handle.remove()
            assert torch.allclose(behind(grids.clone(), rows), expected, atol=1e-5)
    assert torch.equal(inputs, given)


def test_the_tail_of_a_network_that_works_in_place_on_the_layer_is_differentiable(toy):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        classifier = toy(InPlaceOnWhatWasBefore(), "layer", size=(8, 8))
        inputs = torch.randn(2, 1, 8, 8)
    weights, rows = torch.eye(3)[:2], torch.arange(2)
    with borrowed(classifier.module) as module:
        forward = Forward(classifier, module, ["layer"], inputs)
        _, expected = forward.gradients(weights, "logit")
        leaf = forward.leaves["layer"].detach().requires_grad_()
        view = Shared(forward, Job(classifier, np.zeros((2, 8, 8, 3), np.uint8), weights[:, None].numpy())).views(
            "layer", "logit"
        )[0]
        found = view.score(view.tail(leaf, rows)).sum()
        assert torch.allclose(torch.autograd.grad(found, leaf)[0], expected["layer"], atol=1e-6)
        direction = torch.ones_like(leaf)
        assert torch.isfinite(view.product(direction)).all()

"""AblationCAM against a loop that runs the whole network with a channel cut out by a hook."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.explainers import EXPLAINERS, run
from workbench.explainers.cam.ablation import without_channels
from workbench.explainers.cam.graph import only_pooled


def ablation_cam(view):
    return EXPLAINERS["ablation_cam"].value.method(view)


def test_it_is_the_loop_over_channels(networks, crops):
    classifier = networks["branched"]
    module, layer = classifier.module, classifier.module.get_submodule("stem")
    targets = [0, 3, 1, 2]
    found = run(
        classifier, crops, "ablation_cam", targets, options={"ablation_cam": {"layer": "stem"}}, progress=False
    )["ablation_cam"].values
    kept = {}
    with torch.no_grad():
        inputs = classifier.inputs(crops)
        handle = layer.register_forward_hook(lambda _m, _i, out: kept.update(layer=out.clone()))
        whole = module(inputs)
        handle.remove()
        expected = np.zeros_like(found)
        for channel in range(5):

            def cut(_module, _inputs, output, channel=channel):
                output = output.clone()
                output[:, channel] = 0
                return output

            handle = layer.register_forward_hook(cut)
            loss = (whole - module(inputs)).gather(1, torch.tensor(targets)[:, None])[:, 0].numpy()
            handle.remove()
            expected += loss[:, None, None] * kept["layer"][:, channel].numpy()
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_network_that_works_in_place_behind_the_layer_spoils_nothing(toy, crops, viewed, monkeypatch):
    """Copies of the layer are used again from pass to pass, unless an in-place ReLU has changed them."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = nn.Sequential(
            nn.Conv2d(1, 7, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(343, 3)
        )
        classifier = toy(module, "0")
    view = viewed(classifier, classifier.inputs(crops), torch.eye(3)[[0, 1, 2, 0]])
    monkeypatch.setattr("workbench.explainers.cam.ablation.VALUES", 3 * view.activations[0].numel())
    found = without_channels(view)
    with torch.no_grad():
        for channel in range(8):
            layer = view.activations.clone()
            if channel < 7:
                layer[:, channel] = 0
            assert torch.allclose(found[:, channel], module[1:](layer), atol=1e-6)


class MeanAndMax(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) + x.amax((2, 3))


READERS = {
    "pool": (lambda: [nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 6, 1), nn.Hardswish(), nn.Flatten()], True),
    "columns": (lambda: [nn.AdaptiveAvgPool2d((1, 2)), nn.Tanh(), nn.Flatten(), nn.Linear(12, 6)], False),
    "rectified": (lambda: [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Tanh()], False),
    "mean and maximum": (lambda: [MeanAndMax(), nn.Tanh()], False),
}


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", READERS)
def test_means_stand_for_a_layer_of_which_nothing_else_is_read(toy, crops, viewed, name, order):
    make, pooled = READERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = nn.Sequential(nn.Conv2d(3, 6, 3), *make(), nn.Linear(6, 3)).to(memory_format=order)
    classifier = toy(module, "0", channels=3)
    view = viewed(classifier, classifier.inputs(crops), torch.eye(3)[[0, 1, 2, 0]])
    assert only_pooled(view) == pooled
    found = without_channels(view)
    with torch.no_grad():
        for channel in range(7):
            layer = view.activations.clone()
            if channel < 6:
                layer[:, channel] = 0
            assert torch.allclose(found[:, channel], module[1:](layer), atol=1e-6)


def test_behind_a_linear_head_it_is_known_without_running_it(networks, crops, viewed):
    classifier = networks["plain"]
    view = viewed(classifier, classifier.inputs(crops), torch.eye(3)[[0, 1, 2, 0]])
    found = ablation_cam(view)
    assert not view.shared.tails
    scores = view.score(without_channels(view).flatten(0, 1), torch.arange(28) // 7).reshape(4, 7)
    losses = scores[:, 6:] - scores[:, :6]
    expected = torch.einsum("nc,nchw->nhw", losses, view.activations)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_a_channel_that_helps_counts_for_the_target_also_where_the_score_is_negative(written):
    def behind(layer):
        return layer.mean((2, 3)).sum(1, keepdim=True) - 100

    activations = torch.tensor([[[[1.0, 3.0]]]])  # the channel adds 2 to a score of -98
    assert ablation_cam(written(behind, activations, torch.ones(1, 1)))[0, 0].tolist() == [2.0, 6.0]


def test_all_targets_share_the_ablated_passes(written):
    activations = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    head = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    one = written(lambda layer: layer.mean((2, 3)) @ head, activations, torch.tensor([[1.0, 0.0]] * 2))
    two = written(one.behind, activations, torch.tensor([[0.0, 1.0]] * 2), shared=one.shared)
    first, second = ablation_cam(one), ablation_cam(two)
    assert (one.tails, two.tails) == (14, 0)
    assert not torch.allclose(first, second)

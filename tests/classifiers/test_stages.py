"""Blocks of a network, and networks that are random in some of them."""

import pytest
import torch
from families import load_family
from torch import nn

from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.classifiers.randomise import partly_randomised
from workbench.classifiers.stages import stages_of
from workbench.errors import UnknownNameError, UsageError


def _wrap(module, size=8):
    labels = ("anger", "fear", "happiness")
    return Classifier("toy", module.eval(), {"expression": Head(labels)}, Preprocessing((size, size), 1), "")


class Backwards(nn.Module):
    """Registered in another order than it runs in."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.unused = nn.Linear(2, 2)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(1, 4, 3)

    def forward(self, x):
        return self.head(self.norm(self.first(x)).mean((2, 3)))


def test_in_order_of_execution_with_norms_behind_their_layer():
    found = stages_of(_wrap(Backwards()))
    assert [(stage.name, stage.parts, stage.parameters) for stage in found] == [
        ("unused", ("unused",), 6),
        ("first", ("first", "norm"), 48),
        ("head", ("head",), 15),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet", ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]),
        ("vit", ["input tokens", "patch_embed", "blocks.0", "blocks.1", "blocks.2", "head"]),
        ("swin", ["patch_embed", "layers.0", "layers.1", "layers.2", "head"]),
        ("inception", ["stem", "Mixed_5b", "Mixed_5c", "fc"]),
    ],
)
def test_readable_names(name, expected):
    assert [stage.name for stage in stages_of(load_family(name))] == expected


@pytest.mark.parametrize("name", ["resnet", "mobilenetv3", "vit", "densenet", "two_heads", "parametrised"])
@pytest.mark.parametrize("most", [1, 3, 5, None])
def test_blocks_hold_every_parameter_once(name, most):
    classifier = load_family(name)
    found = stages_of(classifier, most)
    assert len(found) <= (most or 8)
    parts = [part for stage in found for part in stage.parts]
    assert len(parts) == len(set(parts))
    assert sum(stage.parameters for stage in found) == sum(p.numel() for p in classifier.module.parameters())


def test_named_blocks():
    resnet = load_family("resnet")
    found = stages_of(resnet, {"late": ["layer3", "layer4"], "stem": ["conv1", "bn1"]})
    assert [stage.name for stage in found] == ["stem", "late"]
    assert all(part.startswith(("layer3", "layer4")) for part in found[1].parts)
    with pytest.raises(UnknownNameError, match=r"module of 'resnet' 'layer9'; did you mean"):
        stages_of(resnet, ["layer9"])
    with pytest.raises(UsageError, match=r"share 'layer4\.0\.conv1'"):
        stages_of(resnet, ["layer4", "layer4.0"])
    with pytest.raises(UsageError, match="has no parameters"):
        stages_of(resnet, ["maxpool"])
    with pytest.raises(UsageError, match="leaves no block"):
        stages_of(resnet, 0)
    with pytest.raises(UsageError, match="has no parameters"):
        stages_of(_wrap(nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(3))))


def test_only_the_parts_named_are_random_and_nested_networks_agree():
    classifier = load_family("resnet")
    before = {name: value.clone() for name, value in classifier.module.state_dict().items()}
    random = torch.get_rng_state()
    one = partly_randomised(classifier, ["fc"], 3).module.state_dict()
    two = partly_randomised(classifier, ["fc", "layer4.0.conv1", "bn1"], 3).module.state_dict()
    other = partly_randomised(classifier, ["fc"], 4).module.state_dict()
    assert {name for name in before if not torch.equal(before[name], one[name])} == {"fc.weight", "fc.bias"}
    changed = {name.rpartition(".")[0] for name in before if not torch.equal(before[name], two[name])}
    assert changed == {"fc", "layer4.0.conv1", "bn1"}
    assert torch.equal(one["fc.weight"], two["fc.weight"])
    assert not torch.equal(one["fc.weight"], other["fc.weight"])
    assert torch.equal(two["bn1.running_mean"], torch.zeros_like(two["bn1.running_mean"]))
    assert all(torch.equal(before[name], value) for name, value in classifier.module.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    with pytest.raises(UnknownNameError, match="module of 'resnet'"):
        partly_randomised(classifier, ["fc9"])


class Container(nn.Module):
    """Starts the layers inside it too when it is started anew."""

    def __init__(self):
        super().__init__()
        self.inside, self.gain = nn.Linear(64, 3), nn.Parameter(torch.full((3,), 2.0))

    def reset_parameters(self):
        nn.init.ones_(self.gain)
        self.inside.reset_parameters()

    def forward(self, x):
        return self.gain * self.inside(x.flatten(1))


def test_what_lies_inside_a_part_is_kept():
    classifier = _wrap(nn.Sequential(Container()))
    fresh = partly_randomised(classifier, ["0"], 1).module[0]
    assert torch.equal(fresh.gain, torch.ones(3))
    assert torch.equal(fresh.inside.weight, classifier.module[0].inside.weight)

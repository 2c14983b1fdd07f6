"""Every family loads with nothing stated but labels and size, and is told which layer and grid it has."""

from __future__ import annotations

import copy

import pytest
import torch
from families import FAMILIES, LABELS, SIZE, WRAPPED, family, load_family
from torch import nn

from workbench.classifiers import load_classifier
from workbench.errors import ClassifierError

# family → default layer, kind, (channels, height, width), tokens before the first place
EXPECTED = {
    "resnet": ("layer4", "NCHW", (48, 4, 4), 0),
    "resnetv2": ("norm", "NCHW", (96, 2, 2), 0),
    "densenet": ("features", "NCHW", (32, 4, 4), 0),
    "torchvision_densenet": ("features", "NCHW", (32, 4, 4), 0),
    "vgg": ("features.12", "NCHW", (64, 8, 8), 0),
    "inception": ("Mixed_5c", "NCHW", (256, 8, 8), 0),
    "xception": ("blocks", "NCHW", (128, 8, 8), 0),
    "mobilenetv3": ("blocks", "NCHW", (288, 2, 2), 0),
    "efficientnet": ("bn2", "NCHW", (320, 2, 2), 0),
    "efficientnetv2": ("bn2", "NCHW", (320, 2, 2), 0),
    "convnext": ("stages", "NCHW", (48, 4, 4), 0),
    "vit": ("blocks.2.norm1", "tokens", (48, 8, 8), 1),
    "vit_avg": ("blocks.2", "tokens", (48, 8, 8), 1),
    "vit_registers": ("blocks.2.norm1", "tokens", (48, 8, 8), 5),
    "deit": ("blocks.2.norm1", "tokens", (48, 8, 8), 1),
    "deit_distilled": ("blocks.2.norm1", "tokens", (48, 8, 8), 2),
    "swin": ("norm", "NHWC", (64, 4, 4), 0),
    "swinv2": ("norm", "NHWC", (64, 4, 4), 0),
    "maxvit": ("norm", "NCHW", (128, 2, 2), 0),
    "coatnet": ("norm", "NCHW", (128, 2, 2), 0),
    "mambaout": ("stages", "NHWC", (32, 4, 4), 0),
    "two_heads": ("trunk", "NCHW", (24, 8, 8), 0),
}


def pictures(count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))


def test_the_table_is_whole() -> None:
    assert set(EXPECTED) == set(FAMILIES)
    assert not set(FAMILIES) & set(WRAPPED)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_s_layer_and_grid(name: str) -> None:
    classifier = load_family(name)
    layout = classifier.layout(classifier.cam_layer)
    assert (classifier.cam_layer, layout.kind, layout.shape, layout.prefix) == EXPECTED[name]
    assert classifier.provenance["cam_layer"].startswith("chosen: ")
    assert sum(parameter.numel() for parameter in classifier.module.parameters()) < 1.1e6
    with torch.no_grad():
        theirs = classifier.outputs_of(family(name)(pictures()))
    torch.testing.assert_close(classifier.logits(pictures()), theirs, rtol=0, atol=1e-5)
    assert theirs.std(0).min() > 1e-3  # the pictures differ in every score


@pytest.mark.parametrize("name", FAMILIES)
def test_the_gradient_at_the_chosen_layer_is_of_the_layer_s_size(name: str) -> None:
    classifier, held = load_family(name), []

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        held.append(output.detach().requires_grad_())
        return held[0].clone()

    handle = classifier.module.get_submodule(classifier.cam_layer).register_forward_hook(keep)
    try:
        outputs = classifier.outputs_of(classifier.module(pictures()))
    finally:
        handle.remove()
    for column in range(classifier.outputs):
        (gradient,) = torch.autograd.grad(outputs[:, column].sum(), held, retain_graph=True, allow_unused=True)
        grid = classifier.layout(classifier.cam_layer).to_grid(gradient)
        assert (grid.abs().flatten(1).amax(1) > 1e-7).all()
    assert len(held) == 1  # it ran once


@pytest.mark.parametrize("name", ["vit", "vit_registers", "deit_distilled", "vit_avg"])
def test_a_patch_moves_its_own_token_before_tokens_mix(name: str) -> None:
    classifier, held = load_family(name), []
    images = pictures(1).repeat(3, 1, 1, 1)
    images[1, :, 8:16, 40:48] = 0.5
    images[2, :, 56:64, 0:8] = 0.5
    handle = classifier.module.blocks[0].norm1.register_forward_hook(lambda _m, _i, out: held.append(out))  # type: ignore[index,union-attr]
    classifier.logits(images)
    handle.remove()
    grid = classifier.layout("blocks.0.norm1").to_grid(held[0])
    assert (grid[1] - grid[0]).abs().amax(0).nonzero().tolist() == [[1, 5]]
    assert (grid[2] - grid[0]).abs().amax(0).nonzero().tolist() == [[7, 0]]


def plain(module: nn.Module) -> nn.Module:
    """The module that does the work, undone as its owner would undo it."""
    module = getattr(module, "_orig_mod", module)
    return module.module if isinstance(module, nn.DataParallel) or "Parallel" in type(module).__name__ else module  # type: ignore[return-value]


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_module_needs_no_help_and_is_not_touched(name: str) -> None:
    module = WRAPPED[name]()
    flags = [(part.training, getattr(part, "grad_checkpointing", None)) for part in module.modules()]
    kinds = [(p.dtype, p.requires_grad, p.is_contiguous()) for p in module.parameters()]
    before = [p.detach().clone() for p in module.parameters()]
    classifier = load_classifier(module, labels=LABELS, size=SIZE)
    assert [(part.training, getattr(part, "grad_checkpointing", None)) for part in module.modules()] == flags
    assert [(p.dtype, p.requires_grad, p.is_contiguous()) for p in module.parameters()] == kinds
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert classifier.cam_layer
    assert not any(getattr(part, "grad_checkpointing", False) for part in classifier.module.modules())
    assert {p.dtype for p in classifier.module.parameters()} == {torch.float32}
    assert type(classifier.module) is type(plain(module))
    reference = copy.deepcopy(plain(module)) if name != "weight_norm" else module
    with torch.no_grad():
        expected = reference.eval().float()(pictures())
    torch.testing.assert_close(classifier.logits(pictures()), expected, rtol=0, atol=1e-5)
    x = pictures(1).requires_grad_()
    (gradient,) = torch.autograd.grad(classifier.module(x)[0, 0], x)
    assert gradient.abs().sum() > 0


def test_the_precision_of_the_weights_is_told() -> None:
    assert load_family("bfloat16").provenance["precision"] == "weights turned from bfloat16 into float32"
    assert "precision" not in load_family("resnet").provenance


def test_memory_lies_channels_last_where_the_forward_allows_it() -> None:
    assert load_family("resnet").memory_format is torch.channels_last
    assert load_family("viewing").memory_format is torch.contiguous_format
    assert family("resnet").conv1.weight.is_contiguous()  # type: ignore[operator,union-attr]
    inputs = load_family("resnet").inputs(torch.zeros(2, 8, 8, 3, dtype=torch.uint8).numpy())
    assert inputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_is_refused_also_inside() -> None:
    traced = torch.jit.trace(nn.Conv2d(3, 7, 64).eval(), pictures(1), check_trace=False)
    for module in (traced, nn.Sequential(traced, nn.Flatten())):
        with pytest.raises(ClassifierError, match="a TorchScript module cannot be listened to; give the Python module"):
            load_classifier(module, labels=LABELS, size=SIZE)

"""One small member of every family of networks that must work, and the wrappers around them.

At most about a million parameters and some milliseconds for four images each. Weights are drawn anew (seeded) and
batch-norm statistics taken from noise, so that signals and gradients keep their size all the way: the start that the
families' own code gives is often a residual branch of zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from workbench.classifiers import Classifier, Head, load_classifier
from workbench.classifiers._torchvision import import_timm, import_torchvision

SIZE = 64
LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
UNITS = ("1", "4", "12")


def _timm(name: str, **settings: Any) -> nn.Module:
    return import_timm().create_model(name, num_classes=len(LABELS), **settings)


def _vit(name: str = "vit_tiny_patch16_224", **settings: Any) -> nn.Module:
    return _timm(name, **{"img_size": SIZE, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3} | settings)


def _swin(name: str) -> nn.Module:
    return _timm(name, img_size=SIZE, window_size=4, embed_dim=16, depths=(2, 2, 2), num_heads=(1, 2, 4))


def _efficientnet() -> nn.Module:
    import_timm()
    from timm.models.efficientnet import _gen_efficientnet

    return _gen_efficientnet(
        "efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.5, num_classes=len(LABELS), pretrained=False
    )


def _vgg() -> nn.Module:
    import_timm()
    from timm.models.vgg import VGG, ConvMlp

    module = VGG([16, "M", 32, "M", 48, "M", 64, 64, "M"], num_classes=len(LABELS))
    module.pre_logits = ConvMlp(64, 64, kernel_size=4)
    module.head_hidden_size = 64
    module.head.fc = nn.Linear(64, len(LABELS))
    return module


class Inception(nn.Module):
    """A stem, and two of the blocks of parallel branches of timm's Inception-v3."""

    def __init__(self) -> None:
        super().__init__()
        import_timm()
        import importlib

        blocks = importlib.import_module("timm.models.inception_v3")
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.Mixed_5b = blocks.InceptionA(16, pool_features=16)
        self.Mixed_5c = blocks.InceptionA(240, pool_features=32)
        self.global_pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(256, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.Mixed_5b(self.stem(x)), 2)
        return self.fc(self.global_pool(self.Mixed_5c(x)).flatten(1))


def _xception() -> nn.Module:
    import_timm()
    from timm.models.xception_aligned import XceptionAligned

    blocks = [
        {"in_chs": 64, "out_chs": 64, "stride": 2},
        {"in_chs": 64, "out_chs": 64, "stride": 1},
        {"in_chs": 64, "out_chs": 96, "stride": 2},
        {"in_chs": 96, "out_chs": (96, 96, 128), "stride": 1, "no_skip": True, "start_with_relu": False},
    ]
    return XceptionAligned(blocks, num_classes=len(LABELS), norm_layer=nn.BatchNorm2d)


def _torchvision_densenet() -> nn.Module:
    import_torchvision()
    from torchvision.models import DenseNet

    return DenseNet(8, (2, 2, 2), num_init_features=16, num_classes=len(LABELS))


class TwoHeads(nn.Module):
    """Expression and action units by name, from one trunk; each head with a convolution of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3, 4, 1), nn.ReLU()
        )
        self.face, self.muscle = (nn.Sequential(nn.Conv2d(24, 16, 3, padding=1), nn.ReLU()) for _ in range(2))
        self.expression, self.au = nn.Linear(16, len(LABELS)), nn.Linear(16, len(UNITS))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.trunk(x)
        return {
            "au": self.au(self.muscle(x).mean((2, 3))),
            "expression": self.expression(self.face(x).mean((2, 3))),
        }


# name → a module with seven outputs (`two_heads`: with three action units besides) for 64-px colour images
FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "resnet": partial(_timm, "resnet18", layers=(1, 1, 1, 1), channels=(16, 24, 32, 48), output_stride=16),
    "resnetv2": partial(_timm, "resnetv2_50", layers=(1, 1, 1, 1), channels=(32, 48, 64, 96), stem_chs=16),
    "densenet": partial(_timm, "densenet121", growth_rate=8, block_config=(2, 2, 2)),
    "torchvision_densenet": _torchvision_densenet,
    "vgg": _vgg,
    "inception": Inception,
    "xception": _xception,
    "mobilenetv3": partial(_timm, "mobilenetv3_small_050"),
    "efficientnet": _efficientnet,
    "efficientnetv2": partial(_timm, "efficientnetv2_s", channel_multiplier=0.25, depth_multiplier=0.2),
    "convnext": partial(_timm, "convnext_atto", dims=(16, 24, 32, 48), depths=(1, 1, 1, 1), output_stride=16),
    "vit": _vit,
    "vit_avg": partial(_vit, global_pool="avg"),
    "vit_registers": partial(_vit, reg_tokens=4),
    "deit": partial(_vit, "deit_tiny_patch16_224"),
    "deit_distilled": partial(_vit, "deit_tiny_distilled_patch16_224"),
    "swin": partial(_swin, "swin_tiny_patch4_window7_224"),
    "swinv2": partial(_swin, "swinv2_tiny_window8_256"),
    "maxvit": partial(_timm, "test_maxvit", img_size=SIZE),
    "coatnet": partial(_timm, "test_coatnet", img_size=SIZE),
    "mambaout": partial(_timm, "mambaout_femto", depths=(1, 1, 1), dims=(16, 24, 32)),
    "two_heads": TwoHeads,
}

HEADS: dict[str, dict[str, Head]] = {"two_heads": {"au": Head(UNITS, "sigmoid"), "expression": Head(LABELS)}}


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with fresh weights of a size that carries signals through, in evaluation mode."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            draw = torch.randn(parameter.shape, generator=stream)
            if parameter.dim() >= 2 and ("token" in name or "pos" in name or ("embed" in name and "proj" not in name)):
                parameter.copy_(0.3 * draw)
            elif parameter.dim() >= 2:
                parameter.copy_(draw * (1.5 / parameter[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                parameter.copy_(0.1 * draw)
            else:  # scales
                parameter.copy_(0.75 + 0.1 * draw)
        norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        if norms:
            for norm in norms:
                norm.train()
                norm.momentum = None
            module.eval()
            for norm in norms:
                norm.train()
            for _ in range(2):
                module(torch.rand(8, 3, SIZE, SIZE, generator=stream))
    return module.eval()


@cache
def family(name: str) -> nn.Module:
    """The settled module of that family; torch's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return settled(FAMILIES[name]())


@cache
def load_family(name: str) -> Classifier:
    """The classifier of that family, or of a wrapped module: nothing is stated but labels and size."""
    module = WRAPPED[name]() if name in WRAPPED else family(name)
    if name in HEADS:
        return load_classifier(module, heads=HEADS[name], size=SIZE, name=name)
    return load_classifier(module, labels=LABELS, size=SIZE, name=name)


class Checkpointed(nn.Module):
    """A module of a user who calls torch's checkpointing in the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = family("resnet")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        from torch.utils.checkpoint import checkpoint

        features: torch.Tensor = checkpoint(self.inner.forward_features, x, use_reentrant=False)
        return self.inner.forward_head(features)


class Viewing(nn.Module):
    """`view` on a grid, which channels-last memory does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, 4, 2), nn.ReLU(inplace=True), nn.Conv2d(8, 12, 3, 2, 1))
        self.head = nn.Linear(12 * 8 * 8, len(LABELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        return self.head(x.view(x.size(0), -1))


def _fresh(name: str = "resnet") -> nn.Module:
    import copy

    return copy.deepcopy(family(name))


def _compiled(*, called: bool = False, in_place: bool = False, name: str = "resnet") -> nn.Module:
    module = _fresh(name)
    if in_place:
        module.compile(backend="eager")
        made = module
    else:
        made = torch.compile(module, backend="eager")
    if called:
        with torch.no_grad():
            made(torch.zeros(1, 3, SIZE, SIZE))
    return made


def _checkpointing() -> nn.Module:
    module = _fresh("vit")
    module.set_grad_checkpointing(True)
    return module


def _weight_norm(*, parametrised: bool) -> nn.Module:
    import warnings

    module = settled(Viewing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        norm = nn.utils.parametrizations.weight_norm if parametrised else nn.utils.weight_norm
        norm(module.features[0])
        norm(module.head)
    return module


class DataParallelOf(nn.Module):
    """Stands in for DistributedDataParallel, which needs a process group."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any) -> Any:
        return self.module(*args)


class PartlyWrapped(nn.Module):
    """The features alone were wrapped, as scripts for several GPUs do."""

    def __init__(self) -> None:
        super().__init__()
        inner = settled(Viewing())
        self.features, self.head = nn.DataParallel(inner.features), torch.compile(inner.head, backend="eager")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.features(x))
        return self.head(x.flatten(1))


WRAPPED: dict[str, Callable[[], nn.Module]] = {
    "data_parallel": lambda: nn.DataParallel(_fresh()),
    "distributed": lambda: DataParallelOf(_fresh()),
    "compiled": _compiled,
    "compiled_called": partial(_compiled, called=True),
    "compiled_in_place": partial(_compiled, in_place=True),
    "compiled_in_place_called": partial(_compiled, in_place=True, called=True),
    "partly_wrapped": PartlyWrapped,
    "checkpointing": _checkpointing,
    "checkpoint_in_forward": lambda: Checkpointed(),
    "frozen": lambda: _fresh().requires_grad_(False),
    "bfloat16": lambda: _fresh().bfloat16(),
    "float16": lambda: _fresh("vit").half(),
    "float64": lambda: _fresh().double(),
    "training": lambda: _fresh().train(),
    "weight_norm": partial(_weight_norm, parametrised=False),
    "parametrised": partial(_weight_norm, parametrised=True),
    "viewing": lambda: settled(Viewing()),
}

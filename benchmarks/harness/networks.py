"""The networks that are timed: timm architectures with seven outputs, random weights, 224 × 224 pixels."""

from __future__ import annotations

import copy

import numpy as np
import torch

from workbench.classifiers import Classifier, load_classifier
from workbench.classifiers._torchvision import import_timm

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
SIDE = 224
NETWORKS = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "mobilenetv3": "mobilenetv3_large_100",
    "efficientnet_b0": "efficientnet_b0",
    "vit_small": "vit_small_patch16_224",
    "swin_tiny": "swin_tiny_patch4_window7_224",
}
TOKENS = ("vit_small", "swin_tiny")
LAYERS = {"vit_small": "blocks.11.norm1"}  # as pytorch-grad-cam recommends: before it, hires_cam is empty


def pictures(count: int) -> np.ndarray:
    """Crops (count, 224, 224, 3) uint8 with structure: a bright disc on smooth noise, another one in each."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    found = []
    for index in range(count):
        stream = np.random.default_rng(index)
        y, x, width = stream.uniform(50, 170), stream.uniform(50, 170), stream.uniform(20, 60)
        disc = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / width**2)[..., None] * stream.uniform(80, 200, 3)
        coarse = np.kron(stream.uniform(0, 90, (14, 14, 3)), np.ones((16, 16, 1)))
        found.append(np.clip(disc + coarse + stream.normal(0, 12, (SIDE, SIDE, 3)), 0, 255))
    return np.array(found).astype(np.uint8)


def module(name: str, device: str = "cpu") -> torch.nn.Module:
    """A network in evaluation mode with seeded random weights.

    Batch-norm statistics are taken from one batch of pictures: with those of an untrained network the signal dies out
    on the way, and every map would be rounding noise.
    """
    timm = import_timm()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net: torch.nn.Module = timm.create_model(NETWORKS[name], pretrained=False, num_classes=len(LABELS))
        norms = [part for part in net.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
        if norms:
            for norm in norms:
                norm.momentum = 1.0
            with torch.no_grad():
                net.train()(tensor(pictures(8)))
    return net.eval().to(device)


def tensor(images: np.ndarray, device: str = "cpu") -> torch.Tensor:
    """Crops as the network's input, (N, 3, 224, 224) float32 in [0, 1]."""
    return (torch.from_numpy(images).movedim(-1, 1).float() / 255).contiguous().to(device)


def classifier(name: str, net: torch.nn.Module, device: str = "cpu") -> Classifier:
    """The same network as the workbench takes it; its own copy, so that neither side can change the other's."""
    return load_classifier(net, labels=LABELS, size=SIDE, name=name, device=device, layer=LAYERS.get(name))


def loud(net: torch.nn.Module) -> torch.nn.Module:
    """A copy whose scores are ten thousand times as large: the peers add constants to gradients and their squares."""
    found = copy.deepcopy(net)
    head: torch.nn.Linear = found.get_classifier()  # type: ignore[operator]
    with torch.no_grad():
        head.weight *= 1e4
    return found

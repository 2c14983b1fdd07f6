"""The model under study: a torch module, its heads, its preprocessing, its spatial layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.classifiers.heads import Head, collate
from workbench.errors import ClassifierError, UsageError

if TYPE_CHECKING:
    import torch

    from workbench.classifiers.layout import Layout

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's BGR2GRAY


@dataclass(frozen=True)
class Preprocessing:
    """From an RGB crop to the network's input: resize to `size` (height, width), grey if `channels` is 1,
    scale to [0, 1], subtract `mean`, divide by `std` (one value per channel, or one for all).

    Grey is the luma of OpenCV, .299 R + .587 G + .114 B. The resize is bilinear with antialiasing. Raises UsageError
    for values that make no sense.
    """

    size: tuple[int, int]
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise UsageError(f"size must be (height, width) in pixels, not {self.size}")
        if self.channels not in (1, 3):
            raise UsageError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not np.isfinite(values).all():
                raise UsageError(
                    f"{name} must be one number, or one for each of {self.channels} channels, not {values}"
                )
        if min(self.std) <= 0:
            raise UsageError(f"std must be above 0, not {self.std}")


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode with everything that is needed to run and to cite it.

    `module` maps (N, channels, height, width) to raw scores before softmax (logits), one column per label, in any of
    the forms that `outputs_of` understands; the columns of several heads follow each other in the order of `heads`.
    `cam_layer` names the layer that CAM methods use by default. `provenance` holds licence, citation, caveat, source,
    sha256, and how the CAM layer was chosen, as strings. `tokens` is (prefix, height, width) where the user stated
    the grid of a token model.

    Make one with `load_classifier`, which works on a private copy of a user's module and tries the network out;
    the constructor itself refuses (ClassifierError) only a module in training mode.
    """

    name: str
    module: torch.nn.Module
    heads: Mapping[str, Head]
    preprocessing: Preprocessing
    cam_layer: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    tokens: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if any(part.training for part in self.module.modules()):
            raise ClassifierError(f"the module of {self.name!r} is in training mode; call module.eval() first")
        if not self.heads:
            raise ClassifierError(f"the classifier {self.name!r} has no head")

    def __repr__(self) -> str:
        height, width = self.preprocessing.size
        said = self.labels if list(self.heads) == ["expression"] else self.heads
        return (
            f"Classifier({self.name!r}, {', '.join(said)}, "
            f"{self.preprocessing.channels}×{height}×{width}, cam_layer={self.cam_layer!r})"
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names of the expression head, in output order, in the workbench's vocabulary."""
        if "expression" not in self.heads:
            raise ClassifierError(
                f"the classifier {self.name!r} has no expression head; it has " + ", ".join(self.heads)
            )
        return self.heads["expression"].labels

    @property
    def outputs(self) -> int:
        """Number of columns that the module gives, over all heads."""
        return sum(len(head.labels) for head in self.heads.values())

    @property
    def device(self) -> torch.device:
        """Where the module's parameters lie (CPU for a module without any)."""
        import torch

        for tensor in chain(self.module.parameters(), self.module.buffers()):
            return tensor.device  # of the first
        return torch.device("cpu")

    @property
    def memory_format(self) -> torch.memory_format:
        """How inputs lie in memory: as the weights do (channels-last where the module's forward allows it)."""
        from workbench.classifiers.listening import memory_format_of

        return memory_format_of(self.module)

    def columns(self, head: str) -> slice:
        """The columns of the module's output that belong to `head`."""
        start = 0
        for name, one in self.heads.items():
            if name == head:
                return slice(start, start + len(one.labels))
            start += len(one.labels)
        raise UsageError(f"the classifier {self.name!r} has no head {head!r}; it has {', '.join(self.heads)}")

    def inputs(self, images: np.ndarray) -> torch.Tensor:
        """Crops (N, H, W, 3) uint8 RGB → input tensor (N, channels, height, width) float32 on the module's device, in
        `memory_format`.

        Each image by itself: what else is in the batch cannot change it. Raises UsageError for another shape or type.
        """
        import torch
        from torch.nn import functional as F

        images = np.asarray(images)
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise UsageError(f"images must be (N, height, width, 3) of uint8, not {images.shape} of {images.dtype}")
        wanted = self.preprocessing
        x = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).movedim(-1, 1).float()
        if wanted.channels == 1:
            x = (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        if tuple(x.shape[-2:]) != tuple(wanted.size) and len(x):
            x = F.interpolate(x, size=wanted.size, mode="bilinear", antialias=True, align_corners=False)
        elif not len(x):
            x = x.new_zeros(0, wanted.channels, *wanted.size)
        mean, std = (x.new_tensor(values).view(1, -1, 1, 1) for values in (wanted.mean, wanted.std))
        return ((x / 255.0 - mean) / std).contiguous(memory_format=self.memory_format)

    def outputs_of(self, raw: object) -> torch.Tensor:
        """(N, columns) float32 of whatever the module returned: one tensor, a tuple in the order of the heads, or
        tensors by name (`logits` for one head). Raises ClassifierError that says what was found and expected."""
        return collate(raw, self.heads, self.name)

    def activated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities (N, columns) from raw scores: softmax, sigmoid or nothing, head by head; differentiable."""
        import torch

        made = {"softmax": lambda x: x.softmax(1), "sigmoid": lambda x: x.sigmoid(), "linear": lambda x: x}
        return torch.cat([made[head.kind](outputs[:, self.columns(name)]) for name, head in self.heads.items()], 1)

    def logits(self, inputs: torch.Tensor, batch_size: int = 64) -> torch.Tensor:
        """Raw scores (N, columns) float32 without gradients, on the module's device."""
        import torch

        with torch.no_grad():
            parts = [
                self.outputs_of(self.module(part.to(self.device).contiguous(memory_format=self.memory_format)))
                for part in inputs.split(max(1, batch_size))
                if len(part)
            ]
            return torch.cat(parts) if parts else torch.zeros(0, self.outputs, device=self.device)

    def probabilities(self, images: np.ndarray, head: str = "expression", batch_size: int = 64) -> np.ndarray:
        """What the head makes of its scores (softmax, sigmoid, or as they are), (N, classes) float32, for crops
        (N, H, W, 3) uint8; preprocessed `batch_size` at a time."""
        columns = self.columns(head)
        return self.answers(images, batch_size)[:, columns]

    def answers(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """What every head makes of its scores, (N, columns) float32; see `probabilities`."""
        images = np.asarray(images)
        parts = []
        for start in range(0, max(1, len(images)), batch_size):
            scores = self.logits(self.inputs(images[start : start + batch_size]), batch_size)
            parts.append(self.activated(scores).cpu().numpy())
        return np.concatenate(parts)

    @cached_property
    def layouts(self) -> Mapping[str, Layout]:
        """Every layer with more than one place and how it lies, in order of execution; found by one probe."""
        from workbench.classifiers.layers import probe

        found = probe(self.module, self.preprocessing, self.heads, tokens=self.tokens, owner=self.name)
        return found.layouts

    def layout(self, layer: str) -> Layout:
        """How one layer's output lies; LayerError, with near names, where it does not exist or holds no grid."""
        from workbench.classifiers.layers import check_layer
        from workbench.errors import LayerError

        if not layer:
            why = self.provenance.get("cam_layer", "none is stated")
            raise LayerError(f"the network {self.name!r} has no default layer for CAMs: {why}")
        check_layer(layer, self.module, self.layouts, self.name)
        return self.layouts[layer]

    def knowing(self, layouts: Mapping[str, Layout]) -> Classifier:
        """This classifier, with layouts that are known already, so that no probe is needed."""
        vars(self)["layouts"] = layouts  # where cached_property keeps it
        return self

    def spatial_layers(self) -> dict[str, tuple[int, int, int]]:
        """Name → (channels, height, width) of every layer with a spatial output, in order of execution."""
        return {name: layout.shape for name, layout in self.layouts.items()}

    def with_layer(self, layer: str) -> Classifier:
        """The same network with another default layer; LayerError where it does not exist or is not spatial."""
        from workbench.classifiers.layers import check_layer

        check_layer(layer, self.module, self.layouts, self.name)
        changed = replace(self, cam_layer=layer, provenance={**self.provenance, "cam_layer": "stated"})
        return changed.knowing(self.layouts)

    def describe(self) -> dict[str, Any]:
        """JSON-able description for a manifest: name, heads, labels, input, default layer with its grid and layout,
        number of parameters, provenance."""
        layers = self.layouts
        cam = layers.get(self.cam_layer)
        channels, height, width = cam.shape if cam else (0, 0, 0)
        one = self.preprocessing
        return {
            "name": self.name,
            "labels": list(self.heads["expression"].labels) if "expression" in self.heads else [],
            "heads": {name: {"kind": head.kind, "labels": list(head.labels)} for name, head in self.heads.items()},
            "input": {
                "channels": one.channels,
                "height": one.size[0],
                "width": one.size[1],
                "mean": list(one.mean),
                "std": list(one.std),
                "resize": "bilinear, antialiased",
                "grey": "BT.601 luma" if one.channels == 1 else "",
            },
            "cam_layer": self.cam_layer,
            "cam_grid": {"channels": channels, "height": height, "width": width},
            "cam_layout": cam.kind if cam else "",
            "parameters": sum(parameter.numel() for parameter in self.module.parameters()),
            "spatial_layers": len(layers),
            "provenance": dict(self.provenance),
        }

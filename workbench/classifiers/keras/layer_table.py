"""Which Keras layers can be read: one short function a layer, from its settings and weights to a torch module.

A newcomer adds a layer with `@layer("ItsClass")`; the function gets a `Request` and returns an `nn.Module`.
Layers that do nothing at inference (dropout, noise, augmentation) are the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from workbench.classifiers.keras import modules as km
from workbench.classifiers.keras.config import LayerSpec
from workbench.classifiers.keras.weights import LayerWeights
from workbench.errors import ClassifierError


@dataclass(frozen=True)
class Request:
    """What a builder gets: the layer, its weights, the major version of the Keras that wrote the file."""

    spec: LayerSpec
    weights: LayerWeights
    keras: int
    where: str

    def get(self, key: str, default: Any = None) -> Any:
        """A setting, `default` where it is absent or null."""
        value = self.spec.config.get(key, default)
        return default if value is None else value

    def pair(self, key: str, default: Any = (1, 1)) -> km.Pair:
        """A setting of two whole numbers (rows, columns); one number stands for both."""
        value = self.get(key, default)
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)

    def flag(self, key: str, default: bool = False) -> bool:
        """A setting that is yes or no."""
        return bool(self.get(key, default))

    @property
    def same(self) -> bool:
        """Whether the padding is 'same'; ClassifierError for any other than 'same' and 'valid'."""
        padding = self.get("padding", "valid")
        if padding not in ("same", "valid"):
            raise self.refusal(f"has padding={padding!r}")
        return bool(padding == "same")

    def refusal(self, problem: str) -> ClassifierError:
        """The error that says that this layer has something which cannot be read."""
        return ClassifierError(
            f"{self.where}: layer {self.spec.name!r} ({self.spec.kind}) {problem}, which cannot be read"
        )


Builder = Callable[[Request], nn.Module]
LAYERS: dict[str, Builder] = {}
MERGING = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Concatenate", "TrueDivide", "Divide")


def layer(*kinds: str) -> Callable[[Builder], Builder]:
    """Register a builder for Keras classes of these names."""

    def decorate(builder: Builder) -> Builder:
        LAYERS.update(dict.fromkeys(kinds, builder))
        return builder

    return decorate


def build_layer(request: Request) -> nn.Module:
    """The module of one layer, all its weights used.

    Raises ClassifierError, naming layer, class and the supported classes, where the class is unknown.
    """
    spec = request.spec
    if spec.kind not in LAYERS:
        reason = " holds Python code, which is never run" if spec.kind == "Lambda" else " is of a class not supported"
        raise ClassifierError(
            f"{request.where}: layer {spec.name!r} ({spec.kind}){reason}; supported: " + ", ".join(sorted(LAYERS))
        )
    if request.get("data_format", "channels_last") != "channels_last":
        raise request.refusal(f"has data_format={request.get('data_format')!r}")
    if len(spec.sources) != 1 and not (spec.kind in MERGING or spec.kind.startswith("operation")):
        raise request.refusal(f"is fed by {len(spec.sources)} layers")
    module = LAYERS[spec.kind](request)
    request.weights.finish()
    return module

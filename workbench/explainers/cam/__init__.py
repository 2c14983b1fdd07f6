"""Class activation maps: methods that look at what a layer gave. Importing the package registers them."""

from workbench.explainers.cam import (
    ablation,
    attention_methods,
    components,
    contrast,
    full_grad,
    gradient_weighted,
    layered,
    linear,
    second_order,
    smoothed,
    unweighted,
)

__all__ = [
    "ablation",
    "attention_methods",
    "components",
    "contrast",
    "full_grad",
    "gradient_weighted",
    "layered",
    "linear",
    "second_order",
    "smoothed",
    "unweighted",
]

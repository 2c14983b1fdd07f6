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
from workbench.explainers.cam.engine import cam_method, view_method

__all__ = [
    "ablation",
    "attention_methods",
    "cam_method",
    "components",
    "contrast",
    "full_grad",
    "gradient_weighted",
    "layered",
    "linear",
    "second_order",
    "smoothed",
    "unweighted",
    "view_method",
]

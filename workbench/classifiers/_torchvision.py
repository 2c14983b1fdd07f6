"""torchvision beside a torch it was not built for, and the one way in which this package imports timm.

A CPU build of torch beside the package index's (CUDA) torchvision dies at import with "operator torchvision::nms
does not exist". Declaring the two missing operators makes everything but detection and image decoding work. Where
torchvision is whole, nothing changes.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_keep_alive: list[Any] = []  # the declared operators live as long as their torch.library.Library


def import_torchvision() -> ModuleType:
    """torchvision, its missing operators declared first where its own import fails for want of them."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _keep_alive:
            raise
    import torch

    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(library)
    return importlib.import_module("torchvision")


def import_timm() -> ModuleType:
    """timm, after torchvision has been made importable."""
    import_torchvision()
    return importlib.import_module("timm")

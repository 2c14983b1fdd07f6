"""Which CAM methods give one map on a network, so that agreement between them is not taken for evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import LayerError

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

SAME = ("cam", "grad_cam", "hires_cam", "x_grad_cam")
"""One map, cam up to a factor, where average pooling and a linear layer are all that lies behind the layer."""


def same_map(classifier: Classifier, layer: str = "") -> bool:
    """Whether the methods in `SAME` give one map at `layer` ("" = the classifier's `cam_layer`).

    Found by trial for every output: the gradient is equal at all places, and the logit is linear in the layer.
    False for a network without such a layer.
    """
    import numpy as np
    import torch

    from workbench.explainers._capture import Forward, borrowed
    from workbench.explainers.cam.linear import linear_behind
    from workbench.explainers.cam.view import Shared, View

    layer = layer or classifier.cam_layer
    if not layer:
        return False
    size = classifier.preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    with borrowed(classifier.module) as module:
        try:
            shared = Shared(Forward(classifier, module, [layer], classifier.inputs(noise)))
        except LayerError:
            return False
        for weights in torch.eye(classifier.outputs, device=classifier.device):
            view = View(shared, layer, weights[None], "logit", lambda row, _: np.random.default_rng(row))
            if not bool(linear_behind(view).all()):
                return False
    return True

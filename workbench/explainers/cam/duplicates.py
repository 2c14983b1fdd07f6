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

    from workbench.explainers._capture import Forward, borrowed
    from workbench.explainers.cam.linear import linear_behind
    from workbench.explainers.cam.view import Shared
    from workbench.explainers.explainer import Job

    layer = layer or classifier.cam_layer
    if not layer:
        return False
    size = classifier.preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    with borrowed(classifier.module) as module:
        try:
            forward = Forward(classifier, module, [layer], classifier.inputs(noise))
        except LayerError:
            return False
        every = np.eye(classifier.outputs, dtype=np.float32)[None]  # one target for each output
        views = Shared(forward, Job(classifier, noise, every)).views(layer, "logit")
        return all(bool(linear_behind(view).all()) for view in views)

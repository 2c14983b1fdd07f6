"""LayerCAM of several layers."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from workbench.errors import LayerError
from workbench.explainers import run


def layer_cam(classifier, crops, **options):
    return run(classifier, crops, "layer_cam", [0, 1, 2, 0], options={"layer_cam": options}, progress=False)[
        "layer_cam"
    ].values


def test_fusion_is_the_maximum_of_the_scaled_positive_parts(networks, crops):
    classifier = networks["plain"]
    deep, shallow = layer_cam(classifier, crops), layer_cam(classifier, crops, layer="first")
    found = layer_cam(classifier, crops, fuse="first", gamma=3.0)
    assert found.shape == (4, 16, 16)
    parts = []
    for values in (deep, shallow):
        positive = torch.from_numpy(values).relu()
        share = torch.tanh(3 * positive / positive.amax((1, 2), keepdim=True))
        parts.append(F.interpolate(share[:, None], size=(16, 16), mode="bilinear", align_corners=False)[:, 0])
    assert np.allclose(found, torch.maximum(*parts).numpy(), atol=1e-5)
    assert found.max() == pytest.approx(np.tanh(3), abs=1e-6)
    assert np.allclose(found, layer_cam(classifier, crops, layer="first", fuse="norm", gamma=3.0), atol=1e-6)


def test_a_layer_fused_with_itself_is_only_scaled(networks, crops):
    classifier = networks["plain"]
    own = layer_cam(classifier, crops).clip(min=0)
    found = layer_cam(classifier, crops, fuse="norm", gamma=1.0)
    assert np.allclose(found, np.tanh(own / own.max((1, 2), keepdims=True)), atol=1e-6)


def test_a_layer_that_does_not_exist_is_refused_by_name(networks, crops):
    with pytest.raises(LayerError, match="nowhere"):
        layer_cam(networks["plain"], crops, fuse="nowhere")

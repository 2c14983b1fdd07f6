"""The peers, called so that their raw maps come out: no final ReLU, no min–max, no resize."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from workbench.classifiers._torchvision import import_torchvision

import_torchvision()
grad_cam = pytest.importorskip("pytorch_grad_cam", reason="the peer grad-cam is a requirement of the tests only")
torchcam = pytest.importorskip("torchcam.methods", reason="the peer torchcam is a requirement of the tests only")
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402


def own(classifier):
    """A copy of the network that a peer may leave its gradients in, its parameters not frozen."""
    return copy.deepcopy(classifier.module).eval().requires_grad_(True)


def raw(method):
    """A class of pytorch-grad-cam that returns what `get_cam_image` made at the first layer."""

    class Raw(method):
        def compute_cam_per_layer(self, inputs, targets, eigen_smooth):
            kept = self.activations_and_grads
            values = [one[0] if one else None for one in (kept.activations, kept.gradients)]
            if self.detach:
                values = [None if one is None else one.cpu().numpy() for one in values]
            return self.get_cam_image(inputs, self.target_layers[0], targets, *values, eigen_smooth)

        def aggregate_multi_layers(self, found):
            return np.asarray(found)

    return Raw


def pgc(method, classifier, crops, targets, *, layer=None, reshape=None, **options):
    """Raw maps (N, h, w) of a class of pytorch-grad-cam."""
    net = own(classifier)
    target_layers = [net.get_submodule(layer or classifier.cam_layer)]
    with raw(method)(model=net, target_layers=target_layers, reshape_transform=reshape, **options) as cam:
        return cam(input_tensor=classifier.inputs(crops), targets=[ClassifierOutputTarget(k) for k in targets])


def tc(method, classifier, crops, targets, *, layer=None, reshape=None, call=None, change=None, **options):
    """Raw maps (N, h, w) of a class of torch-cam; change(extractor) is called before it is used."""
    net = own(classifier)
    with method(net, layer or classifier.cam_layer, reshape_transform=reshape, **options) as extractor:
        base = getattr(extractor, "base_cam", extractor)
        base._relu = False
        if change is not None:
            change(extractor)
        scores = net(classifier.inputs(crops))
        found = extractor(class_idx=list(targets), scores=scores, normalized=False, **(call or {}))
        return found[0].detach().numpy()


def close(ours, theirs, tolerance=1e-5):
    """Largest difference at most `tolerance` times the largest value of each map, and no map is empty."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).reshape(len(theirs), -1).max(1)
    assert (scale > 0).all()
    worst = (np.abs(ours - theirs).reshape(len(ours), -1).max(1) / scale).max()
    assert worst <= tolerance, f"differs by {worst:.2g} of the map's largest value"


def signed_alike(ours, theirs):
    """Theirs with the sign of each map turned where it opposes ours: components have whatever sign comes out."""
    turn = np.sign((ours * theirs).sum((1, 2)))
    return theirs * turn[:, None, None]

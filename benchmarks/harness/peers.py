"""The peers, called as their documentation shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from workbench.classifiers._torchvision import import_torchvision

import_torchvision()

import pytorch_grad_cam as pgc  # noqa: E402
import torchcam.methods as torchcam  # noqa: E402
from captum.attr import IntegratedGradients, KernelShap, Lime  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

Reshape = Callable[[torch.Tensor], torch.Tensor] | None
TEN = {
    "grad_cam": pgc.GradCAM,
    "grad_cam_pp": pgc.GradCAMPlusPlus,
    "x_grad_cam": pgc.XGradCAM,
    "hires_cam": pgc.HiResCAM,
    "grad_cam_elementwise": pgc.GradCAMElementWise,
    "layer_cam": pgc.LayerCAM,
    "eigen_cam": pgc.EigenCAM,
    "eigen_grad_cam": pgc.EigenGradCAM,
    "kpca_cam": pgc.KPCA_CAM,
    "fem": pgc.FEM,
}
FOUR = (torchcam.GradCAM, torchcam.GradCAMpp, torchcam.XGradCAM, torchcam.LayerCAM)


def reshape(network: str) -> Reshape:
    """What a user of pytorch-grad-cam or torch-cam has to write for token models."""
    if network == "vit_small":
        return lambda x: x[:, 1:].reshape(len(x), 14, 14, -1).movedim(-1, 1)
    if network == "swin_tiny":
        return lambda x: x.movedim(-1, 1)
    return None


def grad_cam_maps(net: torch.nn.Module, layer: str, inputs: torch.Tensor, classes: list[int], change: Reshape) -> dict:
    """Ten methods of pytorch-grad-cam in turn, name → (N, H, W)."""
    targets = [ClassifierOutputTarget(k) for k in classes]
    found = {}
    for name, method in TEN.items():
        with method(model=net, target_layers=[net.get_submodule(layer)], reshape_transform=change) as cam:
            found[name] = cam(input_tensor=inputs, targets=targets)
    return found


def raw_maps(
    net: torch.nn.Module, layer: str, inputs: torch.Tensor, classes: list[int], change: Reshape
) -> tuple[dict[str, np.ndarray], float]:
    """The same ten as they are before ReLU, min–max and resize, (N, h, w); and the layer's lowest activation."""
    targets = [ClassifierOutputTarget(k) for k in classes]
    found: dict[str, np.ndarray] = {}
    with pgc.GradCAM(model=net, target_layers=[net.get_submodule(layer)], reshape_transform=change) as cam:
        cam(input_tensor=inputs, targets=targets)
        seen = cam.activations_and_grads
        activations, gradients = seen.activations[0].cpu().numpy(), seen.gradients[0].cpu().numpy()
        for name, method in TEN.items():
            with method(model=net, target_layers=[net.get_submodule(layer)], reshape_transform=change) as other:
                found[name] = other.get_cam_image(inputs, None, targets, activations, gradients, False)
    return found, float(activations.min())


def torchcam_maps(net: torch.nn.Module, layer: str, inputs: torch.Tensor, classes: list[int], change: Reshape) -> list:
    """Four methods of torch-cam in turn."""
    found = []
    for method in FOUR:
        with method(net, layer, reshape_transform=change) as extractor:
            scores = net(inputs)
            found.append(extractor(class_idx=classes, scores=scores))
    return found


class _Some:
    """An ablation layer that takes the first channels only: the time of one channel does not depend on how many."""

    count = 32

    def activations_to_be_ablated(self, activations: np.ndarray, ratio: float = 1.0) -> np.ndarray:
        self.indices = np.arange(self.count, dtype=np.int32)
        return self.indices


class _SomeChannels(_Some, pgc.AblationLayer):
    pass


class _SomeTokenChannels(_Some, pgc.AblationLayerVit):
    pass


def innermost(net: torch.nn.Module, layer: str) -> str:
    """The last block of a sequence of blocks, which has the same output: what the peer's documentation names
    (`layer4[-1]`). Given the whole sequence, its AblationCAM would leave all blocks out."""
    while isinstance(part := net.get_submodule(layer), torch.nn.Sequential):
        layer = f"{layer}.{next(reversed(part._modules))}"
    return layer


def ablation(
    net: torch.nn.Module, layer: str, inputs: torch.Tensor, k: int, change: Reshape, channels: int
) -> np.ndarray:
    """pytorch-grad-cam's AblationCAM over the first `channels` channels of a layer."""
    part = (_SomeTokenChannels if change else _SomeChannels)()
    part.count = channels
    target = net.get_submodule(layer)
    with pgc.AblationCAM(net, [target], reshape_transform=change, ablation_layer=part) as cam:
        return np.asarray(cam(input_tensor=inputs, targets=[ClassifierOutputTarget(k)]))


def captum_lime_and_shap(
    net: torch.nn.Module, inputs: torch.Tensor, regions: torch.Tensor, classes: list[int], samples: int
) -> None:
    """captum's Lime and KernelShap, one call a class each, 16 samples per pass (faster than its default of 1)."""
    for k in classes:
        for method in (Lime(net), KernelShap(net)):
            method.attribute(inputs, target=k, feature_mask=regions, n_samples=samples, perturbations_per_eval=16)


def captum_ig(net: torch.nn.Module, inputs: torch.Tensor, k: int, steps: int) -> torch.Tensor:
    """captum's integrated gradients with default settings: all steps in one pass."""
    found: torch.Tensor = IntegratedGradients(net).attribute(inputs, target=k, n_steps=steps)
    return found


def lime_package(net: torch.nn.Module, image: np.ndarray, regions: np.ndarray, samples: int) -> None:
    """The lime package, seven classes at once, 16 samples per pass, the superpixels given."""
    from lime.lime_image import LimeImageExplainer

    device = next(net.parameters()).device

    def probabilities(batch: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(batch).to(device).movedim(-1, 1).float() / 255
        with torch.inference_mode():
            return net(x).softmax(1).cpu().numpy()

    LimeImageExplainer(random_state=0).explain_instance(
        image,
        probabilities,
        top_labels=7,
        hide_color=0,
        num_samples=samples,
        batch_size=16,
        segmentation_fn=lambda _: regions,
    )


def quiet(work: Callable[[], Any], net: torch.nn.Module) -> Callable[[], Any]:
    """The call, and then the gradients that peers leave in the network thrown away: the next contestant must not
    accumulate onto them."""

    def call() -> Any:
        try:
            return work()
        finally:
            net.zero_grad(set_to_none=True)

    return call

"""What every entry of the registry says of itself; its maps are tested on every family of networks."""

import importlib
import json

import numpy as np
import pytest

from workbench.explainers import EXPLAINERS, run

NAMES = EXPLAINERS.names()
QUICK = {"lime": {"samples": 40}, "rise": {"samples": 40}}
METHODS = """cam grad_cam grad_cam_pp smooth_grad_cam_pp x_grad_cam hires_cam grad_cam_elementwise layer_cam eigen_cam
    eigen_grad_cam kpca_cam shapley_cam finer_cam score_cam ss_cam is_cam ablation_cam full_grad fem ts_cam le_grad
    attention_rollout transformer_attribution layer_attention saliency input_x_gradient integrated_gradients
    gradient_shap deep_lift guided_backprop deconvolution guided_grad_cam lrp occlusion lime kernel_shap
    shapley_sampling rise feature_ablation sobol hsic extremal_perturbation region_shap random centre edge_map"""


def test_the_names_of_the_field_are_there():
    assert set(NAMES) >= set(METHODS.split())


@pytest.mark.parametrize("name", NAMES)
def test_entry(name):
    entry = EXPLAINERS[name]
    assert entry.value.name == name
    assert callable(importlib.import_module(entry.value.engine).compute)
    assert entry.value.family in ("cam", "gradient", "perturbation", "control")
    assert entry.summary.endswith(".")
    assert entry.reference or entry.value.role == "control"
    assert json.loads(json.dumps(entry.as_dict()))["role"] in ("method", "control")
    assert set(entry.value.together) <= set(entry.value.shared) <= set(entry.value.options)
    assert entry.value.family == "control" or entry.value.cost
    assert "space" in entry.value.options or entry.value.classless


@pytest.mark.parametrize("name", ["lime", "rise", "random"])
def test_another_seed_or_crop_gives_other_draws(networks, crops, name):
    def draw(pictures, seed):
        return run(networks["plain"], pictures, name, [0], seed=seed, options=QUICK, progress=False)[name].values

    assert not np.array_equal(draw(crops[:1], 0), draw(crops[:1], 1))
    assert not np.array_equal(draw(crops[:1], 0), draw(crops[1:2], 0))


def test_edge_map_and_centre_by_hand(networks, crops):
    step = np.zeros((1, 8, 8, 3), np.uint8)
    step[:, :, 4:] = 255
    found = run(networks["plain"], step, ["edge_map", "centre"], [0], options={"centre": {"grid": 5}}, progress=False)
    edges = found["edge_map"].values[0]
    assert np.allclose(edges[1:-1, 3:5], np.sqrt(0.5), atol=1e-5)  # a unit step, half in each of two columns
    assert np.allclose(edges[:, [0, 1, 6, 7]], 0)
    blob = found["centre"].values[0]
    assert blob.argmax() == 12
    assert blob[2, 3] == pytest.approx(np.exp(-0.5 * (0.2 / 0.25) ** 2))
    assert np.allclose(blob, blob.T)
    assert np.allclose(blob, blob[::-1])

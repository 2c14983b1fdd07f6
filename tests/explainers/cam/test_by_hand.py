"""Every method that looks at one layer against numbers worked out by hand."""

import math

import pytest
import torch

from workbench.classifiers.classifier import Head
from workbench.explainers import EXPLAINERS

# One image, two channels on a 1 × 2 grid.   A = [[1, 2], [3, -1]]   G = [[2, 0], [-1, 1]]
A = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
G = torch.tensor([[[[2.0, 0.0]], [[-1.0, 1.0]]]])
OTHER = torch.tensor([[[[1.0, 1.0]], [[0.0, 2.0]]]])  # gradient of a second output
BY_HAND = {
    "grad_cam": [1.0, 2.0],  # w = (1, 0)
    "hires_cam": [2 - 3, 0 - 1],
    "layer_cam": [2.0, -1.0],  # ReLU(G) = [[2, 0], [0, 1]]
    "grad_cam_elementwise": [2.0, 0.0],
    "x_grad_cam": [2 / 3 * 1 - 2 * 3, 2 / 3 * 2 + 2 * 1],  # w = (2/3, -4/2)
    # ΣA = (3, 2); α = 4/(8 + 3·8) = 1/8 and 1/(2 + 2·1) = 1/4; w = (2/8, 1/4)
    "grad_cam_pp": [1 / 4 + 3 / 4, 2 / 4 - 1 / 4],
    "ablation_cam": [2 * 1 - 4 * 3, 2 * 2 + 4 * 1],  # what S = Σ G A loses: (2, -3 - 1)
    "shapley_cam": [1.0, 2.0],  # no second derivative
    "finer_cam": [0.0 - 3.0, 0.0 + 1.0],  # w = (1, 0) - (1, 1)
    "layer_attention": [2.0, 0.5],
    # of [0, 0, 0, 0, 10] the mean is 2 and the deviation 4, so that only the last place is above 2 + 1.5 · 4
    "fem": [0.0, 0.0, 0.0, 0.0, 2.0],
    "eigen_cam": [5.0, 0.0],  # places × channels [[3, 4], [0, 0]]: singular vector (.6, .8)
    # G A = [[6, 0], [8, 0]], centred [[3, -3], [4, -4]]: singular vector (.6, .8), sign of Σ_c G A = (14, 0)
    "eigen_grad_cam": [5.0, -5.0],
    # centred places (a, -a), |a|² = 6.25, γ = 1/2: K = tanh(1 ± 3.125), eigenvector (1, -1) / √2, λ = K₀ - K₁
    "kpca_cam": [2**-0.5, -(2**-0.5)],  # times √(tanh 4.125 − tanh −2.125)
}


def of_linear_score(name, written):
    """The method's map where S = Σ G A, and a second output has the gradient OTHER."""
    rows = torch.stack([G, OTHER]).flatten(1)
    view = written(
        lambda layer: layer.flatten(1) @ rows.T,
        A,
        torch.tensor([[1.0, 0.0]]),
        heads={"expression": Head(("happiness", "fear"))},
    )
    method = EXPLAINERS[name].value
    if method.takes_view:
        return method.method(view)
    return method.method(A, view.gradients, view.scores)


@pytest.mark.parametrize("name", sorted(BY_HAND.keys() - {"fem", "eigen_cam", "eigen_grad_cam", "kpca_cam"}))
def test_by_hand(name, written):
    found = of_linear_score(name, written)
    assert found.shape == (1, 1, 2)
    assert found[0, 0].tolist() == pytest.approx(BY_HAND[name])


def test_fem_by_hand():
    activations = torch.tensor([[[[0.0, 0, 0, 0, 10]], [[1.0, 1, 1, 1, 1]]]])  # the second channel is never strong
    found = EXPLAINERS["fem"].value.method(activations, None, None, k=1.5)
    assert found[0, 0].tolist() == pytest.approx(BY_HAND["fem"])
    assert not EXPLAINERS["fem"].value.method(activations, None, None, k=2.5).any()  # 2 + 2.5 · 4 > 10


def test_components_by_hand():
    activations = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    found = EXPLAINERS["eigen_cam"].value.method(activations, None, None)
    assert found[0, 0].tolist() == pytest.approx(BY_HAND["eigen_cam"], abs=1e-7)
    found = EXPLAINERS["eigen_grad_cam"].value.method(activations, 2 * torch.ones_like(activations), None)
    assert found[0, 0].tolist() == pytest.approx(BY_HAND["eigen_grad_cam"], abs=1e-7)
    found = EXPLAINERS["eigen_grad_cam"].value.method(activations, -2 * torch.ones_like(activations), None)
    assert found[0, 0].tolist() == pytest.approx([-5.0, 5.0], abs=1e-7)  # evidence against lies at the first place


def test_kpca_by_hand():
    activations = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    height = (math.tanh(1 + 3.125) - math.tanh(1 - 3.125)) ** 0.5
    found = EXPLAINERS["kpca_cam"].value.method(activations, None, None)
    assert found[0, 0].tolist() == pytest.approx([height * value for value in BY_HAND["kpca_cam"]])


def test_every_method_of_the_engine_has_a_number_worked_out_by_hand():
    elsewhere = {
        "cam",
        "smooth_grad_cam_pp",
        "full_grad",
    }  # they need a network: test_linear, test_smoothed, test_full_grad
    engine = {e.name for e in EXPLAINERS if e.value.engine == "workbench.explainers.cam.engine"}
    assert engine == {*BY_HAND, *elsewhere}

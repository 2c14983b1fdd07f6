"""Smooth Grad-CAM++ against its formula written as a loop over images, draws and channels."""

import numpy as np
import pytest
import torch

from workbench.explainers import EXPLAINERS

INPUTS = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
FRONT = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
HEAD = torch.randn(5, 2, generator=torch.Generator().manual_seed(2))


def front(x):
    return torch.einsum("oc,nchw->nohw", FRONT, x).relu()


def behind(layer):
    return layer.square().mean((2, 3)) @ HEAD


@pytest.fixture
def view(written):
    return written(behind, INPUTS, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), front=front)


def smooth(view, **options):
    return EXPLAINERS["smooth_grad_cam_pp"].value.method(view, **options)


def test_it_is_the_formula(view):
    found = smooth(view, n=3, sigma=0.2)
    for row in range(2):
        stream = np.random.default_rng([row, *b"smooth_grad_cam_pp"])
        spread = 0.2 * float(INPUTS[row].max() - INPUTS[row].min())
        sums = np.zeros((3, 5, 4, 4))
        for _ in range(3):
            noisy = INPUTS[row] + spread * torch.from_numpy(stream.standard_normal((3, 4, 4), "float32"))
            leaf = front(noisy[None]).requires_grad_()
            gradient = torch.autograd.grad(behind(leaf)[0, row], leaf)[0][0].double().numpy()
            for power in (1, 2, 3):
                sums[power - 1] += gradient**power / 3
        clean = front(INPUTS[row][None])[0].double().numpy()
        expected = np.zeros((4, 4))
        for channel in range(5):
            first, second, third = sums[:, channel]
            below = 2 * second + clean[channel].sum() * third
            share = np.divide(second, below, out=np.zeros_like(second), where=second > 0)
            expected += (share * first.clip(min=0)).sum() * clean[channel]
        assert np.allclose(found[row], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_without_noise_it_is_grad_cam_pp(view):
    expected = EXPLAINERS["grad_cam_pp"].value.method(view.activations, view.gradients, view.scores)
    assert torch.allclose(smooth(view, n=2, sigma=0.0), expected, rtol=1e-5)


def test_small_gradients_do_not_underflow(written):
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    usual = smooth(written(behind, INPUTS, weights, front=front), n=2, sigma=0.1)
    tiny = smooth(written(lambda layer: 1e-20 * behind(layer), INPUTS, weights, front=front), n=2, sigma=0.1)
    assert torch.isfinite(tiny).all()
    assert float(tiny.abs().max()) > 1e-22
    assert float(usual.abs().max()) < 1e3

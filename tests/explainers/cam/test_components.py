"""Principal components against a full decomposition and against scikit-learn's kernel PCA."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA, KernelPCA

from workbench.errors import UsageError
from workbench.explainers import EXPLAINERS

LARGE = (1, 5, 23, 24)  # 552 places: by iteration


def method(name, *args, **options):
    return EXPLAINERS[name].value.method(*args, **options)


def noise(shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 5), (2, 30, 4, 5), (1, 530, 23, 24)]
)  # fewer and more channels than places
def test_eigen_cam_is_the_first_component_of_a_singular_value_decomposition(shape):
    layer = noise(shape)
    found = method("eigen_cam", layer, None, None)
    for one, image in zip(found, layer, strict=True):
        left, values, _ = torch.linalg.svd(image.flatten(1).T, full_matrices=False)
        expected = left[:, 0] * values[0]
        assert np.allclose(one.flatten(), expected * expected.sum().sign(), atol=1e-4)


@pytest.mark.parametrize("name", ["eigen_cam", "eigen_grad_cam"])
def test_centred_components_are_those_of_pca(name):
    layer, gradients = noise((1, 7, 4, 5)), noise((1, 7, 4, 5), 2)
    found = method(name, layer, gradients, None, centred=True).flatten().numpy()
    product = layer if name == "eigen_cam" else layer * gradients
    rows = product[0].flatten(1).T.double().numpy()
    expected = PCA(1).fit_transform(rows)[:, 0]
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-5)
    along = (rows**2).sum(1) if name == "eigen_cam" else rows.sum(1)
    assert found @ (along - along.mean()) > 0


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
@pytest.mark.parametrize("gamma", [0.0, 0.05])
@pytest.mark.parametrize("shape", [(1, 9, 5, 6), LARGE])
def test_kpca_cam_is_scikit_learns(kernel, gamma, shape):
    layer = noise(shape) * torch.linspace(0.5, 2, shape[1])[:, None, None]
    found = method("kpca_cam", layer, None, None, kernel=kernel, gamma=gamma).flatten().numpy()
    rows = layer[0].flatten(1).T.double().numpy()
    rows = rows - rows.mean(0)
    expected = KernelPCA(1, kernel=kernel, gamma=gamma or None).fit_transform(rows)[:, 0]
    assert np.allclose(found, expected * np.sign(found @ expected), atol=1e-6)


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UsageError, match=r"kernel='cubic'.*choose one of sigmoid, rbf"):
        method("kpca_cam", noise((1, 3, 2, 2)), None, None, kernel="cubic")


@pytest.mark.parametrize("name", ["eigen_cam", "eigen_grad_cam", "kpca_cam"])
def test_a_batch_is_its_images_one_by_one(name):
    layer, gradients = noise((3, 6, 4, 4)), noise((3, 6, 4, 4), 2)
    together = method(name, layer, gradients, None)
    alone = torch.cat([method(name, layer[i : i + 1], gradients[i : i + 1], None) for i in range(3)])
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", ["eigen_cam", "eigen_grad_cam", "kpca_cam"])
def test_a_layer_that_is_not_finite_spoils_its_own_image_only(name):
    layer, gradients = noise((2, 6, 4, 4)), noise((2, 6, 4, 4), 2)
    whole = method(name, layer, gradients, None)
    layer[0, 0, 0, 0] = torch.inf
    found = method(name, layer, gradients, None)
    assert torch.isnan(found[0]).all()
    assert torch.equal(found[1], whole[1])

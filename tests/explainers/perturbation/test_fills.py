"""What stands in a hidden place."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from workbench.errors import UsageError
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation.fills import BLUR, FILLS, fill


@pytest.fixture
def job(networks, crops):
    def average(name, index):
        assert name == "average_face"
        return np.full((32, 32, 3), 10 * index, np.uint8)

    return Job(networks["branched"], crops, np.zeros((4, 1, 4), np.float32), pictures=average)


@pytest.fixture
def inputs(job):
    return job.inputs(slice(2, 3))


@pytest.mark.parametrize("kind", FILLS)
def test_every_fill_is_a_picture_of_the_inputs_shape(job, inputs, kind):
    found = fill(kind, job, 2, inputs)
    assert found.shape == inputs.shape
    assert found.dtype == inputs.dtype
    assert torch.equal(found, fill(kind, job, 2, inputs))


def test_values(job, inputs):
    assert (fill("black", job, 2, inputs) == -1).all()  # mean .5, deviation .5
    assert (fill("zero", job, 2, inputs) == 0).all()
    assert torch.allclose(fill("mean", job, 2, inputs)[0, :, 3, 4], inputs.mean((0, 2, 3)))
    assert torch.allclose(fill("average_face", job, 2, inputs), torch.tensor(20 / 255 / 0.5 - 1))


def test_blur_is_scipys(job, inputs):
    found = fill("blur", job, 2, inputs).numpy()
    expected = gaussian_filter(inputs.numpy(), (0, 0, BLUR * 12, BLUR * 12), mode="nearest", truncate=5)
    assert np.allclose(found, expected, atol=1e-4)
    flat = torch.full((1, 3, 30, 20), 0.7)
    assert torch.allclose(fill("blur", job, 2, flat), flat)


def test_noise_fills_the_range_of_pictures_and_is_the_faces_own(job, inputs):
    found = fill("noise", job, 2, inputs)
    assert -1 <= found.min() < -0.95
    assert 0.95 < found.max() <= 1
    assert not torch.equal(found, fill("noise", job, 1, inputs))


def test_another_name_is_refused(job, inputs):
    with pytest.raises(UsageError, match="fill='green' is not known; choose one of black, zero, mean"):
        fill("green", job, 0, inputs)


def test_the_average_face_needs_faces(networks, crops):
    bare = Job(networks["branched"], crops, np.zeros((4, 1, 4), np.float32))
    with pytest.raises(UsageError, match="'average_face' is made of faces with landmarks"):
        fill("average_face", bare, 0, bare.inputs(slice(0, 1)))

"""Many faces at once, and tensors: the same values as one face after the other."""

import numpy as np
import pytest

from workbench.canonical import FRAMES, load_frame
from workbench.errors import UnknownNameError, UsageError

NAMES = sorted(FRAMES)


def some_faces(frame, count=5):
    shares = frame.shares()
    faces = np.stack([0.1 + 0.8 * shares + 0.01 * np.sin(9 * shares[:, ::-1] + k) for k in range(count)])
    faces[-1] += [0.25, 0]  # reaches beyond its crop
    return faces


@pytest.mark.parametrize("grid", [None, (28, 24)])
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_its_faces_give_one_by_one(name, grid):
    face = load_frame(name, grid)
    landmarks = some_faces(face)
    for count in (1, 3, 4, 20):
        maps = np.random.default_rng(count).normal(size=(5, count, 7, 9)).astype(np.float32)
        together = face.warp(maps, landmarks)
        assert together.shape == (5, count, *face.grid)
        alone = np.stack([face.warp(m, p) for m, p in zip(maps, landmarks, strict=True)])
        np.testing.assert_array_equal(together, alone)
        single = np.stack([face.warp(maps[:, k : k + 1], landmarks)[:, 0] for k in range(count)], axis=1)
        np.testing.assert_allclose(together, single, rtol=1e-6, atol=1e-6)
    assert np.isnan(together[-1]).any()
    assert not np.isnan(together[:-1]).any()


@pytest.mark.parametrize("name", NAMES)
def test_468_or_68_points_a_face(name):
    face, mesh = load_frame(name), load_frame()
    landmarks = some_faces(mesh, 3)[:2]
    maps = np.random.default_rng(0).random((2, 2, 6, 6), dtype=np.float32)
    np.testing.assert_array_equal(face.warp(maps, landmarks), face.warp(maps, landmarks[:, :468]))
    with pytest.raises(UsageError, match=r"\(2, 5, 2\)"):
        face.warp(maps, landmarks[:, :5])


@pytest.mark.parametrize("semantics", ["value", "density"])
@pytest.mark.parametrize("name", NAMES)
def test_tensors_give_the_values_of_arrays(name, semantics):
    torch = pytest.importorskip("torch")
    face = load_frame(name, (40, 36))
    landmarks = some_faces(face)
    maps = np.random.default_rng(3).normal(size=(5, 2, 12, 10)).astype(np.float32)
    expected = face.warp(maps, landmarks, semantics=semantics)
    for given in (landmarks, torch.from_numpy(landmarks)):
        out = face.warp(torch.from_numpy(maps), given, semantics=semantics)
        assert isinstance(out, torch.Tensor)
        assert out.dtype == torch.float32
        np.testing.assert_allclose(out.numpy(), expected, atol=2e-5)
    np.testing.assert_array_equal(face.warp(torch.from_numpy(maps[0]), landmarks[0]).isnan(), np.isnan(expected[0]))


def test_the_warp_of_tensors_has_a_gradient_that_holds_the_mass():
    torch = pytest.importorskip("torch")
    face = load_frame("ibug68", (28, 24))
    maps = torch.ones((1, 5, 5), requires_grad=True)
    face.warp(maps.double(), face.shares()).sum().backward()
    # every canonical pixel is a mean of map pixels: the weights that all pixels of the map carry add up to the domain
    assert float(maps.grad.sum()) == pytest.approx(face.domain.sum(), rel=1e-5)


def test_what_does_not_fit_is_refused_in_one_line():
    face = load_frame("ibug68")
    maps, landmarks = np.ones((2, 1, 4, 4), np.float32), np.stack([face.shares()] * 2)
    for bad_maps, bad_landmarks in ((maps, landmarks[0]), (maps[0], landmarks), (maps, landmarks[:1])):
        with pytest.raises(UsageError, match="do not go with landmarks"):
            face.warp(bad_maps, bad_landmarks)
    with pytest.raises(UsageError, match=r"\(4, 4\)"):
        face.warp(maps[0, 0], landmarks[0])
    with pytest.raises(UsageError, match="not finite"):
        face.warp(maps[0], np.where(np.arange(68)[:, None] == 3, np.nan, landmarks[0]))
    with pytest.raises(UnknownNameError, match="did you mean density"):
        face.warp(maps, landmarks, semantics="densty")

"""The warp against identities, affine maps and scikit-image."""

import warnings

import numpy as np
import pytest

from workbench.canonical import FRAMES, load_frame, mirror_permutation
from workbench.errors import FrameMismatchError, UsageError

RNG = np.random.default_rng(7)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([np.sin(5 * x / width) * np.cos(4 * y / height), x / width, (y / height) ** 2]).astype(np.float32)


def wobbly(face, amount: float = 0.01) -> np.ndarray:
    shares = face.shares()
    return 0.1 + 0.8 * shares + amount * np.sin(9 * shares[:, ::-1] + 1)


NAMES = sorted(FRAMES)


@pytest.mark.parametrize("name", NAMES)
def test_own_points_give_the_identity(name):
    face = load_frame(name)
    maps = RNG.random((2, *face.grid), dtype=np.float32)
    out = face.warp(maps, face.shares())
    assert out.dtype == np.float32
    assert out.shape == maps.shape
    assert np.abs(out - maps)[:, face.domain].max() < 1e-4
    assert (out[:, ~face.domain] == 0).all()


def test_published_68_points_give_the_identity_to_half_a_pixel():
    face = load_frame("published")
    rows = np.arange(275, dtype=np.float32)[:, None].repeat(224, 1)[None]
    out = face.warp(rows, face.shares()[:68])
    assert np.abs(out - rows).max() <= 0.5 + 1e-4  # the crop's edge stands for row 0's centre
    assert np.abs(out - rows)[0][90:240, 60:160].max() < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_affine_landmarks_give_the_affine_map(name):
    face = load_frame(name)
    matrix, shift = np.array([[0.7, -0.1], [0.05, 0.75]]), np.array([0.2, 0.1])
    landmarks = face.shares() @ matrix.T + shift
    height, width = 200, 180
    y, x = (np.mgrid[:height, :width] + 0.5) / [[[height]], [[width]]]
    out = face.warp(np.stack([x, y]), landmarks)
    grid_y, grid_x = (np.mgrid[: face.grid[0], : face.grid[1]] + 0.5) / np.array(face.grid)[:, None, None]
    expected = np.einsum("ij,jhw->ihw", matrix, np.stack([grid_x, grid_y])) + shift[:, None, None]
    assert np.abs(out - expected)[:, face.domain].max() < 1e-5


def test_agrees_with_scikit_image_on_the_published_frame():
    from skimage.transform import PiecewiseAffineTransform, warp

    face = load_frame("published")
    landmarks, maps = wobbly(face), smooth(240, 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # from_estimate exists from 0.26 on only
        transform = PiecewiseAffineTransform()
        transform.estimate(face.points, landmarks * [224, 240] - 0.5)
    reference = np.stack([warp(m, transform, output_shape=face.grid, order=1, mode="edge") for m in maps])
    difference = np.abs(face.warp(maps, landmarks) - reference)[:, 1:-1, 1:-1]
    assert difference.max() <= 1e-3


class OurTriangles:
    """Takes the place of scikit-image's own triangulation inside its transform."""

    def __init__(self, face):
        self.simplices, self.owner = face.triangles, np.full(face.grid, -1)
        self.owner[face.domain] = face.triangle_of

    def find_simplex(self, pixels):
        columns, rows = np.rint(pixels).astype(int).T
        return self.owner[rows, columns]


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_scikit_image_given_our_triangles(name):
    from scipy.ndimage import binary_erosion
    from skimage.transform import AffineTransform, PiecewiseAffineTransform, warp

    face = load_frame(name)
    landmarks, maps = wobbly(face), smooth(224, 200)
    transform = PiecewiseAffineTransform()
    transform._tesselation, transform.affines = OurTriangles(face), []
    for corners in face.triangles:
        system = np.column_stack([face.points[corners], np.ones(3)])
        rows = np.linalg.solve(system, landmarks[corners] * [200, 224] - 0.5).T
        transform.affines.append(AffineTransform(np.vstack([rows, [0, 0, 1]])))
    reference = np.stack([warp(m, transform, output_shape=face.grid, order=1, mode="edge") for m in maps])
    inner = binary_erosion(face.domain)
    assert np.abs(face.warp(maps, landmarks) - reference)[:, inner].max() <= 1e-5


def test_a_7x7_map_is_read_between_pixel_centres():
    face = load_frame()
    ramp = np.arange(7, dtype=np.float32)[None, None, :].repeat(7, 1)
    out = face.warp(ramp, face.shares())[0]
    centres = (np.arange(224) + 0.5) / 224 * 7 - 0.5
    row = 128
    inside = face.domain[row]
    assert np.abs(out[row] - np.clip(centres, 0, 6))[inside].max() < 1e-4


def test_one_pixel_maps_and_batches_equal_single_maps():
    face = load_frame()
    landmarks = wobbly(face)
    assert (face.warp(np.full((1, 1, 1), 3.0), landmarks)[0][face.domain] == 3).all()
    maps = smooth(30, 40)
    assert np.array_equal(face.warp(maps, landmarks)[1], face.warp(maps[1:2], landmarks)[0])


def test_what_lies_outside_the_crop_is_nan_for_every_resolution():
    face = load_frame()
    landmarks = face.shares() + np.array([0.3, 0.0])
    fine, coarse = (np.isnan(face.warp(np.ones((1, n, n)), landmarks)[0]) for n in (224, 7))
    assert np.array_equal(fine, coarse)
    expected = face.domain & ((np.arange(224) + 0.5) / 224 + 0.3 > 1)[None, :]
    assert np.array_equal(fine, expected)


@pytest.mark.parametrize("name", ["mediapipe478", "ibug68"])
def test_the_warp_commutes_with_mirroring(name):
    face = load_frame(name)
    landmarks, maps = wobbly(face, 0.02), smooth(64, 64)
    mirrored = landmarks[mirror_permutation(face.points, 111.5)] * [-1, 1] + [1, 0]
    again = face.warp(maps[:, :, ::-1], mirrored)[:, :, ::-1]
    assert np.abs(again - face.warp(maps, landmarks)).max() < 2e-3


def test_468_and_68_points_are_understood():
    mesh, published = load_frame(), load_frame("published")
    landmarks, maps = wobbly(mesh), smooth(50, 50)
    assert np.array_equal(mesh.warp(maps, landmarks[:468]), mesh.warp(maps, landmarks))
    assert published.warp(maps, landmarks).shape == (3, 275, 224)
    with pytest.raises(UsageError, match="cannot be converted"):
        mesh.warp(maps, landmarks[:68])
    with pytest.raises(UsageError, match=r"\(5, 2\)"):
        mesh.warp(maps, landmarks[:5])
    with pytest.raises(UsageError, match=r"\(50, 50\)"):
        mesh.warp(maps[0], landmarks)


def test_folded_share_counts_turned_triangles():
    face = load_frame()
    assert face.folded_share(face.shares()) == 0
    assert face.folded_share(face.shares() * [-1, 1] + [1, 0]) == 1
    tucked = face.shares()
    half = tucked[:, 0] > 0.5
    tucked[half, 0] = 1 - tucked[half, 0]  # the left half laid over the right one
    assert face.folded_share(tucked) == pytest.approx(0.5, abs=0.05)


def test_warp_image_keeps_units_and_marks_what_is_no_face():
    face = load_frame()
    image = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    out = face.warp_image(image, wobbly(face))
    assert out.shape == (256, 224, 3)
    assert out.dtype == np.float32
    assert np.isnan(out[~face.domain]).all()
    assert not np.isnan(out[face.domain]).any()
    assert out[face.domain].max() <= 255
    assert out[face.domain].max() > 200


@pytest.mark.parametrize("name", NAMES)
def test_unwarp_brings_a_smooth_map_back(name):
    from scipy.ndimage import binary_erosion

    face = load_frame(name)
    landmarks, maps = wobbly(face), smooth(256, 256)
    back = face.unwarp(face.warp(maps, landmarks), landmarks, (256, 256))
    known = binary_erosion(~np.isnan(back[0]), iterations=3)
    assert known.mean() > 0.4
    assert np.abs(back - maps)[:, known].max() < 3e-3
    assert np.abs(back - maps)[:, known].mean() < 1e-4
    with pytest.raises(FrameMismatchError, match="256"):
        face.unwarp(maps[:, :10], landmarks, (256, 256))


def test_unwarp_takes_several_faces():
    face = load_frame("ibug68")
    landmarks = np.stack([wobbly(face), wobbly(face, 0.02)])
    maps = RNG.random((2, 1, *face.grid), dtype=np.float32)
    both = face.unwarp(maps, landmarks, (40, 40))
    assert both.shape == (2, 1, 40, 40)
    np.testing.assert_array_equal(both[1], face.unwarp(maps[1], landmarks[1], (40, 40)))
    with pytest.raises(UsageError, match="one a face"):
        face.unwarp(maps, landmarks[0], (40, 40))

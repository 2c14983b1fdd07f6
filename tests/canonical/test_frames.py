"""The frames themselves: tables, triangles, domains, landmark conversion."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from workbench.canonical import FRAMES, convert, frame_of_grid, load_frame, mirror_permutation
from workbench.canonical.triangles import areas
from workbench.errors import UnknownNameError, UsageError

FACE_OVAL = {
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
}


def edges(triangles: np.ndarray) -> Counter:
    pairs = np.sort(np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return Counter(map(tuple, pairs.tolist()))


def test_the_mesh_is_a_disk_bounded_by_the_face_oval():
    face = load_frame("mediapipe478")
    assert face.points.shape == (478, 2)
    assert face.triangles.shape == (898, 3)
    count = edges(face.triangles)
    assert {i for pair, n in count.items() if n == 1 for i in pair} == FACE_OVAL
    assert set(count.values()) == {1, 2}
    assert 468 - len(count) + 898 == 1  # Euler characteristic of a disk: no holes, mouth and eyes included


def test_front_view_folds_only_slivers_at_lip_corners_and_nostrils():
    face = load_frame("mediapipe478")
    a, b, c = (face.points[face.triangles[:, k]] for k in range(3))
    areas = np.cross(np.c_[b - a, np.zeros(898)], np.c_[c - a, np.zeros(898)])[:, 2] / 2
    folded = np.sign(areas) != np.sign(areas.sum())
    assert folded.sum() == 10
    assert np.abs(areas[folded]).sum() < 12  # square pixels, of some 44,000
    assert not np.isin(face.triangle_of, np.flatnonzero(folded)).any()


def test_domain_has_no_hole_is_mirror_symmetric_and_keeps_its_margin():
    from scipy.ndimage import binary_fill_holes, label

    face = load_frame()
    assert face.domain.shape == face.grid == (256, 224)
    assert label(face.domain)[1] == 1
    assert np.array_equal(binary_fill_holes(face.domain), face.domain)
    assert np.array_equal(face.domain, face.domain[:, ::-1])
    rows, columns = np.nonzero(face.domain)
    assert (columns.min(), columns.max()) == (5, 218)
    assert (rows.min(), rows.max()) == (5, 250)
    assert face.domain.mean() == pytest.approx(0.765, abs=0.002)


def test_sides_are_the_subjects():
    points = load_frame().points
    assert points[33, 0] < 111.5 < points[263, 0]  # right eye on the image's left
    assert points[468, 0] < 111.5 < points[473, 0]
    assert points[10, 1] < points[1, 1] < points[152, 1]


def test_published_frame_covers_its_canvas_and_the_face_is_73_percent_of_it():
    face = load_frame("published")
    assert face.grid == (275, 224)
    assert face.points.shape == (89, 2)
    assert face.domain.all()
    assert face.face_domain.mean() == pytest.approx(0.728, abs=0.003)
    assert not face.face_domain[:, :16].any()
    assert face.face_domain[0, 16:209].all()


def test_published_triangles_are_the_delaunay_triangles_of_the_template():
    from scipy.spatial import Delaunay

    face = load_frame("published")
    independent = {tuple(sorted(t)) for t in Delaunay(face.points).simplices.tolist()}
    assert {tuple(sorted(t)) for t in face.triangles.tolist()} == independent


def test_conversion_to_68_points_commutes_with_mirroring():
    points = load_frame().points
    mirror_mesh = mirror_permutation(points, 111.5)
    assert np.array_equal(mirror_mesh[mirror_mesh], np.arange(478))
    assert np.abs(points[mirror_mesh] * [-1, 1] + [223, 0] - points).max() < 0.002
    template = convert(np.arange(478)[:, None].repeat(2, 1), "mediapipe478", "ibug68")[:, 0]
    mirror_68 = np.array(
        [
            *range(16, -1, -1),
            *range(26, 16, -1),
            27,
            28,
            29,
            30,
            35,
            34,
            33,
            32,
            31,
            45,
            44,
            43,
            42,
            47,
            46,
            39,
            38,
            37,
            36,
            41,
            40,
            54,
            53,
            52,
            51,
            50,
            49,
            48,
            59,
            58,
            57,
            56,
            55,
            64,
            63,
            62,
            61,
            60,
            67,
            66,
            65,
        ]
    )
    assert np.array_equal(mirror_mesh[template], template[mirror_68])
    assert template[8] == 152
    assert template[36] == 33
    assert template[30] == 4


MIDDLE = {"mediapipe478": 111.5, "ibug68": 111.5}


def test_the_68_points_of_the_frame_are_those_of_the_mesh_at_the_same_scale():
    mesh, face = load_frame(), load_frame("ibug68")
    shift = face.points - convert(mesh.points, "mediapipe478", "ibug68")
    assert np.ptp(shift, axis=0).max() < 0.002
    assert (face.grid, face.scheme, face.points.shape) == ((212, 224), "ibug68", (68, 2))
    rows, columns = np.nonzero(face.domain)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 206, 5, 218)


def test_the_68_point_frame_is_a_disk_bounded_by_jaw_and_brows_and_has_no_forehead():
    face = load_frame("ibug68")
    count = edges(face.triangles)
    assert face.triangles.shape == (107, 3)
    assert 68 - len(count) + 107 == 1
    outline = [*range(17), *range(26, 16, -1), 0]
    assert {pair for pair, n in count.items() if n == 1} == {tuple(sorted(pair)) for pair in pairwise(outline)}
    brows = face.points[17:27, 1].min()
    assert not face.domain[: int(brows)].any()
    assert np.array_equal(face.domain, face.domain[:, ::-1])


def test_the_triangles_of_the_68_point_frame_are_their_own_mirror_image_and_none_is_thin():
    face = load_frame("ibug68")
    mirror = mirror_permutation(face.points, MIDDLE["ibug68"])
    assert np.array_equal(mirror[mirror], np.arange(68))
    known = {tuple(sorted(t)) for t in face.triangles.tolist()}
    assert {tuple(sorted(mirror[t].tolist())) for t in face.triangles} == known
    doubled = areas(face.points, face.triangles)
    assert len(set(np.sign(doubled))) == 1
    assert np.abs(doubled).min() / 2 > 18  # square pixels


@pytest.mark.parametrize("name", sorted(MIDDLE))
def test_conversion_commutes_with_mirroring_a_face(name):
    mesh, frame = load_frame(), load_frame(name)
    face = 0.1 + 0.8 * mesh.shares() + 0.02 * np.sin(9 * mesh.shares()[:, ::-1])
    flip = np.array([-1.0, 1.0])
    mirrored = face[mirror_permutation(mesh.points, 111.5)] * flip + [1, 0]
    converted = convert(face, "mediapipe478", name)
    again = converted[mirror_permutation(frame.points, MIDDLE[name])] * flip + [1, 0]
    assert np.array_equal(convert(mirrored, "mediapipe478", name), again)


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_a_frame_on_another_grid_shows_the_same_face(name):
    face, small = load_frame(name), load_frame(name, grid=(56, 48))
    assert small.grid == small.domain.shape == small.face_domain.shape == (56, 48)
    assert np.allclose(small.shares(), face.shares())
    assert small.domain.mean() == pytest.approx(face.domain.mean(), abs=0.02)
    assert small.face_domain.mean() == pytest.approx(face.face_domain.mean(), abs=0.02)
    ramp = np.arange(9, dtype=np.float32)[None, :, None].repeat(9, 2)
    fine, coarse = face.warp(ramp, face.shares())[0], small.warp(ramp, face.shares())[0]
    rows = ((np.arange(56) + 0.5) / 56 * face.grid[0]).astype(int)
    columns = ((np.arange(48) + 0.5) / 48 * face.grid[1]).astype(int)
    both = small.domain & face.domain[rows][:, columns]
    assert np.abs(coarse - fine[rows][:, columns])[both].max() < 0.1
    assert load_frame(name, grid=face.grid) is face
    assert load_frame(name, grid=(56, 48)) is small
    with pytest.raises(UsageError, match="4 × 56"):
        load_frame(name, grid=(4, 56))


def test_conversion_is_batched_and_refuses_what_cannot_be():
    batch = np.random.default_rng(0).random((3, 478, 2))
    assert np.array_equal(convert(batch, "mediapipe478", "ibug68")[1], convert(batch[1], "mediapipe478", "ibug68"))
    assert convert(batch, "ibug68", "ibug68") is batch
    with pytest.raises(UsageError, match="'ibug68' to 'mediapipe478'"):
        convert(np.zeros((68, 2)), "ibug68", "mediapipe478")


def test_frames_by_grid_and_by_name():
    assert {frame_of_grid(load_frame(name).grid) for name in FRAMES} == set(FRAMES)
    assert frame_of_grid((275, 224)) == "published"
    assert frame_of_grid((224, 275)) is None
    assert load_frame("published") is load_frame("published")
    assert load_frame() is load_frame("mediapipe478")
    with pytest.raises(UnknownNameError, match="mediapipe478"):
        load_frame("mediapipe468")

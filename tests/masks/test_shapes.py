"""Filling and growing on hand-made shapes, and against OpenCV where it is installed."""

import numpy as np
import pytest

from workbench.masks.shapes import filled_triangle, grown, hull


def test_triangle_includes_its_border():
    out = filled_triangle(np.array([[1, 1], [4, 1], [1, 4]]), (6, 6))
    expected = np.zeros((6, 6), dtype=bool)
    for row, last in ((1, 4), (2, 3), (3, 2), (4, 1)):
        expected[row, 1 : last + 1] = True
    assert np.array_equal(out, expected)


def test_degenerate_triangles_are_lines_and_points():
    line = filled_triangle(np.array([[0, 0], [4, 2], [0, 0]]), (4, 6))
    assert sorted(map(tuple, np.argwhere(line).tolist())) == [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4)]
    assert filled_triangle(np.array([[2, 1]] * 3), (4, 6)).sum() == 1
    assert filled_triangle(np.array([[-9, -9], [-5, -9], [-5, -2]]), (4, 6)).sum() == 0


def test_triangles_equal_opencv_contours():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(3)
    for _ in range(300):
        corners = rng.integers(0, 44, (3, 2))
        reference = np.zeros((48, 44), dtype=np.uint8)
        cv2.drawContours(reference, [corners.astype(np.int32)], -1, 255, -1)
        assert np.array_equal(filled_triangle(corners, (48, 44)), reference > 0), corners.tolist()


def test_a_disk_a_line_and_a_square_have_their_areas():
    assert grown(np.array([[50.0, 50.0]]), (101, 101), 20, closed=False).sum() == pytest.approx(np.pi * 400, rel=0.01)
    line = grown(np.array([[20.0, 50.0], [80.0, 50.0]]), (101, 101), 10, closed=False)
    assert line.sum() == pytest.approx(60 * 21 + np.pi * 100, rel=0.01)
    square = np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]])
    assert grown(square, (40, 40), 0).sum() == 11 * 11
    assert grown(square, (40, 40), 1).sum() == 11 * 11 + 4 * 11


def test_a_concave_polygon_keeps_its_notch_and_mirrors():
    notch = np.array([[2.0, 2.0], [17.0, 2.0], [17.0, 17.0], [9.5, 8.0], [2.0, 17.0]])
    out = grown(notch, (20, 20), 0.5)
    assert not out[16, 9]
    assert out[4, 9]
    assert np.array_equal(out, grown(notch * [-1, 1] + [19, 0], (20, 20), 0.5)[:, ::-1])


def test_hull_drops_inner_points_and_survives_a_line():
    assert len(hull(np.array([[0.0, 0], [4, 0], [4, 4], [0, 4], [2, 2]]))) == 4
    assert len(hull(np.array([[0.0, 0], [1, 1], [2, 2]]))) == 3

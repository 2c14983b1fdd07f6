"""Soft maps: each rule against its source or by hand."""

import numpy as np
import pytest
from scipy.stats import norm

from workbench.canonical import load_frame
from workbench.masks import MASKS, load_masks, masks_on_face
from workbench.masks.place import on_frame
from workbench.masks.points import Points
from workbench.masks.soft import _resampled, softened


@pytest.mark.parametrize("name", MASKS.names())
def test_soft_maps_lie_where_the_binary_ones_do(name):
    soft, binary = load_masks(name, soft=True), load_masks(name)
    assert soft.maps.values.max() <= 1
    assert str(soft.attrs["values"]).startswith("soft")
    assert binary.attrs["values"] == "binary"
    for entry in soft.names:
        own = soft.maps.sel({soft.dimension: entry}).values
        mask = binary.maps.sel({soft.dimension: entry}).values
        assert np.corrcoef(own.ravel(), mask.ravel())[0, 1] > 0.5, (
            entry
        )  # 28 × 28 and a box of 3 smear an eye 5 pixels high
        assert own[mask == 1].mean() > 2 * own[mask == 0].mean()


def test_blurred_edges_lie_at_one_half():
    place = on_frame("mediapipe478")
    half = np.zeros(place.size, dtype=bool)
    half[:, :112] = True
    soft = softened(half, [], {"sigma": 0.05}, Points({"landmarks": "mediapipe478"}, place))
    row = soft[128]
    assert row[111] + row[112] == pytest.approx(1, abs=1e-5)
    sigma = 0.05 * place.unit
    assert row[111 + 6] == pytest.approx(norm.sf(5.5 / sigma), abs=2e-3)
    assert row[60] == pytest.approx(1, abs=1e-5)


def test_resampling_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).random((256, 224))
    for size in ((28, 28), (300, 225)):
        assert np.allclose(_resampled(values, size), cv2.resize(values, dsize=size[::-1]), atol=1e-9)


def test_the_published_soft_map_is_its_own_chain_of_steps():
    cv2 = pytest.importorskip("cv2")
    face = 0.15 + 0.7 * load_frame().shares() * [224 / 256, 1]
    names, binary = masks_on_face("belharbi-au-published", face, (224, 224))
    soft = masks_on_face("belharbi-au-published", face, (224, 224), soft=True)[1]
    for name in ("AU1", "AU12", "AU25"):
        k = names.index(name)
        small = cv2.blur(cv2.resize(binary[k].astype(float) * 255 + 1e-4, dsize=(28, 28)), (3, 3))
        expected = cv2.resize(small, dsize=(224, 224))
        assert np.allclose(soft[k], expected / 255, atol=1e-5)


def test_published_ellipses_equal_opencvs_to_their_border():
    cv2 = pytest.importorskip("cv2")
    from workbench.canonical import convert

    face = 0.12 + 0.75 * load_frame().shares() * [224 / 256, 1] + [0.03, -0.02]
    names, maps = masks_on_face("belharbi-au-published", face, (224, 224))
    points = convert(face * 224 - 0.5, "mediapipe478", "ibug68").astype(int)

    def drawn(*ellipses):
        out = np.zeros((224, 224))
        for centre, axes in ellipses:
            cv2.ellipse(out, tuple(map(int, centre)), axes, 0, 0, 360, 255, cv2.FILLED)
        return out > 0

    expected = {
        "AU2": drawn((points[18], (28, 22)), (points[25], (28, 22))),
        "AU14": drawn((points[48] - [20, 0], (20, 20)), (points[54] + [20, 0], (20, 20))),
        "AU16": drawn((points[59], (20, 20)), (points[55], (20, 20))),
        "AU25": drawn((points[51], (25, 10)), (points[57], (25, 10))),
    }
    for name, mask in expected.items():
        own = maps[names.index(name)] > 0
        assert (own & mask).sum() / (own | mask).sum() > 0.97, name


def test_pyramids_are_those_of_the_source():
    """JAA-Net's loop over a grid of 52 × 52, on a face as its crops show it."""
    frame = load_frame()
    face = 0.5 + (frame.shares() - frame.shares()[:468].mean(axis=0)) * [224 / 256, 1] * 1.1
    names, maps = masks_on_face("jaa-au", face, (52, 52), soft=True)
    from workbench.canonical import convert

    points = convert(face * 52 - 0.5, "mediapipe478", "ibug68")
    five = np.array([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])
    crop = 2.552 * np.ptp(five, axis=0).max()
    ruler = points[42][0] - points[39][0]
    y, x = np.mgrid[:52, :52]
    expected = np.zeros((52, 52))
    for index in (41, 46):
        dx, dy = np.abs(x - points[index][0]), np.abs(y - points[index][1] - ruler)
        value = 1 - 4 * (dx + dy) / crop
        expected = np.maximum(expected, np.where(np.maximum(dx, dy) <= 0.08654 * crop, value, 0))
    assert np.allclose(maps[names.index("AU6")], expected, atol=1e-5)
    assert np.array_equal(maps[names.index("AU12")], maps[names.index("AU15")])

"""Action units hidden or shown alone: a linear network's answers by hand, and places for the same shape."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UnknownNameError, UsageError
from workbench.explain.regions import region_masks
from workbench.faithfulness import au_occlusion
from workbench.faithfulness.placing import Shape, hull, painted, placements

SIDE = 40
QUIET = {"progress": False}


class Region(nn.Module):
    """Score of the first class: the sum of the pixels of one region."""

    def __init__(self, region):
        super().__init__()
        self.register_buffer("region", torch.from_numpy(np.array(region, np.float32)))

    def forward(self, x):
        first = (x[:, 0] * self.region).sum((1, 2))
        return torch.stack([first, 0 * first], 1)


@pytest.fixture(scope="module")
def faces(make_faces):
    grey = np.random.default_rng(0).integers(100, 256, (5, SIDE, SIDE, 1), dtype=np.uint8)
    return make_faces(np.repeat(grey, 3, 3), subjects=list("abcde"))


@pytest.fixture(scope="module")
def regions(faces):
    names, masks = region_masks(faces)("facs-au", 0)
    return dict(zip(names, masks, strict=True))


@pytest.fixture(scope="module")
def reader(make_network, regions):
    return make_network(Region(regions["AU12"]), (SIDE, SIDE), "reader", labels=("anger", "happiness"))


SETTINGS = {"fill": "black", "target": "expression:anger", **QUIET}


def test_a_hidden_region_takes_what_it_holds(reader, faces, regions):
    found = au_occlusion(reader, faces, **SETTINGS)
    pixels = faces.images[..., 0] / 255.0
    for name in ("AU12", "AU1", "AU25"):
        expected = (pixels * regions["AU12"] * regions[name]).sum((1, 2))
        np.testing.assert_allclose(found["worth"].sel(au=name)[0], expected, rtol=1e-4, atol=1e-4)
        assert found["area"].sel(au=name)[0, 0].item() == pytest.approx(regions[name].mean(), abs=1e-6)
    right = found.sel(au="AU12")
    assert (right["p"] == 1 / 21).all()
    assert found.attrs["resolution"] == pytest.approx(1 / 21)
    assert (right["above_control"] > 0).all()
    np.testing.assert_allclose(found["above_control"], found["worth"] - found["control_worth"], atol=1e-9)
    assert set(found["reason"].values.ravel()) == {""}


def test_a_region_shown_alone_gives_what_it_holds(reader, faces, regions):
    found = au_occlusion(reader, faces, mode="keep", **SETTINGS)
    expected = (faces.images[..., 0] / 255.0 * regions["AU12"] ** 2).sum((1, 2))
    np.testing.assert_allclose(found["worth"].sel(au="AU12")[0], expected, rtol=1e-4)


def test_places_depend_on_seed_and_crop_alone(reader, faces):
    found = au_occlusion(reader, faces, **SETTINGS)
    part = au_occlusion(reader, faces[2:4], controls=20, **SETTINGS)
    np.testing.assert_allclose(part["control_worth"], found["control_worth"][:, 2:4], atol=1e-5)
    other = au_occlusion(reader, faces[2:4], seed=1, **SETTINGS)
    assert not np.allclose(other["control_worth"], part["control_worth"])


def test_placed_shapes_have_the_same_area_inside_the_face(faces, regions):
    face = hull(faces.landmarks[0], (SIDE, SIDE))
    for name in ("AU12", "AU4", "AU25"):
        shape = Shape.of(regions[name])
        found = placements(shape, face, 30, np.random.default_rng(0))
        maps = painted(found, (SIDE, SIDE))
        np.testing.assert_allclose(maps.sum((1, 2)), regions[name].sum(), rtol=1e-5)
        least = min(0.95, (regions[name] * face).sum() / regions[name].sum())
        assert ((maps * face).sum((1, 2)) / maps.sum((1, 2)) >= least - 1e-5).all()
        assert len({one.tobytes() for one in maps}) == 30
        assert not any(np.array_equal(one, regions[name]) for one in maps)
    np.testing.assert_array_equal(painted([shape], (SIDE, SIDE))[0], regions["AU25"])


def test_all_places_are_found_and_no_more():
    face = np.zeros((6, 6), bool)
    face[1:5, 1:5] = True
    corner = np.zeros((6, 6))
    corner[1, 1] = corner[1, 2] = corner[2, 1] = 1  # a corner of three pixels: 3 × 3 places in four forms
    shape = Shape.of(corner)
    assert len(placements(shape, face, 35, np.random.default_rng(0))) == 35
    assert placements(shape, face, 36, np.random.default_rng(0)) == []
    assert Shape.of(np.zeros((6, 6))) is None


def test_a_region_without_enough_places_says_so(reader, faces):
    found = au_occlusion(reader, faces[:1], controls=3000, **SETTINGS)
    assert np.isfinite(found["worth"]).all()
    without = found["reason"].values != ""
    assert without.any()
    assert np.isnan(found["p"].values[without]).all()
    assert "fewer than 3000 other places" in found["reason"].values[without][0]


def test_bad_input(reader, faces):
    for given, error, words in [
        ({"mode": "hide"}, UnknownNameError, "mode"),
        ({"masks": "facs-ua"}, UnknownNameError, "did you mean facs-au"),
        ({"masks": {"AU1": None}}, UsageError, "masks are named here.*; not a dict"),
        ({"controls": 19}, UsageError, "20 or more"),
        ({"controls": True}, UsageError, "20 or more"),
        ({"fill": "grey"}, UsageError, "fill='grey'"),
        ({"target": "au:12"}, UsageError, "nothing to explain"),
        ({"limit": 0}, UsageError, "limit=0"),
    ]:
        with pytest.raises(error, match=words):
            au_occlusion(reader, faces, **{**SETTINGS, **given})

"""The part of a frame that scores are taken on."""

import numpy as np
import pytest
import xarray as xr

from workbench.canonical import load_frame
from workbench.comparison.comparable import pixels_of
from workbench.errors import FrameMismatchError, UsageError
from workbench.heatmaps.aggregate import domain_of as of_maps
from workbench.masks import load_masks
from workbench.scores.domains import domain_name, domain_of, face_domain, same_frame


@pytest.fixture(scope="module")
def published_masks():
    return load_masks("friesen-ekman", frame="published")


def test_the_named_domains(published_masks):
    masks = published_masks
    face = np.asarray(load_frame("published").face_domain)
    assert 0.6 < face.mean() < 0.8
    np.testing.assert_array_equal(domain_of("face", masks), face)
    np.testing.assert_array_equal(face_domain(masks), face)
    assert domain_of("canvas", masks).all()
    np.testing.assert_array_equal(domain_of(None, masks), masks.domain.values)
    half = np.arange(224) < 112
    np.testing.assert_array_equal(domain_of(np.tile(half, (275, 1)), masks)[0], half)
    names = [domain_name(given, masks) for given in (None, "face", "canvas", face)]
    assert names == ["canvas", "face", "canvas", "given"]
    assert domain_name(None, load_masks("friesen-ekman")) == "masks"


def test_an_array_with_names_is_read_by_them(toy_masks):
    wide = np.arange(36).reshape(6, 6) < 12
    turned = xr.DataArray(wide.T, dims=("x", "y"))
    np.testing.assert_array_equal(domain_of(turned, toy_masks), wide)
    maps = xr.DataArray(np.zeros((1, 1, 6, 6)), dims=("model", "expression", "y", "x"))
    np.testing.assert_array_equal(of_maps(maps, turned), wide)
    np.testing.assert_array_equal(pixels_of(maps, turned)[0], wide)


def test_what_is_no_domain(published_masks, toy_masks):
    with pytest.raises(UsageError, match="no domain 'nose'; give None"):
        domain_of("nose", published_masks)
    with pytest.raises(UsageError, match="the frame 'image' has no face domain"):
        domain_of("face", toy_masks)
    assert face_domain(toy_masks) is None
    with pytest.raises(FrameMismatchError, match="the domain is 5×6 and the masks 6×6"):
        domain_of(np.ones((5, 6)), toy_masks)
    with pytest.raises(UsageError, match="at least a pixel"):
        domain_of(np.zeros((6, 6)), toy_masks)


def test_frames_have_to_be_the_same(published_masks):
    maps = xr.DataArray(np.zeros((275, 224)), dims=("y", "x"))
    same_frame(maps, published_masks)
    same_frame(maps.assign_attrs(frame="published"), published_masks)
    with pytest.raises(FrameMismatchError, match="frame 'mediapipe478' on 275×224"):
        same_frame(maps.assign_attrs(frame="mediapipe478"), published_masks)
    with pytest.raises(FrameMismatchError, match="frame 'unknown' on 274×224"):
        same_frame(maps[1:], published_masks)

"""Draws keep subjects together; a draw of everybody once is the mean itself."""

import numpy as np
import pytest

from workbench.heatmaps import normalise
from workbench.heatmaps.resampling import describe, draw_weights, replicates, units_of


@pytest.fixture
def seven(build_maps):
    rng = np.random.default_rng(0)
    return build_maps(rng.normal(size=(1, 1, 7, 4, 3)), [["fear"] * 7], subject=["a", "a", "b", "", "", "c", "a"])


def test_units_are_subjects_and_each_unnamed_image(seven):
    units = units_of(seven)
    assert (units.kind, units.count) == ("subject", 5)
    assert units.of[0] == units.of[1] == units.of[6]
    assert len(set(units.of[[2, 3, 4, 5]].tolist())) == 4


def test_without_subjects_the_units_are_images(seven):
    units = units_of(seven.drop_vars("subject"))
    assert (units.kind, units.count) == ("image", 7)


def test_all_images_of_a_subject_are_drawn_together_and_as_many_units_as_there_are(seven):
    units = units_of(seven)
    weights = draw_weights(units, 300, seed=1)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] == weights[:, 6]).all()
    assert (weights[:, [0, 2, 3, 4, 5]].sum(axis=1) == 5).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)
    assert (weights == draw_weights(units, 300, seed=1)).all()
    assert (weights != draw_weights(units, 300, seed=2)).any()


def test_replicates_are_weighted_means_of_normalised_maps(seven):
    weights = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 2, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    pixels = np.ones((4, 3), bool)
    pixels[0, 0] = False
    drawn = replicates(seven, 0, 0, np.arange(7), "max", pixels, weights)
    scaled = normalise(seven.values[0, 0], "max")[:, pixels]
    np.testing.assert_allclose(drawn[0], scaled.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(drawn[1], (2 * scaled[1] + scaled[6]) / 3, rtol=1e-5)
    assert np.isnan(drawn[2]).all()


def test_missing_pixels_and_failed_maps_carry_no_weight(seven):
    values = seven.copy(deep=True)
    values[0, 0, 0] = 1.0
    values[0, 0, 1, 0, 0] = np.nan
    drawn = replicates(values, 0, 0, np.array([0, 1, 2]), "max", np.ones((4, 3), bool), np.ones((1, 7), np.float32))
    scaled = normalise(values.values[0, 0, 1:3], "max").reshape(2, -1)
    np.testing.assert_allclose(drawn[0], np.nanmean(scaled, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([0, 1], "n = 2 images, 1 subject"),
        ([0, 1, 2, 5, 6], "n = 5 images, 3 subjects"),
        ([0, 1, 2, 3, 4, 5], ""),
    ],
)
def test_fewer_than_five_units_carry_nothing(seven, images, says):
    short = units_of(seven).shortfall(np.array(images))
    assert (says in short) if says else short == ""


def test_words():
    assert describe(1, 0) == "n = 1 image, subjects unknown"
    assert describe(3, 1) == "n = 3 images, 1 subject"

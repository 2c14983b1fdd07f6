"""Exact numbers on maps small enough to do by hand; Otsu against scikit-image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import grey, normalise, otsu, threshold
from workbench.heatmaps.arithmetic import eight_bit, share

SIGNED = np.array([[-2.0, 0.0], [1.0, 4.0]])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("max", [[0, 0], [0.25, 1]]),
        ("sum", [[0, 0], [0.2, 0.8]]),
        ("none", [[0, 0], [1, 4]]),
        ("min-max", [[0, 1 / 3], [0.5, 1]]),
    ],
)
def test_normalising_by_hand(how, expected):
    np.testing.assert_allclose(normalise(SIGNED, how), expected, rtol=1e-6)


def test_each_map_of_a_stack_has_its_own_scale():
    stack = np.stack([SIGNED, 10 * SIGNED])
    both = normalise(stack, "max")
    np.testing.assert_allclose(both[0], both[1])


@pytest.mark.parametrize("how", ["max", "sum"])
def test_a_map_without_positive_evidence_has_no_scale_and_becomes_nan(how):
    assert np.isnan(normalise(-np.ones((2, 2)), how)).all()


def test_none_keeps_a_map_without_positive_evidence_as_zeros():
    assert (normalise(-np.ones((2, 2)), "none") == 0).all()


def test_missing_pixels_stay_missing_and_take_no_part():
    values = np.array([[np.nan, 2.0], [4.0, -9.0]])
    np.testing.assert_array_equal(normalise(values, "max"), [[np.nan, 0.5], [1.0, 0.0]])


def test_an_unknown_normalisation_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="did you mean max"):
        normalise(SIGNED, "maxx")


def test_grey_by_hand():
    assert grey(np.array([[0.0, 0.5], [1.0, 0.25]])).tolist() == [[0, 128], [255, 64]]


def test_grey_leaves_an_8_bit_map_that_spans_the_range_alone():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (grey(values.astype(np.float32)) == values).all()


def test_grey_stretches_inside_the_domain_and_clips_outside():
    domain = np.array([[True, True], [False, False]])
    assert grey(np.array([[1.0, 2.0], [0.0, 9.0]]), domain).tolist() == [[0, 255], [0, 255]]


def test_grey_of_missing_and_of_constant_pixels_is_zero():
    assert grey(np.array([[np.nan, 1.0], [2.0, 3.0]])).tolist() == [[0, 0], [128, 255]]
    assert not grey(np.full((3, 3), 7.0)).any()


def test_a_domain_on_another_grid_is_refused():
    with pytest.raises(UsageError, match="3×3"):
        grey(SIGNED, np.ones((3, 3), bool))


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(2, 9))))
def test_otsu_gives_the_foreground_of_scikit_image(image):
    if image.min() == image.max():
        return
    ours, theirs = image > otsu(image), image > threshold_otsu(image)
    if (ours != theirs).any():  # two thresholds of equal variance: both are Otsu's
        assert _between(image, ours) == pytest.approx(_between(image, theirs), rel=1e-9)


def _between(image, foreground):
    low, high = image[~foreground].astype(float), image[foreground].astype(float)
    return low.size * high.size * (low.mean() - high.mean()) ** 2


def test_otsu_on_a_domain_sees_only_its_pixels():
    image = np.array([[10, 10, 200, 200, 255, 255]], dtype=np.uint8)
    domain = np.array([[True, True, True, True, False, False]])
    assert 10 <= otsu(image, domain) < 200
    assert (image > otsu(image, domain)).tolist() == [[False, False, True, True, True, True]]


def test_otsu_takes_8_bit_values_only():
    with pytest.raises(UsageError, match="grey"):
        otsu(SIGNED)


def test_otsu_foreground_is_strictly_above_the_threshold():
    image = np.array([[0, 0, 100, 255]], dtype=np.uint8)
    cut = otsu(image)
    assert threshold(image.astype(float)).tolist() == (image > cut).tolist()


@given(arrays(np.uint8, (6, 7), elements=st.integers(20, 90)))
def test_an_8_bit_map_that_does_not_span_the_range_keeps_its_histogram(image):
    if image.min() == image.max():
        return
    assert (eight_bit(image.astype(np.float32)) == image).all()
    assert (threshold(image) == (image > otsu(image))).all()


@pytest.mark.parametrize(
    "values", [[0.0, 1.0, 0.0, 1.0], [0.5, 2.0, 3.0, 9.0], [0.0, 2.0, 300.0, 9.0], [-1.0, 2.0, 3.0, 4.0]]
)
def test_other_maps_are_stretched_to_8_bits(values):
    assert (eight_bit(np.array([values])) == grey(np.array([values]))).all()
    assert eight_bit(np.array([values])).max() == 255


def test_an_area_threshold_takes_exactly_the_brightest_share():
    values = np.arange(100.0).reshape(10, 10)
    foreground = threshold(values, 0.25)
    assert foreground.sum() == 25
    assert values[foreground].min() == 75


def test_an_area_threshold_counts_the_domain():
    domain = np.zeros((10, 10), bool)
    domain[:4] = True
    assert threshold(np.arange(100.0).reshape(10, 10), 0.5, domain).sum() == 20


def test_pixels_of_one_value_stay_together_and_do_not_exceed_the_area():
    values = np.array([[5.0, 3.0, 3.0, 3.0, 1.0, 0.0, 0.0, 0.0]])
    assert threshold(values, 0.25).sum() == 1
    assert threshold(values, 0.5).sum() == 4


def test_the_brightest_value_counts_even_where_it_exceeds_the_area():
    assert threshold(np.array([[2.0, 2.0, 2.0, 0.0]]), 0.25).sum() == 3


@pytest.mark.parametrize("values", [np.ones((3, 3)), np.full((3, 3), np.nan), np.array([[np.inf, 1.0], [0.0, 1.0]])])
def test_what_cannot_be_thresholded_has_no_foreground(values):
    assert not threshold(values).any()
    assert not threshold(values, 0.5).any()


@pytest.mark.parametrize("how", ["otsuu", "0", 0, 1, 1.5, -0.1, "nan", None])
def test_other_thresholds_are_refused(how):
    with pytest.raises(UsageError, match="neither 'otsu' nor a share"):
        share(how)


def test_shares_are_read_from_text():
    assert share("OTSU") is None
    assert share("0.25") == 0.25

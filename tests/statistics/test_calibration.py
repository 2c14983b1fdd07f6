"""Each null model under its own hypothesis, on unrelated maps and masks in the middle, and on maps that overlap.

The maps, and the same rates for 5,000 of them, are those of `benchmarks/calibration.py`.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.heatmaps import otsu
from workbench.heatmaps.folder import read_png

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PAIRS = 200


@pytest.fixture(scope="module")
def calibration():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import calibration

        yield calibration
    for name in [n for n in sys.modules if n == "calibration" or n.split(".")[0] == "harness"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def band(calibration):
    return sys.modules["harness.calibration_report"].band


@pytest.fixture(scope="module")
def made_up(calibration):
    return sys.modules["harness.made_up"]


@pytest.mark.parametrize("family", ["Gaussian, 6 px", "as released, skewed values"])
@pytest.mark.parametrize("null", ["toroidal", "field"])
def test_stationary_maps_are_called_related_as_often_as_the_level_says(calibration, band, null, family):
    rate = calibration.rates((null,), calibration.own_hypothesis(null, family), PAIRS, 0)[null]
    low, high = band(PAIRS)
    for name in calibration.SHOWN:
        assert low <= rate.at(name) <= high


@pytest.mark.parametrize("family", ["two scales, 2 and 10 px"])
def test_fields_of_other_kinds_are_not_called_related_too_often(calibration, band, family):
    rate = calibration.rates(("field",), calibration.own_hypothesis("field", family), PAIRS, 0)["field"]
    for name in calibration.SHOWN:
        assert rate.at(name) <= band(PAIRS)[1]


def test_the_more_unrelated_maps_keep_to_the_middle_the_oftener_they_are_called_related(calibration, band):
    even, middle = (
        calibration.rates(("toroidal", "field"), calibration.centre_biased(strength), PAIRS, 0)
        for strength in (0.0, 3.0)
    )
    for null in even:
        assert even[null].at("iou") <= band(PAIRS)[1]
        assert middle[null].at("iou") > 0.2


def test_the_permutation_of_labels_is_not_misled_by_the_middle(calibration, band):
    rate = calibration.label_rates(3.0, 3.0, PAIRS, 0)
    low, high = band(PAIRS)
    for name in calibration.SHOWN:
        assert low <= rate.at(name) <= high


def test_a_map_that_overlaps_its_mask_by_an_iou_of_six_tenths_is_found(calibration):
    rng = np.random.default_rng(0)
    values, mask, domain = calibration.overlapping(0.6)(rng)
    _, foreground = calibration.split(values, domain)
    assert 0.6 <= (foreground & mask).sum() / (foreground | mask).sum() < 0.65
    found = calibration.rates(("toroidal", "field"), calibration.overlapping(0.6), 40, 0)
    for rate in found.values():
        assert rate.at("iou") > 0.95


def test_the_strength_of_the_bias_shows_in_its_number(made_up):
    assert made_up.centre_bias(np.ones(made_up.GRID)) == pytest.approx(0)
    middle = np.zeros(made_up.GRID)
    middle[16:18, 13:15] = 1
    assert made_up.centre_bias(middle) == pytest.approx(1, abs=0.01)
    assert made_up.centre_bias(1 - middle) < 0


def test_the_made_up_pairs_are_as_centred_as_the_released_ones(made_up, published):
    def bias(region):
        y, x = (np.arange(n) - (n - 1) / 2 for n in region.shape)
        distance = (y[:, None] / (region.shape[0] / 2)) ** 2 + (x / (region.shape[1] / 2)) ** 2
        return 1 - distance[region].mean() / distance.mean()

    maps = [read_png(path).astype(np.uint8) for path in sorted((published / "by_network").glob("*.png"))]
    masks = [read_png(path) > 127 for path in sorted((published / "ground_truth").glob("*.png"))]
    assert np.mean([bias(grey > otsu(grey)) for grey in maps]) == pytest.approx(made_up.RELEASED["map"], abs=5e-4)
    assert np.mean([bias(mask) for mask in masks]) == pytest.approx(made_up.RELEASED["mask"], abs=5e-4)


def test_every_null_model_has_its_inflation_in_the_package():
    from workbench.scores.nulls import NULLS
    from workbench.scores.nulls.inflation import inflation, measured

    for null in NULLS:
        assert inflation(null.name) > 0.06
    assert inflation("labels") == pytest.approx(0.05, abs=0.015)
    assert np.isnan(inflation("none such"))
    for found in measured().values():
        assert found["low"] < found["rate"] < found["high"]
        assert found["n"] >= 2000

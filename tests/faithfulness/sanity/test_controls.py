"""Unrelated smooth maps, and means with intervals over images and networks."""

import numpy as np
import pytest
from scipy import ndimage, stats

from workbench.faithfulness.sanity.controls import surrogate
from workbench.faithfulness.sanity.means import Means
from workbench.faithfulness.sanity.similarities import similarity


def _smooth(stream, count, sigma=2.0, side=24):
    return ndimage.gaussian_filter(stream.standard_normal((count, side, side)), (0, sigma, sigma), mode="wrap")


def test_a_surrogate_keeps_values_and_autocorrelation():
    stream = np.random.default_rng(0)
    values = _smooth(stream, 1)[0]
    made = [surrogate(values, stream) for _ in range(60)]
    assert np.array_equal(np.sort(made[0], None), np.sort(values, None))

    def neighbours(one):
        return np.corrcoef(one.ravel(), np.roll(one, 2, 0).ravel())[0, 1]

    assert np.mean([neighbours(one) for one in made]) == pytest.approx(neighbours(values), abs=0.05)


def test_unrelated_maps_of_one_kind_lie_in_the_spread_of_surrogates():
    stream = np.random.default_rng(3)
    maps = _smooth(stream, 600)
    real = similarity("correlation", maps[:300], maps[300:])
    drawn = [surrogate(maps[i], stream) for i in range(300)]
    made = similarity("correlation", np.stack(drawn[:150]), np.stack(drawn[150:]))
    low, high = np.quantile(made, (0.025, 0.975))
    inside = np.mean((real > low) & (real < high))
    assert 0.88 < inside < 0.99  # 95 % and the error of 150 draws; unsmoothed noise would have .3
    assert np.std(made) == pytest.approx(np.std(real), rel=0.2)


def test_networks_add_their_own_uncertainty(twelve):
    means, stream = Means.over(twelve), np.random.default_rng(0)
    images = stream.normal(size=12)
    alike = means.crossed(np.stack([images] * 3))
    alone = means.of(images)
    assert (alike.low, alike.high) == (alone.low, alone.high)
    shifted = means.crossed(images[None] + np.array([-1.0, 0, 1])[:, None])
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert shifted.value == pytest.approx(alone.value)
    assert shifted.high - shifted.value == pytest.approx(np.hypot(alone.high - alone.value, half))
    assert shifted.value - shifted.low == pytest.approx(np.hypot(alone.value - alone.low, half))
    assert means.crossed(shifted.value + images[None]).reason.startswith("one random network")


def test_too_few_units_carry_no_interval(twelve):
    few = Means.over(twelve[:4]).of(np.arange(4.0))
    assert (few.value, few.images) == (1.5, 4)
    assert np.isnan(few.low)
    assert "at least 5 images are needed" in few.reason
    none = Means.over(twelve).of(np.full(12, np.nan))
    assert np.isnan(none.value)
    assert str(none) == "undefined"

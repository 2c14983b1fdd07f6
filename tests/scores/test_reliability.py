"""Halves of the faces against each other: by hand, whole subjects, and what a map without content would give."""

import sys

import numpy as np
import pytest
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.resampling import Units
from workbench.scores.reliability import halves, reliability

RNG = np.random.default_rng


def maps_of(values, labels, subjects=None, model="net"):
    """Per-image maps (N, y, x) of one network that calls image i labels[i]."""
    coords = {
        "model": [model],
        "explainer": ["cam"],
        "image": [f"f{i}" for i in range(len(values))],
        "predicted": (("model", "image"), [labels]),
    }
    if subjects is not None:
        coords["subject"] = ("image", subjects)
    maps = np.asarray(values, np.float32)[None, None]
    return xr.DataArray(maps, coords, ("model", "explainer", "image", "y", "x"), attrs={"target": "predicted"})


def at(table, expression="fear"):
    return table.sel(model="net", explainer="cam", expression=expression)


@pytest.fixture
def noisy():
    """Twelve faces of fear, bright above, and twelve of anger, bright on the left, both with the same spot."""
    rng, ramp = RNG(0), np.linspace(0, 1, 8)
    spot = np.zeros((8, 8))
    spot[3:5, 3:5] = 2
    above, left = np.tile(ramp[::-1, None], (1, 8)), np.tile(ramp[::-1], (8, 1))
    values = np.concatenate([[shape + spot + rng.normal(0, 0.4, (8, 8)) for _ in range(12)] for shape in (above, left)])
    return maps_of(np.maximum(values, 0), ["fear"] * 12 + ["anger"] * 12)


def test_halves_that_are_alike_agree_wholly():
    ramp = np.arange(36.0).reshape(6, 6)
    cell = at(reliability(maps_of([ramp * k for k in range(1, 7)], ["fear"] * 6)))
    for name in ("split_half_correlation", "spearman_brown", "split_half_iou"):
        assert float(cell[name]) == pytest.approx(1)
    assert float(cell.chance_split_half_iou) == pytest.approx(1 / 3)  # half of the map: .25 / (1 − .25)
    assert (int(cell.units), int(cell.n), str(cell.reason.item())) == (6, 6, "")
    assert np.isnan(float(cell.other_split_half_correlation))


def test_one_split_by_the_plain_road(noisy):
    table = reliability(noisy, splits=1, seed=4)
    order = RNG(4).random((1, 24))[0, :12]
    first = order.argsort().argsort() < 6
    fear = noisy.values[0, 0, :12]
    fear = fear / fear.max(axis=(1, 2), keepdims=True)
    a, b = fear[first].mean(axis=0).ravel(), fear[~first].mean(axis=0).ravel()
    r = np.corrcoef(a, b)[0, 1]
    cell = at(table)
    assert float(cell.split_half_correlation) == pytest.approx(r, abs=1e-6)
    assert float(cell.spearman_brown) == pytest.approx(2 * r / (1 + r), abs=1e-6)


def test_fishers_mean_over_splits(noisy):
    single = []
    for split in range(3):
        order = RNG(1).random((3, 24))[split, :12]
        first = order.argsort().argsort() < 6
        fear = noisy.values[0, 0, :12]
        fear = fear / fear.max(axis=(1, 2), keepdims=True)
        single.append(np.corrcoef(fear[first].mean(axis=0).ravel(), fear[~first].mean(axis=0).ravel())[0, 1])
    found = float(at(reliability(noisy, splits=3, seed=1)).split_half_correlation)
    assert found == pytest.approx(np.tanh(np.arctanh(single).mean()), abs=1e-6)


def test_what_expressions_share_is_reliable_and_not_specific(noisy):
    table = reliability(noisy, splits=30)
    assert float(at(table).split_half_correlation) > float(at(table).other_split_half_correlation) + 0.2
    same = noisy.copy(deep=True)
    same[:, :, 12:] = noisy.values[:, :, :12]
    table = reliability(same, splits=30)
    assert float(at(table).split_half_correlation) > 0.8
    assert float(at(table).other_split_half_correlation) > float(at(table).split_half_correlation) - 0.05
    assert float(at(table).other_split_half_iou) > float(at(table).chance_split_half_iou)


def test_noise_is_not_reliable():
    values = RNG(3).random((40, 12, 12))
    cell = at(reliability(maps_of(values, ["fear"] * 40), splits=40))
    assert abs(float(cell.split_half_correlation)) < 0.15
    assert float(cell.split_half_iou) == pytest.approx(float(cell.chance_split_half_iou), abs=0.08)


def test_the_longer_test_is_as_reliable_as_spearman_and_brown_say():
    """Halves of 40 faces foretell how two sets of 40 faces agree."""
    rng, shape = RNG(2), np.linspace(0, 1, 400).reshape(20, 20)
    faces = shape + rng.normal(0, 4, (80, 20, 20)) + 30
    cell = at(reliability(maps_of(faces[:40], ["fear"] * 40), splits=60, normalise="none"))
    wanted = 1 / (1 + 16 / 40 / shape.var())
    assert float(cell.spearman_brown) == pytest.approx(wanted, abs=0.06)


def test_all_maps_of_a_subject_are_in_one_half():
    units = Units(np.array([0, 0, 1, 2, 2, 3, 4, 5]), "subject", np.array(list("aabccdef")))
    images = np.array([0, 1, 2, 3, 4, 5, 6])  # the last subject is not in this cell
    first, second = halves(units, images, RNG(0).random((50, 6)))
    assert (first[:, 0] == first[:, 1]).all()
    assert (first[:, 3] == first[:, 4]).all()
    assert ((first + second)[:, :7] == 1).all()
    assert ((first + second)[:, 7] == 0).all()
    assert set((first[:, [0, 2, 3, 5, 6]].sum(axis=1)).tolist()) == {2}  # of five subjects


def test_copies_of_people_do_not_make_a_map_reliable():
    values = np.repeat(RNG(5).random((6, 10, 10)), 4, axis=0) + RNG(6).normal(0, 0.01, (24, 10, 10))
    people = [f"p{i // 4}" for i in range(24)]
    known = at(reliability(maps_of(values, ["fear"] * 24, people), splits=40))
    unknown = at(reliability(maps_of(values, ["fear"] * 24), splits=40))
    assert float(known.split_half_correlation) < 0.2 < 0.5 < float(unknown.split_half_correlation)
    assert (int(known.units), int(unknown.units)) == (6, 24)


def test_pixels_without_data_do_not_count(noisy):
    part = noisy.copy(deep=True)
    part[..., :2, :] = np.nan
    domain = np.ones((8, 8), bool)
    domain[:2] = False
    whole = at(reliability(noisy.where(domain), splits=5))
    cut = at(reliability(part, domain=domain, splits=5))
    assert float(whole.split_half_correlation) == pytest.approx(float(cut.split_half_correlation), abs=1e-9)


def test_memory_for_halves_does_not_matter(noisy, monkeypatch):
    whole = reliability(noisy, splits=7)
    monkeypatch.setattr(sys.modules["workbench.scores.reliability"], "_HALVES_BYTES", 1)
    xr.testing.assert_allclose(whole, reliability(noisy, splits=7))


def test_too_few_and_bad_input(noisy):
    cell = at(reliability(noisy.isel(image=slice(0, 4))))
    assert np.isnan(float(cell.split_half_correlation))
    assert "at least 5 images are needed" in str(cell.reason.item())
    assert "n = 0 images" in str(at(reliability(noisy), "sadness").reason.item())
    with pytest.raises(UsageError, match="splits=0"):
        reliability(noisy, splits=0)
    with pytest.raises(UsageError, match="none of: 'otsu'; a share of the domain"):
        reliability(noisy, threshold="best")
    with pytest.raises(UsageError, match="global already"):
        reliability(noisy.isel(image=slice(0, 6)).rename({"image": "expression"}).drop_vars("predicted"))

"""Correlations by NumPy, controls by the plain road, intervals, steps along layers and targets; bad input."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from workbench.comparison import trajectory
from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import global_heatmaps

GRID = (12, 10)
STEPS = ("e0", "e1", "e2", "e3")


def learning(images=16, noise=0.4, seed=0, predicted=("fear", "anger")):
    """Four checkpoints whose maps go from one pattern to another: (model, explainer, image, y, x), two expressions."""
    rng = np.random.default_rng(seed)
    start, *ends = (gaussian_filter(rng.normal(size=GRID), 2) for _ in range(1 + len(predicted)))
    start, ends = start / start.std(), [e / e.std() for e in ends]
    of = np.arange(images) % len(predicted)
    values = np.zeros((len(STEPS), 1, images, *GRID))
    for s in range(len(STEPS)):
        share = s / (len(STEPS) - 1)
        for i in range(images):
            values[s, 0, i] = 5 + (1 - share) * start + share * ends[of[i]] + noise * rng.normal(size=GRID)
    return xr.DataArray(
        values.astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": list(STEPS),
            "explainer": ["cam"],
            "image": [f"i{i}" for i in range(images)],
            "predicted": (("model", "image"), [[predicted[k] for k in of]] * len(STEPS)),
        },
        attrs={"target": "predicted"},
    )


def corr(a, b):
    return np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]


def test_similarity_is_the_correlation_of_global_maps_with_the_last():
    maps = learning()
    heat = global_heatmaps(maps).isel(explainer=0).sel(expression="fear")
    found = trajectory(maps, draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    assert found["step"].values.tolist() == list(STEPS)
    for s in range(4):
        assert float(found["similarity"][s]) == pytest.approx(corr(heat[s], heat[3]), abs=1e-5)
    assert float(found["similarity"][3]) == pytest.approx(1)
    first = trajectory(maps, reference="first", draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    previous = trajectory(maps, reference="previous", draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    for s in range(1, 4):
        assert float(first["similarity"][s]) == pytest.approx(corr(heat[s], heat[0]), abs=1e-5)
        assert float(previous["similarity"][s]) == pytest.approx(corr(heat[s], heat[s - 1]), abs=1e-5)
    assert np.isnan(previous["similarity"][0])


def test_other_expressions_stand_beside():
    maps = learning()
    heat = global_heatmaps(maps).isel(explainer=0)
    found = trajectory(maps, draws=0, splits=0).isel(explainer=0)
    for s in range(4):
        wanted = corr(heat[s].sel(expression="fear"), heat[s].sel(expression="anger"))
        assert float(found["between_expressions"].sel(expression="fear")[s]) == pytest.approx(wanted, abs=1e-5)
    beside = found["between_expressions"].sel(expression="anger").values
    assert beside[0] > 0.8 > beside[-1]
    assert (found["reason"].sel(expression="disgust") == "no usable map").all()


def test_halves_by_the_plain_road():
    """Two splits: the halves that were drawn, averaged and correlated one by one."""
    from workbench.comparison.likeness import halves as halves_of
    from workbench.heatmaps.resampling import units_of

    maps = learning(predicted=("fear",))
    found = trajectory(maps, normalise="none", draws=0, splits=2).isel(explainer=0).sel(expression="fear")
    halves = halves_of(units_of(maps), 2, 0).astype(bool)
    assert (halves[:2] == ~halves[2:]).all()
    assert (halves.sum(axis=1) == 8).all()
    mean = lambda s, who: maps.values[s, 0, who].mean(axis=0)
    for s in range(4):
        wanted = np.mean([corr(mean(s, halves[k]), mean(s, halves[k + 2])) for k in (0, 1)])
        assert float(found["reliability"][s]) == pytest.approx(wanted, abs=1e-4)
        across = [corr(mean(s, halves[a]), mean(3, halves[b])) for a, b in ((0, 2), (1, 3), (2, 0), (3, 1))]
        assert float(found["half_similarity"][s]) == pytest.approx(np.mean(across), abs=1e-4)
    assert float(found["half_similarity"][3]) == pytest.approx(float(found["reliability"][3]))


def test_converged_can_be_told_from_not():
    """Where a step is like the last, half against half reaches the reference's reliability; an early step does not."""
    maps = learning(images=24, noise=1.0)
    maps[2] = maps[3]
    found = trajectory(maps, draws=0, splits=50).isel(explainer=0).sel(expression="fear")
    reliability = float(found["reliability"][3])
    assert float(found["half_similarity"][2]) == pytest.approx(reliability, abs=0.01)
    assert float(found["half_similarity"][0]) < reliability - 0.3
    assert float(found["similarity"][2]) == pytest.approx(1)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Correlation of the noiseless maps of two steps, in 60 samples of 30 faces: 95 % intervals."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        one, other = np.random.default_rng(99).normal(size=(2, *GRID))
        other = 0.7 * one + 0.7 * other
        maps = learning(images=30, predicted=("fear",)).isel(model=[0, 1])
        # faces differ in how much of each pattern they show
        amounts = rng.normal(1, 0.5, (30, 2, 1, 1))
        extra = np.random.default_rng(98).normal(size=(2, *GRID))
        maps[0, 0] = one + 0.6 * rng.normal(size=(30, 1, 1)) * extra[0] + 10
        maps[1, 0] = other * amounts[:, 0] + 0.6 * rng.normal(size=(30, 1, 1)) * extra[1] + 10
        found = (
            trajectory(maps, normalise="none", draws=200, splits=0, seed=seed).isel(explainer=0).sel(expression="fear")
        )
        held += float(found["low"][0]) <= corr(one, other) <= float(found["high"][0])
    assert 50 <= held <= 60


def test_intervals_are_over_subjects_and_need_five():
    maps = learning().assign_coords(subject=("image", [f"s{i % 4}" for i in range(16)]))
    found = trajectory(maps, draws=20).isel(explainer=0).sel(expression="fear")
    assert np.isnan(found["low"]).all()
    assert "at least 5 subjects" in str(found["reason"][0].item())
    assert int(found["units"][0]) == 2
    enough = trajectory(learning(), draws=20).isel(explainer=0).sel(expression="fear")
    assert (enough["low"][:3] <= enough["similarity"][:3]).all()
    assert (enough["similarity"][:3] <= enough["high"][:3]).all()
    assert (enough["low"][:3] < enough["high"][:3]).all()
    assert np.isnan(enough["low"][3])  # the reference with itself
    assert (enough["reason"] == "").all()


def test_along_layers_every_network_goes_for_itself():
    maps = learning()
    layers = xr.concat([maps.isel(model=[s]).assign_coords(model=["net"]) for s in range(4)], "layer")
    layers = layers.assign_coords(layer=list(STEPS)).transpose("model", "explainer", "layer", "image", "y", "x")
    along = trajectory(layers, "layer", draws=20, splits=5)
    assert along["similarity"].dims == ("model", "explainer", "expression", "step")
    wanted = trajectory(maps, draws=20, splits=5)
    for name in ("similarity", "low", "reliability", "between_expressions"):
        np.testing.assert_allclose(along[name].isel(model=0), wanted[name])
    with pytest.raises(UsageError, match="several layers"):
        trajectory(layers)


def test_steps_come_in_the_order_given():
    maps = learning()
    found = trajectory(maps, order=["e3", "e1", "e0"], draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    wanted = trajectory(maps, reference="first", draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    np.testing.assert_allclose(found["similarity"], wanted["similarity"].sel(step=["e3", "e1", "e0"]))


def test_every_face_enters_the_expression_that_its_map_explains():
    """One target a named expression: the same faces at each step, whatever the network calls them."""
    maps = learning(predicted=("fear",))
    other = learning(predicted=("fear",), seed=5)
    both = xr.concat([maps, other], "target").assign_coords(target=["expression:fear", "expression:anger"])
    both = both.assign_coords(predicted=(("model", "image"), [["happiness"] * 16] * 4))
    both = both.transpose("model", "explainer", "target", "image", "y", "x")
    found = trajectory(both, by="all", draws=0, splits=0).isel(explainer=0)
    assert (found["n"].sel(expression="fear") == 16).all()
    wanted = trajectory(maps, draws=0, splits=0).isel(explainer=0)
    np.testing.assert_allclose(found["similarity"].sel(expression="fear"), wanted["similarity"].sel(expression="fear"))
    assert np.isnan(found["similarity"].sel(expression="sadness")).all()


def test_global_maps_have_similarity_and_no_interval():
    maps = learning()
    heat = global_heatmaps(maps)
    found, wanted = trajectory(heat), trajectory(maps, draws=0, splits=0)
    np.testing.assert_allclose(found["similarity"], wanted["similarity"], atol=1e-6)
    assert (
        str(found["reason"].isel(explainer=0).sel(expression="fear")[0].item()) == "no per-image maps, so no interval"
    )
    assert np.isnan(found["reliability"]).all()


def test_a_step_without_a_map_is_a_gap():
    maps = learning()
    maps[1] = np.nan
    found = trajectory(maps, draws=10, splits=5).isel(explainer=0).sel(expression="fear")
    assert np.isnan(found["similarity"].values).tolist() == [False, True, False, False]
    assert str(found["reason"][1].item()) == "no usable map"


def test_pixels_outside_the_domain_do_not_count():
    maps = learning()
    domain = np.ones(GRID, bool)
    domain[:, 5:] = False
    found = trajectory(maps, domain=domain, draws=0, splits=0).isel(explainer=0).sel(expression="fear")
    heat = global_heatmaps(maps).isel(explainer=0).sel(expression="fear").values
    assert float(found["similarity"][0]) == pytest.approx(corr(heat[0][:, :5], heat[3][:, :5]), abs=1e-5)


def test_bad_input_is_refused():
    maps = learning()
    with pytest.raises(UnknownNameError, match="dimension of steps 'epoch'"):
        trajectory(maps, "epoch")
    with pytest.raises(UnknownNameError, match="reference"):
        trajectory(maps, reference="best")
    with pytest.raises(UnknownNameError, match="model 'e9'"):
        trajectory(maps, order=["e0", "e9"])
    with pytest.raises(UsageError, match="at least two different steps"):
        trajectory(maps, order=["e0"])
    with pytest.raises(UsageError, match="no dimension 'layer'"):
        trajectory(maps, "layer")
    with pytest.raises(UsageError, match="level"):
        trajectory(maps, level=95)

"""A score at every area, its best against the best of controls and shifts, and the curves without a threshold."""

import json

import numpy as np
import pytest
import xarray as xr
from sklearn import metrics

from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.heatmaps import load_folder, threshold
from workbench.masks import MaskSet, load_masks
from workbench.scores import SCORES, evaluate
from workbench.scores.centre import centre_blob
from workbench.scores.curves import curves
from workbench.scores.sweep import AREAS, sweep

HERE = {"model": "net", "explainer": "cam"}


@pytest.fixture
def noise(heat_of):
    rng = np.random.default_rng(3)
    return heat_of({name: rng.random((6, 6)) for name in ("anger", "fear", "surprise")})


def test_by_hand(heat_of, toy_masks):
    # rows from the bottom up, brightest first; the happiness mask is the two lowest rows of six
    values = np.arange(36.0).reshape(6, 6)
    table = sweep(heat_of({"happiness": values}), toy_masks, areas=[1 / 6, 1 / 3, 1 / 2, 5 / 6])
    cell = table.sel(expression="happiness", **HERE)
    np.testing.assert_allclose(cell.iou, [1 / 2, 1, 2 / 3, 2 / 5])
    np.testing.assert_allclose(cell.reached, [1 / 6, 1 / 3, 1 / 2, 5 / 6])
    a, b = np.array([1 / 6, 1 / 3, 1 / 2, 5 / 6]), 1 / 3
    np.testing.assert_allclose(cell.chance_iou, a * b / (a + b - a * b))
    assert float(cell.best_fitted_iou) == 1
    assert float(cell.best_fitted_area) == pytest.approx(1 / 3)
    assert float(cell.best_fitted_chance_iou) == pytest.approx(float(cell.chance_iou[-1]))
    assert float(cell.area_under_curve_iou) == pytest.approx((1 / 2 + 1 + 2 / 3 + 2 / 5) / 4)
    # of 36 shifts, 6 sideways ones leave the rows where they are; one that is better there is none
    assert float(cell.p_best_fitted_iou) == pytest.approx(6 / 36)


@pytest.mark.parametrize("domain", [None, np.arange(36).reshape(6, 6) % 5 > 0])
@pytest.mark.parametrize("score", ["iou", "recall"])
def test_each_area_is_what_evaluate_gives_for_it(noise, toy_masks, score, domain):
    if domain is not None:  # evaluate sets its threshold on the masks' own domain, sweep on the one it is given
        maps = toy_masks.maps * domain
        toy_masks = MaskSet("toy", maps, "image", xr.DataArray(domain, dims=("y", "x")))
    table = sweep(noise, toy_masks, score=score, areas=(0.2, 0.55))
    for area in (0.2, 0.55):
        wanted = evaluate(noise, toy_masks, threshold=area, scores=(score,))
        found = table.sel(area=area)
        xr.testing.assert_allclose(found[score].drop_vars("area"), wanted[score])
        xr.testing.assert_allclose(found[f"chance_{score}"].drop_vars("area"), wanted[f"chance_{score}"])
        same = wanted[f"centre_{score}_equal_area"]
        xr.testing.assert_allclose(found[f"centre_{score}"].drop_vars("area"), same)
        np.testing.assert_allclose(found.reached, wanted.area)


def brute(values, mask, areas, counted):
    """The best IoU over the areas at every shift, one by one; what is shifted is each foreground on the whole grid."""
    best = np.full(values.shape, -np.inf)
    for area in areas:
        foreground = threshold(values, area, counted)
        for s in np.ndindex(*values.shape):
            moved = np.roll(foreground, s, (0, 1)) & counted
            if moved.any():
                best[s] = max(best[s], (moved & mask).sum() / (moved | mask & counted).sum())
    return best


@pytest.mark.parametrize("holes", [False, True])
def test_p_takes_the_best_at_every_shift(noise, toy_masks, holes):
    noise = noise.copy()
    if holes:
        noise[..., 1, 2:5] = np.nan
    areas = (0.1, 0.3, 0.5)
    table = sweep(noise, toy_masks, areas=areas)
    for name in ("anger", "fear", "surprise"):
        values = noise.sel(expression=name, **HERE).values.astype(float)
        mask = toy_masks.maps.sel(expression=name).values > 0
        best = brute(values, mask, areas, np.isfinite(values))
        cell = table.sel(expression=name, **HERE)
        assert float(cell.best_fitted_iou) == pytest.approx(best[0, 0])
        assert float(cell.p_best_fitted_iou) == pytest.approx((best >= best[0, 0] - 1e-9).mean())
    assert np.isnan(sweep(noise, toy_masks, areas=areas, shifts=False).p_best_fitted_iou).all()


def test_the_p_of_a_fitted_best_keeps_its_level():
    """Unrelated stationary maps on a torus: p ≤ .05 in no more than 1 of 20, give or take what 200 maps may show."""
    rng = np.random.default_rng(0)
    grid, maps = (16, 16), 200
    mask = np.zeros(grid, np.float32)
    mask[2:8, 3:10] = 1
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16)))
    fields = np.fft.ifft2(np.fft.fft2(rng.normal(size=(maps, *grid))) * np.exp(-((frequency * 4) ** 2))).real
    heat = xr.DataArray(
        fields[:, None, None],
        dims=("model", "explainer", "expression", "y", "x"),
        coords={"model": [f"m{i}" for i in range(maps)], "explainer": ["cam"], "expression": ["fear"]},
    )
    given = xr.DataArray(mask[None], dims=("expression", "y", "x"), coords={"expression": ["fear"]})
    masks = MaskSet("one", given, "image", xr.DataArray(np.ones(grid, bool), dims=("y", "x")))
    table = sweep(heat, masks, areas=np.arange(0.1, 0.95, 0.1))
    p = table.p_best_fitted_iou.values.ravel()
    assert (p <= 0.05).sum() <= 20  # P(Binomial(200, .05) > 20) = .0012
    assert 0.35 < p.mean() < 0.65
    single = [sweep(heat, masks, areas=[area]).p_best_fitted_iou.values.ravel() for area in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert (np.min(single, axis=0) <= 0.05).sum() > 1.5 * (p <= 0.05).sum(), "the smallest of several p finds more"


def test_the_best_stands_beside_the_same_best_of_its_controls(noise, toy_masks):
    table = sweep(noise, toy_masks)
    assert table.sizes["area"] == len(AREAS) == 19
    for name in ("best_fitted_iou", "best_fitted_area", "best_fitted_centre_iou", "best_fitted_chance_iou"):
        assert "chosen with the mask at hand" in table[name].attrs["fitted"]
    fear = table.sel(expression="fear", **HERE)
    assert float(fear.best_fitted_centre_iou) == pytest.approx(float(fear.centre_iou.max()))
    assert float(fear.best_fitted_chance_iou) == pytest.approx(float(fear.chance_iou.max()))
    assert float(fear.area_under_curve_centre_iou) == pytest.approx(float(fear.centre_iou.mean()))
    assert "keep to the middle" in table.p_best_fitted_iou.attrs["hypothesis"]


def test_a_cell_without_a_map_is_nan_with_a_reason(heat_of, toy_masks):
    heat = heat_of(
        {"fear": np.ones((6, 6)), "anger": np.arange(36.0).reshape(6, 6), "sadness": np.where(np.eye(6), np.inf, 0)}
    )
    for table in (sweep(heat, toy_masks), curves(heat, toy_masks)):
        said = dict(zip(table.expression.values.tolist(), table.reason.sel(**HERE).values.tolist(), strict=True))
        assert said["fear"] == "the map is constant in the domain"
        assert said["happiness"] == "there is no map"
        assert said["anger"] == ""
        for name, column in table.drop_vars("reason").items():
            assert np.isnan(column.sel(expression=["fear", "happiness"])).all(), name


def test_masks_of_action_units_have_a_column_each(noise, au_masks):
    table = sweep(noise, au_masks, areas=(0.25, 0.5))
    assert table.iou.dims == ("model", "explainer", "expression", "au", "area")
    assert table.best_fitted_iou.dims == ("model", "explainer", "expression", "au")
    foreground = threshold(noise.sel(expression="fear", **HERE).values, 0.5)
    mask = au_masks.maps.sel(au="AU12").values >= 0.5
    wanted = (foreground & mask).sum() / (foreground | mask).sum()
    assert float(table.iou.sel(expression="fear", au="AU12", area=0.5, **HERE)) == pytest.approx(wanted)
    assert curves(noise, au_masks).recall.dims[3] == "au"


def test_what_is_refused(noise, toy_masks):
    with pytest.raises(UsageError, match="no foreground whose area could vary; sweep one of iou, precision"):
        sweep(noise, toy_masks, score="auc")
    with pytest.raises(UnknownNameError, match="did you mean iou"):
        sweep(noise, toy_masks, score="iuo")
    for areas in ([], [0, 0.5], [1.0], [np.nan]):
        with pytest.raises(UsageError, match="shares of the domain between 0 and 1"):
            sweep(noise, toy_masks, areas=areas)
    with pytest.raises(FrameMismatchError, match="load the masks"):
        curves(noise.isel(y=slice(0, 5)), toy_masks)
    with pytest.raises(UsageError, match="no domain 'nose'"):
        curves(noise, toy_masks, domain="nose")
    with pytest.raises(UsageError, match="masks are a MaskSet"):
        sweep(noise, noise)


def test_curves_are_scikit_learns(noise, toy_masks):
    table = curves(noise, toy_masks)
    for name in ("anger", "surprise"):
        cell = table.sel(expression=name, **HERE)
        grey = np.asarray(noise.sel(expression=name, **HERE).values, float).ravel()
        grey = np.rint((grey - grey.min()) * 255 / np.ptp(grey))
        mask = toy_masks.maps.sel(expression=name).values.ravel() > 0
        fpr, tpr, _ = metrics.roc_curve(mask, grey, drop_intermediate=False)
        ours = np.unique(np.stack([cell.false_positive_rate, cell.recall], 1), axis=0)
        np.testing.assert_allclose(ours, np.unique(np.stack([fpr, tpr], 1), axis=0))
        assert np.trapezoid(cell.recall, cell.false_positive_rate) == pytest.approx(float(cell.auc))
        assert float(cell.auc) == pytest.approx(metrics.roc_auc_score(mask, grey))
        steps = np.diff(cell.recall.values, prepend=0) * np.nan_to_num(cell.precision.values)
        assert steps.sum() == pytest.approx(float(cell.average_precision))
        assert float(cell.average_precision) == pytest.approx(metrics.average_precision_score(mask, grey))
        blob = centre_blob((6, 6)).ravel()
        assert float(cell.centre_auc) == pytest.approx(metrics.roc_auc_score(mask, blob))
        assert float(cell.chance_auc) == 0.5
        assert float(cell.chance_average_precision) == pytest.approx(mask.mean())
        assert (cell.level[0], cell.level[-1]) == (255, -1)
        assert (cell.recall[0], cell.recall[-1], cell.centre_recall[-1]) == (0, 1, 1)
        assert np.isnan(cell.precision[0])


def test_curves_and_evaluate_agree(noise, toy_masks):
    given = evaluate(noise, toy_masks, scores=("auc", "average_precision"))
    table = curves(noise, toy_masks)
    for name in ("auc", "average_precision", "chance_auc", "centre_auc", "centre_average_precision"):
        known = np.isfinite(table[name])
        np.testing.assert_allclose(table[name].values[known], given[name].values[known])


def test_images_are_averaged_first(noisy_maps, toy_masks):
    table = sweep(noisy_maps, toy_masks, areas=(0.5,))
    assert float(table.iou.sel(model="net", explainer="cam", expression="fear", area=0.5)) > 0.8
    assert table.attrs["policy"]


def test_published_maps(published):
    """The blob's fitted best is above that of most networks, and no map's best survives the shifts by much."""
    masks = load_masks("friesen-ekman", frame="published")
    heat = load_folder(published / "by_network", grid=(275, 224))
    table = sweep(heat.isel(model=slice(0, 2)), masks, areas=(0.1, 0.25, 0.4))
    assert np.isfinite(table.best_fitted_iou).all()
    assert (table.best_fitted_iou >= table.iou.max("area") - 1e-12).all()
    assert ((table.p_best_fitted_iou > 0) & (table.p_best_fitted_iou <= 1)).all()
    assert json.dumps(table.attrs)
    assert SCORES["iou"].value.counts is not None

"""What is no heatmap array is refused in one line."""

import numpy as np
import pytest
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps import check
from workbench.heatmaps.checks import status_of

DIMS = ("model", "explainer", "expression", "y", "x")


def heat(**changes):
    coords = {"model": ["a", "b"], "explainer": ["cam"], "expression": ["anger", "fear"]} | changes
    return xr.DataArray(np.zeros((2, 1, 2, 3, 4), np.float32), dims=DIMS, coords=coords)


def test_dimensions_are_put_in_order():
    assert check(heat().transpose("y", "x", "expression", "explainer", "model")).dims == DIMS


def test_a_selected_explainer_comes_back_as_a_dimension():
    checked = check(heat().sel(explainer="cam"))
    assert checked.dims == DIMS
    assert checked.explainer.values.tolist() == ["cam"]


def test_maps_without_an_explainer_have_the_empty_name():
    assert check(heat().isel(explainer=0, drop=True)).explainer.values.tolist() == [""]


def test_a_selected_model_comes_back_as_a_dimension():
    assert check(heat().sel(model="b")).model.values.tolist() == ["b"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((2, 2)), "not ndarray"),
        (heat().rename(expression="emotion"), r"not \(model, explainer, emotion"),
        (heat().expand_dims("fold"), "fold"),
        (heat().drop_vars("model"), "no names along 'model'"),
        (heat(model=["a", "a"]), "'a' occurs twice"),
        (heat().isel(model=slice(0, 0)), "no entry along 'model'"),
        (heat().astype(complex), "complex128"),
    ],
)
def test_other_arrays_are_refused(wrong, says):
    with pytest.raises(UsageError, match=says) as caught:
        check(wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([[0, 1]], "ok"),
        ([[2, 2]], "constant"),
        ([[np.nan, np.nan]], "not computed"),
        ([[np.inf, 1]], "non-finite"),
        ([[np.nan, 1]], "constant"),
        ([[np.nan, 1, 2]], "ok"),
    ],
)
def test_the_state_of_a_map(values, state):
    assert status_of(np.array(values, dtype=float)) == state

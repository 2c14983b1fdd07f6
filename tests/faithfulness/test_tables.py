"""Tables of means: values by hand, intervals, a sign-flip test beside SciPy's, and small n."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from workbench.errors import UnknownNameError, UsageError
from workbench.faithfulness import au_occlusion_table, faithfulness_table
from workbench.faithfulness.paired import flipped, unit_means
from workbench.statistics.multiplicity import benjamini_hochberg


def result(count=30, seed=0, subjects=None):
    stream = np.random.default_rng(seed)
    dims = ("model", "explainer", "image")
    own, reference = stream.normal(0.3, 0.1, (2, 1, 1, count))
    values = {"deletion": own, "p_deletion": np.full_like(own, 0.5)}
    values |= {f"{name}_deletion": reference + k / 10 for k, name in enumerate(("centre", "mean_map", "edge"))}
    data = {name: (dims, one) for name, one in values.items()}
    data |= {"random_deletion": (("model", "image"), reference[:, 0] + 0.2)}
    data["reason"] = (dims, np.full(own.shape, "", object))
    coords = {
        "model": ["net"],
        "explainer": ["cam"],
        "image": [f"i{k}" for k in range(count)],
        "subject": ("image", subjects or [""] * count),
        "label": ("image", ["anger", "fear"] * (count // 2)),
        "predicted": (("model", "image"), [["anger"] * count]),
    }
    references = ["random", "centre", "mean_map", "edge"]
    attrs = {"scores": ["deletion"], "references": references, "space": "probability", "resolution": 1 / 11}
    return xr.Dataset(data, coords, attrs)


def test_means_and_differences_by_hand():
    found = result()
    row = faithfulness_table(found).iloc[0]
    own, random = found["deletion"].values.ravel(), found["random_deletion"].values.ravel()
    assert row["mean"] == pytest.approx(own.mean())
    assert row["random"] == pytest.approx(random.mean())
    assert row["over_random"] == pytest.approx((random - own).mean())  # less is better
    assert row["low_over_random"] < row["over_random"] < row["high_over_random"]
    expected = stats.t.interval(0.95, 29, (random - own).mean(), stats.sem(random - own))
    np.testing.assert_allclose([row["low_over_random"], row["high_over_random"]], expected, atol=0.015)
    assert row["n"] == 30
    assert np.isnan(row["n_subjects"])
    assert row["reason"] == ""
    assert (row["p"], row["p_resolution"]) == (0.5, 1 / 11)


def test_cells_by_label_and_images_without_a_score():
    found = result()
    found["deletion"][0, 0, 0] = np.nan
    found["reason"][0, 0, 0] = "the map is constant"
    table = faithfulness_table(found, "label").set_index("label")
    assert table.loc["anger", "n"] == 14
    assert table.loc["fear", "n"] == 15
    assert table.loc["anger", "reason"] == "the map is constant"
    own = found["deletion"].values[0, 0]
    assert table.loc["anger", "mean"] == pytest.approx(np.nanmean(own[::2]))


def test_few_subjects_carry_no_interval_however_many_images():
    row = faithfulness_table(result(subjects=[f"s{k % 4}" for k in range(30)])).iloc[0]
    assert row["reason"].startswith("n too small")
    assert row["n_subjects"] == 4
    assert np.isfinite(row["mean"])
    assert np.isnan([row["low_mean"], row["high_over_centre"]]).all()
    wide = faithfulness_table(result(subjects=[f"s{k // 3}" for k in range(30)])).iloc[0]
    assert wide["n_subjects"] == 10
    assert np.isfinite(wide["low_mean"])


def test_what_is_no_result_is_refused():
    with pytest.raises(UsageError, match="faithfulness"):
        faithfulness_table(xr.Dataset())
    with pytest.raises(UsageError, match="au_occlusion"):
        au_occlusion_table(result())
    with pytest.raises(UnknownNameError, match="did you mean label"):
        faithfulness_table(result(), "labl")


@pytest.mark.parametrize("count", [6, 12])
def test_the_sign_flip_test_is_scipys(count):
    values = np.random.default_rng(count).normal(0.4, 1, count)
    p, least = flipped(np.append(values, np.nan))
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert p == pytest.approx(theirs.pvalue)
    assert least == 2 / 2**count


def test_many_units_are_flipped_by_draws():
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    p, least = flipped(values, seed=1)
    assert least == 1e-4
    assert p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert flipped(np.array([np.nan])) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_the_sign_flip_test_keeps_its_level():
    stream = np.random.default_rng(7)
    p = np.array([flipped(stream.normal(size=8))[0] for _ in range(400)])
    assert stats.binom.ppf(0.0005, 400, 0.05) <= (p <= 0.05).sum() <= stats.binom.ppf(0.9995, 400, 0.05)


def test_unit_means_by_hand():
    values = np.array([[1.0], [3.0], [np.nan], [5.0], [np.nan]])
    found = unit_means(values, np.array([0, 0, 1, 1, 2]))
    np.testing.assert_allclose(found, [[2], [5], [np.nan]])


def test_action_units_are_corrected_together():
    stream = np.random.default_rng(3)
    shape, dims = (1, 20, 3), ("model", "image", "au")
    worth = stream.normal(0, 1, shape) + np.array([2, 0, 0])
    control = stream.normal(0, 0.2, shape)
    control[0, 4, 1] = np.nan
    data = {"worth": (dims, worth), "control_worth": (dims, control), "above_control": (dims, worth - control)}
    data["reason"] = (dims, np.full(shape, "", object))
    coords = {"model": ["net"], "image": [f"i{k}" for k in range(20)], "au": ["AU1", "AU2", "AU4"]}
    found = xr.Dataset(data, coords | {"subject": ("image", [""] * 20)}, {"controls": 20})
    table = au_occlusion_table(found)
    assert table["n"].tolist() == [20, 19, 20]
    np.testing.assert_allclose(table["q"], benjamini_hochberg(table["p"]))
    assert table["q"][0] < 0.01 < table["p"][1]
    assert table["above_control"][0] == pytest.approx((worth - control)[0, :, 0].mean())
    assert table.attrs["tests"] == 3
    few = au_occlusion_table(found.isel(image=slice(4)))
    assert few["p"].isna().all()
    assert few["reason"].str.startswith("n too small").all()

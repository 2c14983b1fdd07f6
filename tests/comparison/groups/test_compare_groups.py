"""Differences, effects and p-values by hand and by SciPy; units, designs, corrections; error rates and power."""

import json
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests

from workbench.comparison.groups import compare_groups
from workbench.comparison.groups.arrangements import flipped, relabelled
from workbench.comparison.groups.contrast import Contrast
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks import load_masks
from workbench.vocabulary import BASIC_EXPRESSIONS

AS_IT_IS = {"normalise": "none", "equal_n": 0}


def fear(found, **where):
    return found.isel(model=0, explainer=0, **({"contrast": 0} | where)).sel(expression="fear")


def test_difference_and_effect_by_hand_and_by_statsmodels(build):
    maps = build("aaaaaabbbbb", shift=0.3)
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    a, b = maps.values[0, 0, :6].astype(float), maps.values[0, 0, 6:].astype(float)
    np.testing.assert_allclose(found["difference"], a.mean(0) - b.mean(0), atol=1e-6)
    for y, x in ((0, 0), (7, 6), (15, 13)):
        one, other = a[:, y, x], b[:, y, x]
        wanted, _ = effectsize_smd(one.mean(), one.std(ddof=1), 6, other.mean(), other.std(ddof=1), 5)
        assert float(found["effect"][y, x]) == pytest.approx(wanted, rel=1e-4)
        welch = stats.ttest_ind(one, other, equal_var=False).statistic
        assert float(found["t"][y, x]) == pytest.approx(welch, rel=1e-4)


def test_p_of_a_pixel_is_scipys_permutation_test(build):
    maps = build("aaaaabbbbb", shift=0.1)
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    assert int(found["arrangements"]) == 252
    assert float(found["resolution"]) == pytest.approx(2 / 252)

    def welch(one, other, axis):
        return np.abs(stats.ttest_ind(one, other, axis=axis, equal_var=False).statistic)

    for y, x in ((7, 6), (2, 11)):
        one, other = maps.values[0, 0, :5, y, x].astype(float), maps.values[0, 0, 5:, y, x].astype(float)
        wanted = stats.permutation_test((one, other), welch, alternative="greater", n_resamples=np.inf, vectorized=True)
        assert float(found["p"][y, x]) == pytest.approx(wanted.pvalue, abs=1e-6)


def test_p_max_and_clusters_by_the_plain_road(build):
    """Every relabelling in turn, the largest |t| of each, and the heaviest four-neighbour cluster by flood fill."""
    maps = build("aaaaabbbbb", grid=(6, 5), shift=0.25, blur=0.8, where=(slice(1, 4), slice(1, 3)))
    found = fear(compare_groups(maps, "kind", cluster_level=0.1, **AS_IT_IS))
    values = maps.values[0, 0].astype(float)
    threshold = stats.t.isf(0.05, 8)

    def t_of(first):
        rest = [i for i in range(10) if i not in first]
        return stats.ttest_ind(values[list(first)], values[rest], equal_var=False).statistic

    def masses(t):
        out, seen = [], set()
        for start in product(range(6), range(5)):
            if start in seen or abs(t[start]) <= threshold:
                continue
            heap, mass, sign = [start], 0.0, np.sign(t[start])
            seen.add(start)
            while heap:
                y, x = heap.pop()
                mass += abs(t[y, x])
                for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                    inside = 0 <= near[0] < 6 and 0 <= near[1] < 5
                    if inside and near not in seen and sign * t[near] > threshold:
                        seen.add(near)
                        heap.append(near)
            out.append(mass)
        return sorted(out, reverse=True)

    every = [t_of(first) for first in combinations(range(10), 5)]
    tops = np.array([np.abs(t).max() for t in every])
    np.testing.assert_allclose(
        found["p_max"], [[np.mean(tops >= abs(v) * (1 - 1e-5)) for v in row] for row in every[0]], atol=1e-6
    )
    heaviest = np.array([max(masses(t), default=0) for t in every])
    observed = masses(every[0])
    assert observed
    for number, mass in enumerate(observed, 1):
        here = found["cluster"].values == number
        assert np.abs(every[0][here]).sum() == pytest.approx(mass)
        np.testing.assert_allclose(found["cluster_p"].values[here], np.mean(heaviest >= mass * (1 - 1e-5)), atol=1e-6)
    assert float(found["p_differ"]) == pytest.approx(np.mean(heaviest >= observed[0] * (1 - 1e-5)))
    assert np.isnan(found["cluster_p"].values[found["cluster"].values == 0]).all()


def test_a_subject_s_maps_are_one_unit(build):
    """Twelve people, some with several pictures: the same result as with the means of their maps."""
    subject = np.array([0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 11])
    groups = np.where(subject < 6, "a", "b")
    maps = build(groups, subject=subject, shift=0.2)
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    means = np.stack([maps.values[0, 0, subject == s].mean(axis=0) for s in range(12)])
    single = build("aaaaaabbbbbb")
    single[0, 0] = means
    wanted = fear(compare_groups(single, "kind", **AS_IT_IS))
    for name in ("difference", "effect", "t"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["p_max"], wanted["p_max"], atol=1e-6)
    assert (int(found["units_first"]), int(found["images_first"])) == (6, 9)
    assert compare_groups(maps, "kind", **AS_IT_IS).attrs["unit"] == "subject"


def test_people_in_both_groups_are_paired_and_their_signs_flipped(build):
    subject = np.tile(np.arange(7), 2)
    maps = build("aaaaaaabbbbbbb", subject=subject, shift=0.15)
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    assert str(found["design"].item()) == "paired"
    assert int(found["arrangements"]) == 128
    assert float(found["resolution"]) == pytest.approx(2 / 128)
    differences = (maps.values[0, 0, :7] - maps.values[0, 0, 7:]).astype(float)
    for y, x in ((7, 6), (1, 1)):
        d = differences[:, y, x]
        assert float(found["t"][y, x]) == pytest.approx(stats.ttest_1samp(d, 0).statistic, rel=1e-4)
        wanted = stats.permutation_test(
            (d,), lambda v, axis: np.abs(stats.ttest_1samp(v, 0, axis=axis).statistic), permutation_type="samples",
            alternative="greater", n_resamples=np.inf, vectorized=True,
        )  # fmt: skip
        assert float(found["p"][y, x]) == pytest.approx(wanted.pvalue, abs=1e-6)
    one, other = maps.values[0, 0, :7, 7, 6].astype(float), maps.values[0, 0, 7:, 7, 6].astype(float)
    spread = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    assert float(found["effect"][7, 6]) == pytest.approx((1 - 3 / 23) * (one - other).mean() / spread, rel=1e-4)


def test_few_people_in_both_groups_are_left_out_of_a_comparison_between(build):
    subject = [0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10]
    maps = build("aaaaaabbbbbb", subject=subject)
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    assert str(found["design"].item()) == "between"
    assert [int(found[n]) for n in ("units_first", "units_second", "units_in_both")] == [5, 5, 1]
    paired = fear(compare_groups(maps, "kind", design="paired", **AS_IT_IS))
    assert str(paired["reason"].item()) == "1 subjects are in both groups (at least 5 are needed)"


def test_small_groups_are_named_and_left_out(build):
    maps = build("aaaaabbbbbcc")
    found = compare_groups(maps, "kind", **AS_IT_IS)
    assert found["contrast"].values.tolist() == ["a − b", "a − c", "b − c"]
    reasons = found["reason"].isel(model=0, explainer=0).sel(expression="fear").values.tolist()
    assert reasons == ["", *["too few images: 2 of c (at least 5 are needed)"] * 2]
    assert found.attrs["tests"] == 1
    named = [row for row in json.loads(found.attrs["left_out"]) if row["expression"] == "fear"]
    assert named == [{"model": "m0", "explainer": "cam", "expression": "fear", "group": "c", "units": 2}]
    assert np.isnan(found["difference"].isel(contrast=1)).all()


def test_intersections_and_unknown_groups(build):
    maps = build("a" * 24).assign_coords(
        group_gender=("image", ["f", "m"] * 12), group_age=("image", ["old"] * 4 + ["young"] * 18 + ["", "nan"])
    )
    found = compare_groups(maps, ["gender", "group_age"], **AS_IT_IS)
    assert found["contrast"].values.tolist()[0] == "f × old − f × young"
    assert len(found["contrast"]) == 6
    assert found.attrs["unknown"] == 2
    assert {row["group"] for row in json.loads(found.attrs["left_out"]) if row["expression"] == "fear"} == {
        "f × old",
        "m × old",
    }
    young = found.sel(contrast="f × young − m × young", expression="fear").isel(model=0, explainer=0)
    assert (int(young["units_first"]), int(young["units_second"])) == (9, 9)


def test_an_array_of_groups_and_chosen_contrasts(build):
    maps = build("aaaaaabbbbbb")
    given = np.array(["real"] * 6 + ["generated"] * 6)
    by_array = compare_groups(maps, given, contrasts=[("real", "generated")], **AS_IT_IS)
    by_column = compare_groups(maps, "group_kind", **AS_IT_IS)
    np.testing.assert_array_equal(by_array["difference"], by_column["difference"])
    turned = compare_groups(maps, "kind", contrasts=[("b", "a")], **AS_IT_IS)
    np.testing.assert_allclose(turned["difference"], -by_column["difference"], atol=1e-7)
    np.testing.assert_allclose(turned["p_max"], by_column["p_max"])


def test_p_values_are_corrected_over_the_whole_call(build):
    maps = build("aaaaaabbbbbbcccccc", models=2, shift=0.3)
    found = compare_groups(maps, "kind", draws=199, **AS_IT_IS)
    p = found["p_differ"].values
    known = np.isfinite(p)
    assert known.sum() == found.attrs["tests"] == 6
    np.testing.assert_allclose(found["p_differ_bh"].values[known], multipletests(p[known], method="fdr_bh")[1])
    np.testing.assert_allclose(found["p_everywhere"], np.minimum(6 * found["p_max"], 1), rtol=1e-5)
    assert "not “here”" in found.attrs["licence"]
    assert found.attrs["needed"] == 1
    assert compare_groups(maps, "kind", draws=99, **AS_IT_IS).attrs["needed"] == 2  # 6 · .01 / .05


def test_there_are_twenty_draws_a_test_unless_told_otherwise(build):
    maps = build("a" * 12 + "b" * 12, grid=(4, 4), models=9)
    assert compare_groups(maps, "kind", **AS_IT_IS).attrs["draws"] == 20 * 9 * 6
    assert compare_groups(maps.isel(model=[0]), "kind", **AS_IT_IS).attrs["draws"] == 1000


def test_differences_of_action_units_by_hand(build):
    maps = build("aaaaaabbbbbb", grid=(256, 224), blur=6, shift=0.2, where=(slice(60, 110), slice(50, 100)))
    maps.attrs["frame"] = "mediapipe478"
    masks = load_masks("facs-au")
    found = fear(compare_groups(maps, "kind", masks=masks, **AS_IT_IS))
    assert found["au"].values.tolist() == masks.names
    k = masks.names.index("AU12")
    weight = masks.maps.values[k].astype(float)
    inner = (maps.values[0, 0] * weight).sum(axis=(1, 2)) / weight.sum()
    here = found.sel(au="AU12")
    assert float(here["region_difference"]) == pytest.approx(inner[:6].mean() - inner[6:].mean(), rel=1e-4)
    assert float(here["region_effect"]) == pytest.approx(
        effectsize_smd(inner[:6].mean(), inner[:6].std(ddof=1), 6, inner[6:].mean(), inner[6:].std(ddof=1), 6)[0],
        rel=1e-3,
    )
    every = [np.abs(stats.ttest_ind(inner[list(c)], np.delete(inner, c), equal_var=False).statistic)
             for c in combinations(range(12), 6)]  # fmt: skip
    assert float(here["region_p"]) == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-6))
    assert (found["region_p_max"] >= found["region_p"] - 1e-9).all()
    np.testing.assert_allclose(found["region_p_bh"], multipletests(found["region_p"], method="fdr_bh")[1])


def test_equal_n_takes_away_nothing_but_numbers(build):
    maps = build("a" * 30 + "b" * 6, shift=0.2)
    found = fear(compare_groups(maps, "kind", normalise="none", draws=99))
    assert np.abs(found["equal_n_difference"] - found["difference"]).max() < 0.05
    assert (found["equal_n_low"] <= found["equal_n_difference"]).all()
    assert (found["equal_n_difference"] <= found["equal_n_high"]).all()
    assert float(found["equal_n_rms"]) > float(found["rms"])  # fewer maps, more noise: the reason to look
    equal = fear(compare_groups(build("aaaaaabbbbbb"), "kind", normalise="none", draws=99))
    assert np.isnan(equal["equal_n_rms"])
    assert str(equal["equal_n_reason"].item()) == "both groups have 6 images"


def test_equal_n_by_every_subsample(build):
    """Six of a, five of b: six subsamples; the mean over many draws is the mean over all of them."""
    maps = build("aaaaaabbbbb", grid=(4, 4))
    found = fear(compare_groups(maps, "kind", normalise="none", draws=9, equal_n=4000))
    values = maps.values[0, 0].astype(float)
    rms = [np.sqrt(((np.delete(values[:6], k, 0).mean(0) - values[6:].mean(0)) ** 2).mean()) for k in range(6)]
    assert float(found["equal_n_rms"]) == pytest.approx(np.mean(rms), rel=0.01)
    assert min(rms) - 1e-6 <= float(found["equal_n_rms_low"]) <= float(found["equal_n_rms_high"]) <= max(rms) + 1e-6


def test_boxes_average_pixels_and_keep_the_domain(build):
    maps = build("aaaaaabbbbbb", grid=(17, 14))
    domain = np.ones((17, 14), bool)
    domain[:, 7:] = False
    found = fear(compare_groups(maps, "kind", domain=domain, rows=9, **AS_IT_IS))
    assert found["difference"].shape == (9, 7)
    assert np.isfinite(found["difference"].values[:, :3]).all()
    assert np.isnan(found["difference"].values[:, 4:]).all()
    inner = maps.values[0, 0].astype(float)[:, 4:6, 2:4].mean(axis=(1, 2))
    assert float(found["difference"][2, 1]) == pytest.approx(inner[:6].mean() - inner[6:].mean(), abs=1e-6)
    assert float(found["y"][2]) == 4.5


def test_a_pixel_without_data_rests_on_the_other_units(build):
    maps = build("aaaaaabbbbbb")
    maps[0, 0, 0, 3, 3] = np.nan
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    one, other = maps.values[0, 0, 1:6, 3, 3].astype(float), maps.values[0, 0, 6:, 3, 3].astype(float)
    assert float(found["difference"][3, 3]) == pytest.approx(one.mean() - other.mean(), abs=1e-6)
    assert float(found["t"][3, 3]) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).statistic, rel=1e-4)
    maps[0, 0, :6, 5, 5] = np.nan
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    assert np.isnan(found["difference"][5, 5])
    assert np.isnan(found["p_max"][5, 5])


def test_pixels_that_never_vary_are_no_difference(build):
    maps = build("aaaaaabbbbbb")
    maps[..., 0, :] = 0
    found = fear(compare_groups(maps, "kind", **AS_IT_IS))
    assert (found["p"][0] == 1).all()
    assert (found["t"][0] == 0).all()
    assert np.isnan(found["effect"][0]).all()


def test_block_size_does_not_matter(build, monkeypatch):
    from workbench.comparison.groups import testing
    from workbench.heatmaps import aggregate

    maps = build("a" * 12 + "b" * 12, subject=[i // 2 for i in range(24)], shift=0.1)
    whole = compare_groups(maps, "kind", draws=99)
    monkeypatch.setattr(testing, "_BLOCK_BYTES", 24 * 224 * 7)
    monkeypatch.setattr(aggregate, "_BLOCK_BYTES", 16 * 14 * 4 * 5)
    parts = compare_groups(maps, "kind", draws=99)
    for name in ("difference", "p", "p_max", "p_differ", "equal_n_rms", "null_rms"):
        np.testing.assert_allclose(whole[name], parts[name], rtol=1e-4, atol=1e-6)


def test_family_wise_error_of_pixels_clusters_and_units(build):
    """200 pairs of groups that differ in nothing: pixel by pixel and as a whole, .05 is not exceeded (99.9 % band)."""
    pixel, whole = [], []
    for seed in range(200):
        maps = build("a" * 5 + "b" * 7, grid=(8, 8), seed=seed)
        found = fear(compare_groups(maps, "kind", draws=99, cluster_level=0.05, seed=seed, **AS_IT_IS))
        pixel.append(float(found["p_max"].min()))
        whole.append(float(found["p_differ"]))
    most = stats.binom.isf(0.001, 200, 0.05)
    assert np.sum(np.array(pixel) <= 0.05) <= most
    assert np.sum(np.array(whole) <= 0.05) <= most
    assert np.sum(np.array(pixel) <= 0.5) > 60, "a test that never rejects is none"


def test_paired_error_rate_and_power(build):
    rejected = {0.0: 0, 0.5: 0}
    subject = np.tile(np.arange(8), 2)
    for shift in rejected:
        for seed in range(100):
            maps = build("a" * 8 + "b" * 8, grid=(8, 8), seed=seed, shift=shift, subject=subject)
            found = fear(compare_groups(maps, "kind", draws=99, cluster_level=0.05, **AS_IT_IS))
            rejected[shift] += float(found["p_differ"]) <= 0.05
    assert rejected[0.0] <= stats.binom.isf(0.001, 100, 0.05)
    assert rejected[0.5] >= 80


def test_a_true_difference_is_found_and_many_pictures_of_few_people_are_not_many_people(build):
    found = [
        float(
            fear(compare_groups(build("a" * 12 + "b" * 12, seed=s, shift=0.25), "kind", draws=199, **AS_IT_IS))[
                "p_differ"
            ]
        )
        for s in range(40)
    ]
    assert np.mean(np.array(found) <= 0.05) >= 0.8
    false = []
    for seed in range(60):
        people = build("a" * 6 + "b" * 6, grid=(8, 8), seed=seed)
        pictures = people.isel(image=np.repeat(np.arange(12), 8)).assign_coords(
            image=[f"p{i}" for i in range(96)], subject=("image", [str(i // 8) for i in range(96)])
        )
        pictures = pictures + np.random.default_rng(seed).normal(0, 0.02, pictures.shape).astype(np.float32)
        result = fear(compare_groups(pictures, "kind", draws=99, cluster_level=0.05, **AS_IT_IS))
        assert int(result["units_first"]) == 6
        false.append(float(result["p_differ"]))
    assert np.sum(np.array(false) <= 0.05) <= stats.binom.isf(0.001, 60, 0.05)


def test_unequal_spread_and_numbers_do_not_pass_for_a_difference(build):
    """Twelve wide maps against 48 narrow ones of the same mean: Welch's t holds .05, the pooled one would not."""
    rejected, pooled = 0, 0
    for seed in range(150):
        values = build("a" * 12 + "b" * 48, grid=(6, 6), seed=seed).values[0, 0].reshape(60, 36)
        values[:12] = 1 + 2 * (values[:12] - 1)
        contrast = Contrast(values[:12], values[12:], False)
        statistic, drawn = contrast.statistic(), contrast.arrangements(99, seed)
        weights = np.concatenate([np.r_[np.ones(12), np.zeros(48)][None].astype(np.float32), drawn.weights])
        t, difference = statistic(weights)
        one, other = weights.sum(axis=1, keepdims=True), (1 - weights).sum(axis=1, keepdims=True)
        inner = (statistic.values**2).sum(axis=0) - difference**2 * one * other / 60
        both = difference / np.sqrt(inner / 58 * (1 / one + 1 / other))
        rejected += np.mean(np.abs(t).max(axis=1) >= np.abs(t[0]).max() - 1e-6) <= 0.05
        pooled += np.mean(np.abs(both).max(axis=1) >= np.abs(both[0]).max() - 1e-6) <= 0.05
    assert rejected <= stats.binom.isf(0.001, 150, 0.05)
    assert pooled > 0.15 * 150


def test_arrangements_are_all_or_random_and_begin_with_the_observed_one():
    every = relabelled(3, 4, 100, 0)
    assert every.enumerated
    assert every.weights.shape == (35, 7)
    assert every.weights[0].tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert every.resolution == pytest.approx(1 / 35)
    drawn = relabelled(3, 4, 20, 0)
    assert not drawn.enumerated
    assert (drawn.weights.sum(axis=1) == 3).all()
    assert drawn.resolution == pytest.approx(1 / 21)
    signs = flipped(5, 100, 0)
    assert signs.enumerated
    assert len({tuple(row) for row in signs.weights}) == 32
    assert (signs.weights[0] == 1).all()
    assert not flipped(20, 100, 0).enumerated


def test_hedges_g_of_groups_without_spread_is_nan():
    contrast = Contrast(np.ones((5, 2), np.float32), np.zeros((5, 2), np.float32), False)
    assert np.isnan(contrast.hedges_g()).all()
    assert (contrast.observed() == 1e4).all()


def test_expressions_are_compared_each_for_itself(build):
    maps = build("aaaaaabbbbbb" * 2)
    maps = maps.assign_coords(predicted=(("model", "image"), [["fear"] * 12 + ["happiness"] * 12]))
    found = compare_groups(maps, "kind", **AS_IT_IS)
    tested = np.isfinite(found["p_differ"].values[0, 0, :, 0])
    assert [e for e, there in zip(BASIC_EXPRESSIONS, tested, strict=True) if there] == ["fear", "happiness"]
    wanted = compare_groups(maps.isel(image=slice(12)), "kind", **AS_IT_IS)
    np.testing.assert_array_equal(fear(found)["p_max"], fear(wanted)["p_max"])


def test_bad_input_is_refused(build):
    maps = build("aaaaaabbbbbb")
    with pytest.raises(UnknownNameError, match="did you mean kind"):
        compare_groups(maps, "kinds")
    with pytest.raises(UsageError, match="all images are 'a'"):
        compare_groups(build("aaaaaa"), "kind")
    with pytest.raises(UsageError, match="no image says its group"):
        compare_groups(maps, np.array([""] * 12))
    with pytest.raises(UsageError, match="shape \\(3,\\), and there are 12 images"):
        compare_groups(maps, np.array(["a", "b", "b"]))
    with pytest.raises(UsageError, match="with itself"):
        compare_groups(maps, "kind", contrasts=[("a", "a")])
    with pytest.raises(UnknownNameError, match="group 'c'"):
        compare_groups(maps, "kind", contrasts=[("a", "c")])
    with pytest.raises(UsageError, match="pair of groups"):
        compare_groups(maps, "kind", contrasts=["ab"])
    with pytest.raises(UsageError, match="14 groups"):
        compare_groups(build("abcdefghijklmn"), "kind")
    with pytest.raises(UnknownNameError, match="design"):
        compare_groups(maps, "kind", design="within")
    for bad in ({"minimum": 1}, {"draws": 0}, {"cluster_level": 0}, {"equal_n": -1}, {"rows": 2}):
        with pytest.raises(UsageError):
            compare_groups(maps, "kind", **bad)
    with pytest.raises(UsageError, match="global already"):
        compare_groups(maps.rename(image="expression").isel(expression=slice(6)).assign_coords(
            expression=list(BASIC_EXPRESSIONS)), "kind")  # fmt: skip


def test_masks_of_another_frame_or_of_expressions_are_refused(build):
    maps = build("aaaaaabbbbbb")
    with pytest.raises(FrameMismatchError, match="load_masks"):
        compare_groups(maps, "kind", masks=load_masks("facs-au"))
    with pytest.raises(UsageError, match="by expression"):
        compare_groups(maps, "kind", masks=load_masks("friesen-ekman"))


def test_every_target_of_the_maps_is_compared_on_all_faces(build):
    """Two targets: each is the expression that its maps explain, whatever the network calls the faces."""
    import xarray as xr

    one, other = build("aaaaaabbbbbb"), build("aaaaaabbbbbb", seed=1)
    both = xr.concat([one, other], "target").assign_coords(target=["expression:fear", "expression:anger"])
    both = both.assign_coords(predicted=(("model", "image"), [["sadness"] * 12]))
    found = compare_groups(both, "kind", by_expression="all", **AS_IT_IS)
    for maps, name in ((one, "fear"), (other, "anger")):
        wanted = fear(compare_groups(maps, "kind", **AS_IT_IS))
        cell = found.isel(model=0, explainer=0, contrast=0).sel(expression=name)
        np.testing.assert_array_equal(cell["t"], wanted["t"])
        np.testing.assert_array_equal(cell["p_max"], wanted["p_max"])
    assert str(found["reason"].sel(expression="sadness").values.item()) == "no map explains this expression"
    with pytest.raises(UsageError, match="several layers"):
        compare_groups(one.expand_dims(layer=["a", "b"]), "kind")
    with pytest.raises(UnknownNameError, match="grouping"):
        compare_groups(one, "kind", by_expression="everyone")

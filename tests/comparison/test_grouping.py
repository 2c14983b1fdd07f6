"""Groupings counted by hand, PERMANOVA and PERMDISP by other formulas, error rates, and the released maps."""

from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import stats

from workbench.comparison.grouping import every_grouping, grouping_test, groupings, to_centroids, within_squares
from workbench.comparison.tree import Clustering, Tree
from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import load_folder

NOT_PRETRAINED = {"SilNet", "WeiNet", "SongNet", "AlexNet"}


def clustering(distances, expressions=("fear",), left_out=None):
    labels = tuple(f"n{i}" for i in range(len(distances)))
    tree = Tree(labels, np.ones((len(labels) - 1, 4)), distances, 0.5, left_out=left_out or {})
    return Clustering(dict.fromkeys(expressions, tree), "average", "cam", "", "canvas")


def named(groups):
    return {f"n{i}": g for i, g in enumerate(groups)}


def euclidean(points):
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=-1))


@pytest.mark.parametrize(
    ("sizes", "count"), [((4, 8), 495), ((2, 2), 3), ((3, 3), 10), ((2, 2, 2), 15), ((1, 2, 2), 15), ((1, 5), 6)]
)
def test_groupings_are_counted_and_listed_once(sizes, count):
    listed = every_grouping(sizes)
    assert groupings(sizes) == len(listed) == count
    splits = {frozenset(frozenset(np.flatnonzero(row == g)) for g in range(len(sizes))) for row in listed}
    assert len(splits) == count
    assert all(sorted(Counter(row.tolist()).values()) == sorted(sizes) for row in listed)


def test_four_networks_on_a_line_by_hand():
    """0, 1 | 10, 12: within 1/2 + 4/2 = 2.5; total (1 + 100 + 144 + 81 + 121 + 4)/4 = 112.75; F = 110.25 / 1.25."""
    found = grouping_test(clustering(euclidean(np.array([[0.0], [1], [10], [12]]))), named("aabb")).sel(
        expression="fear"
    )
    assert float(found["pseudo_f"]) == pytest.approx(88.2)
    assert float(found["r2"]) == pytest.approx(110.25 / 112.75)
    assert float(found["p"]) == pytest.approx(1 / 3)  # the best of the three splits into pairs
    assert int(found["arrangements"]) == 3
    assert bool(found["enumerated"])
    np.testing.assert_allclose(found["scatter"], [0.5 * 2**0.5, 1.0 * 2**0.5])


def test_one_dimension_is_the_analysis_of_variance():
    """For Euclidean distances on a line, pseudo-F is Fisher's F (Anderson 2001)."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=12)
    groups = np.array(list("aaaabbbbbccc"))
    found = grouping_test(clustering(euclidean(values[:, None])), named(groups))
    wanted = stats.f_oneway(*(values[groups == g] for g in "abc")).statistic
    assert float(found["pseudo_f"].item()) == pytest.approx(wanted)


def test_pseudo_f_is_that_of_the_centred_matrix():
    """McArdle & Anderson 2001: F = tr(HGH)/(a−1) over tr((I−H)G(I−H))/(N−a), for distances that are no metric."""
    rng = np.random.default_rng(1)
    d = rng.random((9, 9))
    d = (d + d.T) * (1 - np.eye(9))
    groups = np.array(list("aaabbbbcc"))
    centre = np.eye(9) - 1 / 9
    gower = centre @ (-0.5 * d**2) @ centre
    x = (groups[:, None] == np.array(list("abc"))).astype(float)
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    rest = np.eye(9) - hat
    between, within = np.trace(hat @ gower @ hat), np.trace(rest @ gower @ rest)
    found = grouping_test(clustering(d), named(groups)).sel(expression="fear")
    assert float(found["pseudo_f"]) == pytest.approx((between / 2) / (within / 6))
    assert float(found["r2"]) == pytest.approx(between / np.trace(gower))


def test_distances_to_centroids_are_those_of_principal_coordinates():
    """Anderson 2006, equation 7: real and imaginary axes, the latter's squares taken away."""
    rng = np.random.default_rng(2)
    d = rng.random((8, 8)) + 0.2
    d = (d + d.T) * (1 - np.eye(8))
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1], dtype=np.int8)
    centre = np.eye(8) - 1 / 8
    values, vectors = np.linalg.eigh(centre @ (-0.5 * d**2) @ centre)
    assert values.min() < -1e-3
    axes = vectors * np.sqrt(np.abs(values))
    squares = np.zeros(8)
    for g in (0, 1):
        away = (axes[labels == g] - axes[labels == g].mean(axis=0)) ** 2
        squares[labels == g] = away @ np.sign(values)
    np.testing.assert_allclose(to_centroids(d, labels, (3, 5)), np.sqrt(np.maximum(squares, 0)), atol=1e-10)


def test_p_is_the_share_of_all_groupings_by_the_plain_road():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(7, 3))
    points[:3] += 0.8
    d = euclidean(points)
    found = grouping_test(clustering(d), named("aaabbbb"))

    def within(first):
        rest = [i for i in range(7) if i not in first]
        return (
            sum(d[i, j] ** 2 for i, j in combinations(first, 2)) / 3
            + sum(d[i, j] ** 2 for i, j in combinations(rest, 2)) / 4
        )

    every = [within(c) for c in combinations(range(7), 3)]
    assert float(found["p"].item()) == pytest.approx(np.mean(np.array(every) <= within((0, 1, 2)) + 1e-12))
    np.testing.assert_allclose(within_squares(d, every_grouping((3, 4)), (3, 4)), every)


def test_dispersion_p_by_the_plain_road():
    rng = np.random.default_rng(4)
    points = rng.normal(size=(7, 2))
    points[:3] *= 4
    groups = np.array([0, 0, 0, 1, 1, 1, 1])
    found = grouping_test(clustering(euclidean(points)), named("aaabbbb")).sel(expression="fear")
    z = np.concatenate(
        [np.linalg.norm(p - p.mean(axis=0), axis=1) * np.sqrt(len(p) / (len(p) - 1)) for p in (points[:3], points[3:])]
    )
    observed = stats.f_oneway(z[:3], z[3:]).statistic
    assert float(found["dispersion_f"]) == pytest.approx(observed)
    residuals = z - np.array([z[groups == g].mean() for g in groups])
    null = []
    for chosen in combinations(range(7), 3):
        rest = [i for i in range(7) if i not in chosen]
        f = stats.f_oneway(residuals[list(chosen)], residuals[rest]).statistic
        null.append(observed if chosen == (0, 1, 2) else f)
    assert float(found["p_dispersion"]) == pytest.approx(np.mean(np.array(null) >= observed - 1e-12))


def test_error_rate_is_that_of_an_exact_test_at_every_level():
    """Exchangeable networks: P(p ≤ α) ≤ α at every α that 35 groupings can give (99.9 % band of 200)."""
    rng = np.random.default_rng(5)
    ps = [
        float(grouping_test(clustering(euclidean(rng.normal(size=(7, 4)))), named("aaabbbb"))["p"].item())
        for _ in range(200)
    ]
    for level in np.arange(1, 35) / 35:
        assert np.sum(np.array(ps) <= level + 1e-9) <= stats.binom.isf(0.001, 200, level)


def test_dispersion_test_holds_its_level_where_groups_lie_apart():
    rng = np.random.default_rng(6)
    ps = []
    for _ in range(200):
        points = rng.normal(size=(12, 6))
        points[:4] += 3
        ps.append(float(grouping_test(clustering(euclidean(points)), named("aaaabbbbbbbb"))["p_dispersion"].item()))
    assert np.sum(np.array(ps) <= 0.05) <= stats.binom.isf(0.001, 200, 0.05)


def test_what_differs_is_found():
    rng = np.random.default_rng(7)
    points = rng.normal(size=(12, 5))
    points[:4] += 2
    found = grouping_test(clustering(euclidean(points)), named("aaaabbbbbbbb"))
    assert float(found["p"].item()) < 0.01
    wide = rng.normal(size=(12, 5))
    wide[:4] *= 8
    assert float(grouping_test(clustering(euclidean(wide)), named("aaaabbbbbbbb"))["p_dispersion"].item()) < 0.05


def test_the_names_and_order_of_networks_do_not_matter():
    rng = np.random.default_rng(8)
    d = euclidean(rng.normal(size=(6, 3)))
    first = grouping_test(clustering(d), named("aabbbb"))
    turn = np.array([3, 0, 5, 1, 4, 2])
    second = grouping_test(clustering(d[np.ix_(turn, turn)]), named(np.array(list("yyxxxx"))[turn]))
    for name in ("pseudo_f", "r2", "p", "dispersion_f", "p_dispersion"):
        np.testing.assert_allclose(first[name], second[name])


def test_too_many_groupings_are_drawn_and_said_to_be():
    rng = np.random.default_rng(9)
    d = euclidean(rng.normal(size=(20, 3)))
    found = grouping_test(clustering(d, ("fear", "anger")), named("a" * 10 + "b" * 10), draws=10)
    assert groupings((10, 10)) == 92378
    assert not found["enumerated"].any()
    assert (found["arrangements"] == 40).all()  # 20 for each of two tests, as fewer were asked for
    np.testing.assert_allclose(found["resolution"], 1 / 41)
    same = grouping_test(clustering(d, ("fear", "anger")), named("a" * 10 + "b" * 10), draws=10)
    assert found.identical(same)


def test_corrections_are_over_the_expressions():
    d = euclidean(np.array([[0.0], [1], [10], [12], [11]]))
    found = grouping_test(clustering(d, ("fear", "anger", "sadness")), named("aabbb"))
    np.testing.assert_allclose(found["p_holm"], 3 * found["p"])
    np.testing.assert_allclose(found["p_bh"], found["p"])
    assert found.attrs["tests"] == 3
    assert found.attrs["needed"] == 6  # ten splits: all three at p = .1 would not do
    assert "unequal scatter" in found.attrs["licence"]


def test_a_group_of_one_has_no_scatter():
    found = grouping_test(clustering(euclidean(np.arange(5.0)[:, None])), named("abbbb")).sel(expression="fear")
    assert int(found["arrangements"]) == 5
    assert np.isnan(found["p_dispersion"])
    assert np.isfinite(found["p"])


def test_networks_without_a_map_are_counted_where_they_are_missing():
    tree = clustering(euclidean(np.arange(3.0)[:, None]), left_out={"gone": "there is no map"})
    found = grouping_test(tree, {"n0": "a", "n1": "b", "n2": "b", "gone": "a"}).sel(expression="fear")
    assert str(found["left_out"].item()) == "gone: there is no map"
    assert found["networks"].values.tolist() == [1, 2]
    alone = grouping_test(tree, {"n0": "b", "n1": "b", "n2": "b", "gone": "a"}).sel(expression="fear")
    assert np.isnan(alone["p"])
    assert "b 3" in str(alone["reason"].item())


def test_maps_that_are_all_the_same_have_no_p():
    found = grouping_test(clustering(np.zeros((4, 4))), named("aabb")).sel(expression="fear")
    assert np.isnan(found["p"])
    assert str(found["reason"].item()) == "all maps are the same"


def test_bad_groups_are_refused():
    tree = clustering(euclidean(np.arange(4.0)[:, None]))
    with pytest.raises(UnknownNameError, match="network 'm0'"):
        grouping_test(tree, {"m0": "a"})
    with pytest.raises(UsageError, match="no group is given for n3"):
        grouping_test(tree, {"n0": "a", "n1": "b", "n2": "b"})
    with pytest.raises(UsageError, match="all networks are in one group"):
        grouping_test(tree, named("aaaa"))


def test_released_maps_keep_pretrained_networks_apart(published):
    """Not in the paper: 495 groupings an expression, every p the smallest that there is."""
    maps = load_folder(published / "by_network").assign_attrs(frame="published")
    groups = {str(n): "from scratch" if str(n) in NOT_PRETRAINED else "pre-trained" for n in maps["model"].values}
    found = grouping_test(maps, groups)
    assert (found["arrangements"] == 495).all()
    np.testing.assert_allclose(found["p"], 1 / 495)
    np.testing.assert_allclose(found["p_holm"], 6 / 495)
    r2 = {str(e): round(float(v), 3) for e, v in zip(found["expression"].values, found["r2"].values, strict=True)}
    assert r2 == {
        "anger": 0.65,
        "disgust": 0.635,
        "fear": 0.533,
        "happiness": 0.889,
        "sadness": 0.848,
        "surprise": 0.698,
    }
    unequal = found["expression"].values[found["p_dispersion"].values < 0.05].tolist()
    assert unequal == ["fear", "happiness", "surprise"]


def test_every_relabelling_of_equal_groups_is_one_split():
    """By all permutations of six things: 720 orders, 10 splits into two threes."""
    splits = {frozenset([frozenset(order[:3]), frozenset(order[3:])]) for order in permutations(range(6))}
    assert len(splits) == groupings((3, 3))

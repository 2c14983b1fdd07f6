"""Distances by hand and by SciPy; what is left out is named."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from workbench.comparison import cluster
from workbench.comparison.distances import correlation_distances
from workbench.comparison.linkages import leaf_sets
from workbench.errors import UnknownNameError, UsageError


def test_distances_by_hand():
    maps = np.array([[0.0, 1, 2, 3], [0, 2, 4, 6], [3, 2, 1, 0], [1, -1, -1, 1]])
    np.testing.assert_allclose(
        correlation_distances(maps), [[0, 0, 2, 1], [0, 0, 2, 1], [2, 2, 0, 1], [1, 1, 1, 0]], atol=1e-12
    )


def test_distances_are_one_minus_opencvs_normalised_correlation():
    cv2 = pytest.importorskip("cv2")
    first, second = np.random.default_rng(0).random((2, 12, 9), dtype=np.float32)
    ncc = cv2.matchTemplate(first, second, cv2.TM_CCOEFF_NORMED)[0, 0]
    assert correlation_distances(np.stack([first.ravel(), second.ravel()]))[0, 1] == pytest.approx(1 - ncc, abs=1e-6)


@pytest.mark.parametrize("method", ["average", "complete", "single", "weighted"])
def test_the_tree_is_scipys(build_heat, patterns, method):
    tree = cluster(build_heat(patterns), linkage=method)["fear"]
    condensed = pdist(np.stack([p.astype(np.float32).ravel() for p in patterns.values()]), "correlation")
    np.testing.assert_allclose(tree.distances, squareform(condensed), atol=1e-6)
    np.testing.assert_allclose(tree.linkage, hierarchy.linkage(condensed, method), atol=1e-6)
    wanted = hierarchy.cophenet(hierarchy.linkage(condensed, method), condensed)[0]
    assert tree.cophenetic == pytest.approx(wanted, abs=1e-6)
    assert tree.labels == tuple("abcde")
    assert (tree.distances == tree.distances.T).all()


def test_leaves_below_each_merge():
    linkage = np.array([[0, 1, 0.1, 2], [2, 3, 0.2, 2], [4, 5, 0.3, 4]])
    assert leaf_sets(linkage) == [frozenset({0, 1}), frozenset({2, 3}), frozenset({0, 1, 2, 3})]


def test_scale_and_offset_of_a_map_do_not_matter(build_heat, patterns):
    stretched = {name: 5 * p - 3 if name == "b" else p for name, p in patterns.items()}
    before, after = cluster(build_heat(patterns))["fear"], cluster(build_heat(stretched))["fear"]
    np.testing.assert_allclose(before.distances, after.distances, atol=1e-5)


def test_no_tree_without_a_word_on_its_support(build_heat, patterns):
    tree = cluster(build_heat(patterns))["fear"]
    assert tree.support is None
    assert tree.reason == "no per-image maps"
    assert "support unavailable (no per-image maps)" in repr(tree)


def test_networks_without_a_usable_map_are_left_out_and_named(build_heat, patterns):
    maps = patterns | {"flat": np.full((4, 5), 2.0), "none": np.full((4, 5), np.nan), "inf": np.full((4, 5), np.inf)}
    tree = cluster(build_heat(maps))["fear"]
    assert tree.labels == tuple("abcde")
    assert dict(tree.left_out) == {"flat": "the map is constant", "none": "there is no map", "inf": "non-finite"}


def test_one_usable_network_gives_no_tree_and_says_so(build_heat, patterns):
    found = cluster(build_heat({"a": patterns["a"], "flat": np.ones((4, 5))}))
    assert found["fear"].labels == ("a",)
    assert found["fear"].reason == "only one network has a usable map (a)"
    assert found.as_dict()["left_out"] == {"fear": "only one network has a usable map (a)"}
    assert found.as_dict()["expressions"] == {}


def test_two_networks_have_a_tree_but_no_cophenetic_correlation(build_heat, patterns):
    tree = cluster(build_heat({k: patterns[k] for k in "ac"}))["fear"]
    assert tree.linkage.shape == (1, 4)
    assert tree.as_dict()["cophenetic"] is None


def test_what_cannot_be_clustered_is_refused(build_heat, patterns):
    with pytest.raises(UsageError, match=r"at least two networks.*\(a\)"):
        cluster(build_heat({"a": patterns["a"]}))
    with pytest.raises(UsageError, match="every map is missing or constant"):
        cluster(build_heat({"a": np.full((4, 5), np.nan), "b": np.full((4, 5), np.nan)}))
    with pytest.raises(UnknownNameError, match="did you mean average"):
        cluster(build_heat(patterns), linkage="averge")
    with pytest.raises(UnknownNameError, match="explainer"):
        cluster(build_heat(patterns), explainer="lime")


def test_several_explainers_are_averaged_and_one_may_be_chosen(build_heat, patterns):
    other = {name: np.stack([p, p[::-1] * 2]) for name, p in zip(patterns, reversed(patterns.values()), strict=True)}
    heat = build_heat(other, ("cam", "lime"))
    cam, lime, both = (cluster(heat, explainer=x)["fear"].distances for x in ("cam", "lime", None))
    np.testing.assert_allclose(both, (cam + lime) / 2, atol=1e-7)
    assert cluster(heat).explainer == "mean of cam, lime"
    assert cluster(heat, explainer="lime").explainer == "lime"


def test_an_explainer_without_a_network_gives_way_to_the_others(build_heat, patterns):
    values = {name: np.stack([p, p * np.nan if name in "ab" else p]) for name, p in patterns.items()}
    tree = cluster(build_heat(values, ("cam", "lime")))["fear"]
    assert tree.labels == tuple("abcde")
    assert tree.explainers == ("cam",)


def test_controls_take_no_part(build_heat, patterns):
    values = {name: np.stack([p, np.random.default_rng(0).normal(size=(4, 5))]) for name, p in patterns.items()}
    heat = build_heat(values, ("cam", "edge_map"), role=("explainer", ["method", "control"]))
    np.testing.assert_allclose(cluster(heat)["fear"].distances, cluster(build_heat(patterns))["fear"].distances)


def test_only_the_domain_counts(build_heat, patterns):
    domain = np.zeros((4, 5), bool)
    domain[:2] = True
    changed = {name: np.where(domain, p, 9.0 * (name == "a")) for name, p in patterns.items()}
    first, second = (cluster(build_heat(maps), domain=domain)["fear"] for maps in (patterns, changed))
    np.testing.assert_array_equal(first.distances, second.distances)
    with pytest.raises(UsageError, match="no face domain"):
        cluster(build_heat(patterns), domain="face")


def test_pixels_that_a_network_lacks_are_left_out_for_all(build_heat, patterns):
    maps = {name: p.copy() for name, p in patterns.items()}
    maps["a"][0, 0] = np.nan
    keep = np.ones((4, 5), bool)
    keep[0, 0] = False
    first, second = cluster(build_heat(maps))["fear"], cluster(build_heat(patterns), domain=keep)["fear"]
    np.testing.assert_allclose(first.distances, second.distances)


def test_the_document_is_json_and_the_repr_stable(build_heat, patterns):
    found = cluster(build_heat(patterns))
    document = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert list(document["expressions"]) == ["fear"]
    assert set(document["expressions"]["fear"]) >= {"labels", "linkage", "distances", "cophenetic"}
    assert repr(found) == repr(cluster(build_heat(patterns)))
    assert "0x" not in repr(found)
    with pytest.raises(UnknownNameError, match="no tree 'anger'"):
        found["anger"]
    assert list(found) == ["fear"]


def test_the_order_of_the_networks_changes_labels_only(build_heat, patterns):
    heat = build_heat(patterns)
    turned = cluster(heat.isel(model=slice(None, None, -1)))["fear"]
    np.testing.assert_allclose(turned.linkage[:, 2], cluster(heat)["fear"].linkage[:, 2], atol=1e-6)
    assert isinstance(heat, xr.DataArray)

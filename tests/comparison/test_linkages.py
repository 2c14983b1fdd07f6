"""Linkages and leaf orders against SciPy; Ward only where distances are Euclidean."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from workbench.comparison import LINKAGES, cluster
from workbench.comparison.linkages import Growth, held, leaf_sets
from workbench.errors import UnknownNameError, UsageError


def test_linkages_that_exist():
    assert LINKAGES == ("average", "complete", "single", "weighted", "ward")
    with pytest.raises(UnknownNameError, match="did you mean ward"):
        Growth("correlation", "wart")


def test_ward_is_scipys_on_standardised_maps(build_heat, patterns):
    """Rows of mean 0 and length 1 lie √(2·(1 − r)) apart, so SciPy may be given the rows themselves."""
    tree = cluster(build_heat(patterns), linkage="ward")["fear"]
    rows = np.stack([p.astype(np.float32).ravel() for p in patterns.values()]).astype(float)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(tree.linkage, hierarchy.linkage(rows, "ward"), atol=1e-6)
    wanted = hierarchy.cophenet(hierarchy.linkage(rows, "ward"), pdist(rows))[0]
    assert tree.cophenetic == pytest.approx(wanted, abs=1e-6)
    assert "√(2 · (1 − correlation))" in cluster(build_heat(patterns), linkage="ward").words


@pytest.mark.parametrize("name", ["ssim", "wasserstein"])
def test_ward_is_refused_where_it_has_no_meaning(build_heat, patterns, name):
    with pytest.raises(UsageError, match=r"Ward's linkage needs Euclidean distances.*'average'.*correlation, cosine"):
        cluster(build_heat(patterns), linkage="ward", distance=name)


def test_a_known_tree():
    """Two pairs and a stranger, by hand: average linkage of ((a b)(c d)) e."""
    d = np.array([[0, 1, 4, 6, 9], [1, 0, 4, 6, 9], [4, 4, 0, 2, 9], [6, 6, 2, 0, 9], [9, 9, 9, 9, 0]], float)
    tree = Growth().tree(d)
    np.testing.assert_allclose(tree[:, 2], [1, 2, 5, 9])
    assert leaf_sets(tree) == [{0, 1}, {2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}]
    heights = np.array([1, 5, 5, 9, 5, 5, 9, 2, 9, 9])
    assert Growth().cophenetic(d, tree) == pytest.approx(np.corrcoef(squareform(d), heights)[0, 1])
    assert Growth().leaf_order(d, tree) in ((1, 0, 2, 3, 4), (0, 1, 2, 3, 4), (4, 3, 2, 0, 1), (4, 3, 2, 1, 0))
    assert held([frozenset({0, 1}), frozenset({0, 2})], tree) == [True, False]


def test_leaves_lie_as_near_as_the_tree_allows(build_heat, patterns):
    tree = cluster(build_heat(patterns))["fear"]
    plain = hierarchy.leaves_list(tree.linkage)
    way = lambda order: sum(tree.distances[a, b] for a, b in pairwise(order))
    assert sorted(tree.leaf_order) == list(range(5))
    assert way(tree.leaf_order) <= way(plain) + 1e-12
    place = {leaf: k for k, leaf in enumerate(tree.leaf_order)}
    for group in leaf_sets(tree.linkage):
        where = sorted(place[leaf] for leaf in group)
        assert where == list(range(where[0], where[0] + len(group))), "a group stays together"

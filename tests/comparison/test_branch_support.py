"""Support of branches: high for families, lower for what noise decides, absent for too few faces."""

import numpy as np
import pytest

from workbench.comparison import cluster
from workbench.comparison.linkages import leaf_sets


def branches(tree):
    return {
        "".join(sorted(tree.labels[i] for i in group)): share
        for group, share in zip(leaf_sets(tree.linkage), tree.support, strict=True)
    }


def test_families_are_supported_and_the_root_says_nothing(face_maps):
    tree = cluster(face_maps, draws=50)["fear"]
    found = branches(tree)
    assert found["ab"] == 1.0
    assert found["cd"] == 1.0
    assert np.isnan(found["abcde"])
    assert all(0 <= share <= 1 for name, share in found.items() if name != "abcde")
    assert tree.reason == ""
    assert tree.n == 10
    assert tree.as_dict()["support"][-1] is None


def test_support_is_the_share_of_trees_of_redrawn_faces(face_maps):
    """The same draws by the plain road: repeat the images, cluster anew, look for the group."""
    from workbench.heatmaps import global_heatmaps
    from workbench.heatmaps.resampling import draw_weights, units_of

    noisy = face_maps + 0
    noisy[:, 0] = np.maximum(noisy[:, 0] + np.random.default_rng(5).normal(0, 2, noisy[:, 0].shape), 0)
    noisy = noisy.astype(np.float32)
    tree = cluster(noisy, draws=20, seed=4)["fear"]
    weights = draw_weights(units_of(noisy), 20, 4).astype(int)
    hits = np.zeros(4)
    for row in weights:
        images = np.repeat(np.arange(10), row)
        drawn = noisy.isel(image=images).assign_coords(image=[f"{k}" for k in range(len(images))])
        seen = leaf_sets(cluster(global_heatmaps(drawn))["fear"].linkage)
        hits += [group in seen for group in leaf_sets(tree.linkage)]
    np.testing.assert_allclose(tree.support[:-1], (hits / 20)[:-1])
    assert min(tree.support[:-1]) < 1, "noise should break a branch in some draw"


def test_global_maps_of_the_same_faces_give_the_same_tree(face_maps):
    from workbench.heatmaps import global_heatmaps

    with_faces, without = cluster(face_maps, draws=5)["fear"], cluster(global_heatmaps(face_maps))["fear"]
    np.testing.assert_allclose(with_faces.linkage, without.linkage)
    assert without.support is None
    assert without.n == 10


@pytest.mark.parametrize(
    ("keep", "subject", "says"),
    [(slice(0, 4), None, "n = 4 images, 4 subjects"), (slice(0, 10), "one", "n = 10 images, 1 subject")],
)
def test_too_few_faces_give_a_tree_without_support(face_maps, keep, subject, says):
    maps = face_maps.isel(image=keep)
    if subject:
        maps = maps.assign_coords(subject=("image", [subject] * maps.sizes["image"]))
    tree = cluster(maps, draws=10)["fear"]
    assert len(tree.linkage) == 4
    assert tree.support is None
    assert says in tree.reason
    assert tree.reason.endswith("for a")


def test_support_may_be_declined(face_maps):
    tree = cluster(face_maps, draws=0)["fear"]
    assert tree.support is None
    assert "draws = 0" in tree.reason

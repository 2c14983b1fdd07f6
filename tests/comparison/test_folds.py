"""Folds: counts of leave-one-out trees, by the plain road; networks that lack a fold are named."""

import numpy as np
import pytest
import xarray as xr

from workbench.comparison import cluster, fold_support
from workbench.comparison.linkages import leaf_sets
from workbench.errors import FrameMismatchError, UsageError


@pytest.fixture
def folds(build_heat, patterns):
    rng = np.random.default_rng(4)
    return [
        build_heat(
            {name: p + (1.5 if name in "ab" else 0.1) * rng.normal(size=p.shape) for name, p in patterns.items()}
        )
        for _ in range(5)
    ]


def test_counts_are_those_of_trees_without_one_fold(folds):
    tree = fold_support(folds)["fear"]
    whole = cluster(sum(folds) / 5)["fear"]
    np.testing.assert_allclose(tree.linkage, whole.linkage, atol=1e-6)
    kept = np.zeros(4, int)
    for f in range(5):
        rest = sum(fold for g, fold in enumerate(folds) if g != f) / 4
        seen = leaf_sets(cluster(rest)["fear"].linkage)
        kept += [group in seen for group in leaf_sets(tree.linkage)]
    assert tree.folds.kept == tuple(kept)
    assert min(kept) < 5, "some fold should matter"
    assert kept[-1] == 5
    assert tree.folds.folds == ("1", "2", "3", "4", "5")


def test_they_are_never_support(folds):
    tree = fold_support(folds)["fear"]
    assert tree.support is None
    assert "no support" in tree.reason
    assert "5 folds" in repr(tree)
    assert tree.as_dict()["folds"]["folds"] == ["1", "2", "3", "4", "5"]


def test_an_array_with_folds_and_a_mapping_are_the_same(folds):
    stacked = xr.concat(folds, "fold")
    named = fold_support({"1": folds[0], "2": folds[1], "3": folds[2], "4": folds[3], "5": folds[4]})
    assert fold_support(stacked)["fear"].folds == named["fear"].folds


def test_maps_of_single_images_are_aggregated_fold_by_fold(face_maps):
    parts = [face_maps.isel(image=slice(k, None, 3)) for k in range(3)]
    assert fold_support(parts)["fear"].folds.kept[-1] == 3


def test_a_network_without_a_fold_is_left_out_and_named(folds):
    folds[1] = folds[1].copy()
    folds[1].loc[{"model": "e"}] = np.nan
    tree = fold_support(folds)["fear"]
    assert tree.labels == tuple("abcd")
    assert dict(tree.left_out) == {"e": "no usable map in fold 2"}


def test_wrong_requests(folds, build_heat, patterns):
    with pytest.raises(UsageError, match="at least 3 folds, and these are 2"):
        fold_support(folds[:2])
    with pytest.raises(UsageError, match="no dimension 'fold'"):
        fold_support(folds[0])
    with pytest.raises(UsageError, match="fold '3' has other entries along 'model'"):
        fold_support([*folds[:2], folds[2].isel(model=[0, 1, 2])])
    with pytest.raises(FrameMismatchError, match="fold '2' is 3×5"):
        fold_support([folds[0], folds[1].isel(y=slice(3)), folds[2]])
    with pytest.raises(UsageError, match="two networks"):
        fold_support([fold.isel(model=[0]) for fold in folds])

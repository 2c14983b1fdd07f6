"""The published maps: heights of the top merges, cophenetic correlations, mean correlations, who joins whom."""

import numpy as np
import pytest

from workbench.comparison import cluster
from workbench.comparison.distances import leaf_sets
from workbench.heatmaps import load_folder

TOP = {"anger": ".869", "disgust": ".431", "fear": ".529", "happiness": ".361", "sadness": ".549", "surprise": ".577"}
COPHENETIC = {
    "anger": ".875",
    "disgust": ".864",
    "fear": ".913",
    "happiness": ".906",
    "sadness": ".851",
    "surprise": ".855",
}
MEAN_CORRELATION = {
    "anger": ".540",
    "disgust": ".703",
    "fear": ".702",
    "happiness": ".796",
    "sadness": ".665",
    "surprise": ".620",
}
NOT_PRETRAINED = {"SilNet", "WeiNet", "SongNet", "AlexNet"}


@pytest.fixture(scope="module")
def trees(published):
    return cluster(load_folder(published / "by_network").assign_attrs(frame="published"))


@pytest.mark.parametrize("expression", TOP)
def test_heights_and_correlations(trees, expression):
    tree = trees[expression]
    assert f"{tree.linkage[-1, 2]:.3f}"[1:] == TOP[expression]
    assert f"{tree.cophenetic:.3f}"[1:] == COPHENETIC[expression]
    pairs = tree.distances[np.triu_indices(12, 1)]
    assert f"{1 - pairs.mean():.3f}"[1:] == MEAN_CORRELATION[expression]
    assert trees.domain == "canvas"


def top_groups(tree):
    sets = [frozenset([i]) for i in range(12)] + leaf_sets(tree.linkage)
    return [{tree.labels[i] for i in sets[int(k)]} for k in tree.linkage[-1, :2]]


def test_who_joins_last(trees):
    assert {"AlexNet"} in top_groups(trees["anger"])
    assert {"SilNet", "WeiNet"} in top_groups(trees["fear"])
    for expression in ("disgust", "surprise"):
        assert NOT_PRETRAINED in top_groups(trees[expression])
    assert trees["anger"].linkage[-2, 2] == pytest.approx(0.555, abs=5e-4)

"""Map against map: how alike the networks' global heatmaps are, as distances and trees with support."""

from workbench.comparison.clustering import LINKAGES, cluster
from workbench.comparison.coclustering import co_clustering
from workbench.comparison.distances import DISTANCES, Distance, distance
from workbench.comparison.folds import fold_support
from workbench.comparison.grouping import grouping_test
from workbench.comparison.groups import compare_groups
from workbench.comparison.multiscale import Multiscale, multiscale
from workbench.comparison.trajectory import trajectory
from workbench.comparison.tree import Agreement, Clustering, FoldCounts, Tree

__all__ = [
    "DISTANCES",
    "LINKAGES",
    "Agreement",
    "Clustering",
    "Distance",
    "FoldCounts",
    "Multiscale",
    "Tree",
    "cluster",
    "co_clustering",
    "compare_groups",
    "distance",
    "fold_support",
    "grouping_test",
    "multiscale",
    "trajectory",
]

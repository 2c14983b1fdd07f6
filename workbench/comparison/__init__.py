"""Map against map: how alike the networks' global heatmaps are, as distances and trees with support."""

from workbench.comparison.clustering import LINKAGES, cluster
from workbench.comparison.tree import Clustering, Tree

__all__ = ["LINKAGES", "Clustering", "Tree", "cluster"]

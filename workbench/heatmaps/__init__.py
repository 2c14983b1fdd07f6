"""Named arrays of heatmaps: check, normalise, threshold, aggregate, resample, save, load."""

from workbench.heatmaps.aggregate import global_heatmaps
from workbench.heatmaps.arithmetic import grey, normalise, otsu, threshold
from workbench.heatmaps.checks import check
from workbench.heatmaps.folder import load_folder
from workbench.heatmaps.statistics import global_statistics
from workbench.heatmaps.store import load, save

__all__ = [
    "check",
    "global_heatmaps",
    "global_statistics",
    "grey",
    "load",
    "load_folder",
    "normalise",
    "otsu",
    "save",
    "threshold",
]

"""Figures: data in, `matplotlib.figure.Figure` out; transparent, legible on light and dark, never pyplot's state."""

from workbench.figures.action_unit_worth import action_unit_worth
from workbench.figures.confusion import confusion
from workbench.figures.dendrogram import dendrogram, dendrograms
from workbench.figures.explainer_gallery import explainer_gallery
from workbench.figures.faithfulness_curves import faithfulness_curves
from workbench.figures.global_heatmaps import global_heatmaps
from workbench.figures.group_difference import group_difference
from workbench.figures.layer_profile import layer_profile
from workbench.figures.mask_sheet import mask_sheet
from workbench.figures.masks import masks
from workbench.figures.overlay import overlay
from workbench.figures.overlay_grid import overlay_grid
from workbench.figures.probabilities import probabilities
from workbench.figures.scores import scores
from workbench.figures.specificity import specificity
from workbench.figures.trajectory import trajectory

__all__ = [
    "action_unit_worth",
    "confusion",
    "dendrogram",
    "dendrograms",
    "explainer_gallery",
    "faithfulness_curves",
    "global_heatmaps",
    "group_difference",
    "layer_profile",
    "mask_sheet",
    "masks",
    "overlay",
    "overlay_grid",
    "probabilities",
    "scores",
    "specificity",
    "trajectory",
]

"""FACS Workbench: what facial-expression classifiers look at, compared with what FACS experts say.

The door: names only. Each is imported from its room when first used, so `import workbench` stays light.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import figures as figures
    from workbench.assets import fetch as fetch
    from workbench.canonical import load_frame as load_frame
    from workbench.classifiers import CLASSIFIERS as CLASSIFIERS
    from workbench.classifiers import Classifier as Classifier
    from workbench.classifiers import load_classifier as load_classifier
    from workbench.comparison import cluster as cluster
    from workbench.comparison import compare_groups as compare_groups
    from workbench.comparison import grouping_test as grouping_test
    from workbench.comparison.trajectory import trajectory as trajectory
    from workbench.errors import WorkbenchError as WorkbenchError
    from workbench.explain import au_heatmap as au_heatmap
    from workbench.explain import explain as explain
    from workbench.explain import region_table as region_table
    from workbench.explainers import EXPLAINERS as EXPLAINERS
    from workbench.explainers.smoothing import smooth as smooth
    from workbench.faces import LAYOUTS as LAYOUTS
    from workbench.faces import FaceSet as FaceSet
    from workbench.faces import au_estimates as au_estimates
    from workbench.faces import coded_aus as coded_aus
    from workbench.faces import demo_faces as demo_faces
    from workbench.faces import load_faces as load_faces
    from workbench.faithfulness import au_occlusion as au_occlusion
    from workbench.faithfulness import au_occlusion_table as au_occlusion_table
    from workbench.faithfulness import faithfulness as faithfulness
    from workbench.faithfulness import faithfulness_table as faithfulness_table
    from workbench.heatmaps import global_heatmaps as global_heatmaps
    from workbench.heatmaps import global_statistics as global_statistics
    from workbench.heatmaps import load as load_heatmaps  # noqa: F401
    from workbench.heatmaps import save as save_heatmaps  # noqa: F401
    from workbench.masks import MASKS as MASKS
    from workbench.masks import MaskSet as MaskSet
    from workbench.masks import load_masks as load_masks
    from workbench.report import report as report
    from workbench.scores import SCORES as SCORES
    from workbench.scores import att_cos as att_cos
    from workbench.scores import attribution_table as attribution_table
    from workbench.scores import attributions as attributions
    from workbench.scores import cam_cos as cam_cos
    from workbench.scores import evaluate as evaluate
    from workbench.scores import region_attributions as region_attributions
    from workbench.scores.reliability import reliability as reliability
    from workbench.scores.sweep import sweep as sweep
    from workbench.widgets import ImageExplorer as ImageExplorer
    from workbench.widgets import MaskPainter as MaskPainter

_ROOMS = {
    "load_classifier": "classifiers",
    "Classifier": "classifiers",
    "CLASSIFIERS": "classifiers",
    "load_faces": "faces",
    "demo_faces": "faces",
    "FaceSet": "faces",
    "LAYOUTS": "faces",
    "au_estimates": "faces",
    "coded_aus": "faces",
    "explain": "explain",
    "region_table": "explain",
    "au_heatmap": "explain",
    "EXPLAINERS": "explainers",
    "smooth": "explainers.smoothing",
    "global_heatmaps": "heatmaps",
    "global_statistics": "heatmaps",
    "load_heatmaps": "heatmaps:load",
    "save_heatmaps": "heatmaps:save",
    "load_masks": "masks",
    "MaskSet": "masks",
    "MASKS": "masks",
    "load_frame": "canonical",
    "evaluate": "scores",
    "cam_cos": "scores",
    "att_cos": "scores",
    "attributions": "scores",
    "attribution_table": "scores",
    "region_attributions": "scores",
    "reliability": "scores",
    "sweep": "scores",
    "SCORES": "scores",
    "cluster": "comparison",
    "compare_groups": "comparison",
    "grouping_test": "comparison",
    "trajectory": "comparison",
    "faithfulness": "faithfulness",
    "faithfulness_table": "faithfulness",
    "au_occlusion": "faithfulness",
    "au_occlusion_table": "faithfulness",
    "report": "report",
    "ImageExplorer": "widgets",
    "MaskPainter": "widgets",
    "figures": "figures:",
    "fetch": "assets",
    "WorkbenchError": "errors",
}
__all__ = [*_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("facs-workbench")
    if name not in _ROOMS:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    room, _, attribute = _ROOMS[name].partition(":")
    module = importlib.import_module(f"workbench.{room}")
    value = module if _ROOMS[name].endswith(":") else getattr(module, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Door(ModuleType):
    """Importing the room `workbench.explain` or `workbench.report` must not hide the function of that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in _ROOMS and not _ROOMS[name].endswith(":")):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door

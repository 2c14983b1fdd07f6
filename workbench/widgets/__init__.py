"""Jupyter widgets: state in traits, drawing by `figures`, no arithmetic."""

from __future__ import annotations

from workbench.errors import WorkbenchError

try:
    import ipywidgets as _ipywidgets  # noqa: F401, I001
    import anywidget as _anywidget  # noqa: F401
except ImportError as error:
    raise WorkbenchError(
        f"widgets need {error.name}, which is not installed; pip install 'facs-workbench[notebook]'"
    ) from error

from workbench.widgets.image_explorer import ImageExplorer
from workbench.widgets.mask_painter import MaskPainter

__all__ = ["ImageExplorer", "MaskPainter"]

"""Jupyter widgets: state in traits, drawing by `figures`, no arithmetic."""

from __future__ import annotations

from workbench.errors import WorkbenchError

try:
    import ipywidgets as _ipywidgets  # noqa: F401
except ImportError as error:
    raise WorkbenchError(
        "widgets need ipywidgets, which is not installed; pip install 'facs-workbench[notebook]'"
    ) from error

from workbench.widgets.image_explorer import ImageExplorer

__all__ = ["ImageExplorer"]

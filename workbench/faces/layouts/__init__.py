"""Readers of data sets as they lie on disk: one function a layout, from a path to items."""

from workbench.faces.layouts.registry import LAYOUTS, Layout, Notes, layout, read_layout, recognised

__all__ = ["LAYOUTS", "Layout", "Notes", "layout", "read_layout", "recognised"]

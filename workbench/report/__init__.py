"""One study into one self-contained page, its numbers and its manifest."""

from workbench.report.page import report

__all__ = ["report"]

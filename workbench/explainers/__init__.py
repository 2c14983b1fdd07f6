"""Explainers: three families, three engines; a method is a pure function that one decorator registers."""

from __future__ import annotations

from workbench.explainers.explainer import EXPLAINERS, Explainer, NativeMaps
from workbench.explainers.run import chosen, run

__all__ = ["EXPLAINERS", "Explainer", "NativeMaps", "chosen", "run"]

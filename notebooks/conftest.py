"""Cells of the notebook on the published heatmaps are skipped where these are not at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NEEDS = "04-published-heatmaps.ipynb"
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "reference" / "published_heatmaps"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the cells of `NEEDS` without its folder."""
    folder = Path(os.environ.get("WORKBENCH_PUBLISHED", BESIDE))
    if folder.is_dir():
        return
    why = pytest.mark.skip(reason=f"the published heatmaps are not on this machine ({folder.name}/ is not there)")
    for item in items:
        if item.path.name == NEEDS:
            item.add_marker(why)

"""Fixtures that every room's tests may use."""

from __future__ import annotations

from pathlib import Path

import pytest

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "published_heatmaps"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published heatmaps and masks, which lie beside the checkout and not in it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published heatmaps (../shared/reference/published_heatmaps) are not on this machine")
    return PUBLISHED

"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "published_heatmaps"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published heatmaps and masks, which lie beside the checkout and not in it."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published heatmaps (../shared/reference/published_heatmaps) are not on this machine")
    return PUBLISHED


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, [os.environ.get("WORKBENCH_CHROMIUM"), *map(shutil.which, BROWSERS)]), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """One headless Chromium for all tests of a process; they are skipped, saying so, where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine, so the widget is not tested in a browser; apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright; pip install 'facs-workbench[test]'")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()

"""The page of scores names what is registered, as it is registered."""

import re
from pathlib import Path

import numpy as np
import pytest

from workbench.heatmaps import load_folder
from workbench.masks import load_masks
from workbench.scores import SCORES
from workbench.scores.sweep import sweep
from workbench.statistics.multiplicity import benjamini_hochberg

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scores.md"
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
SCORE_ROWS = [row for row in ROWS if len(row) == 7]


def number(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


def test_every_score_has_one_row_in_order():
    assert [row[0].strip("`") for row in SCORE_ROWS] == SCORES.names()


@pytest.mark.parametrize("row", SCORE_ROWS, ids=lambda row: row[0].strip("`"))
def test_the_row_says_what_the_registry_says(row):
    entry = SCORES[row[0].strip("`")]
    assert row[1] == entry.value.takes
    assert [number(end) for end in row[2].split(" to ")] == [entry.value.low, entry.value.high]
    assert number(row[3]) == entry.value.best
    assert row[5].endswith(".")
    years = re.findall(r"\d{4}", row[6])
    assert all(year in entry.reference for year in years), (row[6], entry.reference)


def test_the_figures_of_the_sweep(published):
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    table = sweep(
        load_folder(published / "by_network", grid=(275, 224)), load_masks("friesen-ekman", frame="published")
    )
    means = [float(table[f"best_fitted_{part}iou"].mean()) for part in ("", "chance_", "centre_")]
    shown = [f"{mean:.3f}".lstrip("0") for mean in means]
    assert f"IoU is {shown[0]} on average, that of chance {shown[1]} and that of the blob {shown[2]}" in text
    assert f"above the blob's for {int((table.best_fitted_iou > table.best_fitted_centre_iou).sum())} maps" in text
    p = table.p_best_fitted_iou.values.ravel()
    assert p.size == 72
    assert np.isfinite(p).all()
    left = int((benjamini_hochberg(p) <= 0.05).sum())
    assert f"{int((p < 0.05).sum())} are below .05 and {left} remain after Benjamini–Hochberg" in text

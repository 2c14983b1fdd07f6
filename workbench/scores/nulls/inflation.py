"""How far a null's p-values may be believed: how often it calls unrelated maps and masks related."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def inflation(null: str) -> float:
    """Rate of p ≤ .05 for unrelated maps and masks that keep to the middle as much as the released ones do.

    .05 for a null that this does not mislead; NaN for one that was not measured. IoU, made-up maps and masks; written
    by `benchmarks/calibration.py`, explained in docs/calibration.md.
    """
    found = measured().get(null)
    return float(found["rate"]) if found else float("nan")


@cache
def measured() -> dict[str, dict[str, Any]]:
    """By null: `rate` at .05 and its 99.9 % binomial interval `low`, `high`; `n` pairs; `map_bias`, `mask_bias`."""
    text = files(__package__).joinpath("inflation.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

"""Cells of a table: the images of one network and explainer, apart by what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UnknownNameError


def named(result: xr.Dataset, per: str | Sequence[str]) -> list[str]:
    """Names of coordinates of images; UnknownNameError for another."""
    per = [per] if isinstance(per, str) else list(per)
    known = [str(name) for name, coord in result.coords.items() if "image" in coord.dims and name != "image"]
    for name in per:
        if name not in known:
            raise UnknownNameError("coordinate of images:", name, known)
    return per


def cells(
    result: xr.Dataset, per: Sequence[str], over: Sequence[str]
) -> Iterator[tuple[dict[str, Any], dict[str, Any], np.ndarray]]:
    """Head of the row, place on the dimensions `over` (the first is the model), and places of the cell's images."""
    for model in result["model"].values:
        keys = pd.DataFrame({"all": 0}, index=range(result.sizes["image"]))
        for name in per:
            values = result[name]
            keys[name] = (values.sel(model=model) if "model" in values.dims else values).values
        groups = [(key[1:], part.index.to_numpy()) for key, part in keys.groupby(["all", *per], sort=False)]
        rest = [{}] if len(over) == 1 else [{over[1]: value} for value in result[over[1]].values]
        for other in rest:
            where = {"model": model, **other}
            for key, images in groups:
                yield {k: str(v) for k, v in where.items()} | dict(zip(per, key, strict=True)), where, images

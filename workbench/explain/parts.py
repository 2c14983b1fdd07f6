"""What whole regions are worth: the values behind maps whose features are face regions or action units."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UsageError


def region_table(native: Mapping[tuple[str, ...], xr.DataArray]) -> pd.DataFrame:
    """One row for each model, explainer, target, image and region, from `explain(…, frame="native")`.

    `value` is in the units of the explained score (logit or probability): with exact Shapley values the regions of an
    image, "rest" included, sum to its score minus the score of the picture that is hidden. NaN where nothing was
    computed. Raises UsageError where no explainer scores regions.
    """
    if not isinstance(native, Mapping):
        raise UsageError(
            f'a table of regions is made of what explain(…, frame="native") returns, not of {type(native).__name__}'
        )
    rows = []
    for (model, explainer, *_), maps in native.items():
        if "parts" not in maps.attrs:
            continue
        several = "target" in maps.dims
        targets = [str(name) for name in maps["target"].values] if several else [""]
        values = np.array(json.loads(maps.attrs["parts"]), float).reshape(len(targets), maps.sizes["image"], -1)
        names = json.loads(maps.attrs["part_names"])
        for target, of_target in zip(targets, values, strict=True):
            for image, of_image in zip(maps["image"].values, of_target, strict=True):
                for region, value in zip(names, of_image, strict=True):
                    rows.append((model, explainer, target, str(image), region, value))
    if not rows:
        raise UsageError('no explainer among these scores whole regions; explain with "region_shap" and frame="native"')
    return pd.DataFrame(rows, columns=["model", "explainer", "target", "image", "region", "value"])

"""What each network said about each face, as a table."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from workbench.figures.predictions import said_probability


def prediction_table(maps: xr.DataArray, probabilities: xr.DataArray | None) -> pd.DataFrame:
    """One row a face and network: image, label, subject, sha256, model, predicted, probability, then `p_<class>`."""
    predicted = maps["predicted"].transpose("model", "image").values.astype(str)
    said = said_probability(maps)
    known = {name: maps[name].values.astype(str) for name in ("label", "subject", "sha256") if name in maps.coords}
    rows = []
    for m, model in enumerate(maps["model"].values.astype(str)):
        for i, image in enumerate(maps["image"].values.astype(str)):
            row = {"image": image, **{k: v[i] for k, v in known.items()}, "model": model,
                   "predicted": predicted[m, i], "probability": said[m, i]}
            if probabilities is not None:
                row |= {f"p_{c}": float(probabilities.values[m, i, k])
                        for k, c in enumerate(probabilities["class"].values.astype(str))}
            rows.append(row)
    return pd.DataFrame(rows)

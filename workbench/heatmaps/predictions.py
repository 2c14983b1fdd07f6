"""What the networks said about each face, read from the coordinates that travel with the maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr


def class_probabilities(maps: xr.DataArray) -> xr.DataArray | None:
    """Probabilities (model, image, class) in [0, 1] of per-image maps, NaN where a network lacks a class.

    xarray allows a coordinate only dimensions of its array, so classes travel as one coordinate each
    (`probability_<class>(model, image)`) or as a JSON attribute `probability` ({class: [[…]]}, model × image);
    both are read. None where the maps carry neither.
    """
    coordinates: dict[str, Any] = {"model": maps["model"].values, "image": maps["image"].values}
    if "probability" in maps.coords and "class" in maps["probability"].dims:
        return maps["probability"].transpose("model", "image", "class").reset_coords(drop=True)
    found = {
        str(name).removeprefix("probability_"): maps[name].transpose("model", "image").values
        for name in maps.coords
        if str(name).startswith("probability_")
    }
    if not found and "probability" in maps.attrs:
        kept = maps.attrs["probability"]
        kept = json.loads(kept) if isinstance(kept, str) else kept
        found = {str(name): np.array(values, float) for name, values in kept.items()}
    if not found:
        return None
    values = np.stack([np.asarray(v, np.float32) for v in found.values()], axis=-1)
    return xr.DataArray(values, dims=("model", "image", "class"), coords={**coordinates, "class": list(found)})


def said_probability(maps: xr.DataArray) -> np.ndarray:
    """Probability of the predicted class, (models, images), NaN where unknown."""
    known = class_probabilities(maps)
    predicted = maps["predicted"].transpose("model", "image").values.astype(str)
    if known is None:
        if "probability" in maps.coords and set(maps["probability"].dims) == {"model", "image"}:
            return np.asarray(maps["probability"].transpose("model", "image").values, float)
        return np.full(predicted.shape, np.nan)
    classes = known["class"].values.astype(str).tolist()
    out = np.full(predicted.shape, np.nan)
    for place in np.ndindex(*predicted.shape):
        if predicted[place] in classes:
            out[place] = known.values[place][classes.index(predicted[place])]
    return out


def prediction_table(maps: xr.DataArray) -> pd.DataFrame:
    """One row a face and network: image, label, subject, sha256, model, predicted, probability, then `p_<class>`."""
    probabilities = class_probabilities(maps)
    predicted = maps["predicted"].transpose("model", "image").values.astype(str)
    said = said_probability(maps)
    known = {name: maps[name].values.astype(str) for name in ("label", "subject", "sha256") if name in maps.coords}
    rows = []
    for m, model in enumerate(maps["model"].values.astype(str)):
        for i, image in enumerate(maps["image"].values.astype(str)):
            row = {
                "image": image,
                **{k: v[i] for k, v in known.items()},
                "model": model,
                "predicted": predicted[m, i],
                "probability": said[m, i],
            }
            if probabilities is not None:
                row |= {
                    f"p_{c}": float(probabilities.values[m, i, k])
                    for k, c in enumerate(probabilities["class"].values.astype(str))
                }
            rows.append(row)
    return pd.DataFrame(rows)

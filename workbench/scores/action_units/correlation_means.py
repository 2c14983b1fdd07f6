"""CAM-COS and ATT-COS of networks and layers, none without what content-free maps score on the same faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.checks import OK
from workbench.masks import MaskSet
from workbench.scores.action_units.correlation import CONTROLS, correlations
from workbench.scores.action_units.references import OWN
from workbench.scores.action_units.stacks import Maps
from workbench.scores.intervals import DRAWS
from workbench.scores.unit_means import Resampling, mean, resampling
from workbench.statistics.bootstrap import ends
from workbench.vocabulary import AU, BASIC_EXPRESSIONS, EXPRESSIONS

MEAN: Final = "mean"
MEASURES: Final = {"cosine": (0.0, 1.0), "pearson": (-1.0, 1.0)}
BLANK: Final = ("leave out", "zero")
CAUTION: Final = (
    "Maps that are nowhere negative have a high cosine whatever they show: read each beside the uniform map, the "
    "centred Gaussian and the mean map, and beside the rank of the right expression."
)

Floats = npt.NDArray[np.float64]


def cam_cos(
    maps: Maps,
    references: MaskSet | xr.DataArray,
    *,
    blank: str = "leave out",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """CAM-COS of every network, explainer and layer with its controls: the table of `correlation_table`.

    maps: of the true class, `explain(…, ["cam" | "grad_cam" | …], target="labelled", layers=[…], frame="native")`.
    references: `au_heatmap(faces, "expressions", …)`; with "aus", the table is of action units. Each map is
    stretched to [0, 1] and brought to the reference's size (bilinear); the uncentred cosine is averaged over the images
    of an expression, then over expressions. The paper's own numbers want its own maps (see `au_heatmap`) and
    blank="zero". Source: Belharbi et al. 2024, arXiv 2402.00281.
    """
    return correlation_table(correlations(maps, references), blank=blank, draws=draws, seed=seed)


def att_cos(
    maps: Maps,
    references: MaskSet | xr.DataArray,
    *,
    blank: str = "leave out",
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """ATT-COS: as `cam_cos`, of the explainer `layer_attention` (mean of a layer over its channels), which is not
    stretched; a minimum below 0 is taken away. Source: Belharbi et al. 2024, arXiv 2402.00281."""
    return correlation_table(correlations(maps, references, scale="shift"), blank=blank, draws=draws, seed=seed)


def correlation_table(
    rows: pd.DataFrame, *, blank: str = "leave out", draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """The rows of `correlations` as one row for each network, explainer, layer and expression, and for their mean.

    With references of expressions (or one map a face), `cosine` and `pearson` are with the right expression's map:
    mean over its images; in the rows `expression = "mean"`, mean over the expressions that have images (`expressions`:
    how many). With references of action units there is a row for each unit as well: column `au`, and `listed` says
    whether the codebook lists the unit for the expression.

    Beside each of the two measures s: `low_s`, `high_s`, 95 % bootstrap interval over subjects (images where
    unknown), or NaN and a `reason`; `uniform_s`, `centre_s`, `mean_map_s` (see `correlations`), and `other_s`, mean
    over the other references; `rank_s`, mean rank of the right reference among all (1 best, ties shared; `ranked`:
    of how many), `first_s`, number of images for which it is alone on rank 1, and `rank_uniform_s`,
    `rank_centre_s`, `rank_mean_map_s`, ranks of the same reference for the content-free maps. `n`: images scored;
    `n_subjects` (NaN unknown); `n_blank`: images whose map is blank or missing, left out, or with blank="zero"
    scored 0 as in that paper's code.
    """
    if blank not in BLANK:
        raise UsageError(f"blank is {blank!r}; give one of {', '.join(map(repr, BLANK))}")
    if draws < 1:
        raise UsageError(f"draws is {draws}; an interval needs at least one")
    names = list(dict.fromkeys(rows["reference"]))
    by_unit = names != [OWN] and not set(names) <= set(EXPRESSIONS)
    draw = resampling(rows, draws, seed)
    found: list[dict[str, Any]] = []
    for key, part in rows.groupby(["model", "explainer", "layer"], sort=False):
        first = part.iloc[0]
        head = dict(zip(("model", "explainer", "layer"), key, strict=True))
        head |= {name: first[name] for name in ("depth", "layers", "grid", "role")}
        scored = _Scored(part, names, blank)
        why = "; ".join(dict.fromkeys(filter(None, part["why"])))
        wanted = names if by_unit else [""]
        for unit in wanted:
            cells = [(e, scored.cell(e, unit or (OWN if names == [OWN] else e))) for e in BASIC_EXPRESSIONS]
            there = [(e, cell) for e, cell in cells if cell is not None]
            for expression, cell in there:
                listed = unit in _units(rows, expression, names) if by_unit else None
                found.append(head | _named(expression, unit, listed, rows) | _row([cell], draw, len(names), why))
            if there:
                found.append(head | _named(MEAN, unit, None, rows) | _row([c for _, c in there], draw, len(names), why))
    table = pd.DataFrame(found)
    table.attrs = {**rows.attrs, "blank": blank, "draws": draws, "seed": seed, "caution": CAUTION}
    return table


class _Cell:
    """Images of one expression (names), each score of the right reference, name → (images,), and its mean."""

    def __init__(self, images: list[str], scores: dict[str, Floats], blank: int) -> None:
        self.images, self.scores, self.blank = images, scores, blank
        self.means = mean(np.stack(list(scores.values())), axis=1)


class _Scored:
    """One network's, explainer's and layer's rows as arrays (images, references)."""

    def __init__(self, part: pd.DataFrame, names: list[str], blank: str) -> None:
        self.names = names
        by_image = part.groupby("image", sort=False)
        self.images = [str(name) for name in by_image.groups]
        shape = (len(self.images), len(names))
        order = {name: i for i, name in enumerate(self.images)}
        at = (part["image"].map(order).to_numpy(int), part["reference"].map(names.index).to_numpy(int))
        self.label = by_image["label"].first().reindex(self.images).to_numpy(str)
        self.status = by_image["status"].first().reindex(self.images).to_numpy(str)
        self.values: dict[str, Floats] = {}
        for measure in MEASURES:
            for name in (measure, *(f"{control}_{measure}" for control in CONTROLS)):
                array = np.full(shape, np.nan)
                array[at] = part[name].to_numpy(float)
                self.values[name] = array
            if blank == "zero":
                zero = (self.status != OK)[:, None] & np.isnan(self.values[measure])
                self.values[measure] = np.where(zero, 0.0, self.values[measure])

    def cell(self, expression: str, reference: str) -> _Cell | None:
        """Scores of the images of an expression with one reference; None without images."""
        own = np.flatnonzero(self.label == expression)
        if not len(own) or reference not in self.names:
            return None
        column = self.names.index(reference)
        scored = own[np.isfinite(self.values["cosine"][own, column])]
        scores: dict[str, Floats] = {}
        for name, values in self.values.items():
            control, _, measure = name.rpartition("_")
            scores[name] = values[scored, column]
            ranks, alone = _ranks(values[scored], column)
            scores[f"rank_{name}"] = ranks
            if not control:
                scores[f"first_{measure}"] = alone
                scores[f"other_{measure}"] = mean(np.delete(values[scored], column, axis=1), axis=1)
        blank = int((self.status[own] != OK).sum())
        return _Cell([self.images[i] for i in scored], scores, blank)


def _ranks(values: Floats, column: int) -> tuple[Floats, Floats]:
    """Rank of a column in each row (1 highest, ties shared), and whether it is alone on rank 1; NaN if there is one."""
    own = values[:, [column]]
    if values.shape[1] < 2 or not len(values):
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    near = np.abs(values - own) <= 1e-9
    higher = ((values > own) & ~near).sum(axis=1)
    ranks = 1 + higher + (near.sum(axis=1) - 1) / 2
    unknown = np.isnan(own[:, 0])
    return np.where(unknown, np.nan, ranks), np.where(unknown, np.nan, (ranks == 1).astype(float))


def _row(cells: list[_Cell], draw: Resampling, ranked: int, why: str) -> dict[str, Any]:
    """Mean over the images of each cell, then over cells; `why` there are no maps."""
    images = [name for cell in cells for name in cell.images]
    scored = [cell for cell in cells if cell.images]
    row: dict[str, Any] = {
        "expressions": len(scored),
        "n": len(images),
        "n_subjects": draw.subjects(images) if images else 0.0,
        "n_blank": sum(cell.blank for cell in cells),
        "ranked": ranked,
    }
    reason = draw.shortfall(images) if images else f"no map: {why or 'every map is blank'}"
    names = list(cells[0].scores)
    macro = mean(np.stack([cell.means for cell in scored])) if scored else np.full(len(names), np.nan)
    over = dict(zip(names, macro.tolist(), strict=True))
    for measure, span in MEASURES.items():
        low = high = np.array([np.nan])
        if not reason and np.isfinite(over[measure]):
            each = [(c.images, c.scores[measure][:, None]) for c in scored]
            drawn = np.mean([draw.drawn(*cell) for cell in each], axis=0)
            rest = np.mean([draw.left_out(*cell, among=images) for cell in each], axis=0)
            made = ends([over[measure]], drawn, rest, draw.count(images), span)
            low, high = made.low, made.high
        row |= {measure: over[measure], f"low_{measure}": float(low[0]), f"high_{measure}": float(high[0])}
        row |= {name: over[name] for name in (f"{control}_{measure}" for control in (*CONTROLS, "other"))}
        firsts = np.concatenate([cell.scores[f"first_{measure}"] for cell in scored]) if scored else np.zeros(0)
        alone = np.isfinite(firsts).any()
        row |= {f"rank_{measure}": over[f"rank_{measure}"], f"first_{measure}": np.nansum(firsts) if alone else np.nan}
        row |= {name: over[name] for name in (f"rank_{control}_{measure}" for control in CONTROLS)}
    row["reason"] = reason
    return row


def _named(expression: str, unit: str, listed: bool | None, rows: pd.DataFrame) -> dict[str, Any]:
    if not unit:
        return {"expression": expression}
    key = str(rows.attrs.get("dimension") or AU)
    return {"expression": expression, key: unit, **({"listed": listed} if key == AU else {})}


def _units(rows: pd.DataFrame, expression: str, names: list[str]) -> set[str]:
    """References that hold a unit which the codebook lists for the expression; a class holds all its members."""
    listed = {unit.rstrip("LR") for unit in rows.attrs.get("action_units", {}).get(expression, [])}
    return {name for name in names if listed & set(members(name))}


def members(name: str) -> Iterator[str]:
    """`AU23/24` → AU23, AU24."""
    for number in name.removeprefix("AU").rstrip("LR").split("/"):
        yield f"AU{number}"

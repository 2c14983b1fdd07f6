"""The cells of one evaluation while they are being filled, and the Dataset that they become."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.checks import roles
from workbench.masks import MaskSet
from workbench.scores.cell import Cell, Ground, measure, nothing
from workbench.scores.verdict import verdict
from workbench.vocabulary import EDGE_MAP, EXPLAINER, EXPRESSION, MODEL, ON_RANDOM_WEIGHTS, RANDOM_WEIGHTS

MASK: Final = "mask"
WITH: Final = "iou_with_"  # one variable a mask, so that a table keeps one row a cell
NO_REPLICATES: Final = "no per-image maps"
CELL: Final = (MODEL, EXPLAINER, EXPRESSION)
CONTROLS: Final[
    dict[str, Callable[[str], tuple[str, ...]]]
] = {  # column → whose maps are another's control, best first
    RANDOM_WEIGHTS: lambda explainer: (explainer + ON_RANDOM_WEIGHTS,),
    EDGE_MAP: lambda explainer: (f"{EDGE_MAP}@{explainer}", EDGE_MAP),
}

Key = tuple[int, int, int]  # model, explainer (controls counted), expression
Column = tuple[tuple[str, ...], npt.NDArray[Any]]


class Table:
    """The cells of one evaluation while they are being filled."""

    def __init__(self, heat: xr.DataArray, masks: MaskSet, ground: Ground) -> None:
        self.heat, self.masks, self.ground = heat, masks, ground
        self.by_expression = masks.dimension == EXPRESSION
        self.names = masks.names
        self.models = [str(m) for m in heat[MODEL].values]
        self.all_explainers = [str(x) for x in heat[EXPLAINER].values]
        self.methods = [x for x, role in enumerate(roles(heat)) if role != "control"]
        self.explainers = [self.all_explainers[x] for x in self.methods]
        if not self.methods:
            raise UsageError("every map is a control; evaluate needs at least one explainer of role 'method'")
        self.expressions = [str(e) for e in heat[EXPRESSION].values]
        self.shape = (len(self.models), len(self.explainers), len(self.expressions))
        self.cells: dict[Key, Cell] = {}
        for m in range(len(self.models)):
            for x in range(len(self.all_explainers)):
                for e in range(len(self.expressions)):
                    self.cells[m, x, e] = self._measure(m, x, e)
        self.ends: dict[Key, dict[str, Any]] = {}
        self.interval_reason = np.full(self.shape, "", dtype=object)
        self.who = np.full(self.shape, "n unknown", dtype=object)
        self.n_subjects = np.full(self.shape, np.nan)

    def _measure(self, m: int, x: int, e: int) -> Cell:
        values = np.asarray(self.heat.isel({MODEL: m, EXPLAINER: x, EXPRESSION: e}).values, dtype=np.float32)
        if not self.columns(e) and not np.isnan(values).all():
            return nothing(self.ground, f"{self.masks.name!r} has no mask for {self.expressions[e]}")
        cell = measure(self.ground, values, controls=x in self.methods)
        if cell.reason == "there is no map":
            return nothing(self.ground, self._why_empty(m, x, e))
        return cell

    def _why_empty(self, m: int, x: int, e: int) -> str:
        at = {MODEL: m, EXPLAINER: x, EXPRESSION: e}
        if "status" in self.heat.coords:
            said = str(self.heat["status"].isel({k: v for k, v in at.items() if k in self.heat["status"].dims}).item())
            return {
                "not computed": "there is no map",
                "constant": "the map is constant",
                "non-finite": "the map holds infinite values",
            }.get(said, said)
        if "n" in self.heat.coords:
            n, out = (
                int(self.heat["n"].isel(at)),
                int(self.heat["left_out"].isel(at)) if "left_out" in self.heat.coords else 0,
            )
            if n == 0:
                return (
                    f"no usable map: {out} constant or failed" if out else "no image with a map enters this expression"
                )
            return "the mean of the maps is constant"
        return "there is no map"

    def columns(self, e: int) -> list[int]:
        """The masks that count as own for an expression: its own one, or each of a set of AUs or regions."""
        if not self.by_expression:
            return list(range(len(self.names)))
        return [k for k, name in enumerate(self.names) if name == self.expressions[e]]

    def _fill(self, value: Callable[[Key, int], float]) -> Column:
        """(dimensions, values) over (model, explainer, expression[, own mask]) of a number for a cell and a mask."""
        out = np.full((*self.shape, self._slots), np.nan)
        for m, x, e in np.ndindex(self.shape):
            for j, k in enumerate(self.columns(e)):
                out[m, x, e, j] = value((m, self.methods[x], e), k)
        return self._column(out)

    def _words(self, text: Callable[[Key, int | None], str]) -> Column:
        """The same of a text; an expression without a mask has one too (mask None)."""
        out = np.full((*self.shape, self._slots), "", dtype=object)
        for m, x, e in np.ndindex(self.shape):
            for j, k in enumerate(self.columns(e) or [None]):
                out[m, x, e, j] = text((m, self.methods[x], e), k)
        return self._column(out.astype(str))

    @property
    def _slots(self) -> int:
        return 1 if self.by_expression else len(self.names)

    def _column(self, values: npt.NDArray[Any]) -> Column:
        if self.by_expression:
            return CELL, values[..., 0]
        return (*CELL, self.masks.dimension), values

    def _each(self, value: Callable[[Cell], Any]) -> npt.NDArray[Any]:
        """An array over (model, explainer, expression, …) of something of each cell."""
        rows = [value(self.cells[m, self.methods[x], e]) for m, x, e in np.ndindex(self.shape)]
        return np.array(rows).reshape(*self.shape, *np.shape(rows[0]))

    def _control(self, partners_of: Callable[[str], tuple[str, ...]], score: str) -> Column | None:
        """A score of the control maps that belong to each explainer, None where there are none at all."""
        partner = {
            x: self.all_explainers.index(found[0])
            for x in self.methods
            if (found := [p for p in partners_of(self.all_explainers[x]) if p in self.all_explainers])
        }
        if not partner:
            return None
        cells = self.cells
        return self._fill(
            lambda at, k: cells[at[0], partner[at[1]], at[2]].own[score][k] if at[1] in partner else np.nan
        )

    def _of_score(self, s: str, reasons: dict[str, str]) -> dict[str, Column]:
        cells = self.cells
        data = {
            s: self._fill(lambda at, k: cells[at].own[s][k]),
            f"chance_{s}": self._fill(lambda at, k: cells[at].chance[s][k]),
            f"other_masks_{s}": self._fill(lambda at, k: _others(cells[at].own[s], k)),
            f"centre_{s}": self._fill(lambda at, k: cells[at].centre[s][k]),
            f"centre_{s}_equal_area": self._fill(lambda at, k: cells[at].centre_equal_area[s][k]),
            f"low_{s}": self._fill(lambda at, k: self._end(at, k, s, 0)),
            f"high_{s}": self._fill(lambda at, k: self._end(at, k, s, 1)),
        }
        for control, partners_of in CONTROLS.items():
            found = self._control(partners_of, s)
            data[f"{control}_{s}"] = found or self._fill(lambda at, k: np.nan)
            if found is None:
                reasons[f"{control}_{s}"] = (
                    f"no maps of role 'control' named {partners_of('<explainer>')[-1]!r}; "
                    f"explain(…, controls=({control!r},)) makes them"
                )
        return data

    def dataset(self, interval_reason: str, attrs: dict[str, Any]) -> xr.Dataset:
        """Everything as named arrays; `interval_reason` says why no cell has an interval, "" where some may."""
        reasons: dict[str, str] = {}
        data: dict[str, Column] = {}
        for s in self.ground.scores:
            data |= self._of_score(s, reasons)
            if interval_reason:
                reasons |= {f"low_{s}": interval_reason, f"high_{s}": interval_reason}
        if interval_reason:
            self.interval_reason[...] = interval_reason
        if self.ground.face is None:
            reasons["chance_iou_face"] = f"the frame {self.masks.frame!r} has no face domain"
        if "n" not in self.heat.coords:
            reasons["n"] = NO_REPLICATES
        if np.isnan(self.n_subjects).all():
            reasons["n_subjects"] = interval_reason or "subjects unknown"
        data |= {
            "chance_iou_face": self._fill(lambda at, k: self.cells[at].chance_face[k]),
            "rank_of_own_mask": self._fill(lambda at, k: _rank(self.cells[at].own["iou"], k)),
            **self._with_each_mask(),
            "area": (CELL, self._each(lambda cell: cell.area)),
            "covered": (CELL, self._each(lambda cell: cell.covered)),
            "n": (CELL, self._count()),
            "n_subjects": (CELL, self.n_subjects),
            "interval_reason": (CELL, self.interval_reason.astype(str)),
            "reason": self._words(self._reason),
            "verdict": self._words(self._verdict),
        }
        coords: dict[str, Any] = {
            MODEL: self.models,
            EXPLAINER: self.explainers,
            EXPRESSION: self.expressions,
        }
        if not self.by_expression:
            coords[self.masks.dimension] = self.names
        return xr.Dataset(data, coords=coords, attrs={**attrs, "reasons": json.dumps(reasons)})

    def _with_each_mask(self) -> dict[str, Column]:
        """IoU with every mask of a set of expressions; a set of AUs or regions has it in `iou` already."""
        if not self.by_expression:
            return {}
        matrix = self._each(lambda cell: cell.own["iou"])
        return {f"{WITH}{name}": (CELL, matrix[..., k]) for k, name in enumerate(self.names)}

    def _count(self) -> npt.NDArray[np.float64]:
        if "n" not in self.heat.coords:
            return np.full(self.shape, np.nan)
        return np.asarray(
            self.heat["n"].transpose(MODEL, EXPLAINER, EXPRESSION).values[:, self.methods], dtype=np.float64
        )

    def _end(self, at: Key, k: int, score: str, side: int) -> float:
        ends = self.ends.get(at)
        return float("nan") if ends is None else float(ends[score][side][self.columns(at[2]).index(k)])

    def _reason(self, at: Key, k: int | None) -> str:
        if self.cells[at].reason:
            return self.cells[at].reason
        if k is not None and not (self.ground.masks[k] & self.ground.domain).any():
            return f"the mask {self.names[k]!r} is empty in the domain"
        return ""

    def _verdict(self, at: Key, k: int | None) -> str:
        reason = self._reason(at, k)
        if reason or k is None:
            return f"not scored: {reason}"
        cell, here = self.cells[at], (at[0], self.methods.index(at[1]), at[2])
        return verdict(
            value=cell.own["iou"][k],
            chance=cell.chance["iou"][k],
            centre=float(np.fmax(cell.centre["iou"][k], cell.centre_equal_area["iou"][k])),
            other=_others(cell.own["iou"], k),
            rank=_rank(cell.own["iou"], k),
            masks=len(self.names),
            low=self._end(at, k, "iou", 0),
            high=self._end(at, k, "iou", 1),
            interval_reason=str(self.interval_reason[here]),
            who=str(self.who[here]),
            own=self.by_expression,
        )


def _others(row: npt.NDArray[np.float64], k: int) -> float:
    rest = np.delete(row, k)
    return float(np.nanmean(rest)) if np.isfinite(row[k]) and np.isfinite(rest).any() else float("nan")


def _rank(row: npt.NDArray[np.float64], k: int) -> float:
    return float(1 + int((row > row[k]).sum())) if np.isfinite(row[k]) else float("nan")


def all_masks(table: xr.Dataset) -> xr.DataArray:
    """IoU of every map with every mask, (model, explainer, expression, mask), from a table of `evaluate`."""
    own = [str(d) for d in table["iou"].dims if d not in CELL]
    if own:
        return table["iou"].rename({own[0]: MASK}).transpose(..., MASK)
    found = {str(name).removeprefix(WITH): table[name] for name in table if str(name).startswith(WITH)}
    return xr.concat(list(found.values()), xr.Variable(MASK, list(found))).transpose(..., MASK)

"""The cells of one evaluation while they are being filled, and the Dataset that they become."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.checks import roles
from workbench.masks import MaskSet
from workbench.scores.cell import Cell, Ground, measure, nothing
from workbench.scores.verdict import verdict
from workbench.vocabulary import EXPLAINER, EXPRESSION, MODEL

MASK: Final = "mask"
RANDOM_WEIGHTS: Final = "@random_weights"
EDGE_MAP: Final = "edge_map"
NO_REPLICATES: Final = "no per-image maps"


class Table:
    """The cells of one evaluation while they are being filled."""

    def __init__(self, heat: xr.DataArray, masks: MaskSet, ground: Ground) -> None:
        self.heat, self.masks, self.ground = heat, masks, ground
        self.by_expression = masks.dimension == EXPRESSION
        self.models = [str(m) for m in heat[MODEL].values]
        self.all_explainers = [str(x) for x in heat[EXPLAINER].values]
        self.methods = [x for x, role in enumerate(roles(heat)) if role != "control"]
        self.explainers = [self.all_explainers[x] for x in self.methods]
        if not self.methods:
            raise UsageError("every map is a control; evaluate needs at least one explainer of role 'method'")
        self.expressions = [str(e) for e in heat[EXPRESSION].values]
        self.shape = (len(self.models), len(self.explainers), len(self.expressions))
        self.cells: dict[tuple[int, int, int], Cell] = {}
        for m in range(len(self.models)):
            for x in range(len(self.all_explainers)):
                for e in range(len(self.expressions)):
                    self.cells[m, x, e] = self._measure(m, x, e)
        self.ends: dict[tuple[int, int, int], dict[str, Any]] = {}
        self.interval_reason = np.full(self.shape, "", dtype=object)
        self.who = np.full(self.shape, "n unknown", dtype=object)
        self.n_subjects = np.full(self.shape, np.nan)

    def _measure(self, m: int, x: int, e: int) -> Cell:
        if not self.columns(e):
            return nothing(self.ground, f"{self.masks.name!r} has no mask for {self.expressions[e]}")
        values = np.asarray(self.heat.isel({MODEL: m, EXPLAINER: x, EXPRESSION: e}).values, dtype=np.float32)
        cell = measure(self.ground, values)
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
                return f"no usable map: {out} constant or failed" if out else "no image enters this expression"
            return "the mean of the maps is constant"
        return "there is no map"

    def columns(self, e: int) -> list[int]:
        """The masks that count as own for an expression: its own one, or each of a set of AUs or regions."""
        if not self.by_expression:
            return list(range(len(self.masks.names)))
        return [k for k, name in enumerate(self.masks.names) if name == self.expressions[e]]

    def _fill(self, rows: Any, default: Any = np.nan) -> npt.NDArray[Any]:
        """An array over (model, explainer, expression[, own mask]) from a function of (cell key, mask column)."""
        own = 1 if self.by_expression else len(self.masks.names)
        out = np.full((*self.shape, own), default, dtype=object if isinstance(default, str) else np.float64)
        for m, x, e in np.ndindex(self.shape):
            for j, k in enumerate(self.columns(e)):
                out[m, x, e, j] = rows((m, self.methods[x], e), k)
        return out[..., 0] if self.by_expression else out

    def _control(self, suffix_of: Any, name: str) -> npt.NDArray[Any] | None:
        partner = {
            x: self.all_explainers.index(suffix_of(self.all_explainers[x]))
            for x in self.methods
            if suffix_of(self.all_explainers[x]) in self.all_explainers
        }
        if not partner:
            return None
        return self._fill(
            lambda at, k: self.cells[at[0], partner[at[1]], at[2]].own[name][k] if at[1] in partner else np.nan
        )

    def dataset(self, interval_reason: str, attrs: dict[str, Any]) -> xr.Dataset:
        """Everything as named arrays; `interval_reason` says why no cell has an interval, "" where some may."""
        cells, reasons = self.cells, {}
        own_dims = (MODEL, EXPLAINER, EXPRESSION) + (() if self.by_expression else (self.masks.dimension,))
        data: dict[str, Any] = {}
        for s in self.ground.scores:
            data[s] = (own_dims, self._fill(lambda at, k, s=s: cells[at].own[s][k]))
            data[f"chance_{s}"] = (own_dims, self._fill(lambda at, k, s=s: cells[at].chance[s][k]))
            data[f"other_masks_{s}"] = (own_dims, self._fill(lambda at, k, s=s: _others(cells[at].own[s], k)))
            data[f"centre_{s}"] = (own_dims, self._fill(lambda at, k, s=s: cells[at].centre[s][k]))
            data[f"centre_{s}_equal_area"] = (
                own_dims,
                self._fill(lambda at, k, s=s: cells[at].centre_equal_area[s][k]),
            )
            for control, partner in (
                ("random_weights", lambda x: x + RANDOM_WEIGHTS),
                ("edge_map", lambda x: EDGE_MAP),
            ):
                found = self._control(partner, s)
                name = f"{control}_{s}"
                data[name] = (own_dims, self._fill(lambda at, k: np.nan) if found is None else found)
                if found is None:
                    reasons[name] = (
                        f"no maps of role 'control' named {partner('<explainer>')!r}; "
                        f"explain(…, controls=({control!r},)) makes them"
                    )
            for side, end in ((0, "low"), (1, "high")):
                data[f"{end}_{s}"] = (own_dims, self._fill(lambda at, k, s=s, side=side: self._end(at, k, s, side)))
                if interval_reason:
                    reasons[f"{end}_{s}"] = interval_reason
        data["chance_iou_face"] = (own_dims, self._fill(lambda at, k: cells[at].chance_face[k]))
        if self.ground.face is None:
            reasons["chance_iou_face"] = f"the frame {self.masks.frame!r} has no face domain"
        data["rank_of_own_mask"] = (own_dims, self._fill(lambda at, k: _rank(cells[at].own["iou"], k)))
        data["all_masks_iou"] = (
            (MODEL, EXPLAINER, EXPRESSION, MASK),
            np.stack([cells[m, self.methods[x], e].own["iou"] for m, x, e in np.ndindex(self.shape)]).reshape(
                *self.shape, -1
            ),
        )
        plain = (MODEL, EXPLAINER, EXPRESSION)
        for name in ("area", "covered"):
            data[name] = (
                plain,
                np.array([getattr(cells[m, self.methods[x], e], name) for m, x, e in np.ndindex(self.shape)]).reshape(
                    self.shape
                ),
            )
        data["n"] = (plain, self._count())
        if "n" not in self.heat.coords:
            reasons["n"] = NO_REPLICATES
        data["n_subjects"] = (plain, self.n_subjects)
        if np.isnan(self.n_subjects).all():
            reasons["n_subjects"] = interval_reason or "subjects unknown"
        if interval_reason:
            self.interval_reason[...] = interval_reason
        data["interval_reason"] = (plain, self.interval_reason.astype(str))
        data["reason"] = (own_dims, self._fill(self._reason, "").astype(str))
        coords: dict[str, Any] = {
            MODEL: self.models,
            EXPLAINER: self.explainers,
            EXPRESSION: self.expressions,
            MASK: self.masks.names,
        }
        if not self.by_expression:
            coords[self.masks.dimension] = self.masks.maps[self.masks.dimension].values
        data["verdict"] = (own_dims, self._fill(lambda at, k: self._verdict(at, k, data), "").astype(str))
        for at in np.ndindex(self.shape):  # an expression without a mask has no column of its own to say so
            if not self.columns(at[2]):
                reason = cells[at[0], self.methods[at[1]], at[2]].reason
                data["reason"][1][at], data["verdict"][1][at] = (
                    _longer(data, "reason", reason),
                    _longer(data, "verdict", f"not scored: {reason}"),
                )
        return xr.Dataset(data, coords=coords, attrs={**attrs, "reasons": json.dumps(reasons)})

    def _count(self) -> npt.NDArray[np.float64]:
        if "n" not in self.heat.coords:
            return np.full(self.shape, np.nan)
        return np.asarray(
            self.heat["n"].transpose(MODEL, EXPLAINER, EXPRESSION).values[:, self.methods], dtype=np.float64
        )

    def _end(self, at: tuple[int, int, int], k: int, score: str, side: int) -> float:
        ends = self.ends.get(at)
        return float("nan") if ends is None else float(ends[score][side][self.columns(at[2]).index(k)])

    def _reason(self, at: tuple[int, int, int], k: int) -> str:
        if self.cells[at].reason:
            return self.cells[at].reason
        if not (self.ground.masks[k] & self.ground.domain).any():
            return f"the mask {self.masks.names[k]!r} is empty in the domain"
        return ""

    def _verdict(self, at: tuple[int, int, int], k: int, data: dict[str, Any]) -> str:
        cell, here = self.cells[at], (at[0], self.methods.index(at[1]), at[2])
        return verdict(
            value=cell.own["iou"][k],
            chance=cell.chance["iou"][k],
            centre=cell.centre["iou"][k],
            other=_others(cell.own["iou"], k),
            rank=_rank(cell.own["iou"], k),
            masks=len(self.masks.names),
            low=self._end(at, k, "iou", 0),
            high=self._end(at, k, "iou", 1),
            interval_reason=str(self.interval_reason[here]),
            reason=self._reason(at, k),
            who=str(self.who[here]),
        )


def _longer(data: dict[str, Any], name: str, text: str) -> str:
    dims, values = data[name]
    data[name] = (dims, values.astype(object))
    return text


def _others(row: npt.NDArray[np.float64], k: int) -> float:
    rest = np.delete(row, k)
    return float(np.nanmean(rest)) if np.isfinite(row[k]) and np.isfinite(rest).any() else float("nan")


def _rank(row: npt.NDArray[np.float64], k: int) -> float:
    return float(1 + int((row > row[k]).sum())) if np.isfinite(row[k]) else float("nan")

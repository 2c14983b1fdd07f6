"""The cells of one evaluation while they are being filled: which map, which masks are its own, what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.checks import roles
from workbench.masks import MaskSet
from workbench.scores.cell import Cell, Ground, measure, nothing
from workbench.scores.nulls.labels import LabelTest, label_permutation
from workbench.scores.nulls.registry import NULLS, NullResult
from workbench.scores.significance import moved, tested
from workbench.scores.uncertainty import Bounds
from workbench.vocabulary import EXPLAINER, EXPRESSION, MODEL, expression, is_expression

MOST_THREADS: Final = 8  # over cells whose null models are made at a time
CELL: Final = (MODEL, EXPLAINER, EXPRESSION)

Key = tuple[int, int, int]  # model, explainer (controls counted), expression
Column = tuple[tuple[str, ...], npt.NDArray[Any]]


class Table:
    """The cells of one evaluation; every (model, explainer, expression), the explainers' controls included."""

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
        self.mean_maps = {(m, x): self._mean_map(m, x) for m in range(len(self.models)) for x in self.methods}
        self.moved = {
            at: moved(ground, self.values(*at), self.cells[at])
            for at in self._methods_cells()
            if not self.cells[at].reason
        }
        self.nulls: dict[Key, dict[str, NullResult]] = {}
        self.labels: dict[str, list[LabelTest]] = {}
        self.bounds: dict[Key, Bounds] = {}
        self.interval_reason = np.full(self.shape, "", dtype=object)
        self.who = np.full(self.shape, "n unknown", dtype=object)
        self.n_subjects = np.full(self.shape, np.nan)

    def values(self, m: int, x: int, e: int) -> npt.NDArray[np.float32]:
        """One global map (y, x)."""
        return np.asarray(self.heat.isel({MODEL: m, EXPLAINER: x, EXPRESSION: e}).values, dtype=np.float32)

    def columns(self, e: int) -> list[int]:
        """The masks that count as own for an expression: its own one, or each of a set of AUs or regions."""
        if not self.by_expression:
            return list(range(len(self.names)))
        return [k for k, name in enumerate(self.names) if name == self.expressions[e]]

    def reason(self, at: Key, k: int | None) -> str:
        """Why a cell is not scored against a mask, "" where it is."""
        if self.cells[at].reason:
            return self.cells[at].reason
        if k is not None and not (self.ground.masks[k] & self.ground.domain).any():
            return f"the mask {self.names[k]!r} is empty in the domain"
        if k is not None and np.isnan(self.cells[at].own["iou"][k]):
            return f"the mask {self.names[k]!r} lies where the map has no data"
        return ""

    @property
    def tests(self) -> int:
        """How many cells are scored, each mask of a set of AUs or regions counted."""
        return sum(len(self._scored(at)) for at in self._methods_cells())

    def add_nulls(self, nulls: Sequence[str], draws: int, seed: int, progress: Callable[[], object]) -> None:
        """Every null model for every scored cell, some at a time, and the permutation of the expressions' labels."""
        chosen = {name: NULLS[name].value for name in nulls}
        cells = {at: columns for at in self._methods_cells() if (columns := self._scored(at))}

        def work(at: Key) -> dict[str, NullResult]:
            return tested(self.ground, self.values(*at), self.cells[at], cells[at], chosen, draws, seed)

        with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
            waiting = {at: pool.submit(work, at) for at in cells}
            try:
                for at, each in waiting.items():
                    self.nulls[at] = each.result()
                    progress()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if not self.by_expression:
            return
        own = np.array([(self.columns(e) or [-1])[0] for e in range(len(self.expressions))])
        for name, score in self.ground.scores.items():
            self.labels[name] = [
                label_permutation(
                    np.array(
                        [
                            [self.cells[m, x, e].own[name] for e in range(len(self.expressions))]
                            for m in range(len(self.models))
                        ]
                    ),
                    own,
                    score.sign,
                    draws=draws,
                    seed=seed,
                )
                for x in self.methods
            ]

    def fill(self, value: Callable[[Key, int], float]) -> Column:
        """(dimensions, values) over (model, explainer, expression[, own mask]) of a number for a cell and a mask."""
        out = np.full((*self.shape, self._slots), np.nan)
        for m, x, e in np.ndindex(self.shape):
            for j, k in enumerate(self.columns(e)):
                out[m, x, e, j] = value((m, self.methods[x], e), k)
        return self._column(out)

    def words(self, text: Callable[[Key, int | None], str]) -> Column:
        """The same of a text; an expression without a mask has one too (mask None)."""
        out = np.full((*self.shape, self._slots), "", dtype=object)
        for m, x, e in np.ndindex(self.shape):
            for j, k in enumerate(self.columns(e) or [None]):
                out[m, x, e, j] = text((m, self.methods[x], e), k)
        return self._column(out.astype(str))

    def each(self, value: Callable[[Cell], Any]) -> npt.NDArray[Any]:
        """An array over (model, explainer, expression, …) of something of each cell."""
        rows = [value(self.cells[m, self.methods[x], e]) for m, x, e in np.ndindex(self.shape)]
        return np.array(rows).reshape(*self.shape, *np.shape(rows[0]))

    def _methods_cells(self) -> list[Key]:
        return [(m, self.methods[x], e) for m, x, e in np.ndindex(self.shape)]

    def _scored(self, at: Key) -> list[int]:
        return [k for k in self.columns(at[2]) if not self.reason(at, k)]

    def _measure(self, m: int, x: int, e: int) -> Cell:
        values = self.values(m, x, e)
        if not self.columns(e) and not np.isnan(values).all():
            return nothing(self.ground, f"{self.masks.name!r} has no mask for {self.expressions[e]}{self._meant(e)}")
        cell = measure(self.ground, values, controls=x in self.methods)
        if cell.reason == "there is no map":
            return nothing(self.ground, self._why_empty(m, x, e))
        return cell

    def _meant(self, e: int) -> str:
        """A hint where an expression is written in another way than its mask."""
        given = self.expressions[e]
        meant = expression(given) if is_expression(given) else given
        return f"; write {meant!r}" if meant != given and meant in self.names else ""

    def _mean_map(self, m: int, x: int) -> Cell:
        """The mean of one explainer's maps over the expressions that it has a map of: it knows no class."""
        maps = np.stack(
            [self.values(m, x, e) for e in range(len(self.expressions)) if not self.cells[m, x, e].reason]
            or [np.full(self.ground.domain.shape, np.nan, np.float32)]
        )
        known = ~np.isnan(maps)
        total, count = np.where(known, maps, 0).sum(axis=0, dtype=np.float64), known.sum(axis=0)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return measure(self.ground, mean, controls=False)

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

    @property
    def _slots(self) -> int:
        return 1 if self.by_expression else len(self.names)

    def _column(self, values: npt.NDArray[Any]) -> Column:
        if self.by_expression:
            return CELL, values[..., 0]
        return (*CELL, self.masks.dimension), values

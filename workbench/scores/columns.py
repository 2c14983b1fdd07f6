"""The Dataset of one evaluation: every variable, in order, and why those that are empty are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.scores.nulls.inflation import inflation
from workbench.scores.significance import MOVED, described
from workbench.scores.table import CELL, Column, Key, Table
from workbench.scores.uncertainty import Excess, over_others
from workbench.scores.verdict import Evidence, Step, verdict
from workbench.statistics.multiplicity import benjamini_hochberg, benjamini_yekutieli
from workbench.vocabulary import EDGE_MAP, EXPLAINER, EXPRESSION, MODEL, ON_RANDOM_WEIGHTS, RANDOM_WEIGHTS

MASK: Final = "mask"
NO_REPLICATES: Final = "no per-image maps"
EXCESSES: Final = {"over_other_masks": "others", "over_centre": "blob"}  # variable → what of `Bounds` it is
CONTROLS: Final[
    dict[str, Callable[[str], tuple[str, ...]]]
] = {  # column → whose maps are another's control, best first
    RANDOM_WEIGHTS: lambda explainer: (explainer + ON_RANDOM_WEIGHTS,),
    EDGE_MAP: lambda explainer: (f"{EDGE_MAP}@{explainer}", EDGE_MAP),
}


class Columns:
    """Variables of a filled table. `untestable` says why no cell has an interval, "" where some may."""

    def __init__(self, table: Table, nulls: Sequence[str], untestable: str) -> None:
        self.table, self.nulls, self.untestable = table, nulls, untestable
        self.data: dict[str, Column] = {}
        self.reasons: dict[str, str] = {}

    def dataset(self, more: Mapping[str, Column], attrs: Mapping[str, Any]) -> xr.Dataset:
        """Everything as named arrays; `more` are further variables, put before the words."""
        table = self.table
        if self.untestable:
            table.interval_reason[table.interval_reason == ""] = self.untestable
        for score in table.ground.scores:
            self._score(score)
            self._bounds(score)
            self._nulls(score)
        self._cells()
        self.data |= more
        self.data["interval_reason"] = (CELL, table.interval_reason.astype(str))
        self.data["reason"] = table.words(table.reason)
        self.data["verdict"] = table.words(self._verdict)
        coords: dict[str, Any] = {
            MODEL: table.models,
            EXPLAINER: table.explainers,
            EXPRESSION: table.expressions,
        }
        if not table.by_expression:
            coords[table.masks.dimension] = table.names
        said = {
            name: {
                **described(name, [found[name] for found in table.nulls.values()], table.tests),
                "passes_central": None if np.isnan(inflation(name)) else inflation(name),
            }
            for name in self.nulls
        }
        return xr.Dataset(
            self.data,
            coords=coords,
            attrs={**attrs, "tests": table.tests, "nulls": json.dumps(said), "reasons": json.dumps(self.reasons)},
        )

    def _score(self, s: str) -> None:
        """The score, its chance level, the other masks and the content-free references."""
        t = self.table
        cells, sign = t.cells, t.ground.scores[s].sign
        self.data |= {
            s: t.fill(lambda at, k: cells[at].own[s][k]),
            f"chance_{s}": t.fill(lambda at, k: cells[at].chance[s][k]),
            f"other_masks_{s}": t.fill(lambda at, k: others(cells[at].own[s], k)),
            f"rank_of_own_mask_{s}": t.fill(lambda at, k: rank(cells[at].own[s], k, sign)),
            f"centre_{s}": t.fill(lambda at, k: cells[at].centre[s][k]),
            f"centre_{s}_equal_area": t.fill(lambda at, k: cells[at].centre_equal_area[s][k]),
            f"uniform_{s}": t.fill(lambda at, k: cells[at].uniform[s][k]),
            f"mean_map_{s}": t.fill(lambda at, k: t.mean_maps[at[:2]].own[s][k]),
        }
        for word in MOVED:
            self.data[f"{word}_{s}"] = self._moved(word, s)
        self.data[f"reason_{s}"] = t.words(lambda at, k: cells[at].why.get((s, -1 if k is None else k), ""))
        if s == "iou":
            self.data["rank_of_own_mask"] = self.data.pop("rank_of_own_mask_iou")
        if np.isnan(self.data[f"uniform_{s}"][1]).all():
            self.reasons[f"uniform_{s}"] = "a uniform map has no values to rank or correlate"
        for control, partners_of in CONTROLS.items():
            found = self._control(partners_of, s)
            self.data[f"{control}_{s}"] = found or t.fill(lambda at, k: np.nan)
            if found is None:
                self.reasons[f"{control}_{s}"] = (
                    f"no maps of role 'control' named {partners_of('<explainer>')[-1]!r}; "
                    f"explain(…, controls=({control!r},)) makes them"
                )
        if t.by_expression:
            matrix = t.each(lambda cell: cell.own[s])
            self.data |= {f"{s}_with_{name}": (CELL, matrix[..., k]) for k, name in enumerate(t.names)}

    def _moved(self, word: str, score: str) -> Column:
        moved = self.table.moved
        return self.table.fill(
            lambda at, k: moved[at][word][score][k] if at in moved and score in moved[at][word] else np.nan
        )

    def _control(self, partners_of: Callable[[str], tuple[str, ...]], score: str) -> Column | None:
        """A score of the control maps that belong to each explainer, None where there are none at all."""
        t = self.table
        partner = {
            x: t.all_explainers.index(found[0])
            for x in t.methods
            if (found := [p for p in partners_of(t.all_explainers[x]) if p in t.all_explainers])
        }
        if not partner:
            return None
        cells = t.cells
        return t.fill(lambda at, k: cells[at[0], partner[at[1]], at[2]].own[score][k] if at[1] in partner else np.nan)

    def _bounds(self, s: str) -> None:
        """The score's interval, and its excess over the other masks and over the blob with interval and p."""
        t, bounds = self.table, self.table.bounds
        self.data[f"low_{s}"] = t.fill(lambda at, k: bounds[at].own[s].low[k] if at in bounds else np.nan)
        self.data[f"high_{s}"] = t.fill(lambda at, k: bounds[at].own[s].high[k] if at in bounds else np.nan)
        self.data[f"interval_{s}"] = t.words(
            lambda at, k: str(bounds[at].own[s].method[k]) if k is not None and at in bounds else ""
        )
        for variable, part in EXCESSES.items():
            if part != "others" or t.by_expression:
                self._excess(s, variable, part)
        if self.untestable:
            for name in (f"low_{s}", f"high_{s}"):
                self.reasons[name] = self.untestable
            for variable in EXCESSES:
                for first in ("low", "high", "p", "bh", "by"):
                    self.reasons[f"{first}_{variable}_{s}"] = self.untestable

    def _excess(self, s: str, variable: str, part: str) -> None:
        """What a score has over a control: the excess itself needs no draws, its interval and p do."""
        t, sign = self.table, self.table.ground.scores[s].sign

        def itself(at: Key, k: int) -> float:
            cell = t.cells[at]
            over = over_others(cell.own[s]) if part == "others" else cell.own[s] - cell.centre_equal_area[s]
            return float(sign * over[k])

        def drawn(take: Callable[[Excess], Any]) -> Column:
            return t.fill(lambda at, k: take(getattr(t.bounds[at], part)[s])[k] if at in t.bounds else np.nan)

        self.data[f"{variable}_{s}"] = t.fill(itself)
        self.data[f"low_{variable}_{s}"] = drawn(lambda excess: excess.ends.low)
        self.data[f"high_{variable}_{s}"] = drawn(lambda excess: excess.ends.high)
        self._corrected(f"{variable}_{s}", drawn(lambda excess: excess.p))

    def _nulls(self, s: str) -> None:
        """Mean, 95th percentile and p of each null model, and of the labels' permutation."""
        t = self.table
        for name in self.nulls:

            def of(part: str, name: str = name) -> Column:
                return t.fill(lambda at, k: getattr(t.nulls[at][name], part)[s][k] if at in t.nulls else np.nan)

            self.data[f"{name}_{s}"] = of("mean")
            self.data[f"{name}_95_{s}"] = of("upper")
            self._corrected(f"{name}_{s}", of("p"))
            why = {found[name].reason[s] for found in t.nulls.values() if s in found[name].reason}
            if why and not np.isfinite(self.data[f"p_{name}_{s}"][1]).any():
                self.reasons[f"p_{name}_{s}"] = min(why)
        if s in t.labels:
            tests = t.labels[s]
            self.data[f"labels_{s}"] = ((EXPLAINER,), np.array([one.mean for one in tests]))
            self._corrected(f"labels_{s}", ((EXPLAINER,), np.array([one.p for one in tests])))
            self.data[f"resolution_labels_{s}"] = ((EXPLAINER,), np.array([one.resolution for one in tests]))

    def _corrected(self, name: str, p: Column) -> None:
        dims, values = p
        self.data[f"p_{name}"] = p
        self.data[f"bh_{name}"] = (dims, benjamini_hochberg(values))
        self.data[f"by_{name}"] = (dims, benjamini_yekutieli(values))

    def _cells(self) -> None:
        t = self.table
        if t.ground.face is None:
            self.reasons["chance_iou_face"] = f"the frame {t.masks.frame!r} has no face domain"
        if "n" not in t.heat.coords:
            self.reasons["n"] = NO_REPLICATES
        if np.isnan(t.n_subjects).all():
            self.reasons["n_subjects"] = self.untestable or "subjects unknown"
        count = np.full(t.shape, np.nan)
        if "n" in t.heat.coords:
            count = np.asarray(t.heat["n"].transpose(*CELL).values[:, t.methods], dtype=np.float64)
        self.data |= {
            "chance_iou_face": t.fill(lambda at, k: t.cells[at].chance_face[k]),
            "area": (CELL, t.each(lambda cell: cell.area)),
            "covered": (CELL, t.each(lambda cell: cell.covered)),
            "n": (CELL, count),
            "n_subjects": (CELL, t.n_subjects),
        }

    def _verdict(self, at: Key, k: int | None) -> str:
        t = self.table
        reason = t.reason(at, k)
        if reason or k is None:
            return f"not scored: {reason}"
        own, here = t.cells[at].own["iou"], (at[0], t.methods.index(at[1]), at[2])
        slot = here if t.by_expression else (*here, k)

        def found(name: str) -> float:
            return float(self.data[name][1][slot])

        def step(variable: str) -> Step | None:
            if at not in t.bounds or f"p_{variable}_iou" not in self.data:
                return None
            return Step(*(found(f"{part}{variable}_iou") for part in ("", "low_", "high_", "bh_")))

        why, who = str(t.interval_reason[here]), str(t.who[here])
        few = "too few" in why
        return verdict(
            Evidence(
                value=own[k],
                chance=found("chance_iou"),
                blob=found("centre_iou_equal_area"),
                other=others(own, k),
                rank=rank(own, k),
                masks=int(np.isfinite(own).sum()),
                nulls={name: (found(f"p_{name}_iou"), found(f"bh_{name}_iou")) for name in self.nulls},
                tests=t.tests,
                passes={name: inflation(name) for name in self.nulls},
                over_blob=step("over_centre"),
                over_others=step("over_other_masks"),
                untestable=why,
                too_few=who if few else "",
                own=t.by_expression,
            )
        )


def others(row: Any, k: int) -> float:
    """Mean of a row of scores without the k-th; NaN where either is missing."""
    rest = np.delete(row, k)
    return float(np.nanmean(rest)) if np.isfinite(row[k]) and np.isfinite(rest).any() else float("nan")


def rank(row: Any, k: int, sign: int = 1) -> float:
    """1 + how many are strictly better than the k-th."""
    return float(1 + int((sign * row > sign * row[k]).sum())) if np.isfinite(row[k]) else float("nan")


def all_masks(table: xr.Dataset, score: str = "iou") -> xr.DataArray:
    """A score of every map with every mask, (model, explainer, expression, mask), from a table of `evaluate`."""
    if not isinstance(table, xr.Dataset) or "verdict" not in table:
        raise UsageError(f"all masks are read from what evaluate(…) returns, not from {type(table).__name__}")
    if score not in table:
        known = [str(name).removeprefix("chance_") for name in table if str(name).startswith("chance_")]
        raise UnknownNameError("score in this table:", score, [name for name in known if name in table])
    own = [str(d) for d in table[score].dims if d not in CELL]
    if own:
        return table[score].rename({own[0]: MASK}).transpose(..., MASK)
    begin = f"{score}_with_"
    found = {str(name).removeprefix(begin): table[name] for name in table if str(name).startswith(begin)}
    return xr.concat(list(found.values()), xr.Variable(MASK, list(found))).transpose(..., MASK)

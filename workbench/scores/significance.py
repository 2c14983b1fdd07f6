"""Null models for the cells of one table: how many draws, which p, what survives the number of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UnknownNameError, UsageError
from workbench.scores.cell import Cell, Ground, Row, see
from workbench.scores.nulls.registry import NULLS, Null, NullResult, Scored
from workbench.scores.nulls.rotations import rotated
from workbench.statistics.multiplicity import ALPHA, PER_TEST, least_at_smallest
from workbench.statistics.permutation import resolution

DEFAULT_NULLS: Final = ("toroidal", "field")
FEWEST: Final = 200
MOVED: Final = {  # column → motions of which it is the mean
    "turned": ("turned 90° left", "turned 180°", "turned 90° right"),
    "mirrored": ("mirrored left to right",),
    "upside_down": ("mirrored upside down",),
}
MOST: Final = 2000  # unless more are asked for


def chosen_nulls(names: Sequence[str] | None) -> tuple[str, ...]:
    """The null models asked for, each once, none for None; UnknownNameError for one that does not exist."""
    given = tuple(dict.fromkeys([names] if isinstance(names, str) else names or ()))
    if "labels" in given:
        raise UnknownNameError(
            "null model", "labels", NULLS.names(), "(the labels' permutation comes with any of them)"
        )
    return tuple(NULLS[name].name for name in given)


def draws_for(tests: int, asked: int | None) -> int:
    """Draws of a sampled null in a table of so many tests: `PER_TEST` each, from `FEWEST` to `MOST`, or as asked."""
    if asked is None:
        return int(np.clip(PER_TEST * tests, FEWEST, MOST))
    if isinstance(asked, bool) or not isinstance(asked, int | np.integer) or asked < 1:
        raise UsageError(f"null_draws is {asked!r}; a null model needs at least one draw, or None for 20 a test")
    return int(asked)


def tested(
    ground: Ground,
    values: npt.NDArray[np.floating[Any]],
    cell: Cell,
    columns: Sequence[int],
    nulls: Mapping[str, Null],
    draws: int,
    seed: int,
) -> dict[str, NullResult]:
    """Every null model of one map (y, x) that could be scored, against the masks in `columns`: null → result.

    Rows over all K masks, NaN for the others.
    """
    own = list(columns)
    scored = _scored(ground, values, {name: row[own] for name, row in cell.own.items()}, own)
    found = {name: make(scored, draws=draws, seed=seed) for name, make in nulls.items()}

    def placed(rows: Mapping[str, Row]) -> dict[str, Row]:
        whole = ground.nothing
        for name, row in rows.items():
            whole[name] = whole[name].copy()
            whole[name][own] = row
        return whole

    return {
        name: replace(one, p=placed(one.p), mean=placed(one.mean), upper=placed(one.upper))
        for name, one in found.items()
    }


def moved(ground: Ground, values: npt.NDArray[np.floating[Any]], cell: Cell) -> dict[str, dict[str, Row]]:
    """Scores of the map turned and mirrored with every mask, word of `MOVED` → score → (K,); descriptive, without a p.

    Turned is the mean over a quarter left, a quarter right and a half. Scores that are costly are left out.
    """
    cheap = {name: score for name, score in ground.scores.items() if not score.costly}
    scored = _scored(ground, values, cell.own, list(range(len(ground.masks))))
    found = rotated(replace(scored, scores=cheap))
    return {
        word: {name: np.mean([found[motion][name] for motion in motions], axis=0) for name in cheap}
        for word, motions in MOVED.items()
    }


def _scored(
    ground: Ground, values: npt.NDArray[np.floating[Any]], observed: Mapping[str, Row], columns: list[int]
) -> Scored:
    seen = see(ground, values)
    grey, foreground = np.full(values.shape, np.nan), np.zeros(values.shape, bool)
    grey[seen.cut], foreground[seen.cut] = seen.grey, seen.foreground
    return Scored(grey, foreground, seen.counted, ground.masks[columns], ground.scores, observed)


def described(null: str, results: Sequence[NullResult], tests: int) -> dict[str, Any]:
    """What stands in a table's attrs about a null model: its hypothesis, draws, resolution, and what that can reach.

    `least_at_smallest`: how many of the tests would have to show the smallest possible p before any is significant; 1
    is as it should be.
    """
    entry = NULLS[null]
    draws = min((result.draws for result in results), default=0)
    enumerated = all(result.enumerated for result in results)
    finest = resolution(draws, enumerated=enumerated)
    least = least_at_smallest(finest, tests, ALPHA) if draws and tests else 0
    return {
        "hypothesis": entry.details["hypothesis"],
        "reference": entry.reference,
        "draws": draws,
        "enumerated": enumerated,
        "resolution": None if np.isnan(finest) else finest,
        "tests": tests,
        "least_at_smallest": least,
        "says": ""
        if least <= 1
        else f"the smallest p that {draws} {'arrangements' if enumerated else 'draws'} can give, {finest:.2g}, cannot "
        f"make one of {tests} cells significant: "
        + (f"{least} of them would have to show it" if least <= tests else "nor could it in all of them")
        + ("" if enumerated else f"; ask for null_draws={PER_TEST * tests}"),
    }

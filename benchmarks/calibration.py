"""How often each null model calls a map and a mask related that have nothing to do with each other, and how often it
finds those that have.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py [--n 5000] [--sweep 600] [--publish]

Made-up maps and masks on a small grid, scored as `evaluate` scores them (8-bit, Otsu's threshold), so that the truth is
known: stationary ones, for which a null's own hypothesis holds; pairs that are unrelated and both keep to the middle,
as heatmaps and masks of faces do; and maps that overlap their mask by a stated amount. Writes what it found to
`results/calibration-<n>.json` and, as tables, `.md`; `--publish` makes the picture of the documentation and the
inflation that stands beside each p-value from the former.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness.calibration_report import LEVEL, SHOWN, inflation_of, picture, tables
from harness.made_up import (
    EVERYWHERE,
    FAMILIES,
    RELEASED,
    Rng,
    blob,
    centre_bias,
    centred,
    oval,
    planted,
    region,
    split,
    stationary,
)
from tqdm import tqdm

from workbench.scores.block import Block
from workbench.scores.nulls import NULLS, Scored
from workbench.scores.nulls.labels import label_permutation
from workbench.scores.registry import SCORES

DRAWS = 59  # .05 is attainable: 3 of 60
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
OVERLAPS = (0.3, 0.45, 0.6)


@dataclass
class Rate:
    """How often p ≤ .05, score by score."""

    found: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SHOWN})

    def add(self, null: str, values: np.ndarray, mask: np.ndarray, domain: np.ndarray, seed: int) -> None:
        """Test one map with one mask."""
        grey, foreground = split(values, domain)
        scores = {name: SCORES[name].value for name in SHOWN}
        block = Block(grey[domain][None], foreground[domain][None], mask[domain][None])
        observed = {name: block.of(score)[0] for name, score in scores.items()}
        scored = Scored(grey, foreground, domain, mask[None] & domain, scores, observed)
        p = NULLS[null].value(scored, draws=DRAWS, seed=seed).p
        for name in SHOWN:
            self.found[name].append(float(p[name][0]))

    def at(self, name: str, level: float = LEVEL) -> float:
        """The rate for a score; NaN p-values are no call."""
        return float(np.mean(np.array(self.found[name]) <= level + 1e-12))


Pair = tuple[np.ndarray, np.ndarray, np.ndarray]
Maker = Callable[[Rng], Pair]


def own_hypothesis(null: str, family: str) -> Maker:
    """Maps for which the null's hypothesis holds, with one fixed mask off the centre."""
    curve, skew = FAMILIES[family]
    domain, mask, torus = (EVERYWHERE if null == "toroidal" else oval()), blob(0.2, -0.3, 0.55), null == "toroidal"
    return lambda rng: (stationary(rng, curve, torus=torus, skew=skew), mask, domain)


def centre_biased(strength: float, mask_strength: float | None = None) -> Maker:
    """Unrelated pairs, both drawn to the centre, with this strength."""
    other = strength if mask_strength is None else mask_strength
    return lambda rng: (centred(rng, strength), region(centred(rng, other)), EVERYWHERE)


def overlapping(overlap: float) -> Maker:
    """Maps that overlap one mask off the centre by this IoU."""
    mask = blob(0.35, -0.35, 0.5)
    return lambda rng: (planted(rng, mask, overlap), mask, EVERYWHERE)


def rates(nulls: tuple[str, ...], make: Maker, n: int, seed: int, says: str = "") -> dict[str, Rate]:
    """Test n pairs with each null."""
    rng, found = np.random.default_rng(seed), {null: Rate() for null in nulls}
    for i in tqdm(range(n), desc=says, disable=not says, mininterval=10):
        pair = make(rng)
        for null in nulls:
            found[null].add(null, *pair, seed=seed + i + 1)
    return found


def label_rates(strength: float, mask_strength: float, n: int, seed: int, says: str = "") -> Rate:
    """Test n tables of six maps and six masks, unrelated and drawn to the centre, with the permutation of labels."""
    rng, rate = np.random.default_rng(seed), Rate()
    scores = {name: SCORES[name].value for name in SHOWN}
    for _ in tqdm(range(n), desc=says, disable=not says, mininterval=10):
        split_maps = [split(centred(rng, strength), EVERYWHERE) for _ in range(6)]
        masks = np.array([region(centred(rng, mask_strength)).ravel() for _ in range(6)])
        grey, foreground = (np.array([m[i].ravel() for m in split_maps]) for i in (0, 1))
        block = Block(grey, foreground, masks)
        for name, score in scores.items():
            rate.found[name].append(label_permutation(block.of(score), np.arange(6)).p)
    return rate


def released_strengths(n: int = 400) -> tuple[float, float]:
    """Strengths at which made-up foregrounds and masks are as centred, in the mean, as the released ones."""
    steps, found = np.linspace(0, 5, 11), {"map": [], "mask": []}
    for strength in steps:
        rng = np.random.default_rng(0)
        maps = [centred(rng, strength) for _ in range(n)]
        found["map"].append(np.mean([centre_bias(split(m, EVERYWHERE)[1]) for m in maps]))
        found["mask"].append(np.mean([centre_bias(region(m)) for m in maps]))
    strong = [float(np.interp(RELEASED[kind], found[kind], steps)) for kind in ("map", "mask")]
    return strong[0], strong[1]


def measure(n: int, sweep: int, *, quiet: bool = False) -> list[dict]:
    """Every setting in turn: rows with the null, what was made, how many, and the rates by score and level."""
    rows: list[dict] = []

    def add(kind: str, null: str, setting: str, count: int, rate: Rate, **more: float) -> None:
        at = {name: {str(level): rate.at(name, level) for level in (0.05, 0.1)} for name in SHOWN}
        rows.append({"kind": kind, "null": null, "setting": setting, "n": count, "rate": at, **more})

    def says(text: str) -> str:
        return "" if quiet else text

    for null in ("toroidal", "field"):
        for family in FAMILIES:
            rate = rates((null,), own_hypothesis(null, family), n, 7, says(f"{null}: {family}"))[null]
            add("own", null, family, n, rate)
    map_strength, mask_strength = released_strengths()
    make = centre_biased(map_strength, mask_strength)
    for null, rate in rates(("toroidal", "field"), make, n, 1, says("as released")).items():
        add("released", null, "as centred as released", n, rate, map=map_strength, mask=mask_strength)
    rate = label_rates(map_strength, mask_strength, n, 2, says("labels, as released"))
    add("released", "labels", "as centred as released", n, rate, map=map_strength, mask=mask_strength)
    for strength in STRENGTHS:
        rng = np.random.default_rng(3)
        bias = float(np.mean([centre_bias(split(centred(rng, strength), EVERYWHERE)[1]) for _ in range(sweep)]))
        found = rates(("toroidal", "field"), centre_biased(strength), sweep, 4, says(f"strength {strength}"))
        found["labels"] = label_rates(strength, strength, sweep, 5, says(f"labels, strength {strength}"))
        for null, rate in found.items():
            add("bias", null, f"strength {strength}", sweep, rate, strength=strength, bias=bias)
    for overlap in OVERLAPS:
        for null, rate in rates(("toroidal", "field"), overlapping(overlap), sweep, 6, says(f"IoU {overlap}")).items():
            add("power", null, f"IoU {overlap}", sweep, rate, overlap=overlap)
    return rows


def publish(rows: list[dict], kept: Path) -> None:
    """Tables beside the results, the picture of the documentation, the data of the package."""
    root = Path(__file__).resolve().parents[1]
    kept.with_suffix(".md").write_text(tables(rows), encoding="utf-8")
    picture(rows, root / "docs" / "images" / "calibration.png")
    (root / "workbench" / "scores" / "nulls" / "inflation.toml").write_text(inflation_of(rows), encoding="utf-8")


def main() -> None:
    """Measure, or publish what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5000, help="pairs of each setting")
    parser.add_argument("--sweep", type=int, default=600, help="pairs of each strength of bias and each overlap")
    parser.add_argument("--publish", action="store_true", help="picture and data of the package from earlier results")
    asked = parser.parse_args()
    kept = Path(__file__).parent / "results" / f"calibration-{asked.n}.json"
    if asked.publish:
        publish(json.loads(kept.read_text(encoding="utf-8")), kept)
        return
    rows = measure(asked.n, asked.sweep)
    kept.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    kept.with_suffix(".md").write_text(tables(rows), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How often intervals of scores hold the truth, and how often a true difference of 0 is called above 0.

    OMP_NUM_THREADS=1 python benchmarks/coverage.py [--runs 200] [--at 30 --runs-at 5000] [--out FILE.md]

Made-up maps of 24 × 20 pixels: a bright place on one part of the face (`on`), on its middle (`centre`) or beside it
(`away`), of varying strength, plus smooth noise (.3, .7 and 1.5 of its height: clean, medium, noisy), positive part,
divided by the maximum; `patches` are superpixels that are on or off; `faint` has a quarter of the height, `flat` none
of it; `subjects` is `on medium` with one to four images a subject that share half of the noise. The truth is the score
of the mean over all 12,000 units of a population, from which each run draws its own. Draws, left-out units and scores
are the library's.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage, stats

from workbench.figures import theme
from workbench.heatmaps.resampling import Units, leave_out_weights
from workbench.scores import SCORES
from workbench.scores.cell import Ground
from workbench.scores.intervals import DRAWS, score_rows
from workbench.statistics import bootstrap

GRID = (24, 20)
UNITS = (8, 12, 20, 30, 50, 100)
POPULATION = 12_000
ROWS, COLUMNS = np.mgrid[: GRID[0], : GRID[1]]
MASKS = np.stack(
    [
        (abs(ROWS - 7) < 4) & (abs(COLUMNS - 9.5) < 8),
        (abs(ROWS - 17) < 3) & (abs(COLUMNS - 9.5) < 5),
        COLUMNS < 8,
        COLUMNS > 11,
    ]
)
EYES, MOUTH, LEFT, RIGHT = range(4)
SCORED = ("iou", "recall", "correlation")
PLACES = {"on": (7, 9.5, 3, 6), "centre": (11.5, 9.5, 4, 4), "away": (20, 14, 4, 5)}
NOISE = {"clean": 0.3, "medium": 0.7, "noisy": 1.5}
FACES = [f"{place} {noise}" for place in PLACES for noise in NOISE] + ["subjects", "patches", "faint", "flat"]
SYMMETRIC = [face for face in FACES if not face.startswith("away")]
GROUPS = {
    "clean": [f for f in FACES if "clean" in f],
    "medium": [f for f in FACES if "medium" in f] + ["subjects"],
    "noisy, patches": [f for f in FACES if "noisy" in f] + ["patches"],
    "faint, flat": ["faint", "flat"],
}
STATISTICS = ("iou", "recall", "correlation", "iou: own − others", "iou: own − blob")
RULES = ("percentiles", "BCa alone", "reversed, stretched", "ours")

Floats = np.ndarray


def place(name: str) -> Floats:
    """A Gaussian (y, x) of height 1."""
    down, across, high, wide = PLACES[name]
    return np.exp(-0.5 * (((ROWS - down) / high) ** 2 + ((COLUMNS - across) / wide) ** 2))


def smooth(rng: np.random.Generator, count: int) -> Floats:
    """Noise (count, y, x) of standard deviation 1, smooth over two pixels."""
    found = ndimage.gaussian_filter(rng.normal(size=(count, *GRID)), (0, 2, 2))
    return found / found.std()


def population(face: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Sums of each unit's maps (U, P), each divided by its maximum, and how many maps there are (U,)."""
    if face == "patches":
        chance = 0.08 + 0.5 * np.exp(-0.5 * (((ROWS - 9) / 4) ** 2 + ((COLUMNS - 9.5) / 5) ** 2))[2::4, 2::4]
        on = (rng.random((POPULATION, *chance.shape)) < chance) * rng.gamma(1, 1, (POPULATION, *chance.shape))
        maps = np.kron(on, np.ones((1, 4, 4))).reshape(POPULATION, -1)
        maps = maps[maps.max(axis=1) > 0]
        return _by_maximum(maps), np.ones(len(maps), np.float32)
    kind, _, noise = face.partition(" ")
    height, spread = {"faint": (0.25, 1.0), "flat": (0.0, 1.0), "subjects": (1.0, NOISE["medium"])}.get(
        kind, (1.0, NOISE.get(noise, 0))
    )
    shape = place(kind if kind in PLACES else "on") * height
    counts = rng.integers(1, 5, POPULATION) if face == "subjects" else np.ones(POPULATION, int)
    own = smooth(rng, POPULATION)
    sums = np.zeros((POPULATION, shape.size), np.float32)
    for image in range(counts.max()):
        has = counts > image
        strength, loud = rng.gamma(4, 0.25, (2, POPULATION, 1, 1))
        noise_here = own if counts.max() == 1 else (own + smooth(rng, POPULATION)) / np.sqrt(2)
        maps = np.maximum(strength * shape + spread * loud * noise_here, 0).reshape(POPULATION, -1)
        sums[has] += _by_maximum(maps)[has]
    return sums, counts.astype(np.float32)


def _by_maximum(maps: Floats) -> Floats:
    return (maps / np.maximum(maps.max(axis=1, keepdims=True), 1e-9)).astype(np.float32)


def ground() -> Ground:
    """The whole grid, Otsu's threshold."""
    whole = np.ones(GRID, bool)
    return Ground(MASKS, whole, whole, None, "otsu", {name: SCORES[name].value for name in SCORED})


def statistics(base: Ground, means: Floats) -> Floats:
    """(R, 16) of mean maps (R, P): three scores with three masks, differences of IoU, and left less right."""
    own, blob = score_rows(base, means)
    iou = own["iou"]
    others = [iou[:, k] - np.delete(iou[:, :3], k, axis=1).mean(axis=1) for k in range(3)]
    return np.column_stack(
        [*(own[name][:, :3] for name in SCORED), *others, iou[:, :3] - blob["iou"][:, :3], iou[:, LEFT] - iou[:, RIGHT]]
    )


UNIT, SIGNED = (0.0, 1.0), (-1.0, 1.0)


def by_rules(estimate: Floats, drawn: Floats, left_out: Floats, units: int) -> dict[str, tuple[Floats, Floats]]:
    """Ends of each rule's intervals, (C,) each."""
    found = {name: (np.empty(len(estimate)), np.empty(len(estimate))) for name in RULES}
    stretch = np.sqrt(units / (units - 1)) * stats.t.ppf(0.975, units - 1) / stats.norm.ppf(0.975)
    quantiles = np.quantile(drawn, (0.025, 0.975), axis=0)
    found["percentiles"] = quantiles[0], quantiles[1]
    ordered, z = np.sort(drawn, axis=0), stats.norm.ppf(0.975)
    for c in range(len(estimate)):
        shift = float(np.clip(bootstrap.shift(estimate[c], drawn[:, c]), -9, 9))
        levels = np.clip(bootstrap.bca_levels(shift, bootstrap.acceleration(left_out[:, c]), z), 0, 1)
        ends = np.interp(levels * (len(ordered) - 1), np.arange(len(ordered)), ordered[:, c])
        found["BCa alone"][0][c], found["BCa alone"][1][c] = ends
    bca = np.zeros(len(estimate))
    for span, part in ((UNIT, slice(0, 6)), (SIGNED, slice(6, None))):
        middle, *outer = (bootstrap._scaled(x[part], span) for x in (estimate, *quantiles))
        found["reversed, stretched"][0][part] = bootstrap._back(middle - stretch * (outer[1] - middle), span)
        found["reversed, stretched"][1][part] = bootstrap._back(middle - stretch * (outer[0] - middle), span)
        ours = bootstrap.ends(estimate[part], drawn[:, part], left_out[:, part], units, span)
        found["ours"][0][part], found["ours"][1][part] = ours.low, ours.high
        bca[part] = ours.method == bootstrap.BCA
    found["bca"] = bca, bca
    return found


def run(face: str, units: int, runs: int, seed: int) -> dict[str, list[float]]:
    """Coverage of each rule, (15,), share of BCa, mean width, and shares of p below α, over the runs."""
    rng = np.random.default_rng([seed, FACES.index(face), units])
    base = ground()
    sums, counts = population(face, np.random.default_rng([seed, FACES.index(face)]))
    truth = statistics(base, sums.sum(axis=0, keepdims=True, dtype=np.float64) / counts.sum())[0]
    held = {name: np.zeros(len(truth)) for name in RULES}
    extra = {name: np.zeros(len(truth)) for name in ("bca", "width", "mean")}
    below = {f"{kind} {alpha}": np.zeros(len(truth)) for kind in ("p", "p alone") for alpha in (0.05, 0.01, 0.001)}
    everyone = np.arange(units)
    leaving = leave_out_weights(Units(everyone, "image", np.full(units, "")), everyone, bootstrap.GROUPS)
    for _ in range(runs):
        chosen = rng.integers(len(sums), size=units)
        weights = np.concatenate(
            [np.ones((1, units)), rng.multinomial(units, np.full(units, 1 / units), DRAWS), leaving]
        )
        weights = weights.astype(np.float32)
        found = statistics(base, (weights @ sums[chosen]) / (weights @ counts[chosen])[:, None])
        e, drawn, left = found[0], found[1 : DRAWS + 1], found[DRAWS + 1 :]
        ends = by_rules(e, drawn, left, units)
        extra["bca"] += ends.pop("bca")[0]
        extra["width"] += ends["ours"][1] - ends["ours"][0]
        extra["mean"] += e
        for name, (low, high) in ends.items():
            held[name] += (low <= truth + 1e-9) & (truth - 1e-9 <= high)
        for kind, rest in (("p", left - truth), ("p alone", None)):
            p = bootstrap.p_above(e - truth, drawn - truth, units, left_out=rest)
            for alpha in (0.05, 0.01, 0.001):
                below[f"{kind} {alpha}"] += p <= alpha
    scored = {**held, **extra, **below}
    return {"truth": truth.tolist(), "runs": [runs], **{name: (v / runs).tolist() for name, v in scored.items()}}


def each(found: dict[str, list[float]], name: str, statistic: str) -> Floats:
    """The three masks' values of a statistic; without those whose truth is an end of the range."""
    first = 3 * STATISTICS.index(statistic)
    truth = np.array(found["truth"][first : first + 3])
    return np.array(found[name][first : first + 3])[(first > 3) | ((truth > 0) & (truth < 1))]


def pooled(results: dict[str, dict[str, list[float]]], faces: list[str], units: int, name: str) -> Floats:
    """Every statistic's values over some populations."""
    return np.concatenate([each(results[f"{f} {units}"], name, s) for f in faces for s in STATISTICS])


def tables(results: dict[str, dict[str, list[float]]]) -> Iterator[str]:
    """The page, line by line."""
    sizes = sorted({int(key.rsplit(" ", 1)[1]) for key in results})
    runs = {n: int(results[f"{FACES[0]} {n}"]["runs"][0]) for n in sizes}
    yield "# How often intervals hold the truth"
    yield ""
    yield "`benchmarks/coverage.py`; 95 % intervals, 400 draws; runs a population: " + ", ".join(
        f"{runs[n]:,} with {n} units" for n in sizes
    )

    def table(title: str, names: list[str], head: list[str], cell: Callable[[str, str], str]) -> Iterator[str]:
        yield from ("", f"## {title}", "", "| | " + " | ".join(head) + " |", "|---|" + "--:|" * len(head))
        for name in names:
            yield f"| {name} | " + " | ".join(cell(name, h) for h in head) + " |"

    def percent(values: Floats) -> str:
        return f"{100 * values.mean():.1f} ({100 * values.min():.0f})" if len(values) else ""

    heads = [str(n) for n in sizes]
    yield from table(
        "Percent of intervals that hold the truth, mean over scores (worst score), by units",
        [f"{group}: {rule}" for group in GROUPS for rule in RULES],
        heads,
        lambda name, n: percent(pooled(results, GROUPS[name.split(": ")[0]], int(n), name.split(": ")[1])),
    )
    yield from table(
        "Ours, all populations but faint and flat",
        list(STATISTICS),
        heads,
        lambda s, n: percent(np.concatenate([each(results[f"{f} {n}"], "ours", s) for f in FACES[:-2]])),
    )
    for n in (30, 100):
        if n in sizes:
            yield from table(
                f"Ours with {n} units, by population: mean over three masks (worst mask)",
                FACES,
                list(STATISTICS),
                lambda f, s, n=n: percent(each(results[f"{f} {n}"], "ours", s)),
            )
    yield from table(
        "Percent of intervals that are BCa",
        list(GROUPS),
        heads,
        lambda g, n: f"{100 * pooled(results, GROUPS[g], int(n), 'bca').mean():.0f}",
    )
    null = {
        "left less right half, truly 0": (SYMMETRIC, [15]),
        "own less others, than = truth": (FACES[:-2], [9, 10, 11]),
        "own less blob, than = truth": (FACES[:-2], [12, 13, 14]),
    }
    for kind, title in (("p", "with the jackknife"), ("p alone", "draws alone")):
        for alpha in (0.05, 0.01, 0.001):
            yield from table(
                f"`p_above` ≤ {alpha}, {title}: share of runs, mean (worst population)",
                list(null),
                heads,
                lambda name, n, kind=kind, alpha=alpha: "{:.4f} ({:.3f})".format(
                    np.mean(
                        x := [[results[f"{f} {n}"][f"{kind} {alpha}"][c] for c in null[name][1]] for f in null[name][0]]
                    ),
                    np.max(x),
                ),
            )


def picture(results: dict[str, dict[str, list[float]]], file: Path) -> None:
    """Coverage of the four rules over the number of units, one panel a group of populations."""
    sizes = sorted({int(key.rsplit(" ", 1)[1]) for key in results})
    colours = dict(zip(RULES, (theme.INK, theme.BLOB, theme.OTHER, theme.OWN), strict=True))
    with plt.rc_context({**theme.RC, "figure.facecolor": "white", "savefig.facecolor": "white"}):
        figure, axes = plt.subplots(1, len(GROUPS), figsize=(9, 2.8), sharey=True, layout="constrained")
        for axis, (group, faces) in zip(axes, GROUPS.items(), strict=True):
            axis.axhspan(90, 97, color=theme.MISSING, lw=0)
            for rule in RULES:
                means = [100 * pooled(results, faces, n, rule).mean() for n in sizes]
                axis.plot(sizes, means, color=colours[rule], marker="o", ms=3, lw=2.2 if rule == "ours" else 1.2)
            axis.set(title=group, xscale="log", xlabel="units", ylim=(40, 100))
            axis.set_xticks(sizes, [str(n) for n in sizes])
            axis.minorticks_off()
        axes[0].set_ylabel("intervals that hold the truth, %")
        lines = [plt.Line2D([], [], color=colours[rule], lw=2) for rule in RULES]
        figure.legend(lines, RULES, loc="outside lower center", ncols=len(RULES))
        figure.savefig(file, dpi=130)
    plt.close(figure)


def main() -> None:
    """Runs everything and prints the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--at", type=int, default=30, help="the number of units that --runs-at is for")
    parser.add_argument("--runs-at", type=int, default=5000)
    parser.add_argument("--units", type=int, nargs="+", default=list(UNITS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="the tables as a page, and what they are made of as .json beside it")
    parser.add_argument("--read", type=Path, nargs="+", default=[], help=".json files of earlier runs; nothing is run")
    parser.add_argument("--picture", type=Path, help="a PNG of coverage over the number of units")
    given = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {}
    for file in given.read:
        results |= json.loads(file.read_text())
    for units in given.units if not given.read else ():
        for face in FACES:
            started = time.process_time()
            results[f"{face} {units}"] = run(
                face, units, given.runs_at if units == given.at else given.runs, given.seed
            )
            print(f"{face} {units}: {time.process_time() - started:.0f} s", flush=True)
        if given.out:
            given.out.with_suffix(".json").write_text(json.dumps(results))
    print("\n".join(tables(results)))
    if given.out:
        given.out.write_text("\n".join(tables(results)) + "\n")
    if given.picture:
        picture(results, given.picture)


if __name__ == "__main__":
    main()

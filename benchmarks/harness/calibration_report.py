"""Tables, picture and data of `benchmarks/calibration.py`, from the rows that it measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import stats

from harness.made_up import GRID, RELEASED

SHOWN = ("iou", "correlation")
LEVEL = 0.05


def band(n: int, level: float = LEVEL) -> tuple[float, float]:
    """Where the rate of a calibrated test lies with probability .999."""
    low, high = stats.binom.ppf((0.0005, 0.9995), n, level) / n
    return float(low), float(high)


def interval(rate: float, n: int) -> tuple[float, float]:
    """99.9 % interval of a rate (Clopper & Pearson 1934)."""
    found = stats.binomtest(round(rate * n), n).proportion_ci(0.999)
    return float(found.low), float(found.high)


def of(rows: list[dict], kind: str) -> list[dict]:
    """Rows of one kind, in the order measured."""
    return [row for row in rows if row["kind"] == kind]


def tables(rows: list[dict]) -> str:
    """Everything measured, as Markdown."""

    def both(row: dict) -> str:
        return " | ".join(f"{row['rate'][name][str(LEVEL)]:.3f}" for name in SHOWN)

    lines = [
        f"Rates of p ≤ {LEVEL} on {GRID[0]} × {GRID[1]} pixels; made by `benchmarks/calibration.py`.",
        "",
        "## Each null under its own hypothesis",
        "",
        "| null | maps | n | 99.9 % band | IoU | correlation |",
        "|---|---|---|---|---|---|",
    ]
    for row in of(rows, "own"):
        low, high = band(row["n"])
        lines.append(f"| {row['null']} | {row['setting']} | {row['n']} | {low:.3f} to {high:.3f} | {both(row)} |")
    lines += ["", "## Unrelated maps and masks in the middle", ""]
    lines += ["| null | strength | centre bias of the maps | n | IoU | correlation |", "|---|---|---|---|---|---|"]
    for row in of(rows, "bias"):
        lines.append(f"| {row['null']} | {row['strength']} | {row['bias']:.2f} | {row['n']} | {both(row)} |")
    for row in of(rows, "released"):
        strengths = f"{row['map']:.2f} (masks {row['mask']:.2f})"
        bias = f"{RELEASED['map']:.2f} (masks {RELEASED['mask']:.2f})"
        lines.append(f"| {row['null']} | {strengths} | {bias}, as released | {row['n']} | {both(row)} |")
    lines += ["", "## Power", "", "| null | IoU with the mask | n | IoU | correlation |", "|---|---|---|---|---|"]
    lines += [f"| {row['null']} | {row['overlap']} | {row['n']} | {both(row)} |" for row in of(rows, "power")]
    return "\n".join(lines) + "\n"


def inflation_of(rows: list[dict]) -> str:
    """The file that `workbench.scores.nulls.inflation` reads."""
    lines = [
        "# Rate of p <= .05 (IoU) for unrelated maps and masks whose centre bias is that of the released ones, its",
        "# 99.9 % interval. Written by `benchmarks/calibration.py --publish`; see docs/calibration.md.",
    ]
    for row in of(rows, "released"):
        rate, n = row["rate"]["iou"][str(LEVEL)], row["n"]
        low, high = interval(rate, n)
        lines += ["", f"[{row['null']}]", f"rate = {rate:.4f}", f"low = {low:.4f}", f"high = {high:.4f}", f"n = {n}"]
        lines += [f"map_bias = {RELEASED['map']}", f"mask_bias = {RELEASED['mask']}"]
    return "\n".join(lines) + "\n"


def picture(rows: list[dict], path: Path) -> None:
    """Rate against the bias, a line a null, on white."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), dpi=150, facecolor="white", layout="constrained")
    ax = figure.add_subplot()
    swept, released = of(rows, "bias"), of(rows, "released")
    low, high = band(swept[0]["n"])
    ax.axhspan(low, high, color="#d9d9de", lw=0)
    ax.axhline(LEVEL, color="#4a4a52", lw=1, ls=(0, (4, 3)))
    words = {"toroidal": "toroidal shifts", "field": "random fields", "labels": "label permutation"}
    look = {"field": ("#7a3e9d", "s"), "toroidal": ("#c04f15", "o"), "labels": ("#1f6f8b", "^")}
    for null, (colour, marker) in look.items():
        mine = [row for row in swept if row["null"] == null]
        bias, rate = [r["bias"] for r in mine], np.array([r["rate"]["iou"][str(LEVEL)] for r in mine])
        error = np.array([interval(y, r["n"]) for y, r in zip(rate, mine, strict=True)])
        ax.fill_between(bias, error[:, 0], error[:, 1], color=colour, alpha=0.15, lw=0)
        ax.plot(bias, rate, color=colour, marker=marker, ms=5, lw=1.8)
        ax.annotate(words[null], (bias[-1], rate[-1]), (8, 0), textcoords="offset points", color=colour, va="center")
    for row in released:
        colour, marker = look[row["null"]]
        at = row["rate"]["iou"][str(LEVEL)]
        ax.plot(RELEASED["map"], at, marker=marker, ms=11, mfc="white", mec=colour, mew=2, zorder=5)
    ax.annotate(
        "open: as centred as the\nreleased maps and masks",
        (RELEASED["map"] + 0.03, 0.18),
        ha="left",
        color="#33333a",
        fontsize=9,
    )
    ax.annotate("nominal .05, band of a calibrated test", (0.33, high), (0, 3), textcoords="offset points", fontsize=8)
    ax.set(xlabel="centre bias of the maps' foreground (0 even, 1 all in the centre)", xlim=(-0.03, 0.86))
    ax.set(ylabel="unrelated pairs called related (p ≤ .05, IoU)", ylim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)

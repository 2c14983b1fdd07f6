"""Rows of results and how they are printed: Markdown for people, JSON for programs."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from harness.clock import ratio
from harness.goals import GOALS


@dataclass(frozen=True)
class Row:
    """One measured goal on one network. ours, theirs: minima in `unit`; value, median: the ratio (or the number)."""

    key: str
    network: str
    ours: float
    theirs: float
    value: float
    median: float
    unit: str = "ms"
    note: str = ""

    @property
    def reached(self) -> str:
        """What the goals say about it."""
        return GOALS[self.key].reached(self.value)

    @classmethod
    def timed(cls, key: str, network: str, ours: np.ndarray, theirs: np.ndarray, note: str = "") -> Row:
        """From times (repetitions,): theirs ÷ ours where more is better, ours ÷ theirs elsewhere."""
        sense = GOALS[key].sense or "≥"
        value, median = ratio(theirs, ours) if sense == "≥" else ratio(ours, theirs)
        return cls(key, network, float(ours.min()), float(theirs.min()), value, median, "ms", note)


def machine(device: str) -> dict[str, str]:
    """Where it was measured: the processor's name, torch, day; no host name."""
    name = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        named = [line.split(":")[1] for line in listing.read_text().splitlines() if line.startswith("model name")]
        name = named[0].strip() if named else name
    if device != "cpu":
        name = f"{torch.cuda.get_device_name()} ({name})"
    return {
        "machine": name,
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def markdown(rows: list[Row], about: dict[str, str], notes: list[str]) -> str:
    """One table of all rows, goal by goal."""
    lines = [", ".join(f"{key} {value}" for key, value in about.items()), ""]
    lines += ["| row | network | ours | peer or floor | ratio: min | median | must | stretch | reached | note |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|--:|---|---|"]
    order = list(GOALS)
    for row in sorted(rows, key=lambda row: order.index(row.key)):
        goal = GOALS[row.key]
        bounds = [f"{goal.sense} {bound:g}" if bound is not None else "" for bound in (goal.must, goal.stretch)]
        unit = f" {row.unit}" if row.unit else ""
        sides = [f"{side:.4g}{unit}" if np.isfinite(side) else "" for side in (row.ours, row.theirs)]
        ratios = [f"{number:.3g}" if np.isfinite(number) else "" for number in (row.value, row.median)]
        cells = [goal.text, row.network, *sides, *ratios, *bounds, row.reached, row.note]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def save(
    path: Path, rows: list[Row], about: dict[str, str], notes: list[str], title: str = "Explainers, beside their peers"
) -> None:
    """As Markdown or JSON, by the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        listed = [{**asdict(row), "goal": GOALS[row.key].text, "reached": row.reached} for row in rows]
        path.write_text(json.dumps({**about, "rows": listed, "notes": notes}, indent=1) + "\n")
    else:
        path.write_text(f"# {title}\n\n" + markdown(rows, about, notes))

"""How much time and memory tables of scores take: the published one with all its controls, and one of many images.

    OMP_NUM_THREADS=1 python benchmarks/scores.py [--published FOLDER] [--images 10000] [--storage zarr,nc,npy]
                                                  [--verbs save,evaluate,cluster] [--folder DIR] [--out FILE.md]

Each job runs in a process of its own. Processor time is that of the job without imports; memory is the peak of the
whole process, imports included, and beside it the peak of what it holds itself: pages of a mapped file count in the
former, and the system takes them back when it needs them.

`--published` (left out where the folder is not there): 12 networks × 6 expressions on 275 × 224 pixels, `evaluate` by
its defaults and the earth mover's distance: every shift of the torus, 1,440 random fields a cell. Beside it the plain
road to the first of these alone: `numpy.roll` of the foreground and an IoU for each of 61,600 shifts, timed on 300.

`--images` (0 for none of this): 4 networks × 6 explainers × N images on 64 × 56 pixels (the frame `mediapipe478` at a
quarter), 500 subjects, smooth noise with a brighter place at another height for each expression. Made on disk block by
block, saved from there, opened lazily; then `evaluate` and `cluster` by their defaults: intervals, null models,
reliability, support.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

from workbench.comparison import cluster
from workbench.heatmaps import load, load_folder, otsu, save
from workbench.masks import MaskSet, load_masks
from workbench.scores import evaluate
from workbench.vocabulary import BASIC_EXPRESSIONS

NETWORKS, EXPLAINERS, SUBJECTS, GRID, FINER = 4, 6, 500, (64, 56), 4
AT_ONCE = 500
PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "published_heatmaps"
ROLLS = 300
SCORES = ("iou", "precision", "recall", "f1", "correlation", "earth_movers")
HEAD = "| job | processor s | wall s | peak MB | of it the process's own |\n|---|---|---|---|---|"


def main() -> None:
    """Every job asked for, as rows of one table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--published", type=Path, default=PUBLISHED, help="folder with by_network and ground_truth")
    asked.add_argument("--images", type=int, default=10_000)
    asked.add_argument("--storage", default="zarr")
    asked.add_argument("--verbs", default="save,evaluate,cluster")
    asked.add_argument("--folder", type=Path, help="where the maps are made; kept, and used again if they are there")
    asked.add_argument("--out", type=Path)
    asked.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.job:
        job(given.job[0], *given.job[1:])
        return
    rows = []
    if (given.published / "by_network").is_dir():
        rows += [measured("published", str(given.published)), measured("rolls", str(given.published))]
    if given.images:
        with tempfile.TemporaryDirectory() as scratch:
            folder = given.folder or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "maps.npy").exists():
                make(folder / "maps.npy", given.images)
            for storage in given.storage.split(","):
                for verb in given.verbs.split(","):
                    if verb != "save" or storage != "npy":
                        rows.append(measured(verb, str(folder / f"maps.{storage}"), str(given.images)))
    text = "\n".join([HEAD, *rows]) + "\n"
    if given.out:
        given.out.write_text(text)
    print(text, end="")


def measured(*job: str) -> str:
    """A row of the table, from a child process."""
    script = [sys.executable, str(Path(__file__).resolve()), "--job", *job]
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    done = subprocess.run(script, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    row = done.stdout.splitlines()[-1]
    print(row, file=sys.stderr)
    return row


def job(verb: str, path: str, images: str = "0") -> None:
    """Run one job and print its row."""
    count = int(images)
    work: dict[str, Callable[[], object]] = {
        "published": lambda: published(Path(path)),
        "rolls": lambda: rolls(Path(path)),
        "save": lambda: save(opened(Path(path).with_suffix(".npy"), count), path),
        "evaluate": lambda: evaluate(opened(Path(path), count), quarter(load_masks("friesen-ekman"))),
        "cluster": lambda: cluster(opened(Path(path), count)),
    }
    own = Own()
    wall, processor = time.perf_counter(), time.process_time()
    found = work[verb]()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    factor = float(found) if isinstance(found, float) else 1.0
    name = f"{verb} {Path(path).name}" + (f", {images} images" if images != "0" else "")
    print(
        f"| {name} | {processor * factor:,.1f} | {wall * factor:,.1f} | {status('VmHWM'):,.0f} | {own.peak():,.0f} |",
    )


def published(folder: Path) -> xr.Dataset:
    """The published table with all controls."""
    return evaluate(load_folder(folder / "by_network"), load_masks(folder / "ground_truth"), scores=SCORES)


def rolls(folder: Path) -> float:
    """Some shifts of one map over its mask; how often as many the whole table has."""
    maps, masks = load_folder(folder / "by_network"), load_masks(folder / "ground_truth")
    grey = np.asarray(maps.values[0, 0, 0]).astype(np.uint8)
    foreground, mask = grey > otsu(grey), masks.maps.values[0] >= 0.5
    for shift in range(ROLLS):
        moved = np.roll(foreground, (shift, shift), (0, 1))
        _ = (moved & mask).sum() / (moved | mask).sum()
    return grey.size * maps.sizes["model"] * maps.sizes["expression"] / ROLLS


def made_up(images: int) -> dict[str, object]:
    """Coordinates: labels, what each network says (right in three of four), subjects."""
    rng = np.random.default_rng(1)
    names = np.array(BASIC_EXPRESSIONS)
    label = names[rng.integers(6, size=images)]
    said = [np.where(rng.random(images) < 0.7, label, names[rng.integers(6, size=images)]) for _ in range(NETWORKS)]
    return {
        "model": [f"network {k}" for k in range(NETWORKS)],
        "explainer": [f"explainer {k}" for k in range(EXPLAINERS)],
        "image": [f"face {k}" for k in range(images)],
        "label": ("image", label),
        "predicted": (("model", "image"), np.stack(said)),
        "subject": ("image", np.array([f"subject {k}" for k in rng.integers(SUBJECTS, size=images)])),
    }


def make(path: Path, images: int) -> None:
    """Maps of all networks and explainers on disk (NumPy's format), some images at a time."""
    said = np.asarray(made_up(images)["predicted"][1])  # type: ignore[index]
    maps = np.lib.format.open_memmap(path, "w+", np.float32, (NETWORKS, EXPLAINERS, images, *GRID))
    rng = np.random.default_rng(2)
    down, across = (np.linspace(0, 1, side) for side in GRID)
    places = np.array(
        [np.exp(-((down[:, None] - 0.25 - 0.1 * k) ** 2 + (across - 0.5) ** 2) / 0.05) for k in range(6)], np.float32
    )
    finer = [
        np.maximum(0, 1 - abs(np.linspace(0, few - 1, side)[:, None] - np.arange(few))).astype(np.float32)
        for side, few in zip(GRID, (8, 7), strict=True)
    ]
    for model, explainer in np.ndindex(NETWORKS, EXPLAINERS):
        for start in range(0, images, AT_ONCE):
            names = said[model, start : start + AT_ONCE]
            noise = finer[0] @ rng.normal(size=(len(names), 8, 7)).astype(np.float32) @ finer[1].T
            here = [BASIC_EXPRESSIONS.index(name) for name in names]
            maps[model, explainer, start : start + AT_ONCE] = noise + places[here]
    maps.flush()


def opened(path: Path, images: int) -> xr.DataArray:
    """The stored maps, unread."""
    if path.suffix != ".npy":
        return load(path, lazy=True)
    dims = ("model", "explainer", "image", "y", "x")
    return xr.DataArray(np.load(path, mmap_mode="r"), made_up(images), dims, attrs={"target": "predicted"})


def quarter(masks: MaskSet) -> MaskSet:
    """The masks on a grid a quarter as fine."""
    height, width = GRID
    share = masks.maps.values.reshape(-1, height, FINER, width, FINER).mean(axis=(2, 4), dtype=np.float32)
    inside = masks.domain.values.reshape(height, FINER, width, FINER).any(axis=(1, 3))
    maps = xr.DataArray(share, dims=masks.maps.dims, coords={masks.dimension: masks.names})
    return replace(masks, frame="image", maps=maps, domain=xr.DataArray(inside, dims=("y", "x")))


def status(field: str) -> float:
    """MB of a line of /proc/self/status (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


class Own:
    """The peak of the process's own memory, without pages of files; looked at 20 times a second."""

    def __init__(self) -> None:
        self.most, self.done = 0.0, threading.Event()
        self.watch = threading.Thread(target=self._look, daemon=True)
        self.watch.start()

    def _look(self) -> None:
        while not self.done.wait(0.05):
            self.most = max(self.most, status("RssAnon"))

    def peak(self) -> float:
        """MB, and an end of looking."""
        self.done.set()
        self.watch.join()
        return self.most


if __name__ == "__main__":
    main()

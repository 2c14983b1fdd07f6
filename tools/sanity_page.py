"""The tables and the picture of docs/sanity.md: checks of a network whose truth is known, and of photographs.

    python tools/sanity_page.py FOLDER docs/images/sanity.png [--null]

FOLDER keeps the CNN of `drawn_faces.py`, trained at the first call (minutes). Prints in the page's order: parameter
randomisation, stability and input invariance on 24 drawn faces, each a unit of its own, and parameter randomisation of
mini-XCEPTION on twelve demo photographs. With --null, instead: how often 150 random starts each of two networks whose
maps owe nothing to one another are called anything but dependent on the weights (minutes).
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from drawn_faces import CLASSES, drawn_faces, face_set, trained
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from workbench.classifiers import Classifier, load_classifier
from workbench.faces import FaceSet, demo_faces
from workbench.faithfulness.sanity import input_invariance, parameter_randomisation, stability
from workbench.figures import theme
from workbench.figures.theme import number

EXPLAINERS: Final = ["saliency", "input_x_gradient", "lrp", "guided_backprop", "grad_cam", "occlusion", "edge_map"]
DRAWN: Final = ["saliency", "guided_backprop", "lrp", "grad_cam", "occlusion", "edge_map"]
PHOTOGRAPHED: Final = ["saliency", "guided_backprop", "grad_cam", "edge_map"]
OPTIONS: Final[dict[str, dict[str, Any]]] = {"occlusion": {"stride": 0.25}}
MEASURE: Final = "spearman"
STARTS: Final = 150
WIDTH: Final = 1400


def one_measure(found: xr.Dataset) -> xr.Dataset:
    """The table of Spearman's correlations, without the images."""
    return found.sel(measure=MEASURE)


def verdict(sentence: str) -> str:
    """What a sentence says before its figures, as short as on the page."""
    head = sentence.split(":")[0].split(" (")[0]
    return head.replace("depends on the weights in part", "in part").replace(" on the weights", "")


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under its title."""
    print(f"\n{title}\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|", sep="\n")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def drawn_rows(found: xr.Dataset) -> list[list[str]]:
    """Each explainer of the drawn faces: first and last stage, controls, verdict."""
    rows = []
    for name in EXPLAINERS:
        own = one_measure(found).sel(explainer=name)
        last = own.isel(stage=-1)
        interval = f"[{number(float(last['low']))}, {number(float(last['high']))}]"
        rows.append(
            [
                name,
                number(float(own["mean"][0])),
                f"{number(float(last['mean']))} {interval}",
                f"{number(float(own['smooth_random_low']))} to {number(float(own['smooth_random_high']))}",
                number(float(own["floor_random"].mean())),
                number(float(own["floor_images"].mean())),
                verdict(str(own["verdict"].values)),
            ]
        )
    return rows


def photographed_rows(found: xr.Dataset) -> list[list[str]]:
    """Each explainer of the photographs: first, middle and last stage, controls, verdict."""
    rows = []
    for name in PHOTOGRAPHED:
        own = one_measure(found).sel(explainer=name)
        mean = own["mean"].values
        values = [mean[0], mean[len(mean) // 2 - 1], mean[-1], own["floor_random"].mean(), own["floor_images"].mean()]
        rows.append([name, *(number(float(value)) for value in values), verdict(str(own["verdict"].values))])
    return rows


def stability_table(found: Sequence[xr.Dataset]) -> tuple[list[str], list[list[str]]]:
    """Head and rows; moves of one length are averaged over their directions, as closer and wider are."""
    groups: dict[str, list[np.ndarray]] = {}
    for part in found:
        for change in part["change"].values:
            mean = one_measure(part)["mean"].sel(explainer=EXPLAINERS, change=change)
            groups.setdefault(_kind(str(change)), []).append(mean.values)
    means = np.stack([np.mean(values, axis=0) for values in groups.values()], axis=1)
    return ["", *groups], [
        [name, *(number(value) for value in row)] for name, row in zip(EXPLAINERS, means, strict=True)
    ]


def _kind(change: str) -> str:
    direction, _, length = change.partition(" ")
    if not length:
        return {"jpeg": "JPEG", "flip": "mirrored"}.get(change, change)
    return ("scaled by " if direction in ("closer", "wider") else "moved by ") + length.replace("%", " %")


def picture(found: xr.Dataset, path: Path) -> None:
    """One panel an explainer on white, WIDTH pixels wide, as a PNG of 256 colours."""
    figure = panels(one_measure(found))
    stream = io.BytesIO()
    dots = WIDTH / float(figure.get_size_inches()[0])
    figure.savefig(stream, format="png", dpi=dots, facecolor="white", transparent=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)


@theme.themed
def panels(found: xr.Dataset) -> Figure:
    """Likeness to the trained map, stage after stage, beside unrelated maps and maps of different faces."""
    width, height, gap, left, foot, head = 1.42, 1.75, 0.16, 0.66, 0.84, 0.3
    figure = theme.new_figure(left + len(DRAWN) * (width + gap), foot + height + head)
    blocks = found.sizes["stage"]
    steps = ["trained", "head", *(f"+ block {blocks - at}" for at in range(1, blocks))]
    lowest = float(min(found["low"].min(), found["smooth_random_low"].min())) - 0.05
    for column, name in enumerate(DRAWN):
        axes = theme.axes(figure, left + column * (width + gap), foot, width, height)
        _panel(axes, found.sel(explainer=name))
        axes.set_title(name.replace("_", " "), loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold")
        axes.set_ylim(lowest, 1.06)
        axes.set_xticks(range(len(steps)), steps, rotation=90, fontsize=theme.SMALL)
        if column == 0:
            axes.set_ylabel("Spearman’s correlation", fontsize=theme.SMALL)
        else:
            axes.set_yticklabels([])
    return figure


def _panel(axes: Axes, own: xr.Dataset) -> None:
    mean, low, high = (np.concatenate([[1.0], own[name].values]) for name in ("mean", "low", "high"))
    chance = float(own["smooth_random_low"]), float(own["smooth_random_high"])
    x = np.arange(len(mean))
    axes.axhspan(*chance, color=theme.FAINT, alpha=0.28, linewidth=0)
    axes.axhline(float(own["floor_images"].mean()), color=theme.OTHER, linestyle="--", linewidth=1.2)
    axes.fill_between(x, low, high, color=theme.OWN, alpha=0.25, linewidth=0)
    axes.plot(x, mean, color=theme.OWN, marker="o", markersize=3, linewidth=1.5)


def of_drawn_faces(folder: Path, path: Path) -> None:
    """Parameter randomisation with its picture, stability and input invariance of the CNN that reads mouths alone."""
    faces, network = face_set(drawn_faces(24, seed=3)), trained("cnn", folder)
    found = parameter_randomisation(network, faces, EXPLAINERS, options=OPTIONS)
    head = ["", "head random", "all random", "unrelated, 95 % of pairs", "two random networks", "different faces"]
    show("Parameter randomisation, drawn faces", [*head, "verdict"], drawn_rows(found))
    picture(found, path)
    steady = [stability(network, faces, EXPLAINERS, over, options=OPTIONS) for over in ("augmentation", "crop")]
    show("Stability, drawn faces", *stability_table(steady))
    moved = max(float(abs(found["probability_change"]).mean("image").max()) for found in steady)
    print(f"\nThe explained probability moved by {moved:.4f} on average at the most.")
    shifted = input_invariance(network, faces, [*EXPLAINERS[:-1], "full_grad"], options=OPTIONS)
    answers = [[str(name), str(shifted["verdict"].sel(explainer=name).values)] for name in shifted["explainer"].values]
    show("Input invariance, drawn faces", ["", "verdict"], answers)


def of_photographs() -> None:
    """Parameter randomisation of the demo's mini-XCEPTION."""
    faces, network = demo_faces(progress=False)[:12], load_classifier("fer-mini-xception")
    found = parameter_randomisation(network, faces, PHOTOGRAPHED, similarity=[MEASURE])
    head = ["", "head random", "half of the blocks", "all random", "two random networks", "different faces", "verdict"]
    show(
        f"Parameter randomisation, photographs of {faces.table['subject'].nunique()} people",
        head,
        photographed_rows(found),
    )


def _start(kind: str, seed: int) -> Classifier:
    """A linear network or one of two convolutions for crops of 16 pixels, as its random start leaves it."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    if kind == "linear":
        module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, len(CLASSES)))
    else:
        body = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()]
        module = nn.Sequential(*body, nn.Flatten(), nn.Linear(4 * 12 * 12, len(CLASSES)))
    return load_classifier(module.eval(), labels=CLASSES, size=16, mean=0.5, std=0.5, name=f"{kind} {seed}")


def under_the_null() -> None:
    """Print how often each verdict is said of signed gradients of networks that were never trained."""
    import pandas as pd

    count = 12
    images = np.random.default_rng(1).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "name": [f"noise-{index:02d}" for index in range(count)],
            "label": "",
            "subject": "",
            "source": "tools/sanity_page.py",
            "sha256": "",
        }
    )
    faces = FaceSet(images, np.full((count, 478, 2), 0.5, np.float32), table)
    for kind in ("linear", "convolutions"):
        said: Counter[str] = Counter()
        for start in tqdm(range(STARTS), desc=kind):
            found = parameter_randomisation(
                _start(kind, start),
                faces,
                "saliency",
                stages=1,
                similarity=[MEASURE, "correlation"],
                seed=1000 * (start + 1),
                options={"saliency": {"signed": True}},
                progress=False,
            )
            said.update(verdict(str(sentence)) for sentence in found["verdict"].values.ravel())
        print(kind, dict(said))


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--null", action="store_true", help="random starts in place of the page's tables")
    args = parser.parse_args()
    began = time.perf_counter()
    if args.null:
        under_the_null()
    else:
        of_drawn_faces(args.folder, args.out)
        of_photographs()
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

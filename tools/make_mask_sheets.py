"""Contact sheets of every mask set, and the table of what was measured on them.

    python tools/make_mask_sheets.py docs/images [--only facs-au …] [--table]

`masks_<set>.png`: each mask on the canonical face, on two public-domain photographs and on a drawn face (of a pair
the right one). --table prints
the rows of the table in docs/masks.md instead.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from drawn_faces import drawn_face
from matplotlib.figure import Figure
from PIL import Image

from workbench.faces import demo_faces
from workbench.faces.faceset import FaceSet
from workbench.figures.mask_sheet import mask_sheet
from workbench.masks import MASKS, load_masks
from workbench.masks.measure import distinctness, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 1200
DRAWN: Final = [5, 8]  # seed of the drawn face


def pictured() -> FaceSet:
    """The astronaut, the Navy portrait and a drawn face, with landmarks."""
    photographs = demo_faces(collage=False, progress=False)
    face = drawn_face(np.random.default_rng(DRAWN), label=0)
    enlarged = Image.fromarray(face.image).resize((photographs.size,) * 2, Image.Resampling.BICUBIC)
    images = np.concatenate([photographs.images, np.asarray(enlarged)[None]])
    landmarks = np.concatenate([photographs.landmarks, face.landmarks[None]])
    table = pd.concat([photographs.table, photographs.table.iloc[:1].assign(name="drawn", sha256="")])
    return FaceSet(images, landmarks, table.reset_index(drop=True), photographs.scheme)


def save(figure: Figure, path: Path) -> None:
    """The figure on white, WIDTH pixels wide, as a PNG of 192 colours."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=WIDTH / float(figure.get_size_inches()[0]), facecolor="white")
    picture = Image.open(stream).convert("RGB").quantize(192, Image.Quantize.MEDIANCUT)
    picture.save(path, optimize=True)
    print(f"{path} {picture.width} × {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def table(names: Sequence[str]) -> None:
    """The tables of docs/masks.md: the worst entry of each set in each respect, and every unit of facs-au."""

    def cell(value: float, entry: str, fine: bool) -> str:
        return f"{value:.3f}" if fine else f"{value:.3f} ({entry})"

    for name in names:
        found = summary(MASKS[name].value)
        cells = [f"`{name}`", str(len(MASKS[name].details["entries"]))]
        cells += [cell(*found[key], found[key][0] > 0.9995) for key in ("mirror", "scale", "roll", "symmetry")]
        cells.append(cell(*found["overlap"], found["overlap"][0] == 0))
        cells.append(f"{found['least'][0]:.3f} … {found['most'][0]:.3f}")
        cells += [cell(*found[key], found[key][0] < 0.0005) for key in ("lost", "lost_ibug68")]
        cells.append(cell(*found["inside"], found["inside"][0] > 0.9995))
        print("| " + " | ".join(cells) + " |")
    units = load_masks("facs-au")
    apart = distinctness(units)
    reasons = json.loads(str(units.attrs["reasons"]))
    for name in units.names:
        nearest = f"{apart['nearest'][name]} {apart['iou'][name]:.2f}"
        print(f"| {name} | {'; '.join(reasons[name])} | {units.areas[name]:.3f} | {nearest} |")


def main() -> None:
    """Read the arguments, draw or measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("docs/images"))
    parser.add_argument("--only", nargs="+", choices=MASKS.names(), default=MASKS.names(), metavar="SET")
    parser.add_argument("--table", action="store_true", help="print the measured table, draw nothing")
    args = parser.parse_args()
    if args.table:
        table(args.only)
        return
    args.out.mkdir(parents=True, exist_ok=True)
    faces = pictured()
    for name in args.only:
        masks = load_masks(name)
        once = [entry for entry in masks.names if not entry.startswith("left_")]  # they mirror the right ones
        save(mask_sheet(masks, faces, names=once), args.out / f"masks_{name}.png")


if __name__ == "__main__":
    main()

"""Maps of the same faces with the mouth covered and bare, drawn apart into docs/images/group-difference.png.

    python tools/group_difference.py docs/images/group-difference.png

A comparison of which one knows where the difference is: every demo face twice, once as it is and once with a grey box
over its mouth, under Grad-CAM of every network of the zoo, for three expressions. A unit is a picture, in both groups,
so that signs of differences are flipped. All but two of the pictures show one woman: what is found holds for pictures
of her. No face is in the figure.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from workbench import figures
from workbench.classifiers import CLASSIFIERS, load_classifier
from workbench.comparison import compare_groups
from workbench.explain import explain
from workbench.faces import demo_faces
from workbench.faces.faceset import FaceSet
from workbench.masks import load_masks

WIDTH = 1000
TARGETS = ("happiness", "surprise", "anger")
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]  # their outer rim
BEYOND = 0.03  # of the crop's side, that the box reaches beyond the lips


def covered(faces: FaceSet) -> FaceSet:
    """The same faces with a box of each picture's mean colour over the lips."""
    images = faces.images.copy()
    side = images.shape[1]
    for picture, points in zip(images, faces.landmarks, strict=True):
        low, high = points[LIPS].min(axis=0) - BEYOND, points[LIPS].max(axis=0) + BEYOND
        (left, top), (right, bottom) = (np.clip(np.rint(p * side), 0, side).astype(int) for p in (low, high))
        picture[top:bottom, left:right] = picture.reshape(-1, 3).mean(axis=0)
    table = pd.DataFrame(faces.table)
    return replace(faces, images=images, table=table)


def main() -> None:
    """Explain, compare, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    began = time.perf_counter()
    faces = demo_faces(progress=False)
    networks = [load_classifier(name) for name in CLASSIFIERS.names()]
    parts = []
    for name, shown in (("mouth covered", covered(faces)), ("bare", faces)):
        maps = explain(networks, shown, "grad_cam", target=[f"expression:{t}" for t in TARGETS], progress=False)
        pictures = [str(i) for i in maps["image"].values]
        parts.append(
            maps.assign_coords(
                image=[f"{i}, {name}" for i in pictures],
                subject=("image", pictures),
                group_mouth=("image", [name] * len(pictures)),
            )
        )
    maps = xr.concat(parts, "image", combine_attrs="override")
    print(f"explained in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    contrasts = [("mouth covered", "bare")]
    found = compare_groups(maps, "mouth", contrasts=contrasts, by_expression="all", masks=load_masks("facs-au"))
    print(f"compared in {time.perf_counter() - began:.0f} s")
    table = found[["p_differ", "p_differ_bh", "rms", "null_rms", "null_rms_upper"]].squeeze(drop=True)
    print(table.to_dataframe().dropna(subset="p_differ").round(4).to_string())
    aus = found[["region_difference", "region_effect", "region_p", "region_p_max", "region_p_bh"]].squeeze(drop=True)
    print(aus.sel(expression="happiness", au=["AU1", "AU6", "AU12", "AU25"]).to_dataframe().round(3).to_string())
    claimed = (found["p_everywhere"] <= 0.05).sum(("y", "x")).squeeze(drop=True).to_pandas()
    print("pixels claimed of", int(found["domain"].sum()), claimed.to_string(), sep="\n")
    figure = figures.group_difference(found, tile=112)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=WIDTH / float(figure.get_size_inches()[0]), facecolor="white")
    Image.open(stream).convert("RGB").save(args.out, optimize=True)
    print(f"{args.out}, {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

"""The tables of docs/faithfulness.md: scores of maps of two networks that read the mouth alone, and of the truth.

    python tools/faithfulness_of_drawn_mouths.py FOLDER [--faces 8]

FOLDER keeps the two networks of `drawn_faces.py`, trained at the first call (minutes).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from drawn_faces import drawn_faces, face_set, trained

import workbench as wb
from workbench.faithfulness import au_occlusion, au_occlusion_table, faithfulness, faithfulness_table

EXPLAINERS = ["grad_cam", "occlusion", "input_x_gradient"]


def main() -> None:
    """Print both tables of both networks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=8)
    asked = parser.parse_args()
    drawn = drawn_faces(asked.faces, seed=11)
    faces = face_set(drawn)
    for kind in ("cnn", "vit"):
        network = trained(kind, asked.folder)
        maps = wb.explain(network, faces, EXPLAINERS, frame="native")
        boxes = np.stack([one.mouth for one in drawn]).astype(np.float32)
        coords = {"image": faces.names, "status": ("image", ["ok"] * len(drawn))}
        maps[network.name, "mouth"] = xr.DataArray(boxes, coords, ("image", "y", "x"))
        table = faithfulness_table(faithfulness(network, faces, maps, steps=10, draws=5))
        shown = ["explainer", "score", "mean", "random", "centre", "mean_map", "edge"]
        print(
            kind, table[[*shown, "over_centre", "low_over_centre", "high_over_centre"]].round(4).to_string(), sep="\n"
        )
        units = au_occlusion_table(au_occlusion(network, faces, space="probability"))
        shown = ["au", "worth", "control_worth", "above_control", "p", "q", "n"]
        print(units.sort_values("above_control")[shown].round(4).to_string())


if __name__ == "__main__":
    main()

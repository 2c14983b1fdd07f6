"""The pictures of docs/faithfulness.md: deletion curves, and what action units are worth, of two small networks.

    python tools/faithfulness_pictures.py FOLDER docs/images [--faces 8]

Networks, faces and settings are those of the page's tables (`faithfulness_of_drawn_mouths.py`): faces are drawn, the
networks read the mouth alone, and `mouth` is its true box as a map. FOLDER keeps the two networks of `drawn_faces.py`,
trained at the first call (minutes). Each network's units are corrected by themselves, as in the tables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from drawn_faces import drawn_faces, face_set, trained
from make_pictures import save

import workbench as wb
from workbench import figures
from workbench.faithfulness import au_occlusion, au_occlusion_table, faithfulness

EXPLAINERS = ["grad_cam", "occlusion", "input_x_gradient"]


def main() -> None:
    """Measure both networks, draw both pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--faces", type=int, default=8)
    asked = parser.parse_args()
    drawn = drawn_faces(asked.faces, seed=11)
    faces, networks = face_set(drawn), [trained(kind, asked.folder) for kind in ("cnn", "vit")]
    maps = wb.explain(networks, faces, EXPLAINERS, frame="native")
    boxes = np.stack([one.mouth for one in drawn]).astype(np.float32)
    coords = {"image": faces.names, "status": ("image", ["ok"] * len(drawn))}
    for network in networks:
        maps[network.name, "mouth"] = xr.DataArray(boxes, coords, ("image", "y", "x"))
    asked.out.mkdir(parents=True, exist_ok=True)
    found = faithfulness(networks, faces, maps, scores="deletion", steps=10, draws=5)
    save(figures.faithfulness_curves(found), asked.out / "faithfulness-curves.png")
    units = [au_occlusion_table(au_occlusion(network, faces, space="probability")) for network in networks]
    save(figures.action_unit_worth(pd.concat(units)), asked.out / "action-unit-worth.png")


if __name__ == "__main__":
    main()

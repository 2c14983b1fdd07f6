"""Write the two tables of the frame `ibug68` from the canonical face mesh.

    python tools/make_ibug68_frame.py workbench/canonical/frames

The points are the mesh's 68 correspondences (`workbench.canonical.convert`). The triangles are the Delaunay triangles
of these points inside the outline jaw, left brow, right brow: those above the brows are left out, as the 68 points say
nothing of a forehead. They are computed once, here, and are the same for every face; they are their own mirror image.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.path import Path as Outline
from scipy.spatial import Delaunay

from workbench.canonical import IBUG, MEDIAPIPE, convert
from workbench.canonical.load import table

OUTLINE = (*range(17), *range(26, 16, -1))
HEADER = """\
# {title}
# From the canonical face model of Google's MediaPipe (face_landmarker.task, geometry_pipeline_metadata),
# Copyright The MediaPipe Authors, Apache License 2.0. Changed: {changed}
"""


def main(out: Path) -> None:
    """Write both tables into the folder `out`."""
    points = convert(table("mediapipe478_points.csv")[:, 1:], MEDIAPIPE, IBUG)
    every = Delaunay(points).simplices
    inside = Outline(points[list(OUTLINE)]).contains_points(points[every].mean(axis=1))
    turned = (np.roll(t, -int(np.argmin(t))) for t in every[inside])  # smallest number first, orientation kept
    triangles = sorted(tuple(t.tolist()) for t in turned)
    header = HEADER.format(
        title="68 points (dlib order, from 0) of the canonical face mesh, front view (x to the image's right; cm)",
        changed="68 of its vertices.",
    )
    body = "\n".join(f"{i},{x:.4f},{y:.4f}" for i, (x, y) in enumerate(np.asarray(points)))
    (out / "ibug68_points.csv").write_text(header + "index,x,y\n" + body + "\n")
    header = HEADER.format(
        title="Delaunay triangles of ibug68_points.csv inside the outline jaw - brows, by 0-based point index",
        changed="triangulated anew.",
    )
    body = "\n".join(",".join(map(str, t)) for t in triangles)
    (out / "ibug68_triangles.csv").write_text(header + "a,b,c\n" + body + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The canonical face: one fixed triangulation per frame, one sparse barycentric warp."""

from workbench.canonical.frame import PUBLISHED, CanonicalFace
from workbench.canonical.load import FRAMES, frame_of_grid, load_frame
from workbench.canonical.schemes import FACE_OVAL, IBUG, MEDIAPIPE, convert, mirror_permutation

__all__ = [
    "FACE_OVAL",
    "FRAMES",
    "IBUG",
    "MEDIAPIPE",
    "PUBLISHED",
    "CanonicalFace",
    "convert",
    "frame_of_grid",
    "load_frame",
    "mirror_permutation",
]

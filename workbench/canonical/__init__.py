"""The canonical face: one fixed triangulation per frame, one sparse barycentric warp."""

from workbench.canonical.flags import FaceFlags, face_flags
from workbench.canonical.frame import PUBLISHED, CanonicalFace
from workbench.canonical.load import FRAMES, frame_of_grid, load_frame
from workbench.canonical.pose import head_pose
from workbench.canonical.schemes import FACE_OVAL, IBUG, MEDIAPIPE, convert, mirror_permutation

__all__ = [
    "FACE_OVAL",
    "FRAMES",
    "IBUG",
    "MEDIAPIPE",
    "PUBLISHED",
    "CanonicalFace",
    "FaceFlags",
    "convert",
    "face_flags",
    "frame_of_grid",
    "head_pose",
    "load_frame",
    "mirror_permutation",
]

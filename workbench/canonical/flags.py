"""Faces that the canonical face cannot show well: folded over, or turned too far. They are flagged, not removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from workbench.canonical.frame import CanonicalFace
from workbench.canonical.pose import head_pose
from workbench.errors import UnknownNameError, UsageError

FOLDED: Final = 0.1
"""Limit of the share of the domain whose triangles are turned over. The canonical face model itself folds .08 of the
mesh at 30° of yaw and .13 at 40° (68 points: .06 at 35°, .27 at 40°, where the far jaw passes the brow)."""

TURNED: Final[Mapping[str, float]] = MappingProxyType({"yaw": 35.0, "pitch": 35.0, "roll": 45.0})
"""Limits in degrees. Beyond 35° of yaw the far side of the face is no longer seen. Roll is undone by the warp (but for
the helper points of `published`), yet networks are seldom trained on such crops."""


@dataclass(frozen=True, eq=False)
class FaceFlags:
    """What `face_flags` found for F faces, and the limits that it used.

    folded_share: (F,) 0…1; pose: (F, 3) yaw, pitch and roll in degrees (`head_pose` has the signs); folded, turned:
    (F,) bool.
    """

    folded_share: np.ndarray
    pose: np.ndarray
    folded: np.ndarray
    turned: np.ndarray
    limits: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.folded)

    def counts(self) -> dict[str, int]:
        """How many faces carry each flag: {"folded": …, "turned": …}."""
        return {"folded": int(self.folded.sum()), "turned": int(self.turned.sum())}

    def coordinates(self) -> dict[str, tuple[str, np.ndarray]]:
        """Coordinates of an array of heatmaps with the dimension `image`: folded, turned, folded_share, yaw, pitch,
        roll."""
        numbers = {"folded_share": self.folded_share, **dict(zip(("yaw", "pitch", "roll"), self.pose.T, strict=True))}
        return {
            "folded": ("image", self.folded),
            "turned": ("image", self.turned),
            **{name: ("image", values.astype(np.float32)) for name, values in numbers.items()},
        }


def face_flags(
    face: CanonicalFace,
    landmarks: np.ndarray,
    scheme: str | None = None,
    *,
    folded: float = FOLDED,
    turned: Mapping[str, Any] = TURNED,
    aspect: float = 1.0,
    pose: np.ndarray | None = None,
) -> FaceFlags:
    """Which of F faces (F, P, 2) fold more than the share `folded` of this frame, or are turned past a limit.

    turned: degrees for yaw, pitch or roll, either way; an angle that is not named has no limit. aspect: width ÷ height
    of the crops. pose: (F, 3) yaw, pitch and roll where they are known already; else from the landmarks. A pose that is
    NaN is not turned. UsageError for landmarks or a pose of another shape, UnknownNameError for another angle.
    """
    landmarks = np.asarray(landmarks, dtype=float)
    if landmarks.ndim != 3:
        raise UsageError(f"landmarks have shape {landmarks.shape}; give (faces, points, 2)")
    names = ("yaw", "pitch", "roll")
    if unknown := [name for name in turned if name not in names]:
        raise UnknownNameError("angle", unknown[0], names)
    share = np.asarray(face.folded_share(landmarks, scheme))
    pose = head_pose(landmarks, scheme, aspect=aspect) if pose is None else np.asarray(pose, dtype=float)
    if pose.shape != (len(landmarks), 3):
        raise UsageError(f"the pose has shape {pose.shape}; give ({len(landmarks)}, 3): yaw, pitch, roll of each face")
    limit = np.array([float(turned.get(name, np.inf)) for name in names])
    limits = {"folded": float(folded), **{name: float(turned[name]) for name in names if name in turned}}
    return FaceFlags(share, pose, share > folded, (np.abs(pose) > limit).any(axis=-1), limits)

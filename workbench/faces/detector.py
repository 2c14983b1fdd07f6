"""Where the faces are: MediaPipe's Face Landmarker, 478 points and 52 blendshapes a face."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from workbench import assets
from workbench.errors import UsageError, WorkbenchError

MODEL_ASSET = "face-landmarker"
_LONGEST_SIDE = 1536  # the detector sees 128×128 pixels anyway; larger pictures only cost time
_MOST_FACES = 50
_BORDER = 0.5  # of the longer side, for the second try on a picture that the face fills
_TILES = (2, 4)  # a side, for further tries on a picture in which faces are small
_SMALLEST_TILE = 256


@dataclass(frozen=True)
class Detection:
    """One face: landmarks (P, 2) float64 x, y in pixels (0 = left/top edge); blendshapes name → 0…1 where known."""

    landmarks: np.ndarray
    blendshapes: dict[str, float] = field(default_factory=dict)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounding box of the landmarks: left, top, right, bottom in pixels."""
        (left, top), (right, bottom) = self.landmarks.min(axis=0), self.landmarks.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class Detector(Protocol):
    """What finds faces in a picture; `scheme` names the landmark scheme of what it returns."""

    scheme: str

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """The faces in a (H, W, 3) uint8 picture, largest first; [] where there is none."""
        ...


class MediapipeDetector:
    """MediaPipe's Face Landmarker as a context manager (left to its destructor it fails at interpreter exit).

    confidence: least detection score, 0 to 1. blendshapes: whether to return the 52 scores of each face.
    Entering raises AssetError where the model file cannot be had and WorkbenchError where mediapipe, or a system
    library that it needs, is missing. Model: asset `face-landmarker`; Grishchenko et al., arXiv:2006.10962.
    """

    scheme = "mediapipe478"

    def __init__(self, confidence: float = 0.5, blendshapes: bool = True, progress: bool = True) -> None:
        if not 0 < confidence <= 1:
            raise UsageError(f"the detector's confidence must lie in (0, 1], got {confidence}")
        self._confidence, self._blendshapes, self._progress = confidence, blendshapes, progress
        self._landmarker: Any = None

    def __enter__(self) -> MediapipeDetector:
        model = assets.path(MODEL_ASSET, progress=self._progress)
        self._landmarker = _create(model, self._confidence, self._blendshapes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        landmarker, self._landmarker = self._landmarker, None
        if landmarker is not None:
            with _quiet():
                landmarker.close()

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """The faces in a (H, W, 3) uint8 picture, largest first; [] where there is none.

        The detector misses faces that fill a picture and those smaller than about a tenth of it. So a picture without a
        find is tried again with a border, then in overlapping tiles of at least 256 pixels, until something is found.
        """
        if self._landmarker is None:
            raise UsageError("the detector is closed; use it inside a with statement")
        found = self._find(rgb)
        if not found:
            small = _shrunk(rgb)
            scale, border = rgb.shape[1] / small.shape[1], round(max(small.shape[:2]) * _BORDER)
            framed = np.pad(small, ((border, border), (border, border), (0, 0)), mode="edge")
            found = [Detection((d.landmarks - border) * scale, d.blendshapes) for d in self._find(framed)]
        for count in _TILES:
            if not found:
                found = _distinct(
                    [
                        Detection(d.landmarks + np.array([left, top]), d.blendshapes)
                        for left, top, right, bottom in _tiles(rgb.shape[1], rgb.shape[0], count)
                        for d in self._find(rgb[top:bottom, left:right])
                    ]
                )
        return sorted(found, key=lambda detection: -detection.area)

    def _find(self, rgb: np.ndarray) -> list[Detection]:
        import mediapipe as mp

        height, width = rgb.shape[:2]
        picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(_shrunk(rgb)))
        with _quiet():
            result = self._landmarker.detect(picture)
        shapes = result.face_blendshapes or [[] for _ in result.face_landmarks]
        return [
            Detection(
                np.array([(p.x * width, p.y * height) for p in points], dtype=np.float64),
                {str(s.category_name): float(s.score) for s in scores},
            )
            for points, scores in zip(result.face_landmarks, shapes, strict=True)
        ]


def _tiles(width: int, height: int, count: int) -> list[tuple[int, int, int, int]]:
    """`count` × `count` tiles (left, top, right, bottom) that overlap by a third of a tile; [] where they are small."""
    share = 1 / (1 + (count - 1) * 2 / 3)
    wide, high = round(width * share), round(height * share)
    if min(wide, high) < _SMALLEST_TILE:
        return []
    lefts = [round(i * (width - wide) / (count - 1)) for i in range(count)]
    tops = [round(i * (height - high) / (count - 1)) for i in range(count)]
    return [(left, top, left + wide, top + high) for top in tops for left in lefts]


def _distinct(found: list[Detection]) -> list[Detection]:
    """Each face once: of two whose centres lie within half a side of each other, the larger."""
    kept: list[Detection] = []
    for face in sorted(found, key=lambda detection: -detection.area):
        centre = face.landmarks.mean(axis=0)
        if all(np.abs(centre - other.landmarks.mean(axis=0)).max() > 0.5 * np.sqrt(other.area) for other in kept):
            kept.append(face)
    return kept


def _shrunk(rgb: np.ndarray) -> np.ndarray:
    factor = _LONGEST_SIDE / max(rgb.shape[:2])
    if factor >= 1:
        return rgb
    from PIL import Image

    height, width = (max(1, round(side * factor)) for side in rgb.shape[:2])
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def _create(model: Path, confidence: float, blendshapes: bool) -> Any:
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        if _system_library(error):
            raise WorkbenchError(_system_library(error)) from error
        raise WorkbenchError(
            f"finding faces needs mediapipe, which cannot be imported ({error}); pip install mediapipe"
        ) from error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
        num_faces=_MOST_FACES,
        min_face_detection_confidence=confidence,
        output_face_blendshapes=blendshapes,
    )
    try:
        with _quiet():
            return vision.FaceLandmarker.create_from_options(options)
    except OSError as error:
        if _system_library(error):
            raise WorkbenchError(_system_library(error)) from error
        raise WorkbenchError(f"mediapipe cannot load its native part ({error}); reinstall mediapipe") from error
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WorkbenchError(
            f"mediapipe cannot start the face landmarker {model.name} ({reason}); "
            "reinstall mediapipe or fetch the asset again"
        ) from error


def _system_library(error: BaseException) -> str:
    """The line to show when a shared library of the system is missing, "" for another error."""
    text = str(error)
    library = text.partition(":")[0].strip()
    if ".so" not in library or "cannot open shared object file" not in text or "mediapipe" in library:
        return ""
    return (
        f"finding faces needs the system library {library}, which is missing; install it "
        "(Debian, Ubuntu: apt install libegl1 libgles2 libgl1)"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep native log lines off standard error; when the body raises, they are shown after all."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error to keep clean
        yield
        return
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            log.seek(0)
            os.write(2, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

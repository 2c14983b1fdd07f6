"""What explainers need to know of a face beyond its pixels: mask sets drawn onto its crop, and the average face.

Explainers import neither masks nor faces; what is made here is handed to them as two functions of (name, face index).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final, NoReturn

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from workbench.canonical import FRAMES, MEDIAPIPE, CanonicalFace, load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.faces.faceset import FaceSet
from workbench.masks import MaskSet, by_class, load_masks

Regions = Callable[[str, int], tuple[list[str], np.ndarray]]
Pictures = Callable[[str, int], np.ndarray]

AVERAGE_FACE: Final = "average_face"
BLUR: Final = 0.05  # standard deviation of the blur outside the face, as a share of the crop's side
FEATHER: Final = 0.06  # width of the seam inside the face's outline, as a share of the crop's side
_FOLDED: Final = 0.5  # beyond this share of turned triangles the landmarks are mirrored or wrong
_KEPT: Final = 4


def frame_for(faces: FaceSet) -> str:
    """The frame whose points these landmarks are: `mediapipe478`, or `ibug68` for 68 points."""
    return faces.scheme if faces.scheme in FRAMES else MEDIAPIPE


def region_masks(faces: FaceSet, frame: str | None = None) -> Regions:
    """A function (mask set, face index) → names of its P masks, (P, S, S) float32 in [0, 1] on that face's crop.

    The mask set is named, or a folder with `maskset.toml`, as in `load_masks`; it is drawn on `frame` (`frame_for` by
    default), entries that location cannot separate as one class, and carried to the crop by the face's landmarks:
    bilinear at the borders, 0 outside the face. The last few results are kept; arrays are read-only.

    The function raises UsageError for a face whose landmarks are unusable (named), for a mask set that the frame
    cannot show, and UnknownNameError for a mask set that does not exist.
    """
    wanted = frame or frame_for(faces)

    @lru_cache(maxsize=_KEPT)
    def drawn(name: str) -> MaskSet:
        return _drawn(name, wanted)

    @lru_cache(maxsize=_KEPT)
    def regions(name: str, index: int) -> tuple[list[str], np.ndarray]:
        masks = drawn(name)
        result = np.clip(_onto_crop(masks.maps.values, faces, index, load_frame(wanted)), 0, 1)
        result.setflags(write=False)
        return masks.names, result

    return regions


def average_face(faces: FaceSet, frame: str | None = None) -> Callable[[int], np.ndarray]:
    """A function face index → (S, S, 3) uint8: this crop with the average face in the place of its own.

    The average is that of all other crops of the set, pixel by pixel on the canonical face (`frame_for` by default);
    the crop itself, and any crop of the same bytes, is left out, and so are faces with unusable landmarks. It is drawn
    back by the face's own landmarks: the place and shape of its features stay (an open mouth stays open), what they
    look like is the others'. Each colour channel is scaled so that its mean over the face is that of the crop (von
    Kries), or a hidden part would differ in light and skin. Outside the face stand the crop's own pixels under a
    Gaussian blur (standard deviation `BLUR` of the side), and the two fade into each other along the inside of the
    outline (over `FEATHER` of the side).

    The function raises UsageError where there is no other face to average, and for unusable landmarks (the face is
    named). The others are warped once, at the first call.
    """
    averages = _Averages(faces, load_frame(frame or frame_for(faces)))

    @lru_cache(maxsize=_KEPT)
    def picture(index: int) -> np.ndarray:
        result = _blended(faces, index, averages)
        result.setflags(write=False)
        return result

    return picture


def face_pictures(faces: FaceSet, frame: str | None = None) -> Pictures:
    """A function (picture name, face index) → (S, S, 3) uint8; the one name is "average_face"."""
    average = average_face(faces, frame)

    def pictures(name: str, index: int) -> np.ndarray:
        if name != AVERAGE_FACE:
            raise UnknownNameError("picture of a face:", name, [AVERAGE_FACE])
        return average(index)

    return pictures


def check_drawable(faces: FaceSet, chosen: Sequence[int], options: Mapping[str, object]) -> None:
    """UsageError or UnknownNameError for what an explainer with these options could not draw on the chosen faces.

    That is the mask set of the option `regions` and the average face of `fill`; to be found out before any work.
    """
    average = options.get("fill") == AVERAGE_FACE
    if not chosen or not (average or "regions" in options):
        return
    if "regions" in options and not len(_drawn(str(options["regions"]), frame_for(faces)).names):
        raise UsageError(f"option regions={options['regions']!r} names a mask set without regions; choose another")
    face = load_frame(frame_for(faces))
    bad = [index for index in chosen if _fault(faces, index, face)]
    if bad:
        _refuse(faces, bad, face)
    if average:
        own = [digest or index for index, digest in enumerate(faces.table["sha256"].astype(str))]
        used = {own[index] for index in range(len(faces)) if not _fault(faces, index, face)}
        for index in chosen:
            if not used - {own[index]}:
                raise UsageError(_no_other(faces, index))


def _drawn(name: str, frame: str) -> MaskSet:
    masks = by_class(load_masks(name, frame=frame))
    if masks.frame != frame:
        raise UsageError(f"mask set {name!r} lies on {masks.frame!r}, not on {frame!r}; give one with maskset.toml")
    return masks


def _no_other(faces: FaceSet, index: int) -> str:
    return (
        f"there is no other face to average for {faces.names[index]!r}; explain more faces, or choose "
        "another fill, such as 'blur'"
    )


class _Averages:
    """Sums of all crops on the canonical face, from which any face can be left out again."""

    def __init__(self, faces: FaceSet, face: CanonicalFace) -> None:
        self.faces, self.face = faces, face

    def _seen(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """One crop on the canonical grid (h, w, 3), 0 where it shows nothing, and where it shows something (h, w)."""
        warped = self.face.warp_image(self.faces.images[index], self.faces.landmarks[index], self.faces.scheme)
        known = np.isfinite(warped).all(-1)
        return np.where(known[..., None], warped, 0), known

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        total = np.zeros((*self.face.grid, 3))
        count = np.zeros(self.face.grid, int)
        used = np.array([not _fault(self.faces, index, self.face) for index in range(len(self.faces))], bool)
        for index in np.flatnonzero(used).tolist():
            colours, known = self._seen(index)
            total += colours
            count += known
        return total, count, used

    def others(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean of all crops but this one (h, w, 3), 0 where none shows anything; and where one does (h, w) float32."""
        total, count, used = (array.copy() for array in self._sums)
        digests = self.faces.table["sha256"].astype(str)
        same = np.arange(len(self.faces)) == index
        if digests[index]:
            same |= (digests == digests[index]).to_numpy()
        for own in np.flatnonzero(same & used).tolist():
            colours, known = self._seen(own)
            total -= colours
            count -= known
        if not (used & ~same).any():
            raise UsageError(_no_other(self.faces, index))
        known = (count > 0) & self.face.face_domain
        return np.where(known[..., None], total / np.maximum(count, 1)[..., None], 0), known.astype(np.float32)


def _blended(faces: FaceSet, index: int, averages: _Averages) -> np.ndarray:
    mean, known = averages.others(index)
    layers = _onto_crop(np.concatenate([np.moveaxis(mean, -1, 0), known[None]]), faces, index, averages.face)
    inside = layers[3] > 0.999
    deep = distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]  # a crop's edge is no outline
    share = np.clip((deep - 0.5) / max(FEATHER * faces.size, 1), 0, 1)
    share = np.where(inside, share * share * (3 - 2 * share), 0)[..., None]
    own, average = faces.images[index].astype(float), np.moveaxis(layers[:3], 0, -1)
    average = average * (own[inside].sum(0) / np.maximum(average[inside].sum(0), 1))
    around = gaussian_filter(own, (BLUR * faces.size, BLUR * faces.size, 0), mode="nearest")
    blended = share * average + (1 - share) * around
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def _onto_crop(maps: np.ndarray, faces: FaceSet, index: int, face: CanonicalFace) -> np.ndarray:
    """Canonical maps (K, h, w) on this face's crop (K, S, S), 0 outside the face; UsageError names a bad face."""
    if _fault(faces, index, face):
        _refuse(faces, [index], face)
    result: np.ndarray = face.unwarp(maps, faces.landmarks[index], (faces.size, faces.size), faces.scheme)
    return np.nan_to_num(result, nan=0)


def _refuse(faces: FaceSet, bad: Sequence[int], face: CanonicalFace) -> NoReturn:
    first, others = bad[0], [repr(faces.names[index]) for index in bad[1:]]
    also = f" (unusable too: {', '.join(others[:8])}{', …' if len(others) > 8 else ''})" if others else ""
    raise UsageError(
        f"the landmarks of {faces.names[first]!r} {_fault(faces, first, face)}, so nothing can be drawn on that face; "
        f"leave it out or detect it again{also}"
    )


def _fault(faces: FaceSet, index: int, face: CanonicalFace) -> str:
    """What is wrong with a face's landmarks, "" if nothing is; UsageError if their scheme does not fit the frame."""
    landmarks = faces.landmarks[index]
    if np.ptp(landmarks, axis=0).min() * faces.size < 2:
        return "cover less than two pixels"
    if not ((landmarks > 0) & (landmarks < 1)).all(axis=1).any():
        return "lie outside the crop"
    if (folded := face.folded_share(landmarks, faces.scheme)) > _FOLDED:
        return f"turn {folded:.0%} of the face over"
    return ""

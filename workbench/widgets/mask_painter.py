"""Expert masks painted on the canonical face, in the notebook."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets

from workbench.canonical import FRAMES, MEDIAPIPE, CanonicalFace, load_frame
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.faces.faceset import FaceSet
from workbench.figures import theme
from workbench.figures.masks import masks as draw_masks
from workbench.figures.outlines import scaled_features
from workbench.figures.sheet import Sheet
from workbench.masks import MaskSet, masks_from_arrays, save_masks
from workbench.masks.maskset import DIMENSIONS, check_name
from workbench.masks.polygons import dimension_of
from workbench.vocabulary import ACTION_UNITS
from workbench.widgets.embedding import png

_SCALE: Final = 2  # pixels of the drawing for one of the grid
_HERE: Final = Path(__file__).parent


class MaskPainter(anywidget.AnyWidget):
    """Paint a mask for each entry on the canonical face; `masks` makes them a mask set, `save` keeps it in a folder.

    `names`: the entries (`anger` …, `AU12` …, or regions), or a MaskSet to go on with (its frame and dimension; soft
    masks are cut at one half). `dimension`: told from the names unless given. `background`: None for the face's
    outlines alone; a FaceSet, whose average face is shown; or RGB (height, width, 3) of any size that covers the
    frame's grid, uint8, or float in 0 … 255 with NaN where clear.

    The state is in the traits `entry`, `brush` (diameter in pixels of the grid, 1–80), `erase`, `mirror` (paint the
    mirror image too: pixel j of a row and width − 1 − j; `published` alone is not quite symmetric): set them, observe
    them. The mouse paints on the face only. `status` says in words what is painted and what is not.
    UsageError and UnknownNameError for names, dimension or frame that are not known, for the background's shape.
    """

    _esm = (_HERE / "mask_painter.js").read_text(encoding="utf-8")
    _css = (_HERE / "mask_painter.css").read_text(encoding="utf-8")

    entry = traitlets.Unicode(help="name of the mask that is painted now").tag(sync=True)
    brush = traitlets.Int(12, min=1, max=80, help="diameter in pixels of the frame's grid").tag(sync=True)
    erase = traitlets.Bool(False, help="the brush takes away").tag(sync=True)
    mirror = traitlets.Bool(True, help="paint the mirror image too").tag(sync=True)
    status = traitlets.Unicode(help="what is painted, in words").tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    grid = traitlets.List(traitlets.Int(), read_only=True, help="height, width").tag(sync=True)
    drawing = traitlets.Unicode(read_only=True, help="the face below the paint, a data URL").tag(sync=True)
    domain = traitlets.Bytes(read_only=True, help="where the face is, one byte a pixel").tag(sync=True)

    def __init__(
        self,
        names: Sequence[str] | MaskSet,
        frame: str = MEDIAPIPE,
        dimension: str | None = None,
        background: FaceSet | npt.ArrayLike | None = None,
        **state: Any,
    ) -> None:
        given = names if isinstance(names, MaskSet) else None
        if given is not None:
            frame, dimension = given.frame, given.dimension
        chosen = names.names if isinstance(names, MaskSet) else names
        entries = [chosen] if isinstance(chosen, str) else [str(name) for name in chosen]
        self._dimension = _checked(entries, dimension)
        if frame not in FRAMES:
            raise UnknownNameError("frame", frame, FRAMES)
        self._frame = load_frame(frame)
        for name in state:
            if name not in (free := ("entry", "brush", "erase", "mirror")):
                raise UnknownNameError("setting", name, free)
        super().__init__()
        # A trait for each entry: a stroke sends one raster, not all. No echo: it would undo a stroke begun meanwhile.
        self._layers = {name: f"layer_{place}" for place, name in enumerate(entries)}
        self.add_traits(**{t: traitlets.CBytes().tag(sync=True, echo_update=False) for t in self._layers.values()})
        fixed = {"names": entries, "labels": [_label(name) for name in entries], "grid": list(self._frame.grid)}
        picture = base64.b64encode(png(_drawing(self._frame, background))).decode("ascii")
        fixed |= {"drawing": f"data:image/png;base64,{picture}", "domain": self._frame.domain.tobytes()}
        for name, value in fixed.items():
            self.set_trait(name, value)
        if given is not None:
            for name, mask in zip(given.names, given.maps.values, strict=True):
                self.set(name, mask >= 0.5)
        for name, value in ({"entry": entries[0]} | state).items():
            setattr(self, name, value)
        self.observe(self._say, names=["entry", *self._layers.values()])
        self._say()

    @traitlets.validate("entry")  # type: ignore[untyped-decorator]
    def _known(self, proposal: Any) -> str:
        if proposal["value"] not in self._layers:
            raise UnknownNameError("mask", proposal["value"], self._layers)
        return str(proposal["value"])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Name → what is painted, (height, width) bool on the frame's grid, in the order of `names`."""
        grid = self._frame.grid
        raw = {name: getattr(self, layer) or bytes(grid[0] * grid[1]) for name, layer in self._layers.items()}
        return {name: np.frombuffer(pixels, np.uint8).reshape(grid) > 0 for name, pixels in raw.items()}

    def set(self, name: str, array: npt.ArrayLike) -> None:
        """Paint an entry from an array (height, width), bool or numbers of which those above 0 count; False everywhere
        empties it. FrameMismatchError for another size, UnknownNameError for another name."""
        if name not in self._layers:
            raise UnknownNameError("mask", name, self._layers)
        painted = np.asarray(array)
        if painted.shape != self._frame.grid:
            sizes = [" × ".join(map(str, shape)) or "no" for shape in (painted.shape, self._frame.grid)]
            raise FrameMismatchError(
                f"the mask {name!r} has {sizes[0]} pixels; the frame {self._frame.name} has {sizes[1]}"
            )
        setattr(self, self._layers[name], (painted > 0).tobytes() if (painted > 0).any() else b"")

    def masks(self, name: str = "painted", *, leave_out_empty: bool = False, **texts: str) -> MaskSet:
        """The painted masks as a mask set. `texts`: summary, citation, licence, authority.

        UsageError names the entries of which nothing is painted, unless they are to be left out.
        """
        painted = {each: array for each, array in self.arrays.items() if array.any()}
        empty = [each for each in self._layers if each not in painted]
        if empty and not (leave_out_empty and painted):
            out = ", or set leave_out_empty=True" if painted else ""
            raise UsageError(f"nothing is painted for {', '.join(empty)}; paint {'them' if empty[1:] else 'it'}{out}")
        if odd := sorted(set(texts) - {"summary", "citation", "licence", "authority"}):
            raise UsageError(f"{odd[0]!r} is no text of a mask set; known: authority, citation, licence, summary")
        texts = {"authority": "painted in the notebook"} | texts
        return masks_from_arrays(painted, self._frame.name, dimension=self._dimension, name=name, **texts)

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        replace: bool = False,
        leave_out_empty: bool = False,
        name: str = "",
        **texts: str,
    ) -> list[Path]:
        """Write the set to a folder of its own (`load_masks(folder)` reads it), all or nothing; returns the files.

        `replace` puts it in the place of a folder that holds masks (`…_gt.png`) only. `name`: the folder's unless
        given; the rest as for `masks`. UsageError for a folder that holds anything, and as for `masks`.
        """
        out = Path(folder)
        masks = self.masks(name or out.resolve().name, leave_out_empty=leave_out_empty, **texts)
        held = sorted(out.iterdir()) if out.is_dir() else [out] if out.exists() else []
        if odd := [path for path in held if not (out.is_dir() and path.name.lower().endswith("_gt.png"))]:
            raise UsageError(f"{odd[0]} is there already and is no mask; choose another folder")
        if held and not replace:
            raise UsageError(f"{out} holds masks already; choose another folder, or set replace=True")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as aside:
            new, old = Path(aside) / "new", Path(aside) / "old"
            written = save_masks(masks, new)
            if out.exists():
                out.replace(old)
            try:
                new.replace(out)
            except OSError:
                if old.exists():
                    old.replace(out)
                raise
        return [out / path.name for path in written]

    def _shares(self) -> dict[str, float]:
        return {name: float(array[self._frame.domain].mean()) for name, array in self.arrays.items()}

    def _say(self, _change: Any = None) -> None:
        shares = self._shares()
        empty = [name for name, share in shares.items() if not share]
        here = f"{self.entry} covers {shares[self.entry]:.1%} of the face." if shares[self.entry] else ""
        self.status = f"{here} Nothing painted yet: {', '.join(empty)}." if empty else f"{here} All are painted."
        self.status = self.status.strip()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, about = super()._repr_mimebundle_(**kwargs) or ({}, {})
        if any(self._shares().values()):  # for pages without a front end
            sheet = png(draw_masks(self.masks(leave_out_empty=True)))
            bundle = {**bundle, "image/png": base64.b64encode(sheet).decode("ascii")}
        return bundle, about

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {share:.1%}" if share else f"{name} –" for name, share in self._shares().items())
        return f"MaskPainter({self._dimension} on {self._frame.name}; {shares})"


def _checked(names: list[str], dimension: str | None) -> str:
    """The dimension of these names; UsageError for names that are missing, double or of no known dimension."""
    if not names:
        raise UsageError("there is no mask to paint; give names, as in ['anger', 'fear']")
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"the mask {double[0]!r} is named twice; give each name once")
    kind = dimension or dimension_of(names)
    if kind not in DIMENSIONS:
        raise UnknownNameError("dimension", kind, DIMENSIONS)
    for name in names:
        check_name(kind, name, "MaskPainter")
    return kind


def _label(name: str) -> str:
    """An entry with what the action unit is called: `AU12, lip corner puller`."""
    digits = name.removeprefix("AU").rstrip("LR")
    meaning = ACTION_UNITS.get(int(digits)) if name.startswith("AU") and digits.isdigit() else None
    return f"{name}, {meaning}" if meaning else theme.readable(name)


@theme.themed
def _drawing(frame: CanonicalFace, background: FaceSet | npt.ArrayLike | None) -> Any:
    """The canonical face's outlines over the background, pixel for pixel the grid, `_SCALE` times as fine."""
    height, width = frame.grid
    tile = (float(width * _SCALE), float(height * _SCALE))
    sheet = Sheet(1, 1, tile, left=0, top=0, under=0, gap=0, bottom=0, right=0, minimum_width=0)
    sheet.image(0, 0, _ground(frame, background))
    if background is None:
        sheet.lines(0, 0, scaled_features(frame, frame.grid), frame.grid, color=theme.INK, linewidth=1.2)
    return sheet.figure


def _ground(frame: CanonicalFace, background: FaceSet | npt.ArrayLike | None) -> np.ndarray:
    """What lies below the paint, (h, w, 4) in 0 … 1: a tint of the face, the average face, or the given picture."""
    if background is None:
        tint = np.zeros((*frame.grid, 4))
        tint[..., :3], tint[..., 3] = 0.5, np.where(frame.face_domain, 0.13, 0)
        return tint
    if isinstance(background, FaceSet):
        total, count = np.zeros((*frame.grid, 3)), np.zeros((*frame.grid, 1))
        for image, landmarks in zip(background.images, background.landmarks, strict=True):
            warped = frame.warp_image(image, landmarks, background.scheme)
            there = np.isfinite(warped).all(axis=-1, keepdims=True)
            total, count = total + np.where(there, warped, 0), count + there
        background = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    rgb = np.asarray(background, dtype=float)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise UsageError(f"the background has shape {rgb.shape}; give RGB (height, width, 3), a FaceSet, or None")
    clear = np.isnan(rgb).any(axis=-1, keepdims=True)
    return np.concatenate([np.clip(np.where(clear, 0, rgb) / 255, 0, 1), np.where(clear, 0.0, 1.0)], axis=-1)

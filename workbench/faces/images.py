"""One picture file in, 8-bit RGB out, with a sentence for everything that had to be decided on the way."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UnreadableFileError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
"""Pictures with more pixels are refused before they are decoded."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "PPM", "JPEG2000")
"""Formats that are opened. Others are refused, among them those whose decoding starts a program (EPS)."""

SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".avif",
        ".ppm",
        ".pgm",
        ".pnm",
        ".jp2",
        ".heic",
        ".heif",
    )
)
"""What a folder search takes for pictures (HEIC is listed so that it is refused by name, not passed over)."""


def read_image(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[str]]:
    """The picture as (H, W, 3) uint8 RGB, upright, and notes on what was changed to get there.

    EXIF rotation is applied; of an animation or a multi-page file the first frame is taken; transparency is laid on
    white; CMYK is converted without its colour profile; 16-bit values are divided by 257.
    Raises UnreadableFileError (one line) for a file that is missing, empty, truncated, no picture, or larger than
    `MAX_PIXELS` (refused before decoding).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    _check_file(path)
    notes: list[str] = []
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]  # AVIF and JPEG 2000 are not in every build
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warnings: size is judged below, bad metadata is harmless
            with Image.open(path, formats=formats) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise _too_large(path, f"{width}×{height} pixels")
                if width == 0 or height == 0:
                    raise UnreadableFileError(f"{path}: the picture has no pixels; replace the file")
                frames = getattr(picture, "n_frames", 1)
                if frames > 1 and picture.format != "MPO":  # MPO: one photograph with a preview
                    notes.append(f"the first of {frames} {'pages' if picture.format == 'TIFF' else 'frames'} was taken")
                deep = any("16" in str(tile[3]) for tile in picture.tile)
                picture.load()
                upright: Image.Image = picture
                if _orientation(picture) != 1:
                    upright = ImageOps.exif_transpose(picture) or picture
                    notes.append("turned upright by its EXIF orientation")
                return _rgb(path, upright, deep, notes), notes
    except UnreadableFileError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far more pixels than a photograph") from error
    except UnidentifiedImageError as error:
        raise UnreadableFileError(
            f"{path}: no picture in a format that is read ({', '.join(FORMATS)}), "
            "whatever its name says; convert it to PNG or JPEG"
        ) from error
    except (Exception, MemoryError) as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"{path}: the picture is damaged or cut short ({reason}); replace the file"
        raise UnreadableFileError(message) from error


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise UnreadableFileError(f"{path}: a folder, not a picture; name a file in it")
        if not path.exists():
            raise UnreadableFileError(f"{path}: no such file; correct the path")
        if not path.is_file():
            raise UnreadableFileError(f"{path}: not a regular file; name a picture file")
        if path.stat().st_size == 0:
            raise UnreadableFileError(f"{path}: the file is empty; replace it")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFileError(f"{path}: cannot be opened ({reason}); check the path and its permissions") from error


def _too_large(path: Path, size: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"{path}: {size}, more than the limit of {MAX_PIXELS // 10**6} megapixels; it was not decoded, scale it down"
    )


def _orientation(picture: Image.Image) -> int:
    try:
        value = int(picture.getexif().get(0x0112, 1))
    except Exception:  # broken metadata: the picture itself may be whole
        return 1
    return value if 1 <= value <= 8 else 1


def _rgb(path: Path, picture: Image.Image, deep: bool, notes: list[str]) -> np.ndarray:
    from PIL import Image

    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        return _wide_grey(path, np.asarray(picture), notes)
    if deep:
        notes.append("16 bits a channel reduced to 8")
    if mode in ("CMYK", "YCCK", "LAB"):
        notes.append(f"{mode} converted to RGB without a colour profile")
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        if np.asarray(layer.getchannel("A")).min() < 255:
            notes.append("transparent parts laid on white")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, layer)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _wide_grey(path: Path, values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Grey values of 16 or 32 bits as three equal 8-bit channels."""
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        grey, how = values * 255.0, "floating-point grey from [0, 1]"
    elif values.dtype.kind in "iu" and low >= 0 and high <= 65535:
        grey, how = values / 257.0, "16-bit grey"
    else:
        raise UnreadableFileError(
            f"{path}: grey values from {low:g} to {high:g} have no known range; save it with 8 or 16 bits"
        )
    notes.append(f"{how} reduced to 8 bits")
    return np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)

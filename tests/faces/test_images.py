"""Pictures as they come: every bad one is refused in one line, every odd one is read and said to be odd."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from workbench.errors import UnreadableFileError
from workbench.faces import images
from workbench.faces.images import read_image


def gradient(height=20, width=30):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 8, y * 12, 255 - x * 8], axis=2).astype(np.uint8)


def png_header(width, height, depth=8, colour=2):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def jpeg_bytes(picture):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def refused(path):
    with pytest.raises(UnreadableFileError) as caught:
        read_image(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def test_plain_png_is_returned_exactly_and_without_notes(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    rgb, notes = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb, gradient())
    assert rgb.dtype == np.uint8
    assert notes == []
    assert rgb.flags.writeable


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"this is a text file, not a photograph\n" * 10, "no picture in a format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture in a format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture in a format"),
        (jpeg_bytes(gradient(200, 200))[:900], "damaged or cut short"),
        (jpeg_bytes(gradient())[:3], "no picture in a format"),
        (png_header(30, 20), "damaged or cut short"),
        (png_header(20_000, 20_000), "megapixels"),
        (png_header(100_000, 100_000), "megapixels"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1", "no picture in a format"),
    ],
    ids=["empty", "text", "postscript", "svg", "truncated", "stub", "no-data", "bomb", "huge-bomb", "heic"],
)
def test_bad_content_named_jpg_is_refused_in_one_line(tmp_path, content, part):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert part in refused(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(10_001, 10_000))

    def never(*_args, **_kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    assert "10001×10000" in refused(path)


def test_the_limit_itself_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 600)
    Image.fromarray(gradient(20, 30)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].shape == (20, 30, 3)
    Image.fromarray(gradient(20, 31)).save(tmp_path / "b.png")
    refused(tmp_path / "b.png")


def test_missing_file_and_folder(tmp_path):
    assert "no such file" in refused(tmp_path / "none.jpg")
    assert "a folder" in refused(tmp_path)
    assert "cannot be opened" in refused(tmp_path / ("x" * 300 + ".jpg"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="file permissions do not bind this user")
def test_file_without_permission(tmp_path):
    path = tmp_path / "secret.png"
    Image.fromarray(gradient()).save(path)
    path.chmod(0)
    assert "cannot be opened" in refused(path)


def test_cmyk_is_converted_and_said(tmp_path):
    solid = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    Image.fromarray(solid).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    rgb, notes = read_image(tmp_path / "a.jpg")
    assert np.abs(rgb.astype(int) - solid).max() <= 3
    assert notes == ["CMYK converted to RGB without a colour profile"]


def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path):
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        rgb, notes = read_image(tmp_path / name)
        np.testing.assert_array_equal(rgb[..., 0], np.arange(256).reshape(16, 16))
        np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
        assert notes == ["16-bit grey reduced to 8 bits"]


def test_sixteen_bit_colour_is_reduced_and_said(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    values = (gradient(4, 5).astype(np.uint16) * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    rgb, notes = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb, gradient(4, 5))
    assert notes == ["16 bits a channel reduced to 8"]


def test_float_grey_needs_a_known_range(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "a.tif")
    rgb, notes = read_image(tmp_path / "a.tif")
    assert (rgb[0, 0, 0], rgb[-1, -1, 0]) == (0, 255)
    assert notes == ["floating-point grey from [0, 1] reduced to 8 bits"]
    Image.fromarray(np.linspace(-3, 900, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "b.tif")
    assert "-3 to 900" in refused(tmp_path / "b.tif")


def test_palette_and_one_bit_and_grey(tmp_path):
    solid = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    Image.fromarray(solid).quantize(4).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png")[0], solid)
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "one.png")
    np.testing.assert_array_equal(read_image(tmp_path / "one.png")[0][..., 1], np.eye(8, dtype=np.uint8) * 255)
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(tmp_path / "g.png")
    rgb, notes = read_image(tmp_path / "g.png")
    assert rgb.shape == (8, 8, 3)
    assert (rgb == 77).all()
    assert notes == []


def test_alpha_is_laid_on_white_and_said(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:, 2:] = (100, 50, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    rgb, notes = read_image(tmp_path / "a.png")
    assert (rgb[:, :2] == 255).all()
    assert (rgb[:, 2:] == (100, 50, 0)).all()
    assert notes == ["transparent parts laid on white"]


def test_opaque_alpha_needs_no_note(tmp_path):
    rgba = np.dstack([gradient(), np.full((20, 30), 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    rgb, notes = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb, gradient())
    assert notes == []


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a)),
        (2, lambda a: a[:, ::-1]),
    ],
)
def test_exif_orientation_is_applied(tmp_path, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    rgb, notes = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(rgb, turn(gradient()))
    assert notes == ([] if orientation == 1 else ["turned upright by its EXIF orientation"])


def test_senseless_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0], gradient())


@pytest.mark.parametrize(
    ("name", "word"), [("a.gif", "frames"), ("a.webp", "frames"), ("a.png", "frames"), ("a.tif", "pages")]
)
def test_first_frame_of_an_animation(tmp_path, name, word):
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (250, 120, 10)]
    options = {"lossless": True} if name.endswith("webp") else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    rgb, notes = read_image(tmp_path / name)
    assert (rgb == 250).all()
    assert notes == [f"the first of 3 {word} was taken"]


def test_content_counts_and_not_the_name(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg")[0], gradient())

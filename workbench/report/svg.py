"""Figures as inline SVG: text stays text, ink follows the page, pictures shrink, ids are unique."""

from __future__ import annotations

import base64
import html
import io
import re
import warnings

from matplotlib.figure import Figure
from PIL import Image, features

from workbench.figures import theme

_PNG = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")
_PATH = re.compile(r'\bd="([^"]+)"')
_DIGITS = re.compile(r"(\.\d\d)\d+")
_FONT = re.compile(r"(font: (?:[a-z]+ )?(?:\d+ )?[\d.]+px )[^;\"]+")


def inline(figure: Figure, name: str, description: str, *, quality: int = 82, least: float = 0.6) -> str:
    """An `<svg>` element for an HTML page.

    `name` (letters, digits, hyphens) prefixes every id and must be unique in the page; `description` is what a
    screen reader says. The theme's ink becomes `currentColor` and its faint ink `var(--line)`. Embedded pictures
    are recoded as WebP of that quality. The element shrinks with the page to `least` of its width, then scrolls.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        # Text stays text, so the reader's fonts draw it, not the ones that matplotlib finds here.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            dpi=72,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", "", text, flags=re.S)
    text = _PNG.sub(lambda found: recoded(base64.b64decode(found.group(1)), quality), text)
    text = text.replace("image-rendering:crisp-edges;image-rendering:pixelated", "")  # browsers smooth what they scale
    text = _PATH.sub(lambda found: 'd="' + _DIGITS.sub(r"\1", found.group(1)) + '"', text)  # hundredths of a point
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{name}-\2"', text)
    text = text.replace("xlink:href", "href")
    text = re.sub(theme.INK, "currentColor", text, flags=re.I)
    text = re.sub(theme.FAINT, "var(--line)", text, flags=re.I)
    text = _FONT.sub(r"\1var(--sans)", text)
    width = float(figure.get_size_inches()[0]) * 100
    text = re.sub(
        r"<svg[^>]*?(viewBox=\"[^\"]+\")[^>]*>",
        rf'<svg xmlns="http://www.w3.org/2000/svg" \1 role="img" aria-label="{html.escape(description)}" '
        rf'style="max-width:{width:.0f}px;min-width:{least * width:.0f}px">',
        text,
        count=1,
        flags=re.S,
    )
    return re.sub(r">\s+<", "><", re.sub(r"\n\s*", " ", text)).strip()


def recoded(png: bytes, quality: int = 82) -> str:
    """A PNG as the data URI of a WebP (lossy, alpha kept), or of a PNG where Pillow has no WebP."""
    picture = Image.open(io.BytesIO(png))
    stream = io.BytesIO()
    if features.check("webp"):
        picture.save(stream, "WEBP", quality=quality, method=3, alpha_quality=90)
        kind = "webp"
    else:
        picture.save(stream, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def photograph(pixels: object, side: int = 96) -> str:
    """An RGB crop (h, w, 3) uint8 as a small data URI."""
    import numpy as np

    picture = Image.fromarray(np.asarray(pixels, np.uint8)).convert("RGB")
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return recoded(stream.getvalue(), 80)

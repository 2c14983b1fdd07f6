"""A Figure on a page: inline SVG whose ink is the page's own text colour, or PNG bytes with a clear ground."""

from __future__ import annotations

import io
import re

import matplotlib
from matplotlib.figure import Figure

from workbench.figures import theme


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """SVG markup to stand in HTML.

    Text and axes take the page's text colour, so one drawing serves light and dark themes. `name` keeps the ids of
    several drawings on one page apart; `description` is what a screen reader says.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour in (theme.INK, theme.INK.upper()):
        svg = svg.replace(colour, "currentColor")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(description)}" ', 1)


def png(figure: Figure, dots_per_inch: int = 100) -> bytes:
    """PNG bytes on a clear ground; the ink is a grey that reads on white and on near-black."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, transparent=True, metadata={"Software": None})
    return buffer.getvalue()


def side_by_side(pictures: list[bytes], gap: int = 24) -> bytes:
    """PNG pictures in one row, tops aligned, on a clear ground."""
    from PIL import Image

    opened = [Image.open(io.BytesIO(picture)).convert("RGBA") for picture in pictures]
    size = (sum(p.width for p in opened) + gap * (len(opened) - 1), max(p.height for p in opened))
    row = Image.new("RGBA", size, (0, 0, 0, 0))
    left = 0
    for picture in opened:
        row.paste(picture, (left, 0))
        left += picture.width + gap
    buffer = io.BytesIO()
    row.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")

"""The drawn study and what every figure must keep to, for every test of this folder."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from workbench.figures import theme


@pytest.fixture(scope="session")
def drawn() -> ModuleType:
    """The module `drawn_study` of tests/figures."""
    if "drawn_study" not in sys.modules:
        spec = importlib.util.spec_from_file_location("drawn_study", Path(__file__).with_name("drawn_study.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["drawn_study"] = module
        spec.loader.exec_module(module)
    return sys.modules["drawn_study"]


@pytest.fixture(scope="session")
def tidy() -> Callable[[Figure], None]:
    """Asserts that nothing of a figure is cut off, and that no panel, text or key lies on another."""

    def check(figure: Figure) -> None:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        box, (width, height) = figure.get_tightbbox(renderer), figure.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
        boxes += [figure.legends[0].get_window_extent(renderer)]
        for place, one in enumerate(boxes):
            for other in boxes[place + 1 :]:
                assert not one.padded(-1.5).overlaps(other.padded(-1.5))

    return check


@pytest.fixture(scope="session")
def legible() -> Callable[[Figure], None]:
    """Asserts that a figure has no ground of its own and writes in the one ink that both themes show."""

    def check(figure: Figure) -> None:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=100)
        shown = np.asarray(Image.open(stream).convert("RGBA"))
        assert shown[0, -1, 3] == 0
        assert (shown[..., 3] == 255).any()
        inks = {to_hex(text.get_color()) for text in figure.findobj(Text) if text.get_text().strip()}
        assert inks == {theme.INK}

    return check

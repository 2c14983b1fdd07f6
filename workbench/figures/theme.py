"""One look for every figure: transparent ground, one ink, perceptual colour maps, legible on light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

P = ParamSpec("P")
R = TypeVar("R")

# Middle grey: legible on white and on near-black as it stands. In a report's SVG these exact values become
# `currentColor` and `var(--line)`, so that text follows the page.
INK: Final = "#747577"
FAINT: Final = "#96979a"

# Okabe and Ito's colour-blind-safe set; all at least 3:1 on white and on near-black.
OWN: Final = "#2f86c9"
OTHER: Final = "#d55e00"
BLOB: Final = "#b0629a"

HEAT: Final = "magma"
COUNT: Final = "viridis"
CONTOUR: Final = "#3fe0e6"
HALO: Final = "#101418"
FEATURE: Final = "#b9b4c4"
MISSING: Final = "#8e8f9226"

NOT_RECOGNISED: Final = "†"

SIZE: Final = 9.0
SMALL: Final = 8.0
TITLE: Final = 10.5

RC: Final[dict[str, Any]] = {
    "font.family": ["sans-serif"],
    "font.size": SIZE,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.titlesize": TITLE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.transparent": True,
    "axes.unicode_minus": True,
    "text.usetex": False,
    "text.parse_math": False,
}

_LOOK: Final = re.compile(r"(axes|xtick|ytick|font|lines|patch|text|legend|figure|savefig|image|path|grid|hatch)\.")


def themed(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the theme, whatever style the caller's session has."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        plain = {key: matplotlib.rcParamsDefault[key] for key in matplotlib.rcParamsDefault if _LOOK.match(key)}
        with matplotlib.rc_context({**plain, **RC}):  # type: ignore[dict-item]
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """An empty transparent figure of that size in inches, outside pyplot's state, 100 dots an inch."""
    return Figure(figsize=(width, height), dpi=100, facecolor="none")


def axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes placed in inches from the figure's lower left corner."""
    total_width, total_height = figure.get_size_inches()
    box = (left / total_width, bottom / total_height, width / total_width, height / total_height)
    made = figure.add_axes(box, facecolor="none")
    made.tick_params(colors=INK, labelsize=SMALL, length=3, width=0.8)
    return made


def colour_map(name: str = HEAT) -> Colormap:
    """A perceptual colour map whose "no data" colour is transparent."""
    return matplotlib.colormaps[name].with_extremes(bad=(0, 0, 0, 0))


def halo(width: float = 3.0) -> list[AbstractPathEffect]:
    """A dark rim round a line of `CONTOUR`, so that it reads on every map colour and on a photograph."""
    return [withStroke(linewidth=width, foreground=HALO)]


def text_on(rgba: tuple[float, ...]) -> str:
    """Near-black or white, whichever contrasts more with a cell of that colour (channels 0–1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgba[:3]]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.0557 else "#14161a"


def number(value: float, digits: int = 2) -> str:
    """A score as psychologists print it: no leading zero, a true minus, "–" for no value (`.27`, `−.05`, `1.00`)."""
    if not np.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    zero = not re.search("[1-9]", text)
    return text if value >= 0 or zero else "−" + text


_WRITTEN: Final = {
    "ablation_cam": "Ablation-CAM",
    "banzhaf": "Banzhaf values",
    "cam": "CAM",
    "deep_lift": "DeepLIFT",
    "eigen_cam": "Eigen-CAM",
    "eigen_grad_cam": "Eigen-Grad-CAM",
    "fem": "FEM",
    "finer_cam": "Finer-CAM",
    "full_grad": "FullGrad",
    "grad_cam": "Grad-CAM",
    "grad_cam_elementwise": "Grad-CAM elementwise",
    "grad_cam_pp": "Grad-CAM++",
    "gradient_shap": "gradient SHAP",
    "guided_grad_cam": "guided Grad-CAM",
    "hires_cam": "HiResCAM",
    "hsic": "HSIC",
    "input_x_gradient": "input × gradient",
    "is_cam": "IS-CAM",
    "kernel_shap": "KernelSHAP",
    "kpca_cam": "KPCA-CAM",
    "layer_cam": "LayerCAM",
    "le_grad": "LeGrad",
    "lime": "LIME",
    "lrp": "LRP",
    "region_shap": "region SHAP",
    "rise": "RISE",
    "score_cam": "Score-CAM",
    "shapley_cam": "ShapleyCAM",
    "shapley_sampling": "Shapley sampling",
    "smooth_grad": "SmoothGrad",
    "smooth_grad_cam_pp": "Smooth Grad-CAM++",
    "sobol": "Sobol",
    "ss_cam": "SS-CAM",
    "ts_cam": "TS-CAM",
    "x_grad_cam": "XGrad-CAM",
}


def readable(name: object) -> str:
    """A registry name in words: `integrated_gradients` → `integrated gradients`, `grad_cam_pp` → `Grad-CAM++`,
    `smooth(saliency, n=5)` → `saliency, smoothed (n=5)`."""
    base, _, control = str(name).partition("@")
    smoothed = re.fullmatch(r"\s*smooth\(\s*([^\s,)]+)\s*,?\s*([^)]*)\)\s*", base)
    base = smoothed[1] if smoothed else base
    options = ", ".join(part.strip() for part in smoothed[2].split(",")) if smoothed else ""
    words = _WRITTEN.get(base, base.replace("_", " "))
    words += (", smoothed" + (f" ({options})" if options else "")) if smoothed else ""
    return f"{words}, {control.replace('_', ' ')}" if control else words


def key(figure: Figure, handles: Sequence[Artist], columns: int, length: float = 2.6) -> None:
    """The figure's key in its upper left corner; length: of a handle, in font sizes."""
    figure.legend(
        handles=list(handles),
        loc="upper left",
        ncols=columns,
        bbox_to_anchor=(0, 1),
        labelcolor=INK,
        handlelength=length,
        columnspacing=1.4,
        borderaxespad=0.3,
    )

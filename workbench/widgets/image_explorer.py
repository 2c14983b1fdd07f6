"""A face, a network, one or two explainers: what did the network look at?"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

import ipywidgets
import traitlets
import xarray as xr

from workbench.errors import UnknownNameError
from workbench.faces.faceset import FaceSet
from workbench.figures.theme import readable
from workbench.widgets import image_view
from workbench.widgets.embedding import inline_svg, png, side_by_side
from workbench.widgets.image_view import ImageView, Setting

# Three columns of controls where there is room, two and one where not; the pictures wrap on their own.
LAYOUT: Final[dict[str, dict[str, str]]] = {
    "controls": {
        "display": "grid",
        "grid_template_columns": "repeat(auto-fill, minmax(min(225px, 100%), 1fr))",
        "grid_gap": "2px 14px",
        "width": "100%",
        "max_width": "840px",
    },
    "control": {"width": "auto", "min_width": "0"},
    "description": {"description_width": "6.6em"},
}
_STYLE: Final = """<style>
.facs-explorer { color: var(--jp-content-font-color1, inherit); font-size: 13px; line-height: 1.45; }
.facs-explorer .pictures { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: flex-start; }
.facs-explorer figure { margin: 0; flex: 0 1 auto; max-width: 100%; }
.facs-explorer svg { display: block; max-width: 100%; height: auto; }
.facs-explorer p { margin: 4px 0; max-width: 75em; }
</style>"""
_DIMENSION: Final = {"face": "image", "model": "model", "explainer": "explainer", "second_explainer": "explainer"}


class ImageExplorer(ipywidgets.VBox):  # type: ignore[misc]
    """Pick a face, a network and one or two explainers; see the heatmap on the face and the predicted probabilities.

    `maps` are per-image maps as `explain` returns them, `faces` the FaceSet that was explained. The state is in the
    traits `face`, `model`, `explainer`, `second_explainer` ("" for none), `opacity` (0–1), `threshold` (0–1; 0 draws
    no outline), `threshold_by` ("share of the face" or "share of the scale"), `scale` ("own maximum" or "raw
    values"), `view` ("photograph" or "canonical face"): set them, observe them. `revision` counts the drawings.
    UsageError where maps and faces do not belong together, UnknownNameError for a name that the maps lack.
    """

    face = traitlets.Unicode(help="name of the face shown")
    model = traitlets.Unicode(help="name of the network")
    explainer = traitlets.Unicode(help="name of the explainer")
    second_explainer = traitlets.Unicode(help="a second explainer beside the first; empty for none")
    opacity = traitlets.Float(0.75, min=0.0, max=1.0, help="how much the heat covers the face")
    threshold = traitlets.Float(0.1, min=0.0, max=1.0, help="what the outline bounds; 0 for none")
    threshold_by = traitlets.Enum([image_view.AREA, image_view.VALUE], image_view.AREA)
    scale = traitlets.Enum([image_view.OWN, image_view.RAW], image_view.OWN)
    view = traitlets.Enum([image_view.PHOTO, image_view.CANONICAL], image_view.PHOTO)
    revision = traitlets.Int(0, read_only=True, help="number of drawings so far")

    def __init__(self, maps: xr.DataArray, faces: FaceSet, **state: Any) -> None:
        self._view = ImageView(maps, faces)
        self._ready = False
        first = {name: self._view.names(dimension)[0] for name, dimension in _DIMENSION.items()}
        self._page = ipywidgets.HTML(layout={"width": "100%"})
        super().__init__(layout={"width": "100%"})
        self._controls = self._make_controls()
        with self.hold_trait_notifications():
            for name, value in ({**first, "second_explainer": ""} | state).items():
                if not self.has_trait(name):
                    raise UnknownNameError("setting", name, [field.name for field in fields(Setting)])
                setattr(self, name, value)
        for name, control in self._controls.items():
            traitlets.link((self, name), (control, "value"))
        self.children = (
            ipywidgets.Box(tuple(self._controls.values()), layout=LAYOUT["controls"]),
            self._page,
        )
        self._ready = True
        self.observe(self._redraw, names=[field.name for field in fields(Setting)])
        self._redraw()

    def _make_controls(self) -> dict[str, ipywidgets.Widget]:
        both: dict[str, Any] = {"layout": LAYOUT["control"], "style": LAYOUT["description"]}

        def choice(description: str, options: Sequence[str | tuple[str, str]]) -> ipywidgets.Widget:
            return ipywidgets.Dropdown(options=options, description=description, **both)

        def percent(description: str) -> ipywidgets.Widget:
            return ipywidgets.FloatSlider(
                min=0.0, max=1.0, step=0.05, readout_format=".0%", description=description, **both
            )

        explainers = [(readable(name), name) for name in self._view.names("explainer")]
        return {
            "face": choice("Face", self._view.names("image")),
            "model": choice("Network", self._view.names("model")),
            "view": choice("Drawn on", [image_view.PHOTO, image_view.CANONICAL]),
            "explainer": choice("Explainer", explainers),
            "second_explainer": choice("Beside it", [("none", ""), *explainers]),
            "scale": choice("Scale", [image_view.OWN, image_view.RAW]),
            "opacity": percent("Heat opacity"),
            "threshold": percent("Outline"),
            "threshold_by": choice("Outline by", [image_view.AREA, image_view.VALUE]),
        }

    @traitlets.validate("face", "model", "explainer", "second_explainer")  # type: ignore[untyped-decorator]
    def _known(self, proposal: Any) -> str:
        name, value = proposal["trait"].name, proposal["value"]
        known = self._view.names(_DIMENSION[name])
        if value not in known and not (name == "second_explainer" and value == ""):
            raise UnknownNameError({"image": "face"}.get(_DIMENSION[name], _DIMENSION[name]), value, known)
        return str(value)

    @property
    def setting(self) -> Setting:
        """The state of all controls as one value."""
        return Setting(**{field.name: getattr(self, field.name) for field in fields(Setting)})

    def _redraw(self, _change: Any = None) -> None:
        if not self._ready:
            return
        setting, words = self.setting, self._view.words(self.setting)
        drawings = [
            inline_svg(figure, f"facs-{self.model_id}-{i}", f"{readable(name)} of {setting.model} on {setting.face}")
            for i, (name, figure) in enumerate(self._view.panels(setting).items())
        ]
        bars = self._view.bars(setting)
        if bars is not None:
            drawings.append(inline_svg(bars, f"facs-{self.model_id}-p", f"Class probabilities. {words[0]}"))
        self.set_trait("revision", self.revision + 1)
        pictures = "".join(f"<figure>{drawing}</figure>" for drawing in drawings)
        text = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in (words[0], " ".join(words[1:])))
        self._page.value = (
            f'{_STYLE}<div class="facs-explorer" data-revision="{self.revision}">'
            f'<div class="pictures">{pictures}</div><div aria-live="polite">{text}</div></div>'
        )

    def static(self) -> StaticPicture:
        """The present picture and its words, without a front end: for a page, GitHub, or a file (`.png`, `.words`)."""
        setting = self.setting
        drawn = [*self._view.panels(setting).values(), self._view.bars(setting)]
        pictures = [png(figure) for figure in drawn if figure is not None]
        return StaticPicture(side_by_side(pictures), " ".join(self._view.words(setting)))

    def __repr__(self) -> str:
        sizes = self._view.maps.sizes
        counts = ", ".join(
            f"{sizes[dim]} {word}{'s' if sizes[dim] != 1 else ''}"
            for dim, word in (("image", "face"), ("model", "network"), ("explainer", "explainer"))
        )
        return f"ImageExplorer({counts}; {self.face}, {self.model}, {' and '.join(self.setting.explainers)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        picture = self.static()
        png_text = base64.b64encode(picture.png).decode("ascii")
        return {**bundle, "text/html": picture._repr_html_(), "image/png": png_text, "text/plain": repr(self)}


class StaticPicture:
    """A picture and its words, shown wherever HTML or PNG is."""

    def __init__(self, data: bytes, words: str) -> None:
        self.png, self.words = data, words

    def __repr__(self) -> str:
        return self.words

    def _repr_png_(self) -> bytes:
        return self.png

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.png).decode("ascii")
        words = html.escape(self.words)
        return f'<img alt="{words}" src="data:image/png;base64,{picture}" style="max-width: 100%"><p>{words}</p>'

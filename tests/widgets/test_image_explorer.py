from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from dataclasses import replace

import ipywidgets
import nbformat
import numpy as np
import pytest
import traitlets
from nbconvert import HTMLExporter
from PIL import Image

import workbench as wb
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.figures import theme
from workbench.widgets import ImageExplorer

CHANGES = {
    "face": "drawn-2",
    "model": "net-b",
    "explainer": "integrated_gradients",
    "second_explainer": "lime",
    "opacity": 0.3,
    "threshold": 0.4,
    "threshold_by": "share of the scale",
    "scale": "raw values",
    "view": "canonical face",
}


@pytest.fixture(scope="module")
def explorer(maps, faces):
    return ImageExplorer(maps, faces)


def page(explorer):
    return explorer.children[1].value


def marks(explorer):
    """What is drawn, without the words that name it."""
    return re.findall(r"<(?:image|path)[^>]*>", page(explorer))


def control(explorer, label):
    return next(c for c in explorer.children[0].children if c.description == label)


def test_the_door_leads_here():
    assert wb.ImageExplorer is ImageExplorer


def test_begins_with_the_first_of_each(explorer):
    state = (explorer.face, explorer.model, explorer.explainer, explorer.second_explainer)
    assert state == ("drawn-1", "net-a", "grad_cam", "")


def test_every_trait_redraws_once_and_changes_the_drawing(maps, faces):
    explorer = ImageExplorer(maps, faces)
    assert explorer.revision == 1
    for drawing, (trait, value) in enumerate(CHANGES.items(), start=2):
        before = marks(explorer)
        setattr(explorer, trait, value)
        assert explorer.revision == drawing
        assert f'data-revision="{drawing}"' in page(explorer)
        assert marks(explorer) != before, trait


def test_state_given_at_the_start_draws_the_same_as_state_set_later(maps, faces):
    at_once, later = ImageExplorer(maps, faces, **CHANGES), ImageExplorer(maps, faces)
    for trait, value in CHANGES.items():
        setattr(later, trait, value)
    assert at_once.revision == 1
    assert at_once.static().png == later.static().png


def test_controls_and_traits_are_one(maps, faces):
    explorer = ImageExplorer(maps, faces)
    control(explorer, "Network").value = "net-b"
    control(explorer, "Outline").value = 0.25
    assert (explorer.model, explorer.threshold, explorer.revision) == ("net-b", 0.25, 3)
    explorer.second_explainer = "lime"
    assert control(explorer, "Beside it").value == "lime"


def test_every_control_has_a_label_and_none_is_an_output(explorer):
    controls = explorer.children[0].children
    assert all(c.description for c in controls)
    assert len({c.description for c in controls}) == len(CHANGES)
    assert not any(isinstance(c, ipywidgets.Output) for c in (*controls, *explorer.children))


def test_the_page_takes_its_ink_from_the_theme_and_ids_do_not_collide(explorer):
    drawn = page(explorer)
    assert theme.INK not in drawn.lower()
    assert drawn.count("currentColor") > 10
    ids = re.findall(r'\bid="([^"]+)"', drawn)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawn)) <= set(ids)


def test_raw_values_give_every_panel_the_range_of_the_largest(maps, faces):
    view = ImageExplorer(maps, faces, second_explainer="lime", scale="raw values")._view
    setting = ImageExplorer(maps, faces, second_explainer="lime", scale="raw values").setting
    largest = max(float(maps.sel(model="net-a", image="drawn-1", explainer=e).max()) for e in ("grad_cam", "lime"))
    for figure in view.panels(setting).values():
        assert f"{largest:.3g}" in [text.get_text() for text in figure.axes[0].texts]
    for figure in view.panels(replace(setting, scale="own maximum")).values():
        assert "1" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("share", [0.02, 0.05, 1.0])
def test_the_outline_bounds_the_highest_share_that_is_positive(explorer, maps, share):
    view, frame = explorer._view, wb.load_frame()
    heat = maps.sel(model="net-a", image="drawn-1", explainer="grad_cam")
    level = view._level(replace(explorer.setting, threshold=share), heat, None)
    shown = np.clip(heat.values, 0, None) / heat.values.max()
    bounded = (shown > level)[frame.domain]
    positive = (heat.values > 0)[frame.domain].mean()
    assert bounded.mean() == pytest.approx(min(share, positive), abs=2e-4)


def test_a_flat_patch_is_outlined_whole_or_not_at_all_whatever_its_rounding(explorer, maps):
    domain = wb.load_frame().domain
    heat = maps.sel(model="net-a", image="drawn-1", explainer="lime").copy(deep=True)
    noise = np.random.default_rng(0).normal(0, 1e-6, heat.shape)
    left = np.broadcast_to(np.arange(heat.sizes["x"]) < 40, heat.shape)  # 5 % of the face, then all of it
    middle = ~left & np.broadcast_to(np.arange(heat.sizes["x"]) < 150, heat.shape)
    heat.values[:] = np.where(left, 1.0, np.where(middle, 0.6, -0.2)) + noise
    level = explorer._view._level(replace(explorer.setting, threshold=0.2), heat, None)
    assert 0.6 + 1e-4 < level < 1 - 1e-4
    assert left[domain].mean() < 0.2


def test_no_threshold_no_outline(explorer):
    figure = explorer._view.panels(replace(explorer.setting, threshold=0.0))["grad_cam"]
    assert figure.axes[0].lines == [] or len(figure.axes[0].lines) == 0
    assert len(explorer._view.panels(explorer.setting)["grad_cam"].axes[0].lines) > 0


@pytest.mark.parametrize(
    ("explainer", "model", "reason"), [("lime", "net-a", "not computed"), ("grad_cam", "net-b", "constant")]
)
def test_a_missing_map_is_said_and_the_face_stays_bare(maps, faces, explainer, model, reason):
    explorer = ImageExplorer(maps, faces, face="drawn-3", model=model, explainer=explainer)
    assert f"No map of {explainer}: {reason}." in explorer.static().words
    picture = explorer._view.panels(explorer.setting)[explainer].axes[0].images[0].get_array()
    assert np.ptp(np.asarray(picture, int), axis=-1).max() == 0  # grey: no heat on it


def test_words_name_prediction_label_and_target(explorer, maps):
    said = maps.sel(model="net-a", image="drawn-1")
    predicted = str(said["predicted"].values)
    probability = f"{float(said[f'probability_{predicted}']):.2f}".removeprefix("0")
    words = explorer.static().words
    assert f"net-a predicts {predicted} (probability {probability}) for drawn-1; its label is happiness." in words
    assert f"Explained: the predicted class, {predicted}." in words


def test_classes_that_a_network_lacks_have_no_bar_and_no_probabilities_no_bars(maps, faces, explorer):
    figure = explorer._view.bars(replace(explorer.setting, model="net-b"))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "anger",
        "disgust",
        "fear",
        "happiness (label)",
        "sadness",
        "surprise",
    ]
    silent = maps.drop_vars([name for name in maps.coords if str(name).startswith("probability_")])
    assert ImageExplorer(silent, faces)._view.bars(explorer.setting) is None


def test_repr_is_stable_and_short(explorer, maps, faces):
    assert repr(explorer) == "ImageExplorer(3 faces, 2 networks, 3 explainers; drawn-1, net-a, grad_cam)"
    assert repr(ImageExplorer(maps.isel(image=[0], model=[0]), faces, second_explainer="lime")) == (
        "ImageExplorer(1 face, 1 network, 3 explainers; drawn-1, net-a, grad_cam and lime)"
    )


def test_without_a_front_end_a_page_shows_the_picture_and_the_words(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    output = nbformat.v4.new_output("execute_result", bundle, execution_count=1)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("explorer", outputs=[output], execution_count=1)])
    html, _ = HTMLExporter().from_notebook_node(book)
    shown = re.search(r'<img alt="net-a predicts[^"]*" src="data:image/png;base64,([^"]+)"', html)
    picture = Image.open(io.BytesIO(base64.b64decode(shown.group(1))))
    assert picture.mode == "RGBA"
    assert picture.getpixel((0, 0))[3] == 0
    assert picture.width > 600
    assert base64.b64decode(bundle["image/png"]) == explorer.static().png


@pytest.mark.parametrize(
    ("trait", "value", "known"),
    [
        ("face", "drawn-9", "drawn-1"),
        ("model", "net-c", "net-a"),
        ("explainer", "grad_kam", "grad_cam"),
        ("second_explainer", "limes", "lime"),
    ],
)
def test_an_unknown_name_is_refused_in_one_line_and_nothing_changes(explorer, trait, value, known):
    before = explorer.setting
    with pytest.raises(UnknownNameError, match=known) as refused:
        setattr(explorer, trait, value)
    assert "\n" not in str(refused.value)
    assert explorer.setting == before


def test_unknown_state_and_numbers_out_of_range_are_refused(maps, faces):
    with pytest.raises(UnknownNameError, match="did you mean opacity"):
        ImageExplorer(maps, faces, opacty=0.5)
    with pytest.raises(traitlets.TraitError, match="opacity"):
        ImageExplorer(maps, faces, opacity=1.5)


def test_maps_and_faces_that_do_not_belong_together(maps, faces):
    with pytest.raises(UsageError, match=r"1 of 3 explained faces are not among the faces \(drawn-3\)"):
        ImageExplorer(maps, faces[[0, 1]])
    other = replace(faces, table=faces.table.assign(sha256=["0" * 64, *faces.table["sha256"][1:]]))
    with pytest.raises(UsageError, match="another picture stands under the name drawn-1"):
        ImageExplorer(maps, other)
    assert ImageExplorer(maps.isel(image=[1]), faces).face == "drawn-2"


def test_maps_that_are_not_per_image_maps_on_the_canonical_face(maps, faces):
    aggregated = (
        maps.isel(image=0, drop=True)
        .expand_dims(expression=["anger"])
        .transpose("model", "explainer", "expression", "y", "x")
    )
    with pytest.raises(UsageError, match="global heatmaps, which show no single face"):
        ImageExplorer(aggregated, faces)
    with pytest.raises(UsageError, match="not ndarray"):
        ImageExplorer(maps.values, faces)
    with pytest.raises(FrameMismatchError, match="128 × 224"):
        ImageExplorer(maps.isel(y=slice(0, 128)), faces)


def test_without_ipywidgets_one_line_says_what_to_install():
    code = "import sys; sys.modules['ipywidgets'] = None; import workbench as wb; wb.ImageExplorer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("widgets need ipywidgets, which is not installed; pip install 'facs-workbench[notebook]'")

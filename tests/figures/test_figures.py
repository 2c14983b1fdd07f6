"""Every figure: what it shows, on which scale, in which colours; and that it needs no pyplot."""

from __future__ import annotations

import io
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy.cluster.hierarchy import linkage

from workbench import figures
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme
from workbench.figures.outlines import edges, features
from workbench.figures.overlay import displayed
from workbench.figures.placing import blend, resized
from workbench.heatmaps.predictions import class_probabilities, said_probability
from workbench.scores import all_masks


def words(figure: Figure) -> list[str]:
    """Every visible text of a figure."""
    found = [t.get_text() for t in figure.texts] + [t.get_text() for ax in figure.axes for t in ax.texts]
    found += [t.get_text() for ax in figure.axes for t in (*ax.get_xticklabels(), *ax.get_yticklabels(), ax.title)]
    found += [ax.get_title(loc="left") for ax in figure.axes]
    return [t for t in found if t]


def pixels(figure: Figure) -> np.ndarray:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, facecolor="none", transparent=True)
    return np.asarray(Image.open(stream).convert("RGBA"))


def tiles(figure: Figure) -> list:
    return [i for i in figure.axes[0].images if str(i.get_gid()).startswith("tile-")]


@pytest.fixture(scope="module")
def study(drawn: ModuleType) -> dict:
    faces = drawn.faces()
    maps = drawn.maps(faces)
    return {"faces": faces, "maps": maps, "heat": drawn.heat(maps), "masks": drawn.masks(), "table": drawn.table()}


@pytest.fixture(scope="module")
def every(drawn: ModuleType, study: dict) -> dict[str, Figure]:
    tree = linkage(np.random.default_rng(0).random((3, 4)), "average")
    faces, maps = study["faces"], study["maps"]
    return {
        "overlay": figures.overlay(
            faces.images[0], maps.values[0, 0, 0], landmarks=faces.landmarks[0], frame=drawn.frame(), threshold=0.5
        ),
        "overlay_grid": figures.overlay_grid(maps, faces, "net-a"),
        "canonical grid": figures.overlay_grid(maps, None, "net-a"),
        "global_heatmaps": figures.global_heatmaps(study["heat"], "grad_cam", study["masks"]),
        "scores": figures.scores(study["table"], "grad_cam"),
        "specificity": figures.specificity(study["table"], "grad_cam"),
        "dendrogram": figures.dendrogram(["a", "b", "c"], tree, support=(0.5, np.nan)),
        "confusion": figures.confusion(["anger", "fear"], ["anger", "anger"], drawn.CLASSES),
        "masks": figures.masks(study["masks"]),
        "probabilities": figures.probabilities({"anger": 0.7, "fear": 0.3}),
    }


def test_every_figure_is_transparent_and_legible_on_white_and_black(every: dict[str, Figure]) -> None:
    for name, figure in every.items():
        shown = pixels(figure)
        assert shown[0, 0, 3] == 0, name
        assert (shown[..., 3] > 200).mean() > 0.003, name
        for text in figure.findobj(Text):
            colour = to_hex(text.get_color())
            cell = colour in ("#ffffff", "#14161a")  # printed on a coloured cell
            assert cell or min(contrast(colour, "#ffffff"), contrast(colour, "#15171b")) >= 3, (name, text.get_text())


def contrast(one: str, two: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_reference() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey of WCAG


def test_marks_of_scores_are_told_apart_on_both_grounds() -> None:
    for colour in (theme.OWN, theme.OTHER, theme.BLOB, theme.INK):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#15171b") >= 3


def test_no_figure_uses_pyplot_or_a_rainbow(every: dict[str, Figure]) -> None:
    for figure in every.values():
        for image in figure.findobj(lambda a: isinstance(a, ScalarMappable)):
            assert image.get_cmap().name not in {"jet", "hsv", "rainbow", "turbo", "nipy_spectral", "gist_rainbow"}
    code = "import sys, workbench.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_session_s_style_neither_changes_a_figure_nor_is_changed(study: dict) -> None:
    import matplotlib

    before = pixels(figures.scores(study["table"], "grad_cam"))
    with matplotlib.rc_context({"font.size": 30, "text.color": "red", "axes.facecolor": "yellow"}):
        after = pixels(figures.scores(study["table"], "grad_cam"))
        assert matplotlib.rcParams["font.size"] == 30
    np.testing.assert_array_equal(before, after)


def test_global_heatmaps_share_one_scale_print_n_and_say_where_nobody_was(study: dict) -> None:
    figure = figures.global_heatmaps(study["heat"], "grad_cam", study["masks"], unrecognised={("net-a", "anger")})
    assert {i.get_clim() for i in tiles(figure)} == {(0.0, 1.0)}
    said = words(figure)
    n = study["heat"].sel(explainer="grad_cam")["n"].values
    assert sum(t.startswith("n = ") for t in said) == n.size
    for count in np.unique(n):
        assert sum(t.split("†")[0].strip() == f"n = {count}" for t in said) == (n == count).sum()
    assert sum(t.replace("\n", " ") == "no face predicted" for t in said) == 4
    assert sum(t.replace("\n", " ") == "maps are blank" for t in said) == 1  # net-a's only face of fear
    assert sum("†" in t and t.startswith("n = ") for t in said) == 1
    assert any("not recognised" in t for t in said)
    assert len(tiles(figure)) == (n > 0).sum()


def test_mask_contours_lie_on_the_mask_s_edge(drawn: ModuleType, study: dict) -> None:
    with_masks = figures.global_heatmaps(study["heat"], "grad_cam", study["masks"])
    without = figures.global_heatmaps(study["heat"], "grad_cam")
    colour = [a for a in with_masks.axes[0].lines if a.get_color() == theme.CONTOUR]
    assert len(colour) == len(tiles(with_masks)) + 1  # and one in the key
    assert not [a for a in without.axes[0].lines if a.get_color() == theme.CONTOUR]
    mask = study["masks"].maps.values[0] > 0.5
    (line,) = edges(mask)
    rows, columns = np.nonzero(mask)
    assert line[:, 0].min() == pytest.approx(columns.min() - 0.5, abs=0.6)
    assert line[:, 0].max() == pytest.approx(columns.max() + 0.5, abs=0.6)
    assert line[:, 1].min() == pytest.approx(rows.min() - 0.5, abs=0.6)
    assert line[:, 1].max() == pytest.approx(rows.max() + 0.5, abs=0.6)
    # cyan pixels only where contours are drawn: the halo and line are in the picture
    cyan = (np.abs(pixels(with_masks)[..., :3].astype(int) - [0x3F, 0xE0, 0xE6]).max(-1) < 40).sum()
    assert cyan > 200
    assert (np.abs(pixels(without)[..., :3].astype(int) - [0x3F, 0xE0, 0xE6]).max(-1) < 40).sum() == 0


def test_edges_of_a_square_are_its_four_corners() -> None:
    square = np.zeros((20, 30), bool)
    square[5:15, 10:20] = True
    (line,) = edges(square)
    assert len(line) <= 10
    area = 0.5 * abs(np.dot(line[:-1, 0], line[1:, 1]) - np.dot(line[1:, 0], line[:-1, 1]))
    assert area == pytest.approx(100, rel=0.06)  # the corners are cut by less than half a pixel
    assert edges(np.zeros((5, 5), bool)) == []


def test_features_are_symmetric_and_inside_the_face(drawn: ModuleType) -> None:
    frame = drawn.frame()
    lines = features(frame)
    assert {"oval", "lips", "right eye", "left eye"} <= set(lines)
    assert lines["right eye"][:, 0].mean() < lines["left eye"][:, 0].mean()  # the subject's right is on the left
    assert lines["right brow"][:, 1].mean() < lines["right eye"][:, 1].mean() < lines["lips"][:, 1].mean()


def test_overlay_grid_says_answer_probability_and_label_in_words(study: dict) -> None:
    maps = study["maps"]
    figure = figures.overlay_grid(maps, study["faces"], "net-b", images=["face-00", "face-06"])
    said = [" ".join(t.split()) for t in words(figure)]
    p = said_probability(maps)[1, 0]
    assert f"says {maps['predicted'].values[1, 0]} ({theme.number(p)}) labelled anger" in said
    assert any(t.endswith("no label") for t in said)
    assert "not computed" in said
    assert "photograph" in said
    assert len(tiles(figure)) == 2 * 4 - 1
    assert "heat:" not in " ".join(said)
    units = maps.assign_coords(explained=maps["predicted"].copy(data=np.full(maps["predicted"].shape, "au:12")))
    figure = figures.overlay_grid(units, study["faces"], "net-b", images=["face-00"])
    assert any(" ".join(t.split()).endswith("labelled anger heat: au:12") for t in words(figure))


def test_overlay_grid_shows_constant_maps_as_such_and_refuses_unknown_faces(study: dict) -> None:
    assert "constant" in words(figures.overlay_grid(study["maps"], None, "net-a", images=["face-02"]))
    with pytest.raises(UnknownNameError, match="face-02"):
        figures.overlay_grid(study["maps"], None, "net-a", images=["face-2"])
    with pytest.raises(UnknownNameError, match="network"):
        figures.overlay_grid(study["maps"], None, "net-z")
    several = study["maps"].expand_dims({"target": ["au:12"]}, axis=2)
    with pytest.raises(UsageError, match=r"one sheet shows one target; select it with maps.sel\(target='au:12'\)"):
        figures.overlay_grid(several, None, "net-a")


def test_a_tile_whose_maps_were_not_computed_does_not_claim_that_no_face_was_predicted(study: dict) -> None:
    heat = study["heat"]
    n = {e: heat.sel(explainer=e)["n"].values for e in ("grad_cam", "lime")}
    assert (n["lime"] == 0).sum() > (n["grad_cam"] == 0).sum()  # LIME ran on three faces only
    said = [t.replace("\n", " ") for t in words(figures.global_heatmaps(heat, "lime", study["masks"]))]
    assert said.count("no face predicted") == 4
    assert said.count("not computed") == (n["lime"] == 0).sum() - 4
    alone = words(figures.global_heatmaps(heat.sel(explainer="lime"), None, study["masks"]))
    assert "not computed" not in [t.replace("\n", " ") for t in alone]  # one explainer alone cannot know


def test_answers_that_a_network_does_not_recognise_are_marked(study: dict) -> None:
    maps = study["maps"]
    answer = str(maps["predicted"].values[0, 0])
    marked = words(figures.overlay_grid(maps, study["faces"], "net-a", unrecognised={("net-a", answer)}))
    said = int((maps["predicted"].values[0] == answer).sum())
    assert sum(f"says {answer} †" in t for t in marked) == said
    assert any("does not recognise it" in t for t in marked)
    other = words(figures.overlay_grid(maps, study["faces"], "net-b", unrecognised={("net-a", answer)}))
    assert not any("†" in t for t in other)
    dots = words(figures.scores(study["table"], "grad_cam", unrecognised={("net-a", "fear"), ("net-b", "fear")}))
    assert dots.count("†") == 2
    tree = linkage(np.random.default_rng(0).random((3, 4)), "average")
    leaves = words(figures.dendrogram(["a", "b", "c"], tree, unrecognised={"b"}))
    assert [t for t in leaves if "†" in t] == ["b †"]


def test_displayed_starts_at_the_lowest_value_inside_the_face_but_never_below_none() -> None:
    offset = np.array([[0.30, 0.34], [0.38, 0.50]])  # RISE: positive everywhere
    np.testing.assert_allclose(displayed(offset), [[0, 0.2], [0.4, 1]])
    inside = np.array([[False, True], [True, True]])
    np.testing.assert_allclose(displayed(offset, domain=inside), [[0, 0], [0.25, 1]])  # outside is clipped
    np.testing.assert_array_equal(displayed(np.full((2, 2), 0.3)), 1)
    outlier = np.array([[9.0, -1.0], [1.0, 2.0]])
    np.testing.assert_allclose(displayed(outlier, domain=inside), [[1, 0], [0.5, 1]])


def test_displayed_leaves_out_what_speaks_against_the_class_or_takes_given_limits() -> None:
    heat = np.array([[-2.0, 0.0], [1.0, 4.0]])
    np.testing.assert_allclose(displayed(heat), [[0, 0], [0.25, 1]])
    np.testing.assert_allclose(displayed(heat, (-2, 2)), [[0, 0.5], [0.75, 1]])
    np.testing.assert_array_equal(displayed(-heat[:1] * 0 - 1), [[0, 0]])
    assert np.isnan(displayed(np.array([[np.nan, 1.0]]))[0, 0])


def test_blend_leaves_the_face_where_the_map_is_zero_and_covers_where_it_is_high() -> None:
    face = np.full((4, 4, 3), 120, np.uint8)
    heat = np.zeros((4, 4))
    heat[0] = 1
    heat[1] = np.nan
    out = blend(face, heat, opacity=1.0)
    assert (out[1:] == 120).all()
    np.testing.assert_array_equal(out[0, 0], np.rint(255 * np.array([0.987053, 0.991438, 0.749504])))  # magma's end
    np.testing.assert_array_equal(blend(face, heat, opacity=0), face)


def test_overlay_puts_native_heat_where_the_network_saw_it() -> None:
    face = np.full((70, 70, 3), 90, np.uint8)
    heat = np.zeros((7, 7))
    heat[1, 5] = 1
    figure = figures.overlay(face, heat, side=140)
    (tile,) = tiles(figure)
    coloured = np.abs(np.asarray(tile.get_array()).astype(int) - 90).sum(-1)
    y, x = np.unravel_index(coloured.argmax(), coloured.shape)
    assert abs(y / 140 - 1.5 / 7) < 0.08
    assert abs(x / 140 - 5.5 / 7) < 0.08


def test_overlay_draws_the_threshold_as_a_contour(study: dict) -> None:
    face, heat = study["faces"].images[0], np.outer(np.hanning(9), np.hanning(9))
    assert len(figures.overlay(face, heat, threshold=0.5).axes[0].lines) == 1
    assert len(figures.overlay(face, heat).axes[0].lines) == 0


def test_resized_keeps_missing_pixels_missing() -> None:
    values = np.ones((8, 8))
    values[:4] = np.nan
    out = resized(values, (16, 16))
    assert np.isnan(out[:7]).all()
    np.testing.assert_allclose(out[9:], 1)


def test_scores_panels_share_one_axis_and_show_value_and_controls(study: dict) -> None:
    table = study["table"]
    figure = figures.scores(table, "grad_cam")
    assert len(figure.axes) == 6
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    anger = figure.axes[0]
    drawn_values = {float(line.get_xdata()[0]) for line in anger.lines if line.get_linestyle() == "None"}
    cell = table.sel(explainer="grad_cam", expression="anger")
    for name in ("iou", "chance_iou", "other_masks_iou", "centre_iou_equal_area"):
        assert set(cell[name].values.tolist()) <= drawn_values
    assert [t.get_text() for t in figure.axes[1].texts] == ["no map"] * 3  # disgust
    assert "own mask" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_specificity_prints_means_and_marks_the_own_mask(study: dict) -> None:
    figure = figures.specificity(study["table"], "lime")
    mean = all_masks(study["table"]).sel(explainer="lime", expression="fear", mask="sadness").mean("model")
    assert theme.number(float(mean)) in words(figure)
    assert sum(p.get_edgecolor()[:3] == pytest.approx((0xD5 / 255, 0x5E / 255, 0)) for p in figure.axes[0].patches) == 6
    assert words(figure).count("–") == 6  # nobody was called disgusted


def test_dendrogram_joins_at_the_linkage_s_heights_and_prints_support_or_why_not() -> None:
    tree = linkage(np.array([[0.0], [1.0], [5.0]]), "average")
    figure = figures.dendrogram(["x", "y", "z"], tree, support=(0.25, 1.0), maximum=9.0)
    ax = figure.axes[0]
    assert ax.get_xlim()[1] == pytest.approx(9 * 1.04)
    assert sorted({float(max(line.get_xdata())) for line in ax.lines}) == [1.0, 4.5]
    assert {".25", "1.00"} <= set(words(figure))
    assert [t.get_text() for t in ax.get_yticklabels()] in (["x", "y", "z"], ["z", "x", "y"])
    without = " ".join(words(figures.dendrogram(["x", "y", "z"], tree, reason="no per-image maps")))
    assert "support unavailable: no per-image maps" in " ".join(without.split())


def test_confusion_counts_and_leaves_unlabelled_faces_out() -> None:
    figure = figures.confusion(["anger", "anger", "fear", ""], ["anger", "fear", "fear", "fear"], ["anger", "fear"])
    said = words(figure)
    assert "anger (n = 2)" in said
    assert "fear (n = 1)" in said
    assert [t.get_text() for t in figure.axes[0].texts] == ["1", "1", "1"]
    assert "no labelled face" in words(figures.confusion([""], ["anger"], ["anger"]))


def test_masks_sheet_prints_names_and_shares(study: dict) -> None:
    said = words(figures.masks(study["masks"]))
    area = float(study["masks"].maps.values[0][study["masks"].domain.values].mean())
    assert "anger" in said
    assert f"{theme.number(area)} of the face" in said


def test_probabilities_say_which_classes_a_network_lacks(study: dict) -> None:
    known = class_probabilities(study["maps"])
    assert known is not None
    figure = figures.probabilities(known.isel(model=2, image=0), label="anger")
    said = words(figure)
    assert "anger (label)" in said
    assert "not a class of this network" in said
    assert figure.axes[0].get_xlim() == (0, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2689, ".27"),
        (-0.051, "−.05"),
        (1.0, "1.00"),
        (0.0, ".00"),
        (-0.0001, ".00"),
        (float("nan"), "–"),
        (0.999, "1.00"),
    ],
)
def test_numbers_are_written_one_way(value: float, text: str) -> None:
    assert theme.number(value) == text

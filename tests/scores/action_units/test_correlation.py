"""CAM-COS and ATT-COS: by hand, against PyTorch, on the published maps; and the controls on template landmarks."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch.nn import functional

from workbench.canonical import load_frame
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.heatmaps import load_folder, normalise
from workbench.masks import load_masks, masks_on_face
from workbench.scores import att_cos, cam_cos, correlation_table, correlations
from workbench.scores.action_units.resizing import resized
from workbench.vocabulary import BASIC_EXPRESSIONS


def native(values, names=None, **coords):
    values = np.asarray(values, np.float32)
    names = names or [f"face{i}" for i in range(len(values))]
    return xr.DataArray(values, dims=("image", "y", "x"), coords={"image": names, **coords}, attrs={"frame": "native"})


def drawn(values, labels, names=("anger", "happiness"), dim="expression", subjects=None, **attrs):
    """Reference maps (image, K, y, x) with labels."""
    values = np.asarray(values, np.float32)
    images = [f"face{i}" for i in range(len(values))]
    coords = {
        "image": images,
        dim: list(names),
        "label": ("image", list(labels)),
        "subject": ("image", list(subjects or [""] * len(images))),
    }
    return xr.DataArray(values, dims=("image", dim, "y", "x"), coords=coords, attrs={"frame": "native", **attrs})


def mean_row(table, **where):
    rows = table[table["expression"] == "mean"]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


TOP, LEFT = [[1, 1], [0, 0]], [[1, 0], [1, 0]]


def test_by_hand():
    maps = {("net", "cam"): native([[[3, 1], [1, -1]]])}  # stretched: 1, .5, .5, 0
    table = cam_cos(maps, drawn([[TOP, LEFT]], ["anger"]))
    row = table[table["expression"] == "anger"].iloc[0]
    assert row["cosine"] == pytest.approx(1.5 / (np.sqrt(1.5) * np.sqrt(2)))
    assert row["pearson"] == pytest.approx(0.5 / np.sqrt(0.5))  # centred: .5, 0, 0, −.5 and ±.5
    assert row["uniform_cosine"] == pytest.approx(2 / (2 * np.sqrt(2)))
    assert np.isnan(row["uniform_pearson"])
    assert row["mean_map_cosine"] == pytest.approx(1.5 / (np.sqrt(1.5) * np.sqrt(2)))  # 1, .5, .5, 0 as well
    assert row["other_cosine"] == row["cosine"]
    assert row["rank_cosine"] == 1.5  # a tie is shared
    assert row["first_cosine"] == 0
    assert (row["ranked"], row["n"], row["n_blank"]) == (2, 1, 0)


def test_att_cos_takes_a_negative_minimum_away_and_does_not_stretch():
    negative = {("net", "layer_attention"): native([[[3, 1], [1, -1]]])}  # shifted: 4, 2, 2, 0
    positive = {("net", "layer_attention"): native([[[3, 2], [2, 1]]])}
    reference = drawn([[TOP, LEFT]], ["anger"])
    assert mean_row(att_cos(negative, reference))["cosine"] == pytest.approx(6 / (np.sqrt(24) * np.sqrt(2)))
    assert mean_row(att_cos(positive, reference))["cosine"] == pytest.approx(5 / (np.sqrt(18) * np.sqrt(2)))
    assert mean_row(cam_cos(positive, reference))["cosine"] == mean_row(cam_cos(negative, reference))["cosine"]


def test_mean_over_images_then_over_expressions():
    maps = {("net", "cam"): native([TOP, LEFT, TOP, TOP])}
    table = cam_cos(maps, drawn([[TOP, LEFT]] * 4, ["anger", "anger", "anger", "happiness"]))
    by = table.set_index("expression")
    assert by.loc["anger", "cosine"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert by.loc["happiness", "cosine"] == pytest.approx(0.5)
    assert by.loc["mean", "cosine"] == pytest.approx(((1 + 0.5 + 1) / 3 + 0.5) / 2)
    assert (by.loc["mean", "expressions"], by.loc["mean", "n"]) == (2, 4)
    assert by.loc["anger", "rank_cosine"] == pytest.approx((1 + 2 + 1) / 3)
    assert by.loc["anger", "first_cosine"] == 2


@pytest.mark.parametrize(
    ("old", "new"), [((7, 5), (31, 22)), ((4, 4), (224, 224)), ((31, 40), (12, 9)), ((6, 6), (6, 6))]
)
def test_resizing_is_pytorchs(old, new):
    values = np.random.default_rng(0).normal(size=old)
    theirs = functional.interpolate(
        torch.from_numpy(values)[None, None], size=new, mode="bilinear", align_corners=False, antialias=True
    )
    assert np.allclose(resized(values, new), theirs[0, 0].numpy(), atol=1e-12)


def theirs(cams, maps, labels, *, stretch):
    """The two measures as arXiv 2402.00281 describes them, in PyTorch."""
    found = {}
    for cam, references, label in zip(cams, maps, labels, strict=True):
        cam, reference = torch.from_numpy(cam)[None, None].double(), torch.from_numpy(references[label]).double()
        if stretch:
            cam = ((cam - cam.min()) / (cam.max() - cam.min())).clamp(0, 1)
        cam = functional.interpolate(cam, size=reference.shape, mode="bilinear", align_corners=False)[0, 0]
        if not stretch and cam.min() < 0:
            cam = cam - cam.min()
        found.setdefault(label, []).append(functional.cosine_similarity(cam.flatten(), reference.flatten(), dim=0))
    return float(np.mean([np.mean(values) for values in found.values()]))


def test_as_the_paper_describes_them():
    stream = np.random.default_rng(1)
    cams = stream.normal(size=(9, 7, 7)).astype(np.float32)
    references = stream.random((9, 6, 30, 30)).astype(np.float32)
    labels = [BASIC_EXPRESSIONS[i] for i in (0, 0, 0, 1, 2, 2, 4, 5, 5)]
    given = drawn(references, labels, BASIC_EXPRESSIONS)
    table = [dict(zip(BASIC_EXPRESSIONS, one, strict=True)) for one in references]
    for measure, stretch in ((cam_cos, True), (att_cos, False)):
        row = mean_row(measure({("net", "x"): native(cams)}, given))
        assert row["cosine"] == pytest.approx(theirs(cams, table, labels, stretch=stretch), abs=1e-9)
        assert row["expressions"] == 5


def test_pearson_is_numpys_and_knows_no_scale():
    stream = np.random.default_rng(2)
    cams = stream.normal(size=(3, 20, 20)).astype(np.float32)
    references = stream.random((3, 2, 20, 20)).astype(np.float32)
    given = drawn(references, ["anger", "happiness", "anger"])
    first = correlations({("net", "x"): native(cams)}, given)
    second = correlations({("net", "x"): native(5 * cams + 3)}, given, scale="shift")
    assert np.allclose(first["pearson"], second["pearson"], atol=1e-6)
    wanted = [np.corrcoef(cams[i].ravel(), references[i, k].ravel())[0, 1] for i in range(3) for k in range(2)]
    assert np.allclose(first["pearson"], wanted, atol=1e-6)


def test_a_map_that_is_its_reference():
    stream = np.random.default_rng(3)
    references = stream.random((6, 6, 12, 12)).astype(np.float32)
    references[..., 0, 0], references[..., 0, 1] = 0, 1
    maps = {("net", "x"): native([references[i, i] for i in range(6)])}
    row = mean_row(cam_cos(maps, drawn(references, BASIC_EXPRESSIONS, BASIC_EXPRESSIONS)))
    assert row[["cosine", "pearson", "rank_cosine", "rank_pearson"]].to_list() == pytest.approx([1, 1, 1, 1])
    assert row["first_cosine"] == row["first_pearson"] == 6
    assert row["mean_map_cosine"] > row["uniform_cosine"]


def test_the_uniform_map_is_its_own_control():
    references = np.random.default_rng(4).random((2, 2, 8, 8))
    maps = {("net", "layer_attention"): native(np.full((2, 3, 3), 2.5))}
    row = mean_row(att_cos(maps, drawn(references, ["anger", "happiness"])))
    assert row["cosine"] == pytest.approx(row["uniform_cosine"], abs=1e-12)
    assert row["rank_cosine"] == row["rank_uniform_cosine"]
    assert np.isnan(row["pearson"])


def test_blank_maps_are_counted_and_left_out_or_zero():
    maps = {("net", "cam"): native([TOP, [[2, 2], [2, 2]], TOP], status=("image", ["ok", "constant", "not computed"]))}
    given = drawn([[TOP, LEFT]] * 3, ["anger"] * 3)
    left_out, zero = cam_cos(maps, given), cam_cos(maps, given, blank="zero")
    assert mean_row(left_out)[["n", "n_blank", "cosine"]].to_list() == [1, 2, pytest.approx(1)]
    assert mean_row(zero)[["n", "n_blank", "cosine"]].to_list() == [3, 2, pytest.approx(1 / 3)]
    with pytest.raises(UsageError, match="blank is 'x'; give one of 'leave out', 'zero'"):
        cam_cos(maps, given, blank="x")


def test_faces_without_a_basic_label_are_left_out():
    maps = {("net", "cam"): native([TOP] * 3)}
    table = cam_cos(maps, drawn([[TOP, LEFT]] * 3, ["anger", "", "neutral"]))
    assert mean_row(table)["n"] == 1
    with pytest.raises(UsageError, match="no face has a map, a label of a basic expression"):
        cam_cos(maps, drawn([[TOP, LEFT]] * 3, ["", "", "neutral"]))


def test_layers_keep_their_order_and_depth():
    maps = {("net", "cam", layer): native([one]) for layer, one in (("first", LEFT), ("last", TOP))}
    table = cam_cos(maps, drawn([[TOP, LEFT]], ["anger"]))
    rows = table[table["expression"] == "mean"]
    assert rows[["layer", "depth", "layers", "grid"]].values.tolist() == [["first", 0, 2, "2×2"], ["last", 1, 2, "2×2"]]
    assert rows["cosine"].tolist() == pytest.approx([0.5, 1])


def test_intervals_are_over_subjects():
    stream = np.random.default_rng(5)
    count = 24
    cams = np.array([TOP] * count) + stream.normal(0, 0.4, (count, 2, 2))
    given = drawn([[TOP, LEFT]] * count, ["anger"] * count, subjects=[f"s{i // 4}" for i in range(count)])
    row = mean_row(cam_cos({("net", "cam"): native(cams)}, given))
    assert row["n_subjects"] == 6
    assert row["reason"] == ""
    assert row["low_cosine"] < row["cosine"] < row["high_cosine"] <= 1
    few = drawn([[TOP, LEFT]] * count, ["anger"] * count, subjects=[f"s{i // 6}" for i in range(count)])
    row = mean_row(cam_cos({("net", "cam"): native(cams)}, few))
    assert np.isnan(row["low_cosine"])
    assert row["reason"] == "too few to resample (n = 24 images, 4 subjects; at least 5 subjects are needed)"


def test_rows_of_parts_make_the_table_of_the_whole():
    stream = np.random.default_rng(6)
    cams, references = stream.random((8, 3, 3)), stream.random((8, 2, 6, 6))
    labels = ["anger", "happiness"] * 4
    whole = drawn(references, labels)
    parts = [
        correlations({("net", "cam"): native(cams[part], whole["image"].values[part].tolist())}, whole[part])
        for part in (slice(0, 3), slice(3, 8))
    ]
    both = correlation_table(pd.concat(parts))
    pd.testing.assert_frame_equal(both, cam_cos({("net", "cam"): native(cams)}, whole), check_exact=False)


def test_by_action_unit():
    units = drawn(
        [[TOP, LEFT]] * 2,
        ["anger", "happiness"],
        ["AU4", "AU23/24"],
        "au",
        action_units='{"anger": ["AU4", "AU24"], "happiness": ["AU12"]}',
    )
    table = cam_cos({("net", "cam"): native([TOP, LEFT])}, units).set_index(["au", "expression"])
    assert table.loc[("AU4", "anger"), "cosine"] == pytest.approx(1)
    assert table.loc[("AU4", "happiness"), "cosine"] == pytest.approx(0.5)
    assert table.loc[("AU4", "mean"), "cosine"] == pytest.approx(0.75)
    listed = table["listed"].to_dict()
    assert listed[("AU4", "anger")] is True
    assert listed[("AU23/24", "anger")] is True
    assert listed[("AU4", "happiness")] is False
    assert table.loc[("AU4", "anger"), "rank_cosine"] == 1


def test_one_map_a_face():
    maps = np.array([TOP, LEFT], np.float32)
    one = drawn(maps[:, None], ["anger", "happiness"], ["own"]).isel(expression=0, drop=True)
    row = mean_row(cam_cos({("net", "cam"): native(maps)}, one))
    assert row["cosine"] == pytest.approx(1)
    assert row["mean_map_cosine"] == pytest.approx(1.5 / (np.sqrt(1.5) * np.sqrt(2)))
    assert np.isnan(row["rank_cosine"])


def canonical(values, labels, frame="mediapipe478"):
    coords = {
        "model": ["net"],
        "explainer": ["cam"],
        "image": [f"f{i}" for i in range(len(labels))],
        "label": ("image", list(labels)),
    }
    dims = ("model", "explainer", "image", "y", "x")
    return xr.DataArray(values[None, None], coords, dims, attrs={"frame": frame, "target": "labelled"})


def test_canonical_maps_are_compared_on_the_domain_where_they_have_data():
    masks = load_masks("facs-au", codebook="martinez-2017", soft=True)
    values = masks.maps.sel(expression=["anger", "fear"]).values.astype(np.float32)
    domain = masks.domain.values
    values[:, ~domain] = 99  # must not count
    values[0, :100] = np.nan
    table = cam_cos(canonical(values, ["anger", "fear"]), masks).set_index("expression")
    assert table.loc["fear", "cosine"] == pytest.approx(1, abs=1e-6)
    assert table.loc["fear", "rank_cosine"] == 1
    lower = domain & (np.arange(domain.shape[0]) >= 100)[:, None]
    fear = masks.maps.sel(expression="fear").values
    assert table.loc["fear", "uniform_cosine"] == pytest.approx(
        fear[domain].sum() / np.sqrt(domain.sum() * (fear[domain] ** 2).sum())
    )
    anger = masks.maps.sel(expression="anger").values[lower]
    assert table.loc["anger", "uniform_cosine"] == pytest.approx(anger.sum() / np.sqrt(lower.sum() * (anger**2).sum()))


def test_maps_and_references_of_different_places_are_refused():
    masks = load_masks("facs-au", codebook="martinez-2017")
    with pytest.raises(FrameMismatchError, match=r"the maps of net lie on 'native' \(2×2\), .* on 'mediapipe478'"):
        cam_cos({("net", "cam"): native([TOP])}, masks)
    values = np.zeros((1, *load_frame("published").grid), np.float32)
    with pytest.raises(FrameMismatchError, match="'published'"):
        cam_cos(canonical(values, ["anger"], "published"), masks)


def test_bad_input_in_one_line():
    given = drawn([[TOP, LEFT]], ["anger"])
    predicted = canonical(np.zeros((1, 256, 224), np.float32), ["anger"]).assign_attrs(target="predicted")
    with pytest.raises(UsageError, match=r"explain the target 'predicted'; .* target='labelled'"):
        cam_cos(predicted, load_masks("facs-au", codebook="martinez-2017"))
    with pytest.raises(UsageError, match="no reference for the image 'stranger'"):
        cam_cos({("net", "cam"): native([TOP], ["stranger"])}, given)
    with pytest.raises(UnknownNameError, match="scale"):
        correlations({("net", "cam"): native([TOP])}, given, scale="max")
    with pytest.raises(UsageError, match="not dict without entries"):
        cam_cos({}, given)
    with pytest.raises(UsageError, match="a MaskSet or what au_heatmap"):
        cam_cos({("net", "cam"): native([TOP])}, np.zeros((2, 2)))
    with pytest.raises(UsageError, match="keys"):
        cam_cos({"net": native([TOP])}, given)
    with pytest.raises(UsageError, match=r"references have the dimensions \(image\[, expression"):
        cam_cos({("net", "cam"): native([TOP])}, given.isel(image=0))


def template(share):
    """Landmarks of the first paper's template on a crop of which the face's box is 1 / share."""
    points = load_frame("published").points[:68]
    return ((points + 0.5 - [0, 25]) / [224, 250] - 0.5) / share + 0.5  # the box is (0, 25) to (224, 275)


@pytest.mark.parametrize(
    ("share", "uniform", "centred", "mean_map"),
    [(1.0, 0.507, 0.521, 0.782), (1.3, 0.456, 0.638, 0.797), (1.6, 0.420, 0.686, 0.820)],
)
def test_what_content_free_maps_score_on_template_landmarks(share, uniform, centred, mean_map):
    names, maps = masks_on_face(
        "belharbi-au-published", template(share), (224, 224), "belharbi-2024-code", scheme="ibug68", soft=True
    )
    maps = normalise(maps, "min-max")
    given = drawn(np.repeat(maps[None], 6, 0), names, names)
    row = mean_row(cam_cos({("net", "x"): native(maps)}, given))
    assert row["uniform_cosine"] == pytest.approx(uniform, abs=0.01)
    assert row["centre_cosine"] == pytest.approx(centred, abs=0.01)
    assert row["mean_map_cosine"] == pytest.approx(mean_map, abs=0.01)
    assert row["rank_uniform_cosine"] == row["rank_centre_cosine"] == 3.5  # one map cannot tell six apart


def test_published_heatmaps_rank_their_own_action_units_first_as_often_as_chance_would(published):
    heat = load_folder(published / "by_network").assign_attrs(frame="published")
    landmarks = (load_frame("published").points[:68] + 0.5) / [224, 275]
    names, maps = masks_on_face(
        "belharbi-au-published", landmarks, (275, 224), "martinez-2017", scheme="ibug68", soft=True
    )
    given = drawn(np.repeat(maps[None], 6, 0), names, names).assign_coords(image=names).assign_attrs(frame="published")
    cells = cam_cos(heat, given)
    cells = cells[cells["expression"] != "mean"]
    assert len(cells) == 72
    assert cells["first_cosine"].sum() == 13
    assert cells["first_pearson"].sum() == 12
    masks = cam_cos(heat, load_masks("friesen-ekman", "published"))
    assert masks[masks["expression"] != "mean"]["first_pearson"].sum() == 16


def test_a_missing_reference_does_not_spoil_the_others():
    nothing = np.full((2, 2), np.nan)
    units = drawn([[TOP, nothing], [TOP, LEFT]], ["anger", "anger"], ["AU4", "AU12"], "au")
    table = cam_cos({("net", "cam"): native([TOP, TOP])}, units).set_index(["au", "expression"])
    assert table.loc[("AU4", "anger"), ["n", "cosine"]].to_list() == [2, pytest.approx(1)]
    assert table.loc[("AU12", "anger"), ["n", "cosine"]].to_list() == [1, pytest.approx(0.5)]
    assert np.isfinite(table.loc[("AU4", "anger"), "mean_map_cosine"])


def test_methods_that_refused_say_why():
    blank = native(np.full((1, 1, 1), np.nan), status=("image", ["not computed"])).assign_attrs(
        reason="cam needs a head"
    )
    row = mean_row(cam_cos({("net", "cam"): blank}, drawn([[TOP, LEFT]], ["anger"])))
    assert row[["n", "n_blank", "reason"]].to_list() == [0, 1, "no map: cam needs a head"]
    assert np.isnan(row["cosine"])

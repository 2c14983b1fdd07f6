"""Mass, density and enrichment of maps in regions: by hand, and the sharing of overlaps against brute force."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.masks import MaskSet, load_masks
from workbench.scores import attribution_table, attributions, region_attributions
from workbench.scores.action_units.sharing import shares

GRID = (4, 4)


def areas(maps, **attrs):
    values = xr.DataArray(np.array(list(maps.values()), np.float32), dims=("au", "y", "x"), coords={"au": list(maps)})
    return MaskSet("units", values, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")), attrs)


def half(top=0, bottom=4, left=0, right=4):
    values = np.zeros(GRID)
    values[top:bottom, left:right] = 1
    return values


UPPER, LEFT = half(bottom=2), half(right=2)


def heat(values, labels=None, model="net", explainer="cam", **coords):
    values = np.asarray(values, np.float32)[None, None]
    count = values.shape[2]
    labels = labels or ["anger"] * count
    known = {
        "model": [model],
        "explainer": [explainer],
        "image": [f"f{i}" for i in range(count)],
        "label": ("image", labels),
        "predicted": (("model", "image"), [labels]),
        **coords,
    }
    return xr.DataArray(values, known, ("model", "explainer", "image", "y", "x"), attrs={"target": "predicted"})


def by_region(rows, image="f0"):
    return rows[rows["image"] == image].set_index("region")


def test_by_hand():
    values = np.zeros(GRID)
    values[0, 0], values[0, 3], values[3, 0], values[3, 3] = 4, 2, 2, -8  # nothing negative counts
    rows = by_region(attributions(heat([values]), areas({"AU1": UPPER, "AU2": LEFT})))
    assert rows["area"].to_list() == [0.5, 0.5, 0.25]
    assert rows.index.to_list() == ["AU1", "AU2", "rest"]
    assert rows["mass"].to_list() == pytest.approx([6 / 8, 6 / 8, 0])
    assert rows["density"].to_list() == pytest.approx([6 / 8 / 4, 6 / 8 / 4, 0])
    assert rows["enrichment"].to_list() == pytest.approx([1.5, 1.5, 0])
    shared = by_region(attributions(heat([values]), areas({"AU1": UPPER, "AU2": LEFT}), overlap="shared"))
    assert shared["mass"].to_list() == pytest.approx([4 / 8, 4 / 8, 0])  # the corner's 4 in halves
    assert shared["area"].to_list() == pytest.approx([6 / 16, 6 / 16, 4 / 16])
    assert shared["enrichment"].to_list() == pytest.approx([4 / 3, 4 / 3, 0])
    assert shared["density"].to_list() == pytest.approx([4 / 6 / 4, 4 / 6 / 4, 0])


def brute_force(masks):
    """Shapley values of each pixel's visibility when regions and the rest are shown or hidden, (K + 1, P)."""
    players = len(masks) + 1
    rest = (1 - masks).prod(axis=0)

    def shown(coalition):
        through = np.prod([1 - masks[p] for p in range(players - 1) if p not in coalition], axis=0)
        return through - (0 if players - 1 in coalition else rest)

    found = np.zeros((players, masks.shape[1]))
    for player in range(players):
        others = [p for p in range(players) if p != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for coalition in combinations(others, size):
                found[player] += weight * (shown((*coalition, player)) - shown(coalition))
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_shares_are_the_shapley_values_of_hiding(count):
    masks = np.random.default_rng(count).random((count, 9))
    masks[:, 0], masks[:, 1] = 1, 0
    masks[0, 2] = 1
    found = shares(masks, "shared")
    assert np.allclose(found, brute_force(masks), atol=1e-12)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-12)
    assert np.allclose(found[:-1, 0], 1 / count)
    assert (shares(masks)[:-1] == masks).all()


def test_a_uniform_map_is_enriched_nowhere():
    masks = load_masks("facs-au", soft=True)
    values = np.where(masks.domain.values, 3.0, np.nan)[None]
    for overlap in ("plain", "shared"):
        rows = attributions(heat(values).assign_attrs(frame="mediapipe478", target="predicted"), masks, overlap=overlap)
        assert np.allclose(rows["enrichment"], 1)
        assert np.allclose(rows["mass"], rows["area"])
        assert rows["mass"].sum() == pytest.approx(1) or overlap == "plain"
        assert "AU23/24" in set(rows["region"])
        assert not {"AU23", "AU24", "AU26", "AU27"} & set(rows["region"])


def test_the_centred_gaussian_is_its_own_control():
    masks = load_masks("areas")
    height, width = masks.domain.shape
    y = (np.arange(height) - (height - 1) / 2) / (60 / 275 * height)
    x = (np.arange(width) - (width - 1) / 2) / (50 / 224 * width)
    blob = np.exp(-0.5 * (y[:, None] ** 2 + x**2))
    rows = attributions(heat(blob[None]).assign_attrs(frame="mediapipe478"), masks)
    assert np.allclose(rows["mass"], rows["centre_mass"], atol=1e-6)
    assert rows.set_index("region").loc["nose", "centre_enrichment"] > 1.5
    assert rows["mass"].sum() == pytest.approx(1, abs=0.01)  # areas leave hardly anything of a face out


def test_pixels_without_data_do_not_count():
    values = np.ones(GRID)
    values[:, 2:] = np.nan
    rows = by_region(attributions(heat([values]), areas({"AU1": UPPER, "AU2": LEFT})))
    assert rows["area"].to_list() == [0.5, 1, 0]
    assert rows["mass"].to_list() == [0.5, 1, 0]
    assert np.isnan(rows.loc["rest", "enrichment"])


def test_blank_maps_are_counted_and_left_out():
    maps = heat([UPPER, -UPPER, UPPER], status=(("model", "explainer", "image"), [[["ok", "ok", "not computed"]]]))
    rows = attributions(maps, areas({"AU1": UPPER}))
    assert rows.drop_duplicates("image")["status"].to_list() == ["ok", "nothing positive", "not computed"]
    table = attribution_table(rows).set_index("region")
    assert (table.loc["AU1", "n"], table.loc["AU1", "n_blank"]) == (1, 2)
    assert table.loc["AU1", "mass"] == 1


def test_tables_by_expression_and_group():
    maps = heat(
        [UPPER, LEFT, UPPER, LEFT],
        ["anger", "anger", "fear", ""],
        group_age=("image", ["young", "old", "young", "old"]),
        subject=("image", ["a", "a", "b", "c"]),
    )
    rows = attributions(maps, areas({"AU1": UPPER}))
    table = attribution_table(rows)
    au = table[table["region"] == "AU1"].set_index("expression")
    assert au["mass"].to_dict() == {"anger": pytest.approx(0.75), "fear": 1}
    assert au["n"].to_dict() == {"anger": 2, "fear": 1}
    assert au["n_subjects"].to_dict() == {"anger": 1, "fear": 1}
    assert "too few to resample" in au.loc["anger", "reason"]
    ages = attribution_table(rows, per="group_age")
    assert ages[ages["region"] == "AU1"].set_index("group_age")["mass"].to_dict() == {"young": 1, "old": 0.5}
    everyone = attribution_table(rows, per=())
    assert everyone.set_index("region").loc["AU1", ["mass", "n"]].to_list() == [0.75, 4]
    with pytest.raises(UnknownNameError, match="column"):
        attribution_table(rows, per="group_sex")


def test_intervals_hold_the_mean():
    stream = np.random.default_rng(0)
    maps = heat(stream.random((20, *GRID)) + UPPER, subject=("image", [f"s{i // 2}" for i in range(20)]))
    table = attribution_table(attributions(maps, areas({"AU1": UPPER, "AU2": LEFT}))).set_index("region")
    for name in ("mass", "density", "enrichment"):
        row = table.loc["AU1"]
        assert row[f"low_{name}"] < row[name] < row[f"high_{name}"]
    assert table.loc["AU1", "low_enrichment"] > 1  # brighter above
    assert table.loc["AU2", "low_enrichment"] < 1 < table.loc["AU2", "high_enrichment"]
    assert (table["reason"] == "").all()


def test_grouped_by_the_class_explained():
    maps = heat([UPPER, UPPER], ["anger", "fear"]).assign_coords(label=("image", ["fear", "fear"]))
    rows = attributions(maps, areas({"AU1": UPPER}))
    assert rows.drop_duplicates("image")["expression"].to_list() == ["anger", "fear"]
    rows = attributions(maps, areas({"AU1": UPPER}), by="correct")
    assert rows.drop_duplicates("image")["expression"].to_list() == ["", "fear"]
    with pytest.raises(UsageError, match="needs canonical maps"):
        attributions({("net", "cam"): maps[0, 0]}, drawn_units(2), by="predicted")


def drawn_units(count):
    values = np.repeat(np.stack([UPPER, LEFT])[None], count, 0).astype(np.float32)
    coords = {"image": [f"f{i}" for i in range(count)], "au": ["AU1", "AU2"], "label": ("image", ["fear"] * count)}
    return xr.DataArray(values, coords, ("image", "au", "y", "x"), attrs={"frame": "native"})


def test_native_maps_on_units_drawn_on_the_crop():
    coarse = np.array([[[1, 0], [0, 0]]], np.float32)
    maps = {("net", "cam", "last"): xr.DataArray(coarse, {"image": ["f0"]}, ("image", "y", "x"))}
    rows = by_region(attributions(maps, drawn_units(1)))
    line = np.array([1, 0.75, 0.25, 0])  # bilinear from two pixels to four
    fine = np.outer(line, line)
    assert rows.loc["AU1", "mass"] == pytest.approx(fine[:2].sum() / fine.sum())
    assert rows["expression"].to_list() == ["fear"] * 3
    assert rows["layer"].to_list() == ["last"] * 3


def test_global_maps_are_taken_as_they_are():
    values = np.stack([UPPER, LEFT]).astype(np.float32)[None, None]
    maps = xr.DataArray(
        values,
        {"model": ["net"], "explainer": ["cam"], "expression": ["anger", "fear"]},
        ("model", "explainer", "expression", "y", "x"),
    )
    rows = attributions(maps, areas({"AU1": UPPER}))
    assert rows[rows["region"] == "AU1"].set_index("expression")["mass"].to_dict() == {"anger": 1, "fear": 0.5}


def test_values_of_regions():
    masks = areas({"AU1": UPPER, "AU23": LEFT, "AU24": LEFT}, indistinguishable='[["AU23", "AU24"]]')
    regions = ["AU1", "AU23", "AU24", "rest"]
    values = pd.DataFrame(
        {
            "model": "net",
            "explainer": "region_shap",
            "target": "",
            "image": ["f0"] * 4 + ["f1"] * 4,
            "region": regions * 2,
            "value": [1.0, 1.0, 1.0, 1.0, -1.0, np.nan, np.nan, np.nan],
        }
    )
    people = pd.DataFrame({"name": ["f0", "f1"], "label": ["anger", "fear"], "subject": "", "age": ["1", "2"]})
    rows = region_attributions(values, people, masks)
    first = by_region(rows)
    assert first["value"].to_dict() == {"AU1": 1, "AU23/24": 2, "rest": 1}
    assert first["mass"].to_dict() == {"AU1": 0.25, "AU23/24": 0.5, "rest": 0.25}
    assert first["area"].to_dict() == {"AU1": 6 / 16, "AU23/24": 6 / 16, "rest": 4 / 16}
    assert first["enrichment"].to_dict() == {
        "AU1": pytest.approx(2 / 3),
        "AU23/24": pytest.approx(4 / 3),
        "rest": pytest.approx(1),
    }
    assert first["group_age"].to_list() == ["1"] * 3
    assert by_region(rows, "f1")["mass"].isna().all()
    table = attribution_table(rows, per=()).set_index("region")
    assert table.loc["AU23/24", ["n", "n_blank", "value"]].to_list() == [1, 1, 2]
    with pytest.raises(UsageError, match="lacks the image 'f1'"):
        region_attributions(values, people[:1], masks)
    with pytest.raises(UsageError, match="lacks the region 'AU23'"):
        region_attributions(values, people, areas({"AU1": UPPER}))


def test_bad_input():
    with pytest.raises(UnknownNameError, match="overlap"):
        attributions(heat([UPPER]), areas({"AU1": UPPER}), overlap="none")
    several = heat([UPPER]).expand_dims({"target": ["expression:anger", "expression:fear"]})
    with pytest.raises(UsageError, match="several targets"):
        attributions(several, areas({"AU1": UPPER}))

"""The page, its files and its manifest: self-contained, complete, escaped, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

from workbench.errors import UsageError
from workbench.figures.theme import number
from workbench.report import report
from workbench.report.analysis import Analysis, Tree

EVIL = "<script>alert('x')</script>"


class Loads(HTMLParser):
    """Everything that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster", "action") or (name.endswith("href") and tag != "a"):
                self.loads.append(value or "")
            if tag == "a" and name == "href":
                self.loads.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: Path) -> Loads:
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def plain_text(page: Path) -> str:
    return " ".join(" ".join(parsed(page).text).split())


@pytest.fixture(scope="module")
def given(drawn: ModuleType) -> dict:
    faces = drawn.faces()
    maps = drawn.maps(faces)
    linkage = np.array([[0, 1, 0.2, 2], [2, 3, 0.6, 3]])
    trees = (
        Tree("grad_cam", "anger", drawn.MODELS, linkage, 0.9, (0.75, float("nan"))),
        Tree("grad_cam", "disgust", (), np.zeros((0, 4)), reason="no network has a map"),
    )
    analysis = Analysis(drawn.heat(maps), {"drawn": drawn.table()}, trees, ("A note from the analysis.",))
    networks = [
        {
            "name": name,
            "labels": list(drawn.CLASSES),
            "parameters": 1234,
            "provenance": {"licence": "MIT", "caveat": "rights <unclear>", "training_data": "FER2013"},
        }
        for name in drawn.MODELS
    ]
    assets = [
        {
            "name": "face-landmarker",
            "licence": "Apache-2.0",
            "citation": "Google",
            "caveat": EVIL,
            "sha256": "ab" * 32,
            "path": str(Path.home() / "cache" / "secret" / "model.task"),
        }
    ]
    return {
        "maps": maps,
        "masks": drawn.masks(),
        "faces": faces,
        "analysis": analysis,
        "classifiers": networks,
        "provenance": assets,
    }


@pytest.fixture(scope="module")
def page(given: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(
        **given,
        out=tmp_path_factory.mktemp("with") / "report",
        title=f"Mine {EVIL}",
        caveat="Only drawn.",
        notes=["Said by the caller."],
    )


@pytest.fixture(scope="module")
def faceless(given: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(**given, out=tmp_path_factory.mktemp("without") / "report", embed_faces=False)


def test_the_page_loads_nothing_from_anywhere(page: Path) -> None:
    found = parsed(page)
    assert len(found.loads) > 20
    for load in found.loads:
        assert load.startswith(("data:image/", "#")), load[:80]
    text = page.read_text(encoding="utf-8")
    for url in re.findall(r"url\(([^)]*)\)", text):
        assert url.startswith("#"), url
    assert "@import" not in text
    assert "<link" not in text


def test_ids_are_unique_and_every_inner_link_has_its_target(page: Path) -> None:
    found = parsed(page)
    assert len(found.ids) == len(set(found.ids))
    for link in found.loads:
        if link.startswith("#"):
            assert link[1:] in found.ids


def test_every_score_of_the_csv_stands_on_the_page(page: Path) -> None:
    table = pd.read_csv(page.with_name("scores.csv"))
    assert len(table) == 3 * 2 * 6
    text = page.read_text(encoding="utf-8")
    cells = set(re.findall(r"<td[^>]*>([^<]*)", text))
    checked = 0
    for score in ("iou", "precision", "recall", "f1", "correlation"):
        for column in (
            score,
            f"chance_{score}",
            f"other_masks_{score}",
            f"centre_{score}",
            f"centre_{score}_equal_area",
            f"edge_map_{score}",
        ):
            if column == "centre_correlation_equal_area":
                continue  # real tables repeat centre_correlation in it: correlation needs no area
            for value in table[column].dropna():
                assert number(value, 3) in cells
                checked += 1
    assert checked > 800


def test_missing_values_carry_their_reason(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert 'title="no face predicted">–' in text
    assert 'title="no map with random weights was made">–' in text


def test_numbers_survive_in_netcdf(page: Path, given: dict) -> None:
    from workbench.heatmaps import grey, load

    kept = xr.open_dataset(page.with_name("scores.nc"), group="drawn", engine="h5netcdf")
    np.testing.assert_allclose(kept["iou"].values, given["analysis"].tables["drawn"]["iou"].values)
    kept.close()
    maps = load(page.with_name("maps.nc"))
    assert maps["explainer"].values.tolist() == ["grad_cam", "lime", "edge_map"]
    whole = given["maps"].values
    top = np.nan_to_num(np.abs(whole)).max(axis=(-1, -2), keepdims=True)
    np.testing.assert_array_equal(np.isnan(maps.values), np.isnan(whole))
    assert (np.abs(np.nan_to_num(maps.values - whole)) <= top / 1024).all()
    assert (maps.values != whole).any()
    heat = load(page.with_name("heatmaps.nc"))
    assert heat["explainer"].values.tolist() == ["grad_cam", "lime", "edge_map"]
    np.testing.assert_allclose(heat.values, given["analysis"].heat.values, rtol=0, atol=2.0**-14)
    assert "8,192th" in heat.attrs["precision"]
    exact = given["analysis"].heat.values
    for kept_map, exact_map in zip(heat.values.reshape(-1, 256, 224), exact.reshape(-1, 256, 224), strict=True):
        if np.isfinite(exact_map).any():
            np.testing.assert_array_equal(grey(kept_map), grey(exact_map))


def test_maps_of_random_weights_are_kept_as_global_heatmaps_only(given: dict, tmp_path: Path) -> None:
    from workbench.heatmaps import load

    names = ["grad_cam", "lime", "grad_cam@random_weights"]
    analysis = Analysis(given["analysis"].heat.assign_coords(explainer=names), given["analysis"].tables)
    changed = {**given, "maps": given["maps"].assign_coords(explainer=names), "analysis": analysis}
    made = report(**changed, out=tmp_path / "r", overlays=0)
    maps = load(made.with_name("maps.nc"))
    assert maps["explainer"].values.tolist() == names[:2]
    assert "heatmaps.nc" in maps.attrs["random_weights"]
    assert load(made.with_name("heatmaps.nc"))["explainer"].values.tolist() == names
    text = plain_text(made)
    assert "random weights (control) Grad-CAM of the same networks with weights drawn anew" in text


def test_predictions_csv_has_every_face_network_and_class(page: Path, given: dict) -> None:
    table = pd.read_csv(page.with_name("predictions.csv"))
    assert len(table) == 8 * 3
    first = table.iloc[0]
    assert first["predicted"] == given["maps"]["predicted"].values[0, 0]
    assert first["probability"] == pytest.approx(first[f"p_{first['predicted']}"])
    assert table.loc[table["model"] == "net-c", "p_neutral"].isna().all()
    sums = table[[c for c in table if c.startswith("p_")]].sum(axis=1)
    np.testing.assert_allclose(sums[table["model"] != "net-c"], 1, atol=1e-4)


def test_manifest_hashes_its_files_and_names_no_path(page: Path, given: dict) -> None:
    text = page.with_name("manifest.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["schema"] == 1
    assert record["contains_faces"] is True
    assert set(record["files"]) == {p.name for p in page.parent.iterdir()} - {"manifest.json"}
    for name, entry in record["files"].items():
        assert entry["sha256"] == hashlib.sha256(page.with_name(name).read_bytes()).hexdigest()
    assert record["inputs"]["faces"][0]["sha256"] == given["faces"].table["sha256"][0]
    assert [f["name"] for f in record["inputs"]["failures"]] == ["tile 24", "<i>x</i>.jpg"]
    lime = record["explainers"][1]
    assert (lime["name"], lime["role"], lime["options"]) == ("lime", "method", {"samples": 1000})
    assert lime["maps"] == {"not computed": 15, "ok": 9}
    assert record["caveat"] == "Only drawn."
    assert record["notes"] == ["Said by the caller.", "A note from the analysis."]
    assert record["target_space"] == given["maps"].attrs["target_space"]
    array = np.ascontiguousarray(given["masks"].maps.values, "<f4")
    assert record["masks"][0]["sha256"] == hashlib.sha256(array.tobytes()).hexdigest()
    said = {row["model"]: row for row in record["recognition"]}
    assert set(said) == set(given["maps"]["model"].values)
    assert (said["net-a"]["right"]["disgust"], said["net-a"]["labelled"]["disgust"]) == (0, 1)
    assert record["masks"][0]["licence"] == "CC0-1.0"
    assert record["assets"][0]["path"] == "model.task"
    assert str(Path.home()) + "/" not in text
    import platform

    assert platform.node() not in text or len(platform.node()) < 4


def test_what_users_write_is_escaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert EVIL not in text
    assert "Mine &lt;script&gt;" in text
    assert "<b>odd" not in text
    assert "&lt;i&gt;x&lt;/i&gt;.jpg" in text
    assert parsed(page).tags.count("script") == 1


def pictures(page: Path) -> list[np.ndarray]:
    found = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", page.read_text(encoding="utf-8"))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(b))).convert("RGB")) for b in found]


def holds_photograph(page: Path, face: np.ndarray) -> bool:
    """Whether some embedded picture correlates with a face, in colour or grey, at any size."""
    for picture in pictures(page):
        if min(picture.shape[:2]) < 20:
            continue
        small = np.asarray(Image.fromarray(face).resize(picture.shape[1::-1]), float).mean(-1)
        grey = picture.astype(float).mean(-1)
        if grey.std() > 1 and np.corrcoef(small.ravel(), grey.ravel())[0, 1] > 0.9:
            return True
    return False


def test_without_faces_no_photograph_is_on_the_page(page: Path, faceless: Path, given: dict) -> None:
    face = given["faces"].images[0]
    assert holds_photograph(page, face)
    assert not holds_photograph(faceless, face)
    assert "<img" not in faceless.read_text(encoding="utf-8")
    assert json.loads(faceless.with_name("manifest.json").read_text())["contains_faces"] is False
    assert "Photographs are left out" in plain_text(faceless)


def test_without_photographs_no_edge_map_is_drawn_or_kept(page: Path, faceless: Path) -> None:
    for made, kept in ((page, True), (faceless, False)):
        for name in ("maps.nc", "heatmaps.nc"):
            with xr.open_dataset(made.with_name(name), engine="h5netcdf") as stored:
                assert ("edge_map" in stored["explainer"].values.astype(str)) is kept
        assert ("edge maps, which would draw the faces, are left out" in plain_text(made)) is not kept
    columns = pd.read_csv(faceless.with_name("scores.csv")).columns
    assert "edge_map_iou" in columns


def test_what_is_no_mask_set_or_face_set_is_refused_in_one_line(given: dict, tmp_path: Path) -> None:
    for change in ({"masks": "friesen-ekman"}, {"faces": "photos/"}):
        with pytest.raises(UsageError) as caught:
            report(**{**given, **change}, out=tmp_path / "r")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_a_page_without_faces_says_so(given: dict, tmp_path: Path) -> None:
    made = report(**{**given, "faces": None}, out=tmp_path / "r", overlays=1)
    assert "made without photographs" in plain_text(made)
    assert "This page holds no photograph" in plain_text(made)


def test_what_can_be_believed_comes_first_and_follows_from_the_data(page: Path, given: dict) -> None:
    text = plain_text(page)
    assert text.index("What can be believed With 8 faces of three people no number on this page is significant") > 0
    table = given["analysis"].tables["drawn"]
    assert f"IoU {number(float(table['iou'].mean()))}" in text
    first = int((table["rank_of_own_mask"] == 1).sum())
    assert f"best match in {first} of {int(table['iou'].notnull().sum())} maps" in text
    assert text.index("What can be believed With") < text.index("8 faces of 3 people used")
    for said in (
        "Only drawn.",
        "Said by the caller.",
        "A note from the analysis.",
        "no face found",
        "LIME on 3 of 8",
        "rights <unclear>",
        "FER2013",
    ):
        assert said in text, said


def test_unrecognised_classes_are_marked_at_their_heatmap_and_scores(page: Path) -> None:
    text = plain_text(page)
    assert "net-a: disgust (0 of 1)" in text
    assert "n = 0 †" in text
    assert "disgust †" in text


def test_a_set_of_action_units_is_scored_beside_chance_in_a_small_table(
    given: dict, drawn: ModuleType, tmp_path: Path
) -> None:
    from workbench.masks import load_masks

    heat = drawn.heat(given["maps"].isel(image=slice(0, 4)))
    made = report(heat, load_masks("facs-au"), out=tmp_path / "r")
    table = pd.read_csv(made.with_name("scores.csv"))
    text = plain_text(made)
    cell = table[(table["explainer"] == "grad_cam") & (table["expression"] == "anger") & (table["au"] == "AU4")]
    assert len(cell) == 3
    assert f"AU4 brow lowerer {number(cell['iou'].mean())} {number(cell['chance_iou'].mean())}" in text
    assert f"anger k = {int(cell['iou'].notnull().sum())}" in text
    assert "IoU of the maps of each expression with each mask" in text


def test_credits_of_the_photographs_stand_on_the_page(given: dict, tmp_path: Path) -> None:
    from dataclasses import replace

    sources = {"drawn": {"credit": "Nobody", "licence": "CC0-1.0", "caveat": "cartoons"}}
    faces = replace(given["faces"], attrs={"sources": json.dumps(sources)})
    made = report(**{**given, "faces": faces}, out=tmp_path / "r", overlays=0)
    assert "drawn Nobody CC0-1.0 cartoons" in plain_text(made)
    record = json.loads(made.with_name("manifest.json").read_text(encoding="utf-8"))
    assert record["inputs"]["sources"] == sources


def test_trees_and_their_absence_are_said(page: Path) -> None:
    text = plain_text(page)
    assert "Cophenetic correlation .90" in text
    assert "disgust : no tree – no network has a map" in text
    assert ".75" in text


def test_nothing_half_written_is_left_and_foreign_files_stay(
    given: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r"
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["workbench.report.page"], "content", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            report(**given, out=out, overlays=0)
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    (out / "index.html").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["workbench.report.page"], "manifest", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            report(**given, out=out, overlays=0)
    assert sorted(p.name for p in out.iterdir()) == ["index.html", "mine.txt"]
    assert (out / "index.html").read_text() == "old"
    report(**given, out=out, overlays=0)
    assert (out / "mine.txt").read_text() == "keep"
    assert (out / "index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_bad_requests_are_refused_in_one_line(given: dict, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for change, match in (
        ({"masks": []}, "at least one mask set"),
        ({"masks": [given["masks"]] * 2}, "'drawn'"),
        ({"maps": given["maps"].isel(model=0)}, "dimensions"),
    ):
        with pytest.raises(UsageError, match=match) as caught:
            report(**{**given, **change}, out=tmp_path / "r")
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="is a file"):
        report(**given, out=tmp_path / "file")


def test_global_maps_alone_make_a_page(given: dict, tmp_path: Path) -> None:
    made = report(given["analysis"].heat, given["masks"], out=tmp_path / "r", analysis=given["analysis"])
    text = plain_text(made)
    assert "aggregated elsewhere" in text
    assert "What the networks answered" not in text
    assert not made.with_name("predictions.csv").exists()


def test_the_page_is_written_by_the_rooms_themselves(given: dict, drawn: ModuleType, tmp_path: Path) -> None:
    made = report(given["maps"].isel(model=[0, 1]), drawn.masks(), out=tmp_path / "r")
    table = pd.read_csv(made.with_name("scores.csv"))
    assert len(table) == 2 * 2 * 6
    assert table["chance_iou"].dropna().between(0, 1).all()
    text = plain_text(made)
    assert "Likeness of networks" in text
    assert "read each score beside its chance level, the other masks and the centred blob" in text
    assert "bh_" not in text, "columns that the page does not show are not named on it"
    assert "no value" not in made.read_text(encoding="utf-8"), "reliability carries its reason as intervals do"

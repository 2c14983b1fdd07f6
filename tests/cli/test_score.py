"""`workbench score`: one JSON document on standard output, and every bad file named."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from workbench.cli import score
from workbench.errors import FrameMismatchError, UsageError

KEYS = [
    "model",
    "expression",
    "explainer",
    "iou",
    "precision",
    "recall",
    "f1",
    "correlation",
    "area",
    "chance_iou",
    "other_masks_iou",
    "rank_of_own_mask",
    "centre_iou",
    "centre_iou_equal_area",
    "mean_map_iou",
    "low_iou",
    "high_iou",
    "toroidal_iou",
    "p_toroidal_iou",
    "bh_toroidal_iou",
    "by_toroidal_iou",
    "verdict",
]
RAMP = np.linspace(0, 255, 80).reshape(8, 10).astype(np.uint8)


def run(*arguments):
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    return score.run(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def folders(tmp_path):
    maps, masks = tmp_path / "maps", tmp_path / "masks"
    maps.mkdir()
    masks.mkdir()
    Image.fromarray(RAMP).save(maps / "net_fear.png")
    for name, rows in (("Fear", slice(4, 8)), ("Anger", slice(0, 4)), ("happy", slice(2, 6))):
        mask = np.zeros((8, 10), np.uint8)
        mask[rows] = 255
        Image.fromarray(mask).save(masks / f"{name}_gt.png")
    return maps, masks


def test_the_published_folder(published, capsys):
    status = run(published / "by_network", "--masks", published / "ground_truth", "--nulls", "toroidal", "--json")
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert set(document) == {"scores", "summary"}
    assert len(document["scores"]) == 72
    assert all(list(row) == KEYS for row in document["scores"])
    assert all(row["explainer"] is None for row in document["scores"])
    cell = next(r for r in document["scores"] if (r["model"], r["expression"]) == ("ResNet50", "sadness"))
    assert (
        f"{cell['iou']:.4f} {cell['precision']:.4f} {cell['recall']:.4f} {cell['f1']:.4f}"
        == "0.4236 0.4736 0.8006 0.5952"
    )
    summary = document["summary"]
    assert (summary["cells"], summary["models"], summary["own_mask_first"]) == (72, 12, 15)
    assert (summary["frame"], summary["domain"], summary["threshold"]) == ("published", "canvas", "otsu")
    assert f"{summary['iou']:.4f} {summary['chance_iou']:.3f} {summary['chance_iou_face']:.3f}" == "0.2689 0.142 0.205"
    assert summary["failures"] == []


def test_the_table_in_words(published, capsys):
    assert run(published / "by_network", "--masks", published / "ground_truth", "--nulls", "none") == 0
    out, _ = capsys.readouterr()
    assert "72 maps of 12 networks against ground_truth, frame published" in out
    assert "Verdicts (with their tests in --json): 72 × " in out
    assert "own mask first in 15 of 72 (12 expected by chance)" in out
    header = out.splitlines()[0].split()
    assert header[:6] == ["model", "expression", "iou", "chance_iou", "other_masks_iou", "centre_iou"]


def test_a_frame_without_a_face_domain_has_no_chance_inside_it(folders, capsys):
    maps, masks = folders
    assert run(maps, "--masks", masks, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["chance_iou_face"] is None
    [row] = document["scores"]
    assert row["rank_of_own_mask"] == 1
    assert row["iou"] == pytest.approx(1, abs=0.06)


def test_an_area_as_threshold(folders, capsys):
    maps, masks = folders
    assert run(maps, "--masks", masks, "--threshold", "0.25", "--json") == 0
    [row] = json.loads(capsys.readouterr().out)["scores"]
    assert row["area"] == 0.25
    assert row["iou"] == pytest.approx(0.5)


def test_bad_files_are_null_and_named_and_the_others_go_on(folders, capsys):
    maps, masks = folders
    Image.fromarray(np.full((8, 10), 7, np.uint8)).save(maps / "flat_fear.png")
    np.save(maps / "nan_fear.npy", np.full((8, 10), np.nan))
    Image.fromarray(RAMP.reshape(10, 8)).save(maps / "turned_fear.png")
    Image.fromarray(np.dstack([RAMP, RAMP[::-1], RAMP])).save(maps / "jet_fear.png")
    (maps / "text_fear.png").write_text("x")
    Image.fromarray(RAMP).save(maps / "portrait.png")
    assert run(maps, "--masks", masks, "--json") == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    rows = {row["model"]: row for row in document["scores"]}
    assert rows["net"]["iou"] > 0.9
    for model in ("flat", "nan", "turned", "jet", "text"):
        assert all(rows[model][k] is None for k in ("iou", "precision", "recall", "f1", "correlation", "chance_iou"))
    named = {f["file"] for f in document["summary"]["failures"]}
    assert named == {"flat_fear.png", "nan_fear.npy", "turned_fear.png", "jet_fear.png", "text_fear.png"}
    assert [s["file"] for s in document["summary"]["skipped"]] == ["portrait.png"]
    assert document["summary"]["cells"] == 1
    for name in named:
        assert f"failed: {name}" in err


def test_nothing_scored_is_failed_work(folders, capsys):
    maps, masks = folders
    Image.fromarray(np.full((8, 10), 7, np.uint8)).save(maps / "net_fear.png")
    assert run(maps, "--masks", masks, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["cells"] == 0
    assert document["summary"]["iou"] is None
    assert document["summary"]["caution"] == "No map could be scored."


def test_an_expression_without_a_mask_is_null_with_a_reason(folders, capsys):
    maps, masks = folders
    Image.fromarray(RAMP).save(maps / "net_contempt.png")
    assert run(maps, "--masks", masks, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {r["expression"]: r["iou"] is None for r in document["scores"]} == {"fear": False, "contempt": True}
    [reason] = document["summary"]["not_scored"]
    assert reason["reason"] == "'masks' has no mask for contempt"


def test_wrong_requests(folders, tmp_path):
    maps, masks = folders
    with pytest.raises(UsageError, match="none of: 'otsu'; a share of the domain"):
        run(maps, "--masks", masks, "--threshold", "2")
    with pytest.raises(UsageError, match="no folder"):
        run(tmp_path / "none", "--masks", masks)
    with pytest.raises(UsageError, match="holds no heatmap"):
        run(masks, "--masks", masks)
    Image.fromarray(RAMP.reshape(10, 8)).save(maps / "net_fear.png")
    with pytest.raises(FrameMismatchError, match="10×8 and 8×10"):
        run(maps, "--masks", masks)


def test_maps_of_no_known_size_need_a_folder_of_masks(folders):
    with pytest.raises(UsageError, match="8×10"):
        run(folders[0], "--masks", "friesen-ekman")


def test_a_mask_set_is_loaded_in_the_frame_of_the_maps(published, capsys):
    assert run(published / "by_network", "--masks", "friesen-ekman", "--nulls", "none", "--json") == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["frame"] == "published"
    assert summary["iou"] == pytest.approx(0.2689, abs=0.003)

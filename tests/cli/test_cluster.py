"""`workbench cluster`: one JSON document on standard output, trees as SciPy reads them."""

import argparse
import json

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from scipy.cluster.hierarchy import dendrogram, is_valid_linkage

from workbench.cli import cluster
from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps import save


def run(*arguments):
    parser = argparse.ArgumentParser()
    cluster.add_arguments(parser)
    return cluster.run(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a_fear", "b_fear", "c_fear", "a_anger"):
        Image.fromarray(rng.integers(0, 256, (6, 7), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_the_published_folder(published, capsys):
    assert run(published / "by_network", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    trees = json.loads(out)["expressions"]
    assert list(trees) == ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
    heights = [f"{tree['linkage'][-1][2]:.3f}" for tree in trees.values()]
    assert heights == ["0.869", "0.431", "0.529", "0.361", "0.549", "0.577"]
    assert [f"{t['cophenetic']:.3f}" for t in trees.values()] == ["0.875", "0.864", "0.913", "0.906", "0.851", "0.855"]
    for tree in trees.values():
        assert len(tree["labels"]) == len(tree["distances"]) == 12
        assert is_valid_linkage(np.array(tree["linkage"]))
        assert len(dendrogram(np.array(tree["linkage"]), labels=tree["labels"], no_plot=True)["ivl"]) == 12
        assert tree["support"] is None
        assert tree["reason"] == "no per-image maps"


def test_the_tree_in_words(published, capsys):
    assert run(published / "by_network") == 0
    out, _ = capsys.readouterr()
    assert "disgust: cophenetic correlation 0.864; support unavailable: no per-image maps" in out
    assert "0.869" in out


def test_an_expression_of_one_network_is_said_and_the_others_go_on(folder, capsys):
    assert run(folder, "--json") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert list(document["expressions"]) == ["fear"]
    assert document["left_out"] == {"anger": "only one network has a usable map (a)"}
    assert "left out of anger: b" in err


def test_bad_files_are_named_and_their_network_left_out(folder, capsys):
    (folder / "b_fear.png").write_text("x")
    assert run(folder, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["expressions"]["fear"]["labels"] == ["a", "c"]
    assert "no readable image" in document["expressions"]["fear"]["left_out"]["b"]
    assert document["expressions"]["fear"]["cophenetic"] is None
    assert document["failures"][0]["file"] == "b_fear.png"


def test_no_tree_at_all_is_failed_work(folder, capsys):
    for name in ("b_fear", "c_fear"):
        Image.fromarray(np.full((6, 7), 9, np.uint8)).save(folder / f"{name}.png")
    assert run(folder, "--json") == 1
    assert json.loads(capsys.readouterr().out)["expressions"] == {}


def test_wrong_requests(folder, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean average"):
        run(folder, "--linkage", "averag")
    with pytest.raises(UsageError, match="no folder"):
        run(tmp_path / "none")
    (tmp_path / "one").mkdir()
    Image.fromarray(np.arange(42, dtype=np.uint8).reshape(6, 7)).save(tmp_path / "one" / "a_fear.png")
    with pytest.raises(UsageError, match="at least two networks"):
        run(tmp_path / "one")


def test_distance_and_linkage_are_chosen_and_said(published, capsys):
    assert (
        run(published / "by_network", "--distance", "soft_iou", "--linkage", "ward", "--support", "none", "--json") == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert (document["distance"], document["linkage"]) == ("soft_iou", "ward")
    assert document["expressions"]["fear"]["agreement"] is None
    with pytest.raises(UsageError, match="Ward's linkage needs Euclidean"):
        run(published / "by_network", "--distance", "ssim", "--linkage", "ward")
    with pytest.raises(UnknownNameError, match="did you mean spearman"):
        run(published / "by_network", "--distance", "spearmen")


def test_agreement_stands_where_support_is_missing(folder, capsys):
    assert run(folder) == 0
    out, _ = capsys.readouterr()
    assert "support unavailable: no per-image maps; agreement over 20 combinations of distance and linkage" in out
    assert "agreement  merges" in out


def test_maps_of_single_images_give_branches_support(tmp_path, capsys):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 6, 7))
    maps = np.stack([p + 5 + rng.normal(size=(22, 6, 7)) for p in (first, first, second)])[:, None]
    array = xr.DataArray(
        np.maximum(maps, 0).astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": list("abc"),
            "explainer": ["cam"],
            "image": [f"i{k}" for k in range(22)],
            "predicted": (("model", "image"), [["fear"] * 22] * 3),
        },
        attrs={"target": "predicted"},
    )
    save(array, tmp_path / "maps.nc")
    assert run(tmp_path / "maps.nc", "--support", "multiscale", "--draws", "20", "--json") == 0
    tree = json.loads(capsys.readouterr().out)["expressions"]["fear"]
    assert tree["support"] == [1.0, None]
    assert tree["multiscale"][0]["p"] == 1.0
    assert (tree["units"], tree["unit"], tree["draws"]) == (22, "image", 20)
    assert run(tmp_path / "maps.nc", "--support", "multiscale", "--draws", "20") == 0
    out = capsys.readouterr().out
    assert "support from 22 images" in out
    assert "multiscale p" in out
    with pytest.raises(UsageError, match="draws=-1 should be a whole number, 0 or more"):
        run(tmp_path / "maps.nc", "--draws", "-1")

"""`workbench masks`: one image a mask, and one JSON document."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from workbench.cli import masks as verb
from workbench.cli.main import main
from workbench.masks import load_masks


def run(*arguments):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args([str(a) for a in arguments]))


def test_one_image_for_each_mask(tmp_path, capsys):
    out = tmp_path / "new"
    assert run("friesen-ekman", "--frame", "published", "--out", out, "--json") == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    masks = load_masks("friesen-ekman", frame="published")
    assert [row["name"] for row in document["masks"]] == masks.names
    assert document["frame"] == "published"
    assert said.err.startswith("6 masks of friesen-ekman on published")
    for name, mask in zip(masks.names, masks.maps.values, strict=True):
        assert np.array_equal(np.asarray(Image.open(out / f"{name}_gt.png")), mask * 255)


def test_sides_soft_values_codebooks_and_what_is_lost(tmp_path, capsys):
    assert run("facs-au", "--out", tmp_path / "a", "--side", "each", "--soft") == 0
    assert {path.name for path in (tmp_path / "a").iterdir()} >= {"AU12L_gt.png", "AU12R_gt.png"}
    assert np.asarray(Image.open(tmp_path / "a" / "AU12L_gt.png")).max() > 255
    assert run("facs-au", "--out", tmp_path / "b", "--codebook", "du-2014", "--weights", "share") == 0
    again = load_masks(tmp_path / "b")
    assert again.attrs["codebook"] == "du-2014"
    assert "weighted by the share" in str(again.attrs["policy"])
    capsys.readouterr()
    assert run("friesen-ekman", "--out", tmp_path / "c", "--frame", "ibug68") == 0
    assert "outside the frame: anger 4" in capsys.readouterr().err


def test_polygons_become_a_set(tmp_path):
    ring = [[80, 100], [140, 100], [140, 150]]
    shape = {"type": "Feature", "properties": {"name": "nose"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [shape]}))
    assert run(tmp_path / "a.geojson", "--out", tmp_path / "mine") == 0
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["maskset.toml", "nose_gt.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["facs-ua"], "did you mean facs-au"),
        (["facs-au", "--frame", "canvas"], "there is no frame 'canvas'"),
        (["areas", "--codebook", "du-2014"], "a codebook needs action units"),
    ],
)
def test_wrong_requests_end_with_status_2_and_write_nothing(tmp_path, capsys, arguments, said):
    assert main(["masks", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

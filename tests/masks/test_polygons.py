"""Polygons from elsewhere: what they become, and errors that name file, line and feature."""

import json

import numpy as np
import pytest

from workbench.canonical import load_frame
from workbench.errors import UnknownNameError, UnreadableFileError, UsageError
from workbench.masks import load_masks, masks_from_polygons
from workbench.masks.library import definition_of
from workbench.masks.measure import equivariance

BOX = [[80, 100], [140, 100], [140, 150], [80, 150], [80, 100]]
HOLE = [[100, 110], [120, 110], [120, 130], [100, 130]]


def feature(name="nose", rings=(BOX,), kind="Polygon", **more):
    return {"type": "Feature", "properties": {"name": name, **more}, "geometry": {"type": kind, "coordinates": rings}}


def write(tmp_path, *features, **table):
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", **table, "features": features}, indent=1))
    return path


def test_a_box_with_a_hole_and_a_second_part(tmp_path):
    other = [[[20, 90], [40, 90], [40, 110]]]
    path = write(
        tmp_path,
        feature(rings=[BOX, HOLE], reason='it is "here"'),
        feature("right_cheek"),
        feature("right_cheek", rings=[other], kind="MultiPolygon"),
        citation="Nobody (2026)",
        name="mine",
    )
    target = masks_from_polygons(path, tmp_path / "set", licence="CC0-1.0")
    assert target == tmp_path / "set" / "maskset.toml"
    masks = load_masks(tmp_path / "set")
    assert (masks.name, masks.dimension, masks.names) == ("mine", "region", ["nose", "right_cheek"])
    assert (masks.attrs["citation"], masks.attrs["licence"]) == ("Nobody (2026)", "CC0-1.0")
    assert json.loads(str(masks.attrs["reasons"]))["nose"] == ['it is "here"']
    nose, cheek = masks.maps.values
    expected = np.zeros((256, 224), bool)
    expected[100:151, 80:141] = True
    assert np.array_equal(cheek[:, 60:] == 1, expected[:, 60:])
    assert cheek[95, 38] == 1
    expected[111:130, 101:120] = False
    assert np.array_equal(nose == 1, expected)


@pytest.mark.parametrize("frame", ["mediapipe478", "published", "ibug68"])
def test_polygons_of_any_frame_go_to_every_other_and_to_faces(tmp_path, frame):
    face = load_frame(frame)
    mouth = {"mediapipe478": [61, 0, 291, 17], "published": [48, 51, 54, 57], "ibug68": [48, 51, 54, 57]}[frame]
    ring = [point.round(2).tolist() for point in face.points[mouth]]
    masks_from_polygons(write(tmp_path, feature("mouth", [ring]), frame=frame), tmp_path / "set")
    for other in ("mediapipe478", "published", "ibug68"):
        drawn = load_masks(tmp_path / "set", frame=other).maps.values[0] > 0
        expected = (
            load_masks(tmp_path / "set", frame=other).domain.values
            & (
                load_masks("areas", frame=other, soft=False)
                .maps.sel(region=["upper_lip", "lower_lip", "mouth"])
                .max("region")
                > 0
            ).values
        )
        assert (drawn & expected).sum() / drawn.sum() > 0.9
    found = equivariance(definition_of(tmp_path / "set"), fine=448)
    assert found[["scale", "roll"]].min(axis=None) > 0.98


def test_names_tell_the_dimension(tmp_path):
    for names, dimension in ((["anger", "fear"], "expression"), (["AU1", "AU12L"], "au"), (["AU1", "nose"], "region")):
        path = write(tmp_path, *(feature(name) for name in names))
        masks_from_polygons(path, tmp_path / dimension)
        assert load_masks(tmp_path / dimension).dimension == dimension


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (feature("fear", [[[1, 2], [3, 4]]]), "'fear': a ring of 2 points"),
        (feature("fear", [[[100, 100], [900, 4], [5, 6]]]), r"\[900, 4\] lies outside 'mediapipe478'"),
        (feature("fear", [[[100, 100], ["a", 4], [5, 6]]]), "is no point"),
        (feature("fear", [[[0, 0], [3, 0], [0, 3]]]), "covers no pixel of the face"),
        (feature("fear", kind="Point"), "the geometry is 'Point'; draw a Polygon"),
        (feature("rage"), "'rage' is no expression"),
        ({"type": "Feature", "geometry": None}, "no properties.name"),
        (feature("fear", []), "there are no coordinates|list of rings"),
    ],
)
def test_errors_name_the_line_of_the_feature(tmp_path, bad, match):
    path = write(tmp_path, feature("anger"), bad)
    lines = path.read_text().splitlines()
    line = [number for number, text in enumerate(lines, start=1) if text == "  {"][1]
    with pytest.raises(UsageError, match=match) as caught:
        masks_from_polygons(path, tmp_path / "set", dimension="expression")
    assert f"drawn.geojson, line {line}: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_what_is_no_polygon_file_is_refused(tmp_path):
    path = tmp_path / "drawn.geojson"
    path.write_text('{"type": "FeatureCollection",\n "features": [}')
    with pytest.raises(UnreadableFileError, match=r"drawn\.geojson, line 2: not JSON"):
        masks_from_polygons(path, tmp_path / "set")
    path.write_text("[]")
    with pytest.raises(UsageError, match="no GeoJSON of polygons"):
        masks_from_polygons(path, tmp_path / "set")
    with pytest.raises(UsageError, match="no feature in it"):
        masks_from_polygons(write(tmp_path), tmp_path / "set")
    with pytest.raises(UnreadableFileError, match="not a readable text file"):
        masks_from_polygons(tmp_path / "none.geojson", tmp_path / "set")
    with pytest.raises(UnknownNameError, match="frame"):
        masks_from_polygons(write(tmp_path, feature()), tmp_path / "set", frame="canvas")
    with pytest.raises(UsageError, match="'colour' is no text"):
        masks_from_polygons(write(tmp_path, feature()), tmp_path / "set", colour="red")
    masks_from_polygons(write(tmp_path, feature()), tmp_path / "set")
    with pytest.raises(UsageError, match="is there already"):
        masks_from_polygons(write(tmp_path, feature()), tmp_path / "set")

"""Maps of action units on faces; and CAM-COS, ATT-COS and shared attribution with networks in the loop."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from families import load_family
from torch import nn

from workbench.canonical import convert, load_frame
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import au_heatmap, explain, region_table
from workbench.explain.regions import region_masks
from workbench.faces.faceset import FaceSet
from workbench.masks import load_masks, masks_on_face
from workbench.scores import att_cos, cam_cos
from workbench.scores.action_units.sharing import shares
from workbench.vocabulary import BASIC_EXPRESSIONS


def test_each_face_gets_the_map_of_its_label(face_set):
    maps = au_heatmap(face_set)
    assert maps.dims == ("image", "y", "x")
    assert maps.shape == (4, 40, 40)
    assert maps.dtype == np.float32
    assert maps["status"].values.tolist() == ["ok", "no expression", "ok", "ok"]
    assert np.isnan(maps[1]).all()
    assert maps["label"].values.tolist() == ["anger", "", "surprise", "happiness"]
    assert maps["group_age"].values.tolist() == ["20", "30", "40", "50"]
    names, drawn = masks_on_face("facs-au", face_set.landmarks[0], (40, 40), "martinez-2017", soft=True)
    anger = drawn[names.index("anger")]
    assert np.allclose(maps[0], (anger - anger.min()) / (anger.max() - anger.min()), atol=1e-6)
    assert (float(maps[0].min()), float(maps[0].max())) == (0, 1)
    assert json.loads(maps.attrs["action_units"])["happiness"] == ["AU6", "AU12", "AU25"]
    assert maps.attrs["codebook"] == "martinez-2017"
    assert "martinez-2017" in maps.attrs["policy"]


def test_an_expression_is_the_maximum_over_the_codebooks_units(face_set):
    one = au_heatmap(face_set, "happy", scale="none")
    units = au_heatmap(face_set, "aus", scale="none").sel(au=["AU6", "AU12", "AU25"])
    assert np.array_equal(one.values, units.max("au").values)
    assert (one["status"] == "ok").all()
    every = au_heatmap(face_set, "expressions", scale="none")
    assert every["expression"].values.tolist() == list(BASIC_EXPRESSIONS)
    assert np.array_equal(every.sel(expression="happiness").values, one.values)


def test_units_that_location_cannot_separate_are_one_class(face_set):
    names = au_heatmap(face_set[:1], "aus")["au"].values.tolist()
    assert "AU23/24" in names
    assert "AU26/27" in names
    assert not {"AU23", "AU24", "AU26", "AU27"} & set(names)
    published = au_heatmap(face_set[:1], "aus", masks="belharbi-au-published")["au"].values.tolist()
    assert {"AU12/15", "AU23/24/26/27", "AU7/43"} <= set(published)


def test_on_the_canonical_face_all_faces_are_alike(face_set):
    maps = au_heatmap(face_set, frame="mediapipe478", scale="none")
    masks = load_masks("facs-au", codebook="martinez-2017", soft=True)
    assert maps.shape[1:] == load_frame().grid
    assert np.array_equal(maps.sel(image="a").values, masks.maps.sel(expression="anger").values)
    assert np.array_equal(maps["domain"].values, load_frame().domain)


def test_the_crop_is_the_canonical_face_where_the_landmarks_are_its_own(face_set):
    """The canonical face fills 90 % of these crops: its map, scaled and moved, is the crop's."""
    canonical = au_heatmap(face_set[:1], "fear", frame="mediapipe478", scale="none", soft=False)
    crop = au_heatmap(face_set[:1], "fear", scale="none", soft=False, size=224)
    back = load_frame().unwarp(canonical.values, face_set.landmarks[0], (224, 224), "mediapipe478")
    both = np.isfinite(back[0])
    assert np.mean((back[0][both] >= 0.5) == (crop.values[0][both] >= 0.5)) > 0.99


def test_measured_units(face_set):
    given = xr.DataArray(
        [[1.0, 0.0], [0.0, 0.0], [0.25, 0.5], [np.nan, 1.0]],
        dims=("image", "au"),
        coords={"image": face_set.names, "au": ["AU12", "AU4"]},
    )
    maps = au_heatmap(face_set, given, scale="none")
    units = au_heatmap(face_set, "aus", scale="none")
    smile, frown = units.sel(au="AU12").values, units.sel(au="AU4").values
    assert maps["status"].values.tolist() == ["ok", "no action unit", "ok", "ok"]
    assert np.allclose(maps[0], smile[0])
    assert np.allclose(maps[2], np.maximum(0.25 * smile[2], 0.5 * frown[2]))
    assert np.allclose(maps[3], frown[3])
    coded = FaceSet(face_set.images, face_set.landmarks, face_set.table.assign(au_4_intensity=[5.0, 0, 2.5, np.nan]))
    maps = au_heatmap(coded, "coded", scale="none")
    assert np.allclose(maps[0], frown[0])
    assert np.allclose(maps[2], 0.5 * frown[2])
    assert maps["status"].values.tolist() == ["ok", "no action unit", "ok", "no action unit"]


def test_unusable_landmarks_are_named_and_the_rest_is_drawn(face_set):
    landmarks = face_set.landmarks.copy()
    landmarks[0], landmarks[2] = 0.5, landmarks[2] + 3
    bad = FaceSet(face_set.images, landmarks, face_set.table)
    status = au_heatmap(bad)["status"].values.tolist()
    assert status == [
        "the landmarks cover less than two pixels",
        "no expression",
        "the landmarks lie outside the crop",
        "ok",
    ]


def test_bad_input_in_one_line(face_set):
    with pytest.raises(UsageError, match="'areas' has masks of regions; a map of action units needs"):
        au_heatmap(face_set, masks="areas")
    with pytest.raises(UnknownNameError, match="expression"):
        au_heatmap(face_set, "labeled")
    with pytest.raises(UnknownNameError, match="frame"):
        au_heatmap(face_set, frame="crop")
    with pytest.raises(UnknownNameError, match="scale"):
        au_heatmap(face_set, scale="max")
    with pytest.raises(UsageError, match="only on native crops"):
        au_heatmap(face_set, frame="mediapipe478", size=64)
    with pytest.raises(UsageError, match="says nothing of contempt"):
        au_heatmap(face_set, "contempt")
    with pytest.raises(UsageError, match="no annotated action units"):
        au_heatmap(face_set, "coded")
    measured = xr.DataArray(
        [[3.0], [0], [0], [0]], dims=("image", "au"), coords={"image": face_set.names, "au": ["AU12"]}
    )
    with pytest.raises(UsageError, match=r"lie in \[0, 1\], not 0 … 3"):
        au_heatmap(face_set, measured)
    with pytest.raises(UsageError, match="say nothing of the face 'd'"):
        au_heatmap(face_set, measured.isel(image=[0, 1, 2]) / 3)


@pytest.fixture(scope="module", params=["resnet", "vit"])
def network(request):
    return load_family(request.param)


def test_profile_of_a_cnn_and_of_a_transformer(network, face_set):
    layers = {"resnet": ["layer1", "layer2", "layer3"], "vit": ["blocks.0", "blocks.1"]}[network.name]
    maps = explain(
        network,
        face_set,
        ["grad_cam", "layer_attention"],
        target="labelled",
        layers=layers,
        frame="native",
        progress=False,
    )
    references = au_heatmap(face_set, "expressions", size=56)
    cams = {key: found for key, found in maps.items() if key[1] == "grad_cam"}
    attention = {key: found for key, found in maps.items() if key[1] == "layer_attention"}
    for table in (cam_cos(cams, references), att_cos(attention, references)):
        means = table[table["expression"] == "mean"]
        assert means["layer"].tolist() == layers
        assert (means["expressions"] == 3).all()
        assert means["cosine"].between(0, 1).all()
        assert means["rank_cosine"].between(1, 6).all()
        for control in ("uniform", "centre", "mean_map"):
            assert means[f"{control}_cosine"].nunique() == 1  # controls know no layer
    first = maps[network.name, "grad_cam", layers[0]]
    row = cam_cos({("x", "y"): first}, references)
    own = row[row["expression"] == "anger"].iloc[0]
    given = torch.from_numpy(first.sel(image="a").values.astype(float))[None, None]
    given = (given - given.min()) / (given.max() - given.min())
    given = nn.functional.interpolate(given, size=(56, 56), mode="bilinear", align_corners=False)
    wanted = references.sel(image="a", expression="anger").values.astype(float)
    cosine = nn.functional.cosine_similarity(given.flatten(), torch.from_numpy(wanted).flatten(), dim=0)
    assert own["cosine"] == pytest.approx(float(cosine), abs=1e-6)


def test_predicted_maps_in_the_canonical_array_are_refused(network, face_set):
    maps = explain(network, face_set, ["layer_attention"], progress=False)
    with pytest.raises(UsageError, match="takes the true class"):
        cam_cos(maps, load_masks("facs-au", codebook="martinez-2017"))


class Linear(nn.Module):
    """A weight a pixel."""

    def __init__(self, side):
        super().__init__()
        self.weights = nn.Linear(side * side, 2, bias=False)

    def forward(self, x):
        return self.weights(x.flatten(1))


def test_sharing_a_map_is_region_shap_of_a_linear_network(face_set):
    torch.manual_seed(0)
    module = Linear(face_set.size).eval()
    prepared = Preprocessing((face_set.size,) * 2, 1, (0.0,), (1.0,))
    network = Classifier("linear", module, {"expression": Head(("anger", "surprise"))}, prepared, "")
    faces = face_set.select(label=["anger", "surprise"])
    options = {"region_shap": {"regions": "htnet", "fill": "zero"}}
    maps = explain(network, faces, "region_shap", target="labelled", options=options, frame="native", progress=False)
    values = region_table(maps)
    drawn = region_masks(faces)
    for label, image in enumerate(("a", "c")):
        names, masks = drawn("htnet", label)
        linear = (module.weights.weight[label] * network.inputs(faces.images[[label]]).flatten()).detach().numpy()
        wanted = shares(masks.reshape(len(masks), -1), "shared") @ linear
        found = values[values["image"] == image].set_index("region").loc[[*names, "rest"], "value"]
        assert np.allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_68_landmarks_will_do(face_set):
    points = np.stack([convert(one, "mediapipe478", "ibug68") for one in face_set.landmarks])
    fewer = FaceSet(face_set.images, points, face_set.table, "ibug68")
    paper = {"masks": "belharbi-au-published", "codebook": "belharbi-2024-code", "scale": "none"}
    first, second = au_heatmap(face_set, **paper), au_heatmap(fewer, **paper)
    assert np.nanmax(np.abs(first - second)) < 1e-6  # drawn on the 68 points either way


@pytest.mark.parametrize("frame", ["mediapipe478", "published", "ibug68"])
def test_the_papers_maps_on_every_frame(face_set, frame):
    maps = au_heatmap(face_set[:1], "expressions", masks="belharbi-au-published", frame=frame)
    assert maps.sizes["expression"] == 6
    assert np.allclose(maps.max(("y", "x")), 1)

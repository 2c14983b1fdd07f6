"""From faces to one named array: targets, controls, limits, failures, frames."""

import importlib
import json

import numpy as np
import pytest
import torch
from torch import nn

from workbench.canonical import load_frame
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import (
    assemble,
    explain,
    explain_native,
    fingerprint,
    predict,
    to_canonical,
)
from workbench.explainers import EXPLAINERS
from workbench.faces.faceset import FaceSet

QUICK = {"lime": {"samples": 30}, "rise": {"samples": 30}}
FEW = {"samples": 20, "steps": 3}
UNSUITED = {  # for a small network of functions without attention, whose head pools by the maximum
    "cam",
    "deep_lift",
    "guided_backprop",
    "deconvolution",
    "guided_grad_cam",
    "lrp",
    "attention_rollout",
    "transformer_attribution",
    "le_grad",
    "ts_cam",
}


class Small(nn.Module):
    def __init__(self, classes, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.conv, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, stride=2)
            self.head = nn.Linear(5, classes)

    def forward(self, x):
        return self.head(torch.relu(self.second(torch.relu(self.conv(x)))).amax((2, 3)))


def classifier(name, labels, seed, size=16):
    return Classifier(
        name,
        Small(len(labels), seed).eval(),
        {"expression": Head(labels)},
        Preprocessing((size, size), 1, (0.5,), (0.5,)),
        "second",
    )


@pytest.fixture(scope="module")
def two():
    return [
        classifier("one", ("anger", "happiness", "neutral"), 1),
        classifier("two", ("happiness", "fear", "anger", "surprise"), 2, 20),
    ]


@pytest.fixture(scope="module")
def faces(face_set):
    return face_set


@pytest.fixture(scope="module")
def maps(two, faces):
    return explain(
        two,
        faces,
        ["lime", "grad_cam"],
        options=QUICK,
        limit={"lime": 2},
        controls=("random_weights", "edge_map"),
        progress=False,
    )


def test_dimensions_and_coordinates(maps, two, faces):
    assert maps.dims == ("model", "explainer", "image", "y", "x")
    assert maps.dtype == np.float32
    assert maps.name == "heatmap"
    assert maps.shape == (2, 5, 4, *load_frame().grid)
    assert maps["model"].values.tolist() == ["one", "two"]
    assert maps["explainer"].values.tolist() == [
        "lime",
        "grad_cam",
        "edge_map",
        "lime@random_weights",
        "grad_cam@random_weights",
    ]
    assert maps["role"].values.tolist() == ["method", "method", "control", "control", "control"]
    assert maps["control_of"].values.tolist() == ["", "", "", "lime", "grad_cam"]
    assert maps["image"].values.tolist() == faces.names
    assert maps["label"].values.tolist() == ["anger", "", "surprise", "happiness"]
    assert maps["subject"].values.tolist() == ["x", "x", "y", ""]
    assert maps["group_age"].values.tolist() == ["20", "30", "40", "50"]
    assert maps["sha256"].values.tolist() == faces.table["sha256"].tolist()
    assert maps["layer"].values.tolist() == [["", "second", "", "", "second"]] * 2
    classes = [str(name).removeprefix("probability_") for name in maps.coords if "probability_" in str(name)]
    assert classes == ["anger", "fear", "happiness", "surprise", "neutral"]
    assert all(maps[name].dtype.kind in "Ufb" for name in maps.coords)
    assert maps["domain"].dims == ("y", "x")
    assert maps["domain"].values.sum() == load_frame("mediapipe478").domain.sum()


def test_probabilities_travel_with_the_maps(maps, two, faces):
    for network in two:
        expected = network.probabilities(faces.images)
        found = maps.sel(model=network.name)
        for column, label in enumerate(network.labels):
            assert np.array_equal(found[f"probability_{label}"], expected[:, column])
        assert np.isnan(found["probability_neutral" if network.name == "two" else "probability_fear"]).all()
        best = [network.labels[i] for i in expected.argmax(1)]
        assert maps["predicted"].sel(model=network.name).values.tolist() == best
        assert maps["explained"].sel(model=network.name).values.tolist() == best


def test_attributes(maps):
    expected = {"frame": "mediapipe478", "target": "predicted", "seed": 0, "failures": "[]"}
    assert {key: maps.attrs[key] for key in expected} == expected
    assert maps.attrs["target_space"] == "logit; probability for lime, lime@random_weights"
    options = json.loads(maps.attrs["options"])
    assert options["lime"]["samples"] == options["lime@random_weights"]["samples"] == 30
    assert options["grad_cam"] == {"layer": "", "space": "logit"}
    assert maps.attrs["package_version"]


def test_a_limit_leaves_the_rest_not_computed(maps):
    for name in ("lime", "lime@random_weights"):
        part = maps.sel(explainer=name)
        assert part["status"].values.tolist() == [["ok", "ok", "not computed", "not computed"]] * 2
        assert np.isnan(part.isel(image=slice(2, None))).all()
        assert not np.isnan(part.isel(image=0)).all()
    assert (maps["status"].sel(explainer=["grad_cam", "edge_map"]) == "ok").all()


def test_maps_are_the_native_ones_warped(maps, two, faces):
    native = explain_native(two[1], faces, ["grad_cam"], progress=False)["grad_cam", "", "predicted"]
    assert native.values.shape == (4, 9, 9)
    warped = to_canonical(native, faces)
    assert np.array_equal(warped, maps.sel(model="two", explainer="grad_cam").values, equal_nan=True)
    frame = load_frame()
    alone = frame.warp(native.values[2:3], faces.landmarks[2], faces.scheme)[0]
    assert np.array_equal(warped[2], alone, equal_nan=True)
    assert np.nanmin(warped[:, frame.domain]) < 0 or np.nanmin(native.values) >= 0


def test_random_weights_explain_the_class_that_the_trained_network_chose(two, faces, maps):
    from workbench.classifiers.randomise import randomised
    from workbench.explainers import run

    targets = predict(two[0], faces).aims[0].weights.argmax(1)
    expected = run(randomised(two[0], 0), faces.images, "grad_cam", targets, progress=False)["grad_cam"]
    warped = to_canonical(expected, faces)
    found = maps.sel(model="one", explainer="grad_cam@random_weights").values
    assert np.array_equal(found, warped, equal_nan=True)
    assert not np.array_equal(found, maps.sel(model="one", explainer="grad_cam").values, equal_nan=True)


def test_labelled(two, faces):
    maps = explain(two, faces, "saliency", target="labelled", progress=False)
    assert maps["explained"].values.tolist() == [["anger", "", "", "happiness"], ["anger", "", "surprise", "happiness"]]
    assert maps["status"].sel(explainer="saliency").values.tolist() == [
        ["ok", "not computed", "not computed", "ok"],
        ["ok", "not computed", "ok", "ok"],
    ]
    assert json.loads(maps.attrs["failures"]) == [
        {"model": "one", "explainer": "", "reason": "no class for surprise; its classes: anger, happiness, neutral"}
    ]
    assert maps.attrs["target"] == "labelled"


def test_what_is_no_network_and_no_face_set_is_named(two, faces):
    for network in ("fer-mini-xception", two[0].module, ["one"]):
        with pytest.raises(UsageError, match=r"a network is a Classifier, not .*load_classifier"):
            explain(network, faces, "saliency")
    with pytest.raises(UsageError, match="faces are a FaceSet, not str; make it with load_faces"):
        explain(two, "photos", "saliency")
    assert explain(iter(two), faces[:1], "saliency", progress=False)["model"].values.tolist() == ["one", "two"]


def test_a_network_without_a_grid_says_what_else_there_is(faces):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()
    flat = Classifier("flat", module, {"expression": Head(("anger", "fear"))}, Preprocessing((8, 8), 1), "")
    maps = explain(flat, faces[:1], ["grad_cam", "saliency"], progress=False)
    (failure,) = json.loads(maps.attrs["failures"])
    assert failure["explainer"] == "grad_cam"
    assert "no layer with a grid that a CAM could look at" in failure["reason"]


def test_labelled_without_any_label_is_refused(two, faces):
    bare = FaceSet(faces.images, faces.landmarks, faces.table.assign(label=""))
    with pytest.raises(UsageError, match="needs labels, and no face has one"):
        explain(two, bare, "saliency", target="labelled", progress=False)


def test_an_expression_that_one_network_lacks(two, faces):
    maps = explain(two, faces, ["saliency", "edge_map"], target="expression:scared", progress=False)
    assert (maps["status"].sel(model="one") == "not computed").all()
    assert np.isnan(maps.sel(model="one")).all()
    assert (maps["status"].sel(model="two") == "ok").all()
    assert set(maps["explained"].sel(model="two").values) == {"fear"}
    (failure,) = json.loads(maps.attrs["failures"])
    assert (failure["model"], failure["reason"][:17]) == ("one", "no class for fear")


def test_an_explainer_that_fails_on_one_network(two, faces):
    options = {"grad_cam": {"layer": "conv"}}
    head, prepared = {"expression": Head(("anger", "fear", "neutral"))}, Preprocessing((16, 16), 1)
    broken = Classifier("flat", nn.Sequential(nn.Flatten(), nn.Linear(256, 3)).eval(), head, prepared, "1")
    maps = explain([two[0], broken], faces, ["grad_cam", "saliency"], options=options, progress=False)
    assert maps["status"].sel(explainer="grad_cam").values.tolist() == [["ok"] * 4, ["not computed"] * 4]
    assert set(maps["status"].sel(explainer="saliency").values.ravel()) <= {"ok", "constant"}
    (failure,) = json.loads(maps.attrs["failures"])
    assert (failure["model"], failure["explainer"]) == ("flat", "grad_cam")
    assert "has no layer 'conv'" in failure["reason"]


def test_native_frame(two, faces):
    found = explain(two, faces, ["grad_cam", "lime"], frame="native", options=QUICK, limit={"lime": 3}, progress=False)
    assert set(found) == {(m, e) for m in ("one", "two") for e in ("grad_cam", "lime")}
    assert found["one", "grad_cam"].shape == (4, 7, 7)
    assert found["two", "lime"].shape == (3, 20, 20)
    assert found["two", "lime"].dims == ("image", "y", "x")
    assert found["two", "lime"]["image"].values.tolist() == ["a", "b", "c"]
    assert found["one", "grad_cam"].attrs["layer"] == "second"
    assert found["one", "grad_cam"]["status"].values.tolist() == ["ok"] * 4


class Shelf:
    """A store in memory that counts."""

    def __init__(self):
        self.kept, self.hits = {}, 0

    def get(self, key):
        found = self.kept.get(json.dumps(key, sort_keys=True))
        self.hits += found is not None
        return found

    def put(self, key, maps):
        self.kept[json.dumps(key, sort_keys=True)] = maps


def test_a_store_spares_the_work_and_changes_nothing(two, faces, monkeypatch):
    def ask(**changed):
        arguments = {"target": "labelled", "options": QUICK, "controls": ("random_weights",), "store": shelf}
        return explain(two, faces, ["rise", "grad_cam"], progress=False, **{**arguments, **changed})

    shelf = Shelf()
    first = ask()
    assert (shelf.hits, len(shelf.kept)) == (0, 8)
    with monkeypatch.context() as patch:
        native = importlib.import_module("workbench.explain.native")
        patch.setattr(native, "run_all", lambda *_, **__: pytest.fail("computed again"))
        second = ask()
    assert shelf.hits == 8
    assert first.identical(second)
    ask(seed=1)
    assert len(shelf.kept) == 16
    ask(options={"rise": {"samples": 31}})
    assert len(shelf.kept) == 16 + 4
    ask(target="expression:anger")
    assert len(shelf.kept) == 20 + 8


def test_the_fingerprint_knows_weights_structure_and_preprocessing(two):
    same = classifier("other name", two[0].labels, 1)
    assert fingerprint(same) == fingerprint(two[0])
    assert fingerprint(classifier("one", two[0].labels, 5)) != fingerprint(two[0])
    assert fingerprint(classifier("one", two[0].labels, 1, size=18)) != fingerprint(two[0])
    with torch.no_grad():
        same.module.head.bias[0] += 1e-6
    assert fingerprint(same) != fingerprint(two[0])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"explainers": ["grad_cam", "gradcam"]}, UnknownNameError, "no explainer 'gradcam'"),
        ({"options": {"grad_cam": {"leyer": "x"}}}, UnknownNameError, "did you mean layer"),
        ({"controls": ("edges",)}, UnknownNameError, "no control 'edges'; did you mean edge_map"),
        ({"controls": ("lime",)}, UnknownNameError, "no control 'lime'"),
        ({"frame": "mediapipe"}, UnknownNameError, "mediapipe478"),
        ({"target": "predict"}, UsageError, "target 'predict' is not understood"),
        ({"target": "expression:"}, UsageError, "say predicted, labelled, expression:<name>"),
        ({"target": "expression:hapiness"}, UnknownNameError, "did you mean happiness"),
        ({"target": None}, UsageError, "target None is not understood"),
        ({"limit": 3}, UsageError, "limit is a mapping"),
        ({"explainers": 3}, UsageError, "explainers are given by name"),
        ({"seed": 2**70}, UsageError, "the seed must be a whole number"),
        ({"seed": -1}, UsageError, "the seed must be a whole number"),
        ({"limit": {"lime": -1}}, UsageError, "limit -1 of 'lime'"),
        ({"limit": {"lim": 1}}, UnknownNameError, "no explainer 'lim'"),
    ],
)
def test_a_slip_is_refused_before_any_work(two, faces, monkeypatch, change, error, words):
    monkeypatch.setattr(Classifier, "inputs", lambda *_: pytest.fail("work was begun"))
    arguments = {"explainers": ["grad_cam"], **change}
    with pytest.raises(error, match=words):
        explain(two, faces, **arguments)


def test_two_classifiers_of_one_name_and_no_faces(two, faces):
    with pytest.raises(UsageError, match="classifiers named one, one"):
        explain([two[0], two[0]], faces, "grad_cam")
    with pytest.raises(UsageError, match="no face to explain"):
        explain(two, faces[[]], "grad_cam")


def test_one_classifier_one_explainer_and_a_control_asked_for_by_name(two, faces):
    maps = explain(two[0], faces, "edge_map", controls=("edge_map", "centre"), progress=False)
    assert maps["explainer"].values.tolist() == ["edge_map", "centre"]
    assert set(maps["role"].values) == {"control"}


def test_a_part_can_be_assembled_alone(two, faces, maps):
    """What a store does: one explainer of one network at a time."""
    native = {"one": explain_native(two[0], faces, "grad_cam", progress=False)}
    found = assemble(native, {"one": predict(two[0], faces)}, faces)
    assert np.array_equal(found.values[0, 0], maps.sel(model="one", explainer="grad_cam").values, equal_nan=True)
    assert found["status"].shape == (1, 1, 4)


def test_the_whole_registry_reaches_the_canonical_face(two, faces):
    names = EXPLAINERS.names()
    maps = explain(
        two[0],
        faces,
        names,
        target="expression:anger",
        limit={name: 1 for name in names if EXPLAINERS[name].value.expensive},
        options={
            name: {key: few for key, few in FEW.items() if key in EXPLAINERS[name].value.options} for name in names
        },
        progress=False,
    )
    domain = load_frame().domain
    refused = {failure["explainer"]: failure["reason"] for failure in json.loads(maps.attrs["failures"])}
    assert set(refused) <= UNSUITED
    for name in set(names) - set(refused):
        values = maps.sel(explainer=name).values[0, 0]
        assert np.isfinite(values[domain]).mean() > 0.95, name
        told = np.ptp(values[domain & np.isfinite(values)]) > 0
        assert told == (maps["status"].sel(explainer=name)[0, 0] == "ok"), name
    assert (maps["status"][0, :, 0] == "ok").sum() >= len(names) - len(refused) - 1

"""Several targets, layers and heads in one call: named, shared, and each equal to the call that asks for it alone."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

from workbench.canonical import convert
from workbench.classifiers import load_classifier
from workbench.classifiers.classifier import Classifier
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import explain, predict, region_table
from workbench.heatmaps import global_heatmaps

EXPRESSIONS = ["anger", "fear", "happiness"]
UNITS = [1, 4, 12]


class TwoHeads(nn.Module):
    """Three expressions and three action units read from one trunk, and valence and arousal besides."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 6, 3, stride=2)
            self.expression, self.units, self.affect = nn.Linear(6, 3), nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x)))).amax((2, 3))
        return {"expression": self.expression(x), "au": self.units(x), "affect": self.affect(x)}


@pytest.fixture(scope="module")
def network():
    heads = {"expression": EXPRESSIONS, "au": UNITS, "affect": ["valence", "arousal"]}
    return load_classifier(TwoHeads(), heads=heads, size=16, channels=1, name="both")


@pytest.fixture(scope="module")
def faces(face_set):
    return face_set


TARGETS = [
    "predicted",
    "labelled",
    "expression:fear",
    "expression:happiness-vs-fear",
    "au:AU12",
    "au:12-vs-4",
    "affect:valence",
]


@pytest.fixture(scope="module")
def maps(network, faces):
    return explain(
        network,
        faces,
        ["hires_cam", "saliency", "occlusion"],
        target=TARGETS,
        progress=False,
    )


def test_targets_are_a_dimension_with_the_workbench_s_names(maps):
    assert maps.dims == ("model", "explainer", "target", "image", "y", "x")
    assert maps["target"].values.tolist() == [t.replace("AU12", "12") for t in TARGETS]
    assert maps["status"].dims == ("model", "explainer", "target", "image")
    explained = maps["explained"].sel(model="both")
    assert explained.sel(target="labelled").values.tolist() == ["anger", "", "", "happiness"]
    assert set(explained.sel(target="expression:happiness-vs-fear").values) == {"happiness-vs-fear"}
    assert set(explained.sel(target="au:12").values) == {"au:12"}
    assert set(explained.sel(target="affect:valence").values) == {"affect:valence"}
    assert explained.sel(target="predicted").values.tolist() == maps["predicted"].values[0].tolist()
    (failure,) = json.loads(maps.attrs["failures"])
    assert failure["reason"].startswith("no class for surprise")


def test_outputs_of_every_head_travel_with_the_maps(maps, network, faces):
    for head, name in (("au", "au_12"), ("affect", "affect_valence"), ("expression", "probability_fear")):
        column = [*network.heads[head].labels].index(name.split("_")[1])
        assert np.allclose(maps[name].values[0], network.probabilities(faces.images, head)[:, column], atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_the_one_asked_for_alone(network, faces, maps, target):
    alone = explain(network, faces, ["hires_cam", "saliency", "occlusion"], target=target, progress=False)
    together = maps.sel(target=target.replace("AU12", "12"))
    assert alone.dims == ("model", "explainer", "image", "y", "x")
    assert np.array_equal(alone["status"], together["status"])
    for name in maps["explainer"].values:
        one, other = alone.sel(explainer=name).values, together.sel(explainer=name).values
        assert np.allclose(one, other, atol=1e-5 * np.nanmax(np.abs(one)), equal_nan=True)


def test_a_contrast_is_the_difference_where_the_method_is_linear(maps, network, faces):
    one = explain(network, faces, "hires_cam", target=["expression:happiness", "expression:fear"], progress=False)
    difference = one.sel(target="expression:happiness") - one.sel(target="expression:fear")
    found = maps.sel(explainer=["hires_cam"], target="expression:happiness-vs-fear")
    assert np.allclose(found.values, difference.values, atol=1e-6, equal_nan=True)


def test_all_targets_share_the_forwards(network, faces):
    passes = []
    handle = network.module.register_forward_hook(lambda _m, given, _o: passes.append(len(given[0])))
    try:
        counts = []
        for target in (TARGETS[:1], TARGETS):
            passes.clear()
            explain(network, faces, ["hires_cam", "grad_cam", "occlusion"], target=target, progress=False)
            counts.append(sum(passes))
    finally:
        handle.remove()
    assert counts[0] == counts[1]


def test_probability_as_the_explained_score(network, faces):
    options = {"hires_cam": {"space": "probability"}}
    found = explain(network, faces, "hires_cam", target="au:12", options=options, frame="native", progress=False)
    logit = explain(network, faces, "hires_cam", target="au:12", frame="native", progress=False)
    p = network.probabilities(faces.images, "au")[:, 2]
    slope = (p * (1 - p))[:, None, None]  # of the sigmoid
    assert np.allclose(found["both", "hires_cam"], logit["both", "hires_cam"] * slope, atol=1e-7)
    maps = explain(network, faces, "hires_cam", target="au:12", options=options, progress=False)
    assert maps.attrs["target_space"] == "logit; probability for hires_cam"


def test_layers_are_a_dimension(network, faces):
    names, methods = ["second", "first"], ["grad_cam", "layer_cam"]
    maps = explain(network, faces, methods, layers=names, target=["predicted", "au:1"], progress=False)
    assert maps.dims == ("model", "explainer", "layer", "target", "image", "y", "x")
    assert maps["layer"].values.tolist() == names
    for layer in names:
        options = {name: {"layer": layer} for name in ("grad_cam", "layer_cam")}
        alone = explain(network, faces, ["grad_cam", "layer_cam"], target="au:1", options=options, progress=False)
        assert np.allclose(maps.sel(layer=layer, target="au:1"), alone, atol=1e-6, equal_nan=True)


def test_layers_share_one_forward(network, faces):
    passes = []
    handle = network.module.register_forward_hook(lambda *_: passes.append(1))
    predict(network, faces)
    before = len(passes)
    try:
        explain(network, faces, ["grad_cam", "layer_cam"], layers=["first", "second"], progress=False)
    finally:
        handle.remove()
    assert len(passes) - before == before + 1  # one to predict, one to explain


def test_native_maps_of_several_layers_and_targets(network, faces):
    several = {"layers": ["first", "second"], "target": ["predicted", "au:1"]}
    found = explain(network, faces, "grad_cam", **several, frame="native", progress=False)
    assert set(found) == {("both", "grad_cam", "first"), ("both", "grad_cam", "second")}
    assert found["both", "grad_cam", "first"].dims == ("target", "image", "y", "x")
    assert found["both", "grad_cam", "first"].shape == (2, 4, 16, 16)
    assert found["both", "grad_cam", "second"].shape == (2, 4, 7, 7)


def test_one_selected_target_goes_on_to_global_heatmaps(maps):
    chosen = global_heatmaps(maps.sel(target="expression:fear"))
    assert chosen["n"].sel(expression="happiness").max() == 0
    labelled = global_heatmaps(maps.sel(target="labelled"))
    assert labelled["n"].sel(expression=["anger", "happiness"], explainer="hires_cam").values.tolist() == [[1, 1]]
    contrast = global_heatmaps(maps.sel(target="expression:happiness-vs-fear"), by="labelled")
    assert contrast["n"].sel(expression="happiness", explainer="hires_cam").values.tolist() == [1]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": "au:99"}, UnknownNameError, "no action unit '99'"),
        ({"target": "au:12-vs-AU12"}, UsageError, "sets 12 against itself"),
        ({"target": "au:1-vs-4-vs-12"}, UsageError, "a contrast is au:<one>-vs-<other>"),
        ({"target": []}, UsageError, "no target was named"),
        ({"target": ["au:12", "au:AU12"]}, UsageError, "a target is named twice"),
        ({"layers": []}, UsageError, "layers are names of layers"),
        ({"layers": ["first", "first"]}, UsageError, "layers are names of layers, each once"),
        ({"layers": ["first"], "explainers": "saliency"}, UsageError, "'saliency' looks at no layer"),
        ({"layers": ["first"], "options": {"grad_cam": {"layer": "second"}}}, UsageError, "and layers= besides"),
        ({"precision": "half"}, UsageError, "precision 'half' is not known; choose one of float32, bfloat16"),
        ({"controls": None}, UsageError, "controls are given by name, not as None"),
        ({"store": "kept"}, UsageError, r"a store has get and put, .* not 'kept'"),
        ({"options": {"grad_cam": {"space": "odds"}}}, UsageError, "'grad_cam': option space='odds' is not known"),
        (
            {"explainers": "smooth(grad_cam, n=2)", "options": {"smooth(grad_cam)": {"n": 3}}},
            UsageError,
            r"options are given for 'smooth\(grad_cam\)', and asked for is smooth\(grad_cam, n=2\)",
        ),
        (
            {"explainers": "smooth(grad_cam)", "options": {"grad_cam": {"layer": "first"}}},
            UsageError,
            r"options are given for 'grad_cam', and asked for is smooth\(grad_cam\)",
        ),
    ],
)
def test_a_slip_is_refused_before_any_work(network, faces, monkeypatch, change, error, words):
    monkeypatch.setattr(Classifier, "inputs", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(error, match=words):
        explain(network, faces, **{"explainers": "grad_cam", **change})


def test_a_head_that_the_network_lacks_is_named(faces):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    units = load_classifier(module, heads={"au": UNITS}, size=16, channels=1, name="units")
    maps = explain(units, faces, "saliency", target=["predicted", "au:4"], progress=False)
    assert (maps["status"].sel(target="predicted") == "not computed").all()
    assert (maps["status"].sel(target="au:4") == "ok").all()
    (failure,) = json.loads(maps.attrs["failures"])
    assert failure["reason"] == "no head 'expression'; its heads: au"
    assert set(maps["predicted"].values.ravel()) == {""}


def test_a_target_that_no_network_has_is_refused_and_another_offered(network, faces):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    units = load_classifier(module, heads={"au": UNITS}, size=16, channels=1, name="units")
    words = "nothing to explain: 'units' has no head 'expression'; its heads: au; .* such as 'au:1'"
    with pytest.raises(UsageError, match=words):
        explain(units, faces, "saliency", progress=False)
    with pytest.raises(UsageError, match=r"'units' has no au for 25; its classes: .*"):
        explain(units, faces, "saliency", target="au:25", progress=False)
    both = explain([network, units], faces, "saliency", progress=False)
    assert set(both["status"].sel(model="units").values.ravel()) == {"not computed"}


@pytest.mark.parametrize(
    "options", [{"regions": "face-regions", "samples": 40}, {"fill": "average_face", "samples": 40}]
)
def test_faces_that_cannot_be_drawn_on_are_named_before_any_work(network, faces, monkeypatch, options):
    landmarks = faces.landmarks.copy()
    landmarks[2:] = landmarks[2:] * [-1, 1] + [1, 0]
    wrong = replace(faces, landmarks=landmarks)
    asked = {"explainers": ["saliency", "region_shap"], "options": {"region_shap": options}, "progress": False}
    limited = explain(network, wrong, limit={"region_shap": 2}, **asked)
    assert limited["status"].sel(explainer="region_shap").values.ravel().tolist() == ["ok"] * 2 + ["not computed"] * 2
    monkeypatch.setattr(
        import_module("workbench.explain.native"), "run_all", lambda *_, **__: pytest.fail("work was begun")
    )
    with pytest.raises(UsageError, match=r"landmarks of 'c' turn 100% of the face over, .* \(unusable too: 'd'\)"):
        explain(network, wrong, **asked)
    with pytest.raises(UnknownNameError, match="no mask set 'nowhere'"):
        explain(network, faces, **{**asked, "options": {"region_shap": {"regions": "nowhere"}}})
    with pytest.raises(UsageError, match="no other face to average for 'a'"):
        explain(network, faces[:1], **{**asked, "options": {"region_shap": {"fill": "average_face"}}})


def test_a_frame_that_the_landmarks_cannot_be_carried_to_is_refused_before_any_work(network, faces, monkeypatch):
    sparse = replace(faces, landmarks=convert(faces.landmarks, "mediapipe478", "ibug68"), scheme="ibug68")
    assert explain(network, sparse, "saliency", frame="ibug68", progress=False).attrs["frame"] == "ibug68"
    assert explain(network, faces, "saliency", frame="ibug68", progress=False).attrs["frame"] == "ibug68"
    monkeypatch.setattr(Classifier, "inputs", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(UsageError, match=r"'ibug68' cannot be shown in the frame 'mediapipe478'; say frame='ibug68'"):
        explain(network, sparse, "saliency", progress=False)


def test_affect_is_named_in_any_case(network, faces):
    (one,) = predict(network, faces, "affect:Valence").aims
    assert set(one.explained) == {"affect:valence"}


def test_a_table_of_regions_needs_native_maps(network, faces):
    with pytest.raises(UsageError, match=r"returns, not of DataArray"):
        region_table(explain(network, faces[:1], "saliency", progress=False))


def test_a_wrong_layer_of_one_network_is_recorded(network, faces):
    maps = explain(network, faces, "grad_cam", layers=["first", "third"], progress=False)
    assert (maps["status"].sel(layer="first") == "ok").all()
    assert (maps["status"].sel(layer="third") == "not computed").all()
    (failure,) = json.loads(maps.attrs["failures"])
    assert "has no layer 'third'" in failure["reason"]

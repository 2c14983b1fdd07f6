"""Means over noisy copies: any explainer, any way to state it, and nothing that the batch could change."""

import importlib
import json
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import LayerError, UnknownNameError, UsageError
from workbench.explainers import EXPLAINERS, run
from workbench.explainers.explainer import Job
from workbench.explainers.run import run_all
from workbench.explainers.smoothing import smooth

TARGETS = [0, 1, 2, 1]
BASES = {
    "saliency": {},
    "integrated_gradients": {"steps": 4},
    "grad_cam": {},
    "eigen_cam": {},
    "lime": {"samples": 30},
    "occlusion": {},
}


def smoothed(classifier, crops, name, targets=TARGETS, **options):
    given = {name: {"n": 3, **options}}
    return run(classifier, crops, name, targets, seed=2, options=given, progress=False)[name]


@pytest.mark.parametrize("base", BASES)
def test_the_mean_of_the_maps_of_copies_made_by_hand(networks, crops, base):
    """Each copy: the picture, and Gaussian noise of .2 of its range from the stream of that face and copy."""
    classifier, name = networks["branched"], f"smooth({base})"
    found = smoothed(classifier, crops, name, sigma=0.2, **BASES[base])
    weights = np.eye(4, dtype=np.float32)[TARGETS][:, None]
    explainer = EXPLAINERS[base].value
    options = {**explainer.options, **BASES[base]}
    engine, maps = importlib.import_module(explainer.engine), []
    for copy in range(3):

        def disturb(inputs, first, copy=copy):
            noisy = inputs.clone()
            for row, picture in enumerate(inputs):
                stream = Job(classifier, crops, weights, seed=2).stream(first + row, f"smooth {copy}")
                noise = torch.from_numpy(stream.standard_normal(tuple(picture.shape), np.float32))
                noisy[row] += 0.2 * (picture.max() - picture.min()) * noise
            return noisy

        job = Job(classifier, crops, weights, seed=2, disturb=disturb)
        maps.append(engine.compute(job, [(explainer, options)])[0][0].values)
    assert not np.allclose(maps[0], maps[1], rtol=1e-3)
    assert found.status == ["ok"] * 4
    assert np.allclose(found.values, np.mean(maps, 0), rtol=1e-5, atol=1e-6 * np.abs(maps).max())


def test_noise_does_not_move_the_gradient_of_a_linear_network(toy, crops):
    module = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
    found = smoothed(toy(module), crops, "smooth(saliency)", [1] * 4, sigma=0.5)
    assert np.allclose(found.values, module[1].weight[1].detach().abs().view(16, 16).numpy(), atol=1e-6)


def test_without_noise_it_is_the_explainer_itself(networks, crops):
    for base in ("layer_cam", "saliency"):
        plain = run(networks["plain"], crops, base, TARGETS, progress=False)[base]
        found = smoothed(networks["plain"], crops, f"smooth({base})", sigma=0.0)
        assert np.allclose(found.values, plain.values, rtol=1e-6)
        assert found.layer == plain.layer


def test_smooth_grad_is_smooth_saliency(networks, crops):
    found = smoothed(networks["branched"], crops, "smooth_grad", sigma=0.1)
    assert np.array_equal(found.values, smoothed(networks["branched"], crops, "smooth(saliency)", sigma=0.1).values)
    assert EXPLAINERS["smooth_grad"].value.options == {"n": 25, "sigma": 0.15, "space": "logit", "signed": False}


@pytest.mark.parametrize("base", BASES)
def test_a_batch_is_its_singles(networks, crops, base):
    name = f"smooth({base})"
    whole = smoothed(networks["branched"], crops, name, **BASES[base]).values
    for index in range(4):
        one = smoothed(networks["branched"], crops[index : index + 1], name, TARGETS[index : index + 1], **BASES[base])
        assert np.allclose(one.values[0], whole[index], rtol=1e-5, atol=2e-6 * np.abs(whole).max())


def test_targets_layers_and_company_are_those_of_the_explainer(networks, crops):
    names = ["smooth(grad_cam, n=2)", "smooth(hires_cam, n=2)", "grad_cam"]
    weights = np.eye(4, dtype=np.float32)[None, :2].repeat(4, 0)
    found = run_all(networks["branched"], crops, names, weights, ["a", "b"], layers=["stem", "branch"], progress=False)
    assert len(found) == 12
    for (name, layer, target), maps in found.items():
        assert maps.layer == layer
        column = "ab".index(target)
        alone = run_all(
            networks["branched"],
            crops,
            name,
            weights[:, column : column + 1],
            options={name: {"layer": layer}},
            progress=False,
        )
        assert np.allclose(alone[name, "", ""].values, maps.values, rtol=1e-4, atol=1e-6)


def test_options_in_the_name_beside_it_and_by_the_function_are_the_same(networks, crops):
    name = smooth("integrated_gradients", n=2, sigma=0.3, steps=3)
    assert name == "smooth(integrated_gradients, n=2, sigma=0.3, steps=3)"
    by_name = run(networks["plain"], crops, name, TARGETS, progress=False)[name]
    assert by_name.options == {"n": 2, "sigma": 0.3, "space": "logit", "steps": 3}
    beside = smoothed(networks["plain"], crops, "smooth(integrated_gradients)", n=2, sigma=0.3, steps=3)
    in_file = tomllib.loads(f'explainers = ["{name}"]')["explainers"][0]
    assert json.loads(json.dumps(in_file)) == name
    again = run(networks["plain"], crops, in_file, TARGETS, seed=2, progress=False)[in_file]
    assert np.array_equal(again.values, beside.values)
    assert smooth("grad_cam", layer="0.1", space="probability") == "smooth(grad_cam, layer=0.1, space=probability)"
    assert EXPLAINERS["smooth(grad_cam, layer=0.1)"].value.options["layer"] == "0.1"
    assert EXPLAINERS["smooth(saliency, signed=True)"].value.options["signed"] is True


def test_the_name_is_known_but_not_listed():
    assert "smooth(grad_cam)" in EXPLAINERS
    assert "smooth(grad_cam)" not in EXPLAINERS.names()
    entry = EXPLAINERS["smooth(grad_cam)"]
    assert entry.value.family == "cam"
    assert "Smilkov" in entry.reference
    assert "Selvaraju" in entry.reference
    assert json.loads(json.dumps(entry.as_dict()))["options"]["n"] == 25


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smooth(grd_cam)", "there is no explainer 'grd_cam'; did you mean grad_cam"),
        ("smooth(random)", "'random' is a control that sees no network"),
        ("smooth(smooth_grad)", "'smooth_grad' averages noisy copies itself"),
        ("smooth(smooth(saliency))", "there is no explainer"),
        ("smooth(saliency", "there is no explainer"),
        ("smooth(saliency, m=3)", "there is no option of 'smooth(saliency, m=3)': 'm'"),
        ("smooth(saliency, n=0)", "option n=0 .* is out of range"),
        ("smooth(saliency, n=2.5)", "option n=2.5 .* should be of type int"),
        ("smooth(saliency, n=many)", "option n=many .* should be of type int"),
        ("smooth(saliency, sigma=-1)", "option sigma=-1.0 .* is out of range"),
        ("smooth(saliency, signed=1)", "option signed=1 .* should be of type bool"),
    ],
)
def test_names_that_say_something_wrong(networks, crops, name, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(").replace(")", r"\)")):
        run(networks["plain"], crops, name, TARGETS, progress=False)
    assert name not in EXPLAINERS


def test_the_function_refuses_what_the_lookup_refuses():
    with pytest.raises(UnknownNameError, match="no explainer 'salience'"):
        smooth("salience")
    with pytest.raises(UsageError, match="give options with"):
        smooth("grad_cam", layer="a(b)")


def test_what_is_said_of_a_map(toy, networks, crops):
    dead = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dead[0].weight.data.zero_()
    assert smoothed(toy(dead), crops, "smooth(saliency)", [0] * 4).status == ["zero-gradient"] * 4
    broken = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    broken[0].weight.data[1] = float("nan")
    assert smoothed(toy(broken), crops, "smooth(saliency)", [0] * 4).status == ["non-finite"] * 4
    with pytest.raises(LayerError, match="has no layer 'third'"):
        smoothed(networks["plain"], crops, "smooth(grad_cam)", layer="third")
    name = "smooth(grad_cam, layer=third)"
    found = run(networks["plain"], crops, [name, "saliency"], TARGETS, progress=False, on_error="record")
    assert found[name].status == ["not computed"] * 4
    assert "has no layer 'third'" in found[name].reason
    assert found["saliency"].status == ["ok"] * 4


def test_progress_counts_each_face_once(networks, crops):
    from workbench.explainers import smoothing

    told = []
    weights = np.eye(4, dtype=np.float32)[TARGETS][:, None]
    names = ["smooth(saliency)", "smooth(grad_cam)"]
    group = [(EXPLAINERS[name].value, {**EXPLAINERS[name].value.options, "n": 5}) for name in names]
    smoothing.compute(Job(networks["branched"], crops, weights, advance=told.append), group)
    assert sum(told) == 4


def test_listing_explainers_imports_no_torch():
    code = (
        "import sys; from workbench.explainers import EXPLAINERS; EXPLAINERS['smooth(grad_cam)']; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_refused_is_recorded_with_its_reason_and_the_rest_goes_on(networks, crops):
    classifier = networks["branched"]
    plain, refused, kept = "cam", "smooth(cam, n=2)", "smooth(grad_cam, n=2)"
    found = run(classifier, crops, [plain, refused, kept], TARGETS, progress=False, on_error="record")
    assert found[refused].status == ["not computed"] * 4
    assert found[refused].reason == found[plain].reason
    assert "take grad_cam or hires_cam" in found[refused].reason
    alone = run(classifier, crops, kept, TARGETS, progress=False)[kept]
    assert np.array_equal(found[kept].values, alone.values)

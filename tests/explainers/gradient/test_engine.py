"""What all gradients share: forwards, targets, batches, spaces and what is said of a map."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UsageError
from workbench.explainers import EXPLAINERS, run
from workbench.explainers.gradient import engine

NAMES = [entry.name for entry in EXPLAINERS if entry.value.engine == engine.ENGINE]
QUICK = {"integrated_gradients": {"steps": 9}, "gradient_shap": {"samples": 9}}


def quick(names):
    return {name: QUICK[name] for name in names if name in QUICK}


def test_one_forward_and_one_backward_a_target_serve_saliency_and_input_x_gradient(written, crops, asked):
    classifier, forwards, backwards = written("modules"), [], []
    handles = [
        classifier.module.a.register_forward_hook(lambda *_: forwards.append(1)),
        classifier.module.a.register_full_backward_hook(lambda *_: backwards.append(1)),
    ]
    asked(classifier, crops, ["saliency", "input_x_gradient"], np.eye(4)[:3])
    for handle in handles:
        handle.remove()
    assert (len(forwards), len(backwards)) == (1, 3)


def test_integrated_gradients_of_all_targets_share_their_forwards(written, crops, asked, monkeypatch):
    monkeypatch.setattr(engine, "pass_length", lambda *_, **__: 4)
    classifier, forwards = written("modules"), []
    handle = classifier.module.a.register_forward_hook(lambda _m, given, _o: forwards.append(len(given[0])))
    asked(classifier, crops[:1], "integrated_gradients", np.eye(4), options={"integrated_gradients": {"steps": 10}})
    handle.remove()
    assert forwards == [4, 4, 2]


@pytest.mark.parametrize("name", NAMES)
def test_several_targets_at_once_are_single_ones(written, crops, asked, name):
    weights = np.array([[0, 1, 0, 0], [1, 0, 0, -1]])
    both = asked(written("modules"), crops, name, weights, options=quick([name]))
    for target in range(2):
        alone = asked(written("modules"), crops, name, weights[target : target + 1], options=quick([name]))
        size = np.abs(alone[name, 0].values).max()
        assert size > 0
        assert np.allclose(both[name, target].values, alone[name, 0].values, rtol=1e-5, atol=1e-6 * size)


@pytest.mark.parametrize("name", NAMES)
def test_neither_batch_nor_pass_matters(written, crops, monkeypatch, name):
    whole = run(written("modules"), crops, name, [0, 1, 2, 3], progress=False, options=quick([name]))[name].values
    monkeypatch.setattr(engine, "pass_length", lambda *_, **__: 3)
    parts = run(written("modules"), crops, name, [0, 1, 2, 3], progress=False, options=quick([name]))[name].values
    last = run(written("modules"), crops[3:], name, [3], progress=False, options=quick([name]))[name].values
    size = np.abs(whole).max()
    assert np.allclose(parts, whole, rtol=1e-5, atol=1e-6 * size)
    assert np.allclose(last[0], whole[3], rtol=1e-5, atol=1e-6 * size)


LINEAR = ["saliency", "input_x_gradient", "integrated_gradients", "gradient_shap"]


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("model", ["plain", "branched"])
def test_linear_in_the_logit(networks, crops, asked, model, name):
    classifier = networks[model]
    weights = np.eye(classifier.outputs)[:2]
    options = {**quick([name]), **({"saliency": {"signed": True}} if name == "saliency" else {})}
    found = asked(classifier, crops, name, [*weights, weights[0] - weights[1]], options=options)
    first, second, contrast = (found[name, target].values for target in range(3))
    assert np.abs(first).max() > 0
    assert np.allclose(contrast, first - second, atol=2e-6 * np.abs(first).max())


def test_probabilities_are_their_own_scores(written, crops, asked):
    classifier = written("modules")
    found = asked(
        classifier, crops, "input_x_gradient", np.eye(4)[:1], options={"input_x_gradient": {"space": "probability"}}
    )
    inputs = classifier.inputs(crops).requires_grad_()
    gradient = torch.autograd.grad(classifier.module(inputs).softmax(1)[:, 0].sum(), inputs)[0]
    expected = ((inputs + 1) * gradient).sum(1).detach().numpy()
    assert np.allclose(found["input_x_gradient", 0].values, expected, atol=1e-6 * np.abs(expected).max())
    with pytest.raises(UsageError, match="space='odds' is not known"):
        run(classifier, crops, "saliency", [0] * 4, progress=False, options={"saliency": {"space": "odds"}})


def test_what_the_network_sees_may_be_disturbed(linear, crops):
    from workbench.explainers.explainer import Job

    weights = np.eye(3, dtype=np.float32)[None, :1].repeat(4, 0)
    job = Job(linear, crops, weights, disturb=lambda inputs, first: inputs + first + 1)
    explainer = EXPLAINERS["input_x_gradient"].value
    found = engine.compute(job, [(explainer, dict(explainer.options))])[0][0].values
    expected = ((linear.inputs(crops) + 2) * linear.module.weight[0]).sum(1).detach().numpy()
    assert np.allclose(found, expected, atol=1e-5)


def test_no_warning_of_captum_reaches_the_user(written, crops):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(written("modules"), crops, NAMES, [0] * 4, progress=False, options=QUICK)


def test_a_score_without_gradient_is_named(toy, crops):
    dead = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dead[0].weight.data.zero_()
    found = run(toy(dead, "0"), crops, NAMES, [0] * 4, progress=False, options=QUICK)
    assert {name: maps.status for name, maps in found.items()} == {name: ["zero-gradient"] * 4 for name in NAMES}


def test_a_non_finite_map_is_named(toy, crops):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module[0].weight.data[1] = float("nan")
    found = run(toy(module, "0"), crops, "saliency", [0, 1, 0, 1], progress=False)
    assert found["saliency"].status == ["non-finite"] * 4  # 0 · NaN on the way down


def test_a_refusal_comes_before_the_work_of_the_others(faces, monkeypatch):
    from families import load_family

    from workbench.explainers.gradient.engine import Batch

    asked, original = [], Batch.gradients
    monkeypatch.setattr(Batch, "gradients", lambda *args: asked.append(1) or original(*args))
    names = ["integrated_gradients", "lrp"]
    found = run(
        load_family("vit"), faces, names, [0, 1], progress=False, on_error="record", options={names[0]: {"steps": 4}}
    )
    assert found["lrp"].status == ["not computed"] * 2
    assert "take integrated_gradients" in found["lrp"].reason
    assert found["integrated_gradients"].status == ["ok"] * 2
    assert len(asked) == 2  # one pass a face, and none that was thrown away


def test_inference_mode_around_the_call_changes_nothing(written, crops):
    outside = run(written("shared"), crops, NAMES, [0, 1, 2, 3], progress=False, options=QUICK)
    with torch.inference_mode():
        inside = run(written("shared"), crops, NAMES, [0, 1, 2, 3], progress=False, options=QUICK)
    assert all(np.array_equal(inside[name].values, maps.values) for name, maps in outside.items())

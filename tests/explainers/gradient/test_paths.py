"""Gradients along ways: completeness, captum's answer, and a direct loop over the same draws."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from families import load_family

from workbench.explainers import run
from workbench.explainers.explainer import Job

TARGETS = [0, 1, 2, 1]


def test_on_a_linear_network_integrated_gradients_are_weight_times_distance_from_black(linear, crops):
    found = run(linear, crops, "integrated_gradients", [0, 1, 2, 0], progress=False)["integrated_gradients"].values
    expected = ((linear.inputs(crops) + 1) * linear.module.weight[[0, 1, 2, 0]]).sum(1).detach().numpy()
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_integrated_gradients_are_complete(networks, crops, model):
    classifier = networks[model]
    found = run(classifier, crops, "integrated_gradients", TARGETS, progress=False)["integrated_gradients"].values
    whole = classifier.logits(classifier.inputs(crops)).numpy()[np.arange(4), TARGETS]
    black = classifier.logits(classifier.inputs(np.zeros_like(crops))).numpy()[np.arange(4), TARGETS]
    assert np.abs(whole - black).max() > 0.01
    assert np.allclose(found.sum((1, 2)), whole - black, atol=0.02 * np.abs(whole - black).max())


@pytest.mark.parametrize("name", ["resnet", "vit", "convnext"])
def test_captum_integrates_to_the_same(faces, name):
    classifier = load_family(name)
    options = {"integrated_gradients": {"steps": 20}}
    found = run(classifier, faces, "integrated_gradients", [3, 5], progress=False, options=options)
    theirs = IntegratedGradients(lambda x: classifier.outputs_of(classifier.module(x))).attribute(
        classifier.inputs(faces),
        classifier.inputs(np.zeros_like(faces)),
        target=torch.tensor([3, 5]),
        n_steps=20,
        method="gausslegendre",
    )
    expected = theirs.sum(1).detach().numpy()
    size = np.abs(expected).max()
    assert np.allclose(found["integrated_gradients"].values, expected, rtol=1e-5, atol=1e-5 * size)


def test_a_smooth_network_is_integrated_to_the_last_digits(faces):
    classifier = load_family("vit")
    found = run(classifier, faces, "integrated_gradients", [1, 1], progress=False)["integrated_gradients"].values
    scores = classifier.logits(classifier.inputs(np.concatenate([faces, np.zeros_like(faces)])))[:, 1].numpy()
    assert np.allclose(found.sum((1, 2)), scores[:2] - scores[2:], rtol=1e-3)


def test_the_steps_matter_and_are_recorded(networks, crops):
    def found(**options):
        given = {"integrated_gradients": options}
        return run(networks["branched"], crops, "integrated_gradients", [0] * 4, progress=False, options=given)

    few, many = found(steps=2)["integrated_gradients"], found()["integrated_gradients"]
    assert few.options == {"space": "logit", "steps": 2}
    assert many.options == {"space": "logit", "steps": 50}
    assert not np.allclose(few.values, many.values, rtol=1e-3)


def draws(classifier, crops, index, samples, seed=0):
    """Baselines and places on the way, as the method draws them."""
    drawn = Job(classifier, crops, np.zeros((len(crops), 1, 1)), seed=seed).stream(index, "gradient_shap")
    table = torch.tensor(drawn.random((samples, classifier.preprocessing.channels + 1)), dtype=torch.float32)
    black, white = (classifier.inputs(np.full_like(crops[:1], shade)) for shade in (0, 255))
    return black + table[:, 1:, None, None] * (white - black), table[:, :1, None, None]


@pytest.mark.parametrize("model", ["plain", "branched"])
def test_gradient_shap_is_the_mean_over_its_draws(networks, crops, model):
    classifier = networks[model]
    given = {"gradient_shap": {"samples": 11}}
    found = run(classifier, crops, "gradient_shap", TARGETS, seed=4, progress=False, options=given)["gradient_shap"]
    for index, target in enumerate(TARGETS):
        baselines, places = draws(classifier, crops, index, 11, seed=4)
        way = classifier.inputs(crops[index : index + 1]) - baselines
        points = (baselines + places * way).requires_grad_()
        gradient = torch.autograd.grad(classifier.module(points)[:, target].sum(), points)[0]
        expected = (way * gradient).mean(0).sum(0).numpy()
        assert np.allclose(found.values[index], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_gradient_shap_of_a_linear_network_sums_to_the_score_above_its_baselines(linear, crops):
    given = {"gradient_shap": {"samples": 6}}
    found = run(linear, crops, "gradient_shap", [1] * 4, progress=False, options=given)["gradient_shap"].values
    for index in range(4):
        baselines, _ = draws(linear, crops, index, 6)
        scores = linear.logits(torch.cat([linear.inputs(crops[index : index + 1]), baselines]))[:, 1]
        assert found[index].sum() == pytest.approx(float(scores[0] - scores[1:].mean()), abs=1e-3)


def test_noise_on_the_picture_changes_gradient_shap_and_obeys_the_seed(networks, crops):
    def found(seed, noise):
        given = {"gradient_shap": {"samples": 5, "noise": noise}}
        return run(networks["branched"], crops, "gradient_shap", TARGETS, seed=seed, progress=False, options=given)

    noisy = found(0, 0.1)["gradient_shap"].values
    assert np.array_equal(noisy, found(0, 0.1)["gradient_shap"].values)
    assert not np.allclose(noisy, found(0, 0.0)["gradient_shap"].values, rtol=1e-2)
    assert not np.allclose(noisy, found(1, 0.1)["gradient_shap"].values, rtol=1e-2)

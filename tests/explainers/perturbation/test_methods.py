"""The named methods through the engine: what they share, what they keep apart, what they refuse."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.errors import UsageError
from workbench.explainers import EXPLAINERS, run
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation import averages, engine
from workbench.explainers.perturbation.grids import random_grids
from workbench.explainers.perturbation.methods import perturbation_method
from workbench.explainers.perturbation.plan import Plan, Scene
from workbench.explainers.perturbation.regression import ridge
from workbench.explainers.perturbation.superpixels import superpixels

QUICK = {
    **{name: {"samples": 90} for name in ("lime", "rise", "banzhaf", "kernel_shap", "shapley_sampling", "hsic")},
    "sobol": {"grid": 3, "draws": 8},
    "ss_cam": {"n": 3},
}
NAMES = [*QUICK, "occlusion", "inclusion", "feature_ablation", "score_cam", "is_cam"]


def scene_of(classifier, crops, index, purpose):
    height, width = classifier.preprocessing.size
    picture = np.asarray(Image.fromarray(crops[index]).resize((width, height), Image.Resampling.BILINEAR))
    job = Job(classifier, crops, np.zeros((len(crops), 1, classifier.outputs), np.float32))
    return Scene(picture, job.stream(index, purpose))


def answers(classifier, crops, index, plan, fill="black", space="probability"):
    """Masked, one at a time, without the engine."""
    inputs = classifier.inputs(crops[index : index + 1])
    black = classifier.inputs(np.zeros_like(crops[:1]))
    if fill == "mean":
        black = inputs.mean((2, 3), keepdim=True).expand_as(inputs)
    masks = plan.masks(0, plan.count)
    logits = torch.cat([classifier.logits(inputs * m + black * (1 - m)) for m in masks])
    return (logits.softmax(1) if space == "probability" else logits).numpy()


def test_lime_asks_the_network_about_its_plan(networks, crops):
    classifier, targets = networks["branched"], [0, 3, 2, 1]
    found = run(classifier, crops, "lime", targets, progress=False)["lime"]
    for index, target in enumerate(targets):
        plan = superpixels(scene_of(classifier, crops, index, "superpixels"))
        expected = ridge(plan, answers(classifier, crops, index, plan)[:, [target]])[0]
        assert np.allclose(found.values[index], expected, atol=1e-4 * np.abs(expected).max())
    assert found.options == {
        "segments": 30,
        "compactness": 20.0,
        "samples": 1000,
        "draw": "uniform",
        "fill": "black",
        "kernel_width": 0.25,
        "alpha": 1.0,
        "space": "probability",
    }


def test_rise_asks_the_network_about_its_plan(networks, crops):
    classifier = networks["plain"]
    found = run(classifier, crops, "rise", [2, 1, 0, 1], progress=False, options={"rise": {"samples": 70}})["rise"]
    for index, target in enumerate([2, 1, 0, 1]):
        plan = random_grids(scene_of(classifier, crops, index, "random_grids"), samples=70)
        expected = averages.mean(plan, answers(classifier, crops, index, plan))[target]
        assert np.allclose(found.values[index], expected, atol=1e-5)


def test_fill_and_space(networks, crops):
    classifier = networks["branched"]
    base = {"samples": 60, "segments": 8}
    plan = superpixels(scene_of(classifier, crops, 0, "superpixels"), **base)
    found = run(classifier, crops[:1], "lime", [2], options={"lime": {**base, "fill": "mean"}}, progress=False)["lime"]
    expected = ridge(plan, answers(classifier, crops, 0, plan, "mean")[:, [2]])
    assert np.allclose(found.values, expected, atol=1e-5)
    assert found.options["fill"] == "mean"
    found = run(classifier, crops[:1], "lime", [2], options={"lime": {**base, "space": "logit"}}, progress=False)
    expected = ridge(plan, answers(classifier, crops, 0, plan, space="logit")[:, [2]])
    assert np.allclose(found["lime"].values, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["kernel_shap", "shapley_sampling"])
def test_shapley_values_add_up_to_what_the_picture_is_worth(networks, crops, name):
    """Each superpixel once: the sum is the score of the picture minus that of the fill."""
    classifier, targets = networks["branched"], [0, 1, 2, 3]
    found = run(classifier, crops, name, targets, options={name: QUICK[name]}, progress=False)[name].values
    shown = classifier.logits(classifier.inputs(crops)).numpy()
    nothing = classifier.logits(classifier.inputs(np.zeros_like(crops[:1]))).numpy()
    for index, target in enumerate(targets):
        plan = superpixels(scene_of(classifier, crops, index, ""), samples=4)
        values = [found[index][plan.regions == region][0] for region in range(plan.regions.max() + 1)]
        assert sum(values) == pytest.approx(shown[index, target] - nothing[0, target], abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_cannot_matter(networks, crops, name, monkeypatch):
    options = {name: QUICK.get(name, {})}
    first = run(networks["branched"], crops, name, [0, 1, 2, 3], progress=False, options=options)[name].values
    monkeypatch.setattr(engine, "pass_length", lambda _: 7)
    monkeypatch.setattr(averages, "CHUNK", 11)
    second = run(networks["branched"], crops, name, [0, 1, 2, 3], progress=False, options=options)[name].values
    assert np.allclose(first, second, atol=1e-5 * np.abs(first).max())


def test_masks_are_never_all_there(networks, crops, monkeypatch):
    longest = []
    draw = engine.answers

    def watched(job, module, plan, inputs, filled):
        def masks(start, stop):
            longest.append(stop - start)
            return plan.masks(start, stop)

        more = {name: getattr(plan, name) for name in ("expected", "features", "regions")}
        return draw(job, module, Plan(plan.size, plan.count, masks, **more), inputs, filled)

    monkeypatch.setattr(engine, "answers", watched)
    run(networks["plain"], crops[:1], ["rise", "lime"], [0], progress=False)
    assert max(longest) <= 128
    assert sum(longest) == 2000


def passes_of(classifier, work):
    passes = []
    handle = classifier.module.register_forward_hook(lambda _m, inputs, _o: passes.append(len(inputs[0])))
    try:
        found = work()
    finally:
        handle.remove()
    return sum(passes), found


def test_methods_of_one_design_share_their_forwards(networks, crops):
    perturbation_method(
        "trial",
        superpixels,
        lambda plan, scores: scores.T[:, :1, None] * plan.regions,
        summary="x",
        reference="x",
        cost="x",
    )
    try:
        passes, _ = passes_of(
            networks["plain"],
            lambda: run(networks["plain"], crops[:2], ["lime", "trial"], [0, 1], progress=False),
        )
    finally:
        EXPLAINERS.remove("trial")
    assert passes == 2 * 1000


def test_kernel_shap_shares_the_samples_of_lime_where_that_is_asked(networks, crops):
    names, classifier = ["lime", "kernel_shap", "banzhaf"], networks["plain"]

    def work(options):
        return lambda: run(classifier, crops[:2], names, [0, 1], progress=False, options=options)

    together, shared = passes_of(classifier, work({"kernel_shap": {"draw": "uniform"}}))
    assert together == 2 * 1000
    apart, own = passes_of(classifier, work({}))
    assert 2 * 1990 < apart <= 2 * 2000
    assert np.array_equal(shared["banzhaf"].values, own["banzhaf"].values)
    assert own["kernel_shap"].options["draw"] == "kernel"
    assert np.corrcoef(shared["kernel_shap"].values.ravel(), own["kernel_shap"].values.ravel())[0, 1] > 0.7


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lime", {"fill": "green"}, "fill='green' is not known; choose one of black, zero, mean"),
        ("rise", {"space": "odds"}, "choose one of logit, probability"),
        ("rise", {"keep": 1.0}, "keep=1.0 must lie between 0 and 1"),
        ("occlusion", {"window": 1.5}, r"window=1.5 is a share of the picture's side"),
        ("lime", {"kernel_width": 0.0}, "kernel_width=0 leaves no sample any weight"),
        ("lime", {"draw": "kernel", "samples": 8}, "drawn uniformly"),
        ("sobol", {"draws": 12}, "draws=12 must be a power of two"),
        ("kernel_shap", {"samples": 3}, "samples=3 is too few"),
        ("region_shap", {}, "lie on faces with landmarks"),
    ],
)
def test_values_out_of_range_are_refused_also_where_failures_are_recorded(networks, crops, name, options, words):
    with pytest.raises(UsageError, match=words):
        run(networks["plain"], crops[:1], name, [0], options={name: options}, on_error="record", progress=False)


def test_a_score_that_no_perturbation_moves_is_constant_not_noise(toy, crops):
    class Deaf(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 4, 3)

        def forward(self, x):
            self.layer(x)
            return x.new_tensor([[1.0, 2.0, 3.0]]).expand(len(x), 3)

    names = [name for name in NAMES if EXPLAINERS[name].value.family == "perturbation"]
    options = {name: QUICK[name] for name in names if name in QUICK}
    found = run(toy(Deaf()), crops, names, [0, 1, 2, 0], progress=False, options=options)
    for name in names:
        assert found[name].status == ["constant"] * 4, name


def test_defaults_are_options(networks):
    with pytest.raises(ValueError, match="'trial' has no option colour"):
        perturbation_method(
            "trial", superpixels, ridge, summary="x", reference="x", cost="x", defaults={"colour": "red"}
        )
    assert "trial" not in EXPLAINERS.names()


def test_an_output_that_is_not_finite_spoils_only_its_own_target(toy, crops):
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module[0].weight.data[1] = float("nan")
    options = {"lime": {"samples": 20, "space": "logit"}}
    found = run(toy(module, "0"), crops, "lime", [0, 1, 0, 1], progress=False, options=options)["lime"]
    assert found.status == ["ok", "non-finite"] * 2

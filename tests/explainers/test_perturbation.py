"""Designs and estimators against captum, scikit-learn and a plain loop."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from skimage.segmentation import slic
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances
from torch import nn

from workbench.errors import UsageError
from workbench.explainers import EXPLAINERS, run
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation import designs, engine, estimators


def answers(classifier, crops, index, plan, fill="black", space="probability"):
    """Masked, one at a time, without the engine."""
    inputs = classifier.inputs(crops[index : index + 1])
    black = classifier.inputs(np.zeros_like(crops[:1]))
    if fill == "mean":
        black = inputs.mean((2, 3), keepdim=True).expand_as(inputs)
    masks = plan.masks(0, plan.count)
    logits = torch.cat([classifier.logits(inputs * m + black * (1 - m)) for m in masks])
    return (logits.softmax(1) if space == "probability" else logits).numpy()


def test_occlusion_is_captums(networks, crops):
    classifier, targets = networks["plain"], [0, 1, 2, 0]
    ours = run(
        classifier,
        crops,
        "occlusion",
        targets,
        progress=False,
        options={"occlusion": {"window": 0.25, "stride": 0.125}},
    )["occlusion"].values
    theirs = Occlusion(classifier.module).attribute(
        classifier.inputs(crops), (1, 4, 4), strides=(1, 2, 2), baselines=-1.0, target=torch.tensor(targets)
    )
    assert np.allclose(ours, theirs[:, 0].detach().numpy(), atol=1e-5)


def test_occlusion_by_hand(toy, crops):
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 0, 0], x[:, 0].sum((1, 2)), 0 * x[:, 0, 0, 0]], 1)

    classifier = toy(Corner(), size=(4, 4))
    found = run(
        classifier,
        crops[:3],
        "occlusion",
        [0, 1, 2],
        progress=False,
        options={"occlusion": {"window": 0.5, "stride": 0.5}},
    )["occlusion"]
    light = classifier.inputs(crops[:3])[:, 0].numpy() + 1  # above black
    corner = np.zeros((4, 4))
    corner[:2, :2] = light[0, 0, 0]
    assert np.allclose(found.values[0], corner, atol=1e-5)
    blocks = light[1].reshape(2, 2, 2, 2).sum((1, 3))
    assert np.allclose(found.values[1], blocks.repeat(2, 0).repeat(2, 1), atol=1e-4)
    assert found.status == ["ok", "ok", "constant"]


def test_the_last_window_ends_at_the_border():
    plan = designs.windows(np.zeros((10, 7, 3), np.uint8), None, window=0.4, stride=0.3)
    hidden = 1 - plan.masks(0, plan.count).numpy()
    assert hidden[0].sum() == 0
    assert set(hidden[1:].sum((1, 2))) == {4.0 * 3.0}
    assert hidden[1:].max(0).min() == 1  # every pixel is hidden at least once
    assert len(np.unique(hidden, axis=0)) == plan.count


def test_lime_is_the_weighted_ridge_of_scikit_learn(networks, crops):
    classifier = networks["branched"]
    found = run(classifier, crops, "lime", [0, 3, 2, 1], progress=False)["lime"]
    job = Job(classifier, crops, np.zeros(4, int), 0)
    for index, target in enumerate([0, 3, 2, 1]):
        picture = np.asarray(engine.Image.fromarray(crops[index]).resize((12, 12), engine.Image.Resampling.BILINEAR))
        plan = designs.superpixels(picture, job.stream(index, "superpixels"))
        assert np.array_equal(plan.regions, slic(picture, n_segments=30, compactness=20, start_label=0))
        assert plan.features.shape == (1000, plan.regions.max() + 1)
        assert plan.features[0].all()
        assert abs(plan.features[1:].mean() - 0.5) < 0.02
        distance = pairwise_distances(plan.features, plan.features[:1], metric="cosine").ravel()
        weight = np.sqrt(np.exp(-(distance**2) / 0.25**2))
        scores = answers(classifier, crops, index, plan)[:, target]
        ridge = Ridge(alpha=1.0).fit(plan.features, scores, sample_weight=weight)
        assert np.allclose(found.values[index], ridge.coef_[plan.regions], atol=1e-4 * np.abs(ridge.coef_).max())
    assert found.options == {
        "segments": 30,
        "compactness": 20.0,
        "samples": 1000,
        "fill": "black",
        "kernel_width": 0.25,
        "alpha": 1.0,
        "space": "probability",
    }


def test_lime_weighs_a_sample_that_shows_nothing_as_distance_one():
    plan = designs.Plan((1, 2), 3, None, features=np.array([[1, 1], [0, 0], [1, 0]]), regions=np.array([[0, 1]]))
    scores = np.array([[3.0], [0.0], [1.0]])
    distance = np.array([0, 1, 1 - np.sqrt(0.5)])
    ridge = Ridge(alpha=1.0).fit(plan.features, scores[:, 0], sample_weight=np.sqrt(np.exp(-(distance**2) / 0.0625)))
    assert np.allclose(estimators.ridge(plan, scores)[0], ridge.coef_[None], atol=1e-6)


def test_a_region_is_shown_or_hidden_as_a_whole():
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    plan = designs.superpixels(picture, np.random.default_rng(1), segments=6, samples=9)
    masks = plan.masks(0, 9).numpy()
    for row, mask in enumerate(masks):
        for region in range(plan.regions.max() + 1):
            assert set(mask[plan.regions == region]) == {float(plan.features[row, region])}


def test_rise_is_the_plain_loop(networks, crops):
    classifier = networks["plain"]
    found = run(classifier, crops, "rise", [2, 1, 0, 1], progress=False, options={"rise": {"samples": 70}})["rise"]
    job = Job(classifier, crops, np.zeros(4, int), 0)
    for index, target in enumerate([2, 1, 0, 1]):
        plan = designs.random_grids(np.zeros((16, 16, 3)), job.stream(index, "random_grids"), samples=70)
        scores = answers(classifier, crops, index, plan)
        expected = np.zeros((16, 16))
        for sample, mask in enumerate(plan.masks(0, 70).numpy()):
            expected += scores[sample, target] * mask / (70 * 0.5)
        assert np.allclose(found.values[index], expected, atol=1e-5)


def test_rise_masks_are_enlarged_grids_cropped_at_an_offset():
    """Against torch's own bilinear enlargement of the same grids."""
    size, grid = (20, 13), 4
    plan = designs.random_grids(np.zeros((*size, 3)), np.random.default_rng(5), samples=50, grid=grid, keep=0.3)
    stream = np.random.default_rng(5)
    cells = (stream.random((50, grid, grid)) < 0.3).astype(np.float32)
    tops, lefts = stream.integers(0, 5, 50), stream.integers(0, 4, 50)
    large = nn.functional.interpolate(torch.from_numpy(cells)[:, None], (25, 20), mode="bilinear")[:, 0]
    masks = plan.masks(0, 50)
    assert masks.shape == (50, 20, 13)
    for sample in range(50):
        top, left = tops[sample], lefts[sample]
        assert torch.allclose(masks[sample], large[sample, top : top + 20, left : left + 13], atol=1e-6)
    assert len({*tops}) == 5
    assert len({*lefts}) == 4


def test_rise_finds_the_only_pixel_that_counts(toy, crops):
    class Spot(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 4, 11] + 1, x[:, 0, 12, 2] + 1, -x[:, 0, 4, 11]], 1)

    found = run(toy(Spot()), crops[:2], "rise", [0, 1], progress=False)["rise"].values
    assert np.abs(np.array(np.unravel_index(found[0].argmax(), (16, 16))) - (4, 11)).max() <= 1
    assert np.abs(np.array(np.unravel_index(found[1].argmax(), (16, 16))) - (12, 2)).max() <= 1


@pytest.mark.parametrize("name", ["lime", "rise", "occlusion"])
def test_chunks_cannot_matter(networks, crops, name, monkeypatch):
    options = {name: {"samples": 90}} if name != "occlusion" else {}
    first = run(networks["branched"], crops, name, [0, 1, 2, 3], progress=False, options=options)[name].values
    monkeypatch.setattr(engine, "pass_length", lambda _: 7)
    monkeypatch.setattr(estimators, "CHUNK", 11)
    second = run(networks["branched"], crops, name, [0, 1, 2, 3], progress=False, options=options)[name].values
    assert np.allclose(first, second, atol=1e-5 * np.abs(first).max())


def test_masks_are_never_all_there(networks, crops, monkeypatch):
    longest = []
    draw = designs.Plan.chunks

    def watched(self, length):
        for part, masks in draw(self, length):
            longest.append(len(masks))
            yield part, masks

    monkeypatch.setattr(designs.Plan, "chunks", watched)
    run(networks["plain"], crops[:1], ["rise", "lime"], [0], progress=False)
    assert max(longest) <= 128
    assert sum(longest) == 3000  # rise twice (answers, mean), lime once


def test_methods_of_one_design_share_their_forwards(networks, crops):
    from workbench.explainers.perturbation.methods import perturbation_method

    perturbation_method(
        "trial",
        designs.superpixels,
        lambda plan, scores: scores.T[:, :1, None] * plan.regions,
        summary="x",
        reference="x",
        cost="x",
    )
    passes = []
    handle = networks["plain"].module.register_forward_hook(lambda _m, inputs, _o: passes.append(len(inputs[0])))
    try:
        run(networks["plain"], crops[:2], ["lime", "trial"], [0, 1], progress=False)
    finally:
        handle.remove()
        EXPLAINERS.remove("trial")
    assert sum(passes) == 2 * 1000


def test_fill_and_space(networks, crops):
    classifier = networks["branched"]
    base = {"samples": 60, "segments": 8}
    job = Job(classifier, crops, np.zeros(4, int), 0)
    picture = np.asarray(engine.Image.fromarray(crops[0]).resize((12, 12), engine.Image.Resampling.BILINEAR))
    plan = designs.superpixels(picture, job.stream(0, "superpixels"), **base)
    found = run(classifier, crops[:1], "lime", [2], options={"lime": {**base, "fill": "mean"}}, progress=False)["lime"]
    expected = estimators.ridge(plan, answers(classifier, crops, 0, plan, "mean")[:, [2]])
    assert np.allclose(found.values, expected, atol=1e-5)
    assert found.options["fill"] == "mean"
    found = run(classifier, crops[:1], "lime", [2], options={"lime": {**base, "space": "logit"}}, progress=False)
    expected = estimators.ridge(plan, answers(classifier, crops, 0, plan, space="logit")[:, [2]])
    assert np.allclose(found["lime"].values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("lime", {"fill": "green"}, "fill='green' is not known; choose one of black, mean"),
        ("rise", {"space": "odds"}, "choose one of logit, probability"),
        ("rise", {"keep": 1.0}, "keep=1.0 must lie between 0 and 1"),
        ("occlusion", {"window": 1.5}, r"window=1.5 is a share of the picture's side"),
        ("lime", {"kernel_width": 0.0}, "kernel_width=0 leaves no sample any weight"),
    ],
)
def test_values_out_of_range_are_refused_also_where_failures_are_recorded(networks, crops, name, options, words):
    with pytest.raises(UsageError, match=words):
        run(networks["plain"], crops[:1], name, [0], options={name: options}, on_error="record", progress=False)


def test_a_score_that_no_perturbation_moves_is_constant_not_noise(toy, crops):
    class Deaf(nn.Module):
        def forward(self, x):
            return x.new_tensor([[1.0, 2.0, 3.0]]).expand(len(x), 3)

    found = run(
        toy(Deaf()),
        crops,
        ["rise", "lime", "occlusion"],
        [0, 1, 2, 0],
        progress=False,
        options={"rise": {"samples": 50}, "lime": {"samples": 50}},
    )
    for name in found:
        assert found[name].status == ["constant"] * 4, name

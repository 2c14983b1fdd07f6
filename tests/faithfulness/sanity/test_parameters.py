"""Parameter randomisation on networks whose maps are known."""

import numpy as np
import pytest
import torch
from families import load_family
from network_state import assert_same, state
from torch import nn

from workbench.errors import UnknownNameError, UsageError
from workbench.explainers import run
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity import parameter_randomisation, similarity
from workbench.faithfulness.sanity.maps import Question

from .conftest import faces_of, network

SIGNED = {"saliency": {"signed": True}}


def test_an_edge_map_is_the_same_at_every_stage(conv, twelve):
    table = parameter_randomisation(conv, twelve, "edge_map", seeds=2, progress=False)
    assert table.similarity.dims == ("explainer", "stage", "measure", "image")
    assert np.allclose(table.similarity, 1)
    assert np.allclose(table.floor_random, 1)
    assert float(table.floor_images.mean()) < 0.5
    assert all(text.startswith("does not depend on the weights") for text in table.verdict.values.ravel())


def test_the_gradient_of_a_linear_network_forgets_everything(linear, twelve):
    table = parameter_randomisation(linear, twelve, "saliency", options=SIGNED, seeds=4, progress=False)
    assert table["stage"].values.tolist() == ["1"]
    one = table.sel(explainer="saliency", stage="1", measure="spearman")
    assert abs(float(one["mean"])) < 0.1
    assert float(one.low) < 0 < float(one.high)
    assert str(one.verdict.values).startswith("depends on the weights: with all of them random")
    assert abs(float(one.smooth_random_mean)) < 0.05
    assert float(one.smooth_random_high) == pytest.approx(1.96 / np.sqrt(256), rel=0.5)


def test_what_the_picture_alone_brings_is_dependence_in_part(linear):
    """|x · w| keeps the dark half of a picture dark whatever the weights are."""
    images = np.random.default_rng(0).integers(120, 256, (12, 16, 16, 3))
    images[:, :, :8] //= 20
    table = parameter_randomisation(
        linear, faces_of(images.astype(np.uint8)), "input_x_gradient", absolute=True, seeds=4, progress=False
    )
    assert str(table.verdict.sel(explainer="input_x_gradient", measure="spearman").values).startswith(
        "depends on the weights in part"
    )
    assert table.attrs["absolute"] == 1


def test_the_other_sign_is_told_from_forgetting(twelve):
    """A network whose start turns its weights round: the same map with the other sign."""
    torch.manual_seed(1)
    turned = network(nn.Sequential(nn.Flatten(), Turned()))
    signed = parameter_randomisation(turned, twelve, "saliency", options=SIGNED, seeds=3, progress=False)
    texts = dict(zip(signed["measure"].values.tolist(), signed.verdict.values[0].tolist(), strict=True))
    assert texts["spearman"].startswith("depends on the weights, whose loss turns the map round")
    assert float(signed["mean"].sel(measure="spearman").item()) == pytest.approx(-1)
    absolute = parameter_randomisation(
        turned, twelve, "saliency", options=SIGNED, seeds=3, absolute=True, progress=False
    )
    assert str(absolute.verdict.values[0, 0]).startswith("does not depend")


class Turned(nn.Module):
    """Starts with its weights times −1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 256) / 16)

    def reset_parameters(self):
        self.weight.neg_()

    def forward(self, x):
        return x @ self.weight.T


def test_numbers_are_those_of_the_networks_themselves(conv, twelve):
    from workbench.classifiers.randomise import partly_randomised

    table = parameter_randomisation(conv, twelve, "saliency", seeds=2, seed=3, progress=False)
    targets = conv.probabilities(twelve.images).argmax(1)
    maps = {0: run(conv, twelve.images, "saliency", targets, progress=False)["saliency"].values}
    for number in (3, 4):
        fresh = partly_randomised(conv, ["head", "second"], number)
        maps[number] = run(fresh, twelve.images, "saliency", targets, progress=False)["saliency"].values
    expected = np.mean([similarity("spearman", maps[0], maps[n]) for n in (3, 4)], axis=0)
    found = table.similarity.sel(explainer="saliency", stage="second", measure="spearman")
    assert np.allclose(found, expected)
    others = [similarity("spearman", maps[0], np.roll(maps[0], -k, 0)) for k in range(1, 6)]
    assert np.allclose(table.floor_images.sel(explainer="saliency", measure="spearman"), np.mean(others, 0))


def test_modes_differ_in_the_order_of_blocks(conv, twelve):
    def stages(mode):
        table = parameter_randomisation(conv, twelve[:2], "saliency", mode=mode, seeds=1, progress=False)
        return dict(zip(table["stage"].values.tolist(), table["randomised"].values, strict=True))

    total = sum(p.numel() for p in conv.module.parameters())
    head = 577 * 3  # 576 weights and a bias for each of three classes
    assert head == sum(p.numel() for p in conv.module.head.parameters())
    down, up, each = (stages(mode) for mode in ("cascading", "bottom-up", "independent"))
    assert list(down) == ["head", "second", "first"]
    assert list(up) == ["first", "second", "head"]
    assert list(each) == ["first", "second", "head", "all"]
    assert down["head"] == pytest.approx(head / total) == each["head"]
    assert down["first"] == up["head"] == each["all"] == 1


def test_chosen_blocks_are_followed_by_all(conv, twelve):
    table = parameter_randomisation(conv, twelve[:2], "saliency", stages=["second"], seeds=1, progress=False)
    assert table["stage"].values.tolist() == ["second", "all"]


class Dead(nn.Module):
    """A gain that starts at nothing."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def reset_parameters(self):
        nn.init.zeros_(self.gain)

    def forward(self, x):
        return x * self.gain


def test_blank_maps_are_counted_and_named(twelve):
    torch.manual_seed(0)
    dead = network(nn.Sequential(nn.Flatten(), nn.Linear(256, 8), Dead(), nn.Linear(8, 3)))
    table = parameter_randomisation(
        dead, twelve, "saliency", mode="independent", stages=["1", "2"], seeds=2, progress=False
    )
    at = table.sel(explainer="saliency", stage="2")
    assert (at.undefined == 2).all()
    assert np.isnan(at.similarity).all()
    assert "the map of the randomised network is" in str(at.reason.values[0])
    assert (table.undefined.sel(stage="1") == 0).all()
    assert "not testable: the map of the randomised network" in str(table.verdict.values[0, 0])
    assert "24 of 24 maps could not be compared" in str(table.verdict.values[0, 0])


def test_too_few_images_decide_nothing(linear, twelve):
    table = parameter_randomisation(linear, twelve[:3], ["saliency", "edge_map"], seeds=2, progress=False)
    assert all("at least 5 images are needed" in text for text in table.verdict.values.ravel())
    assert np.isnan(table.low).all()
    same = FaceSet(twelve.images, twelve.landmarks, twelve.table.assign(subject=["a", "b"] * 6))
    table = parameter_randomisation(linear, same, "edge_map", seeds=2, progress=False)
    assert "2 subjects; at least 5 subjects are needed" in str(table.verdict.values[0, 0])
    one = parameter_randomisation(linear, twelve, "edge_map", seeds=1, progress=False)
    assert "one random network carries no interval" in str(one.verdict.values[0, 0])


def test_the_target_stays_what_the_trained_network_said(linear, twelve):
    table = parameter_randomisation(linear, twelve, "saliency", seeds=1, progress=False)
    predicted = np.array(linear.labels)[linear.probabilities(twelve.images).argmax(1)]
    assert table["explained"].values.tolist() == predicted.tolist()


def test_the_network_stays_as_it_was(conv, twelve, monkeypatch):
    before = state(conv.module)
    parameter_randomisation(conv, twelve[:2], "saliency", seeds=1, progress=False)
    assert_same(before, state(conv.module))
    calls = []

    def fail(self, *maps):
        calls.append(maps)
        raise KeyboardInterrupt

    monkeypatch.setattr(Question, "compared", fail)
    with pytest.raises(KeyboardInterrupt):
        parameter_randomisation(conv, twelve[:2], "saliency", seeds=1, progress=False)
    assert calls
    assert_same(before, state(conv.module))


@pytest.mark.parametrize("name", ["resnet", "vit_registers", "densenet", "convnext", "two_heads"])
def test_families(name):
    classifier = load_family(name)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    before = state(classifier.module)
    table = parameter_randomisation(
        classifier, faces_of(images), ["saliency", "eigen_cam"], stages=2, seeds=1, progress=False
    )
    assert table.sizes["stage"] == 2
    assert (table.undefined.sel(explainer="saliency") == 0).all()
    assert (table.similarity.sel(explainer="saliency", measure="spearman") < 0.99).all()
    assert_same(before, state(classifier.module))


def test_bad_input(linear, twelve):
    with pytest.raises(UnknownNameError, match="mode of randomisation 'cascade'"):
        parameter_randomisation(linear, twelve, "saliency", mode="cascade")
    with pytest.raises(UsageError, match="seeds=0"):
        parameter_randomisation(linear, twelve, "saliency", seeds=0)
    with pytest.raises(UnknownNameError, match="similarity"):
        parameter_randomisation(linear, twelve, "saliency", similarity=["iou"])
    with pytest.raises(UnknownNameError, match="explainer"):
        parameter_randomisation(linear, twelve, "salience")
    with pytest.raises(UsageError, match="holds one target fixed"):
        parameter_randomisation(linear, twelve, "saliency", target=["expression:fear"])
    with pytest.raises(UsageError, match="no parameters"):
        parameter_randomisation(network(nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(3))), twelve, "saliency")

"""LIME and Shapley values, as `run` gives them, against the lime package, captum and the definition itself."""

import itertools
import math

import numpy as np
import pytest
import torch
from skimage.segmentation import slic

from tests.explainers.peers import close, own
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.explainers import run
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation import coalitions

lime_image = pytest.importorskip("lime.lime_image", reason="the peer lime is a requirement of the tests only")

SEGMENTS, TARGETS = 12, [0, 3, 1, 2]


class Mixed(torch.nn.Module):
    """Regions help and hinder each other: products and a tanh over the whole picture."""

    def __init__(self):
        super().__init__()
        self.look = torch.nn.Conv2d(3, 8, 8, stride=8)
        self.read = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 12), torch.nn.Tanh())
        self.head = torch.nn.Linear(12, 4)

    def forward(self, x):
        hidden = self.read(4 * torch.tanh(self.look(x)))
        return 3 * self.head(hidden * hidden.roll(1, 1))


@pytest.fixture(scope="module")
def classifier():
    with torch.random.fork_rng():
        torch.manual_seed(9)
        head = Head(("anger", "happiness", "fear", "sadness"))
        return Classifier("mixed", Mixed().eval(), {"expression": head}, Preprocessing((32, 32), 3), "look")


def superpixels(crop):
    found = slic(crop, n_segments=SEGMENTS, compactness=20.0, start_label=0, channel_axis=-1)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def test_lime_is_the_lime_packages_on_the_same_samples(classifier, crops):
    """Within 1e-5: the package with its own distances, kernel and ridge, told our draws of superpixels."""
    samples = 200
    asked = {"samples": samples, "segments": SEGMENTS}
    found = run(classifier, crops, "lime", TARGETS, options={"lime": asked}, progress=False)["lime"]
    assert found.status == ["ok"] * 4

    def probabilities(batch):
        return classifier.probabilities(batch.astype(np.uint8))

    for row, (crop, target) in enumerate(zip(crops, TARGETS, strict=True)):
        regions = superpixels(crop)
        players = regions.max() + 1
        stream = Job(classifier, crop[None], np.zeros((1, 1, 4), np.float32)).stream(0, "superpixels")
        draws = coalitions.uniform(players, samples, stream)

        class Told(np.random.RandomState):
            def randint(self, low, high=None, size=None, *_, draws=draws, **__):
                return draws.ravel().astype(int) if size == draws.size else super().randint(low, high, size)

        explained = lime_image.LimeImageExplainer(random_state=Told(0)).explain_instance(
            crop,
            probabilities,
            labels=(target,),
            top_labels=None,
            hide_color=0,
            num_samples=samples,
            segmentation_fn=lambda _, regions=regions: regions,
        )
        coefficients = np.zeros(players)
        for region, value in explained.local_exp[target]:
            coefficients[region] = value
        close(found.values[row : row + 1], coefficients[regions][None])


@pytest.fixture(scope="module")
def exact(classifier, crops):
    """Shapley values of the second crop's superpixels by their definition, over all coalitions."""
    regions = superpixels(crops[1])
    players = int(regions.max()) + 1
    assert players == 10
    table = np.array(list(itertools.product((0, 1), repeat=players)), np.float32)
    inputs = classifier.inputs(crops[1:2])
    shown = torch.from_numpy(table[:, regions])[:, None]
    worth = classifier.logits(inputs * shown).double().numpy()  # black is 0
    place = {tuple(row): index for index, row in enumerate(table.astype(int))}
    values = np.zeros((players, 4))
    for row, index in place.items():
        size = sum(row)
        for player in range(players):
            if not row[player]:
                share = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
                joined = place[(*row[:player], 1, *row[player + 1 :])]
                values[player] += share * (worth[joined] - worth[index])
    return regions, values


@pytest.mark.parametrize("name", ["kernel_shap", "shapley_sampling"])
@pytest.mark.parametrize("target", range(4))
def test_shapley_values_of_ten_superpixels_are_the_definitions(classifier, crops, exact, name, target):
    """Within 1e-5, all coalitions being allowed."""
    regions, values = exact
    asked = {name: {"samples": 1024, "segments": SEGMENTS}}
    found = run(classifier, crops[1:2], name, [target], options=asked, progress=False)[name]
    close(found.values, values[regions, target][None])


@pytest.mark.parametrize("samples", [100, 400])
def test_kernel_shap_of_a_sample_is_nearer_to_the_definition_than_captums(classifier, crops, exact, samples):
    """Mean over seeds: paired draws and an exact constraint against captum's, at equal numbers of samples."""
    from captum.attr import KernelShap

    regions, values = exact
    mask, inputs, net = torch.from_numpy(regions)[None, None], classifier.inputs(crops[1:2]), own(classifier)
    ours, theirs = [], []
    for seed in range(8):
        asked = {"kernel_shap": {"samples": samples, "segments": SEGMENTS}}
        found = run(classifier, crops[1:2], "kernel_shap", [1], seed=seed, options=asked, progress=False)["kernel_shap"]
        ours.append(np.abs(found.values[0] - values[regions, 1]).mean())
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            other = KernelShap(net).attribute(
                inputs, target=1, feature_mask=mask, n_samples=samples, perturbations_per_eval=50
            )
        theirs.append(np.abs(other[0, 0].numpy() - values[regions, 1]).mean())
    assert np.mean(theirs) < np.abs(values[:, 1]).mean()  # it is on its way, too
    assert np.mean(ours) < np.mean(theirs)

"""Label randomisation with a network that is trained in milliseconds."""

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import UsageError
from workbench.faithfulness.sanity import label_randomisation

from .conftest import LABELS, faces_of, network


@pytest.fixture(scope="module")
def taught():
    """Thirty crops of noise with a bright disc; where it lies is the class."""
    stream = np.random.default_rng(4)
    rows, columns = np.mgrid[:16, :16]
    images, labels = stream.integers(0, 140, (30, 16, 16, 3)), []
    for index, image in enumerate(images):
        kind = index % 3
        y, x = np.array([(4, 4), (4, 12), (12, 8)])[kind] + stream.uniform(-0.7, 0.7, 2)
        image[(rows - y) ** 2 + (columns - x) ** 2 < 6] += 100
        labels.append(LABELS[kind])
    return faces_of(images.astype(np.uint8), labels)


@pytest.fixture(scope="module")
def fit(taught):
    """Ridge regression on pixels from a random start; the start adds a little of its own."""
    starts = iter(range(1000))

    def train(labels):
        stream = np.random.default_rng(next(starts))
        inputs = network(nn.Identity()).inputs(taught.images).flatten(1).double().numpy()
        wanted = np.array([[2.0 * (label == one) - 1 for one in LABELS] for label in labels])
        weights = inputs.T @ np.linalg.solve(inputs @ inputs.T + 0.5 * np.eye(len(inputs)), wanted)
        weights += stream.normal(0, 0.05 * weights.std(), weights.shape)
        module = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))
        with torch.no_grad():
            module[1].weight.copy_(torch.from_numpy(weights.T))
            module[1].bias.zero_()
        return network(module)

    return train


def test_a_gradient_knows_the_labels_and_an_edge_map_does_not(fit, taught):
    table = label_randomisation(
        fit,
        fit(list(taught.table["label"])),
        taught,
        ["saliency", "edge_map"],
        options={"saliency": {"signed": True}},
        progress=False,
    )
    assert table["stage"].values.tolist() == ["true labels", "permuted labels"]
    assert table.learnt.shape == (2, 3)
    assert (table.learnt > 0.9).all()
    mean = table["mean"].sel(measure="spearman")
    assert float(mean.sel(explainer="saliency", stage="true labels")) > 0.98
    assert float(mean.sel(explainer="saliency", stage="permuted labels")) < 0.5
    verdicts = table.verdict.sel(measure="spearman")
    assert str(verdicts.sel(explainer="saliency").values).startswith("depends on the labels: spearman 0.99")
    assert str(verdicts.sel(explainer="edge_map").values).startswith("no difference shown")


def test_labels_are_permuted_and_nothing_else(fit, taught):
    asked = []

    def listen(labels):
        asked.append(labels)
        return fit(labels)

    truth = list(taught.table["label"])
    label_randomisation(listen, fit(truth), taught, "saliency", seeds=2, seed=7, progress=False)
    assert asked[0] == asked[2] == truth
    assert asked[1] != truth != asked[3] != asked[1]
    assert sorted(asked[1]) == sorted(truth)


def test_bad_input(fit, taught, twelve):
    trained = fit(list(taught.table["label"]))
    with pytest.raises(UsageError, match="a label on every training face"):
        label_randomisation(fit, trained, twelve, "saliency", progress=False)
    with pytest.raises(UsageError, match="it must return a Classifier with the heads of 'toy'"):
        label_randomisation(lambda labels: None, trained, taught, "saliency", progress=False)
    with pytest.raises(UsageError, match="seeds=True"):
        label_randomisation(fit, trained, taught, "saliency", seeds=True, progress=False)

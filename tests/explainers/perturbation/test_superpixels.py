"""Superpixels: what is shown, LIME against scikit-learn, marginals and ablation by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation
from skimage.segmentation import slic
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from workbench.errors import UsageError
from workbench.explainers import run
from workbench.explainers.perturbation import coalitions
from workbench.explainers.perturbation.averages import drop, marginals
from workbench.explainers.perturbation.plan import Plan
from workbench.explainers.perturbation.regression import ridge
from workbench.explainers.perturbation.superpixels import (
    partition,
    segmented,
    superpixel_orders,
    superpixels,
    superpixels_in_turn,
)


def cosine_weights(features):
    distance = pairwise_distances(features, features[:1], metric="cosine").ravel()
    return np.sqrt(np.exp(-(distance**2) / 0.25**2))


def test_regions_are_skimages_and_shown_or_hidden_as_a_whole(scene, picture):
    plan = superpixels(scene(1), segments=20, samples=9)
    assert np.array_equal(plan.regions, slic(picture, n_segments=20, compactness=20, start_label=0))
    assert plan.features.shape == (9, plan.regions.max() + 1)
    for row, mask in enumerate(plan.masks(0, 9).numpy()):
        for region in range(plan.regions.max() + 1):
            assert set(mask[plan.regions == region]) == {float(plan.features[row, region])}


def test_draws(scene):
    uniform, kernel = superpixels(scene(1)), superpixels(scene(1), draw="kernel")
    assert uniform.weights is None
    assert len(kernel.weights) == kernel.count <= 1000
    assert abs(uniform.features[2:].mean() - 0.5) < 0.02
    with pytest.raises(UsageError, match="draw='odd' is not known; choose one of uniform, kernel"):
        superpixels(scene(1), draw="odd")


def test_the_same_superpixels_are_not_sought_twice(scene):
    assert segmented(scene(), 12, 20.0) is segmented(scene(5), 12, 20.0)
    assert segmented(scene(), 12, 20.0) is not segmented(scene(), 13, 20.0)


def test_lime_is_the_weighted_ridge_of_scikit_learn(scene):
    plan = superpixels(scene(3), segments=12, samples=200)
    stream = np.random.default_rng(0)
    scores = stream.normal(size=(200, 3)) + plan.features @ stream.normal(size=(plan.features.shape[1], 3))
    fitted = Ridge(alpha=1.0).fit(plan.features, scores, sample_weight=cosine_weights(plan.features))
    for target in range(3):
        assert np.allclose(ridge(plan, scores)[target], fitted.coef_[target][plan.regions], atol=1e-6)


def test_lime_weighs_a_sample_that_shows_nothing_as_distance_one():
    plan = Plan((1, 2), 3, None, features=np.array([[1, 1], [0, 0], [1, 0]]), regions=np.array([[0, 1]]))
    scores = np.array([[3.0], [0.0], [1.0]])
    distance = np.array([0, 1, 1 - np.sqrt(0.5)])
    fitted = Ridge(alpha=1.0).fit(plan.features, scores[:, 0], sample_weight=np.sqrt(np.exp(-(distance**2) / 0.0625)))
    assert np.allclose(ridge(plan, scores)[0], fitted.coef_[None], atol=1e-6)


@pytest.mark.parametrize("estimator", [ridge, marginals])
def test_samples_of_the_shapley_kernel_are_refused_where_they_would_mislead(scene, estimator):
    plan = superpixels(scene(), samples=50, draw="kernel")
    with pytest.raises(UsageError, match="drawn uniformly"):
        estimator(plan, np.zeros((plan.count, 1)))


def test_marginals_of_all_coalitions_are_banzhaf_values(featured, game):
    everything = np.array(list(product((0, 1), repeat=10)), np.uint8)
    features = np.concatenate([np.ones((1, 10)), np.zeros((1, 10)), everything])
    found = marginals(featured(features), game(features))[:, 0]
    for player in (0, 4, 9):
        joined, without = everything.copy(), everything.copy()
        joined[:, player], without[:, player] = 1, 0
        assert np.allclose(found[:, player], (game(joined) - game(without)).mean(0), atol=1e-6)
    assert found[0, 4] == pytest.approx(4 / 4)  # a triple counts where both others are there
    assert found[0, 9] == 0


def test_marginals_of_a_feature_that_never_changes_are_nothing(featured):
    features = np.array([[1, 1], [0, 0], [1, 0], [1, 1]])
    assert marginals(featured(features), np.array([[9.0], [9], [1], [4]])).tolist() == [[[0, 3]]]


def test_one_superpixel_hidden_at_a_time(scene):
    plan = superpixels_in_turn(scene(), segments=12)
    players = plan.regions.max() + 1
    assert plan.count == players + 1
    scores = (plan.features @ np.arange(players) ** 2 + 3.0)[:, None]
    assert np.allclose(drop(plan, scores)[0], (np.arange(players) ** 2)[plan.regions], atol=1e-3)


def test_feature_ablation_is_captums(networks, crops, scene):
    classifier = networks["branched"]
    found = run(classifier, crops, "feature_ablation", [0, 3, 2, 1], progress=False)["feature_ablation"].values
    black = classifier.inputs(np.zeros_like(crops[:1]))
    for index, target in enumerate([0, 3, 2, 1]):
        inputs = classifier.inputs(crops[index : index + 1])
        small = resized(crops[index], 12)
        regions = torch.from_numpy(segmented(scene(shown=small), 30, 20.0).copy())
        theirs = FeatureAblation(classifier.module).attribute(
            inputs, baselines=black, target=target, feature_mask=regions.expand(1, 3, -1, -1)
        )
        assert np.allclose(found[index], theirs[0, 0].detach().numpy(), atol=1e-5)


def test_orders_or_the_whole_table(scene, picture):
    plan = superpixel_orders(scene(), segments=20, samples=200)
    assert plan.orders is not None
    plan = superpixel_orders(scene(shown=picture[:10, :16]), segments=2, samples=200)
    assert plan.orders is None
    assert plan.count == 2 ** (plan.regions.max() + 1)


def test_partition_by_hand(scene):
    small = scene(shown=np.zeros((2, 2, 3), np.uint8))
    plan = partition(small, np.array([[0, 1], [1, 2]]), coalitions.in_turn(3))
    assert plan.masks(2, 4).tolist() == [[[1, 0], [0, 1]], [[1, 1], [1, 0]]]


def resized(crop, side):
    from PIL import Image

    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BILINEAR))

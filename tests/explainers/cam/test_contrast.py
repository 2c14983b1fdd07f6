"""FinerCAM: which outputs are taken for similar, and what is subtracted."""

import pytest
import torch

from workbench.classifiers.classifier import Head
from workbench.errors import UnsuitedError
from workbench.explainers import EXPLAINERS
from workbench.explainers.cam.contrast import most_similar


def finer_cam(view, **options):
    return EXPLAINERS["finer_cam"].value.method(view, **options)


HEADS = {"expression": Head(("anger", "fear", "happiness", "sadness")), "affect": Head(("valence",), "linear")}
READ_OUT = torch.eye(5)


def view_of(written, outputs, weights):
    """Five channels on two places; the mean of channel c is output c."""
    activations = torch.tensor(outputs)[:, :, None, None].expand(-1, -1, 1, 2).contiguous()
    return written(lambda layer: layer.mean((2, 3)) @ READ_OUT, activations, torch.tensor(weights), heads=HEADS)


def test_similar_are_the_nearest_outputs_of_the_same_head_image_by_image(written):
    view = view_of(
        written, [[1.0, 1.2, 3.0, 0.7, 1.0], [1.0, 9.0, 1.1, 1.3, 1.0]], [[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]
    )
    assert most_similar(view, 2).tolist() == [[0, 0.5, 0, 0.5, 0], [0, 0, 0.5, 0.5, 0]]
    assert most_similar(view, 1).tolist() == [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]
    third = pytest.approx(1 / 3)
    assert most_similar(view, 99)[0].tolist() == [0, third, third, third, 0]


def test_a_contrast_compares_with_what_neither_side_names(written):
    view = view_of(written, [[1.0, 1.1, 5.0, 2.0, 1.0]], [[1.0, -1.0, 0, 0, 0]])
    assert most_similar(view, 1).tolist() == [[0, 0, 0, 1, 0]]


def test_map_is_grad_cam_of_the_difference(written):
    view = view_of(written, [[1.0, 1.2, 3.0, 0.5, 1.0]], [[1.0, 0, 0, 0, 0]])
    # w = (1, -γ/2, 0, -γ/2, 0) / 2 places
    assert finer_cam(view, gamma=0.6, similar=2)[0, 0].tolist() == pytest.approx([(1 - 0.3 * 1.2 - 0.3 * 0.5) / 2] * 2)
    grad_cam = EXPLAINERS["grad_cam"].value.method(view.activations, view.gradients, view.scores)
    assert torch.allclose(finer_cam(view, gamma=0.0), grad_cam)


def test_a_head_of_one_output_is_refused(written):
    view = view_of(written, [[1.0, 1.2, 3.0, 0.5, 1.0]], [[0.0, 0, 0, 0, 1.0]])
    with pytest.raises(UnsuitedError, match=r"finer_cam compares .*'written' has none there; take grad_cam"):
        finer_cam(view)


def test_images_whose_targets_leave_unequally_many_outputs_do_not_disturb_each_other(written):
    """One output left beside the second target, three beside the first; the third target is nothing."""
    weights = [[1.0, 0, 0, 0, 0], [1.0, 1.0, -2.0, 0, 0], [0.0, 0, 0, 0, 0]]
    view = view_of(written, [[1.0, 1.2, 3.0, 0.7, 1.0]] * 3, weights)
    third = pytest.approx(1 / 3)
    assert most_similar(view, 3).tolist() == [[0, third, third, third, 0], [0, 0, 0, 1, 0], [0] * 5]
    assert not finer_cam(view)[2].any()
    for row in range(3):
        alone = view_of(written, [[1.0, 1.2, 3.0, 0.7, 1.0]], weights[row : row + 1])
        assert torch.equal(most_similar(view, 3)[row], most_similar(alone, 3)[0])

"""Passes: what runs out of memory is halved and tried again, and what was done is kept."""

import numpy as np
import pytest
import torch

from workbench.explainers import run
from workbench.explainers.passes import out_of_memory, pass_length, streamed


def test_slices_cover_everything_once():
    parts = [(part.start, part.stop) for part, _ in streamed(lambda part: None, 10, 4)]
    assert parts == [(0, 4), (4, 8), (8, 10)]
    assert list(streamed(lambda part: None, 0, 4)) == []


@pytest.mark.parametrize(
    "error",
    [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_too_large_a_pass_is_halved_and_nothing_is_done_twice(error):
    tried, done = [], []

    def work(part):
        tried.append((part.start, part.stop))
        if part.stop - part.start > 3:
            raise error
        done.extend(range(part.start, part.stop))
        return part.stop

    assert [stop for _, stop in streamed(work, 14, 8)] == [2, 4, 6, 8, 10, 12, 14]
    assert done == list(range(14))
    assert tried[:3] == [(0, 8), (0, 4), (0, 2)]  # and never as long again
    assert max(stop - start for start, stop in tried[3:]) == 2


def test_one_picture_that_does_not_fit_is_an_error():
    def work(part):
        raise MemoryError("no")

    with pytest.raises(MemoryError):
        list(streamed(work, 3, 2))


def test_other_errors_are_not_tried_again():
    tried = []

    def work(part):
        tried.append(part)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(streamed(work, 4, 4))
    assert len(tried) == 1
    assert not out_of_memory(ValueError("out of memory"))


def test_pass_length_depends_on_the_input_alone_on_a_cpu():
    assert pass_length(torch.zeros(1, 3, 64, 64)) == pass_length(torch.zeros(9, 1, 64, 64)) == 16
    assert pass_length(torch.zeros(1, 3, 224, 224)) == 8


@pytest.mark.parametrize("name", ["rise", "grad_cam", "saliency", "occlusion"])
def test_maps_survive_a_network_that_takes_two_pictures_at_most(networks, crops, name):
    """The first passes fail as on a full GPU; the maps are those of a machine with room."""
    classifier = networks["plain"]
    options = {"rise": {"samples": 30}} if name == "rise" else {}
    expected = run(classifier, crops, name, [0, 1, 2, 0], options=options, progress=False)[name].values
    failures = []

    def full(_module, inputs):
        if len(inputs[0]) > 2:
            failures.append(len(inputs[0]))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    handle = classifier.module.register_forward_pre_hook(full)
    try:
        found = run(classifier, crops, name, [0, 1, 2, 0], options=options, progress=False)[name].values
    finally:
        handle.remove()
    assert failures or name == "saliency"
    assert np.allclose(found, expected, atol=1e-6 * np.abs(expected).max())

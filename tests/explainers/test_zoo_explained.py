"""The real networks under every explainer, on the astronaut's smile."""

import numpy as np
import pytest

from workbench.explainers import EXPLAINERS, run

QUICK = {"lime": {"samples": 100}, "rise": {"samples": 100}, "integrated_gradients": {"steps": 10}}
ATTENTION = {"attention_rollout", "transformer_attribution", "le_grad", "ts_cam"}
RECTIFIED = {"guided_backprop", "deconvolution", "guided_grad_cam"}  # ReLU networks only
UNSUITED = {*ATTENTION, *RECTIFIED, "cam", "deep_lift", "lrp"}  # whether one is refused depends on the network
ZOO = ["fer-mini-xception", "fer-big-xception", "fer-simple-cnn", "facemood"]


@pytest.fixture(scope="module")
def smile():
    """A crop (1, 150, 150, 3) of a public-domain portrait; the mouth lies near (0.60, 0.50) of it."""
    from skimage.data import astronaut

    return astronaut()[None, 55:205, 148:298].copy()


@pytest.mark.assets
@pytest.mark.parametrize("name", ZOO)
def test_every_explainer_works_on_the_zoo(name, smile):
    from workbench.classifiers import load_classifier

    classifier = load_classifier(name)
    happy = classifier.labels.index("happiness")
    assert classifier.probabilities(smile).argmax() == happy
    quick = [entry.name for entry in EXPLAINERS if entry.name in QUICK or not entry.value.expensive]
    found = run(classifier, smile, quick, [happy], options=QUICK, progress=False, on_error="record")
    refused = {key for key, maps in found.items() if maps.reason}
    assert refused <= UNSUITED, {key: found[key].reason for key in refused - UNSUITED}
    assert {key: maps.status for key, maps in found.items() if key not in refused} == {
        key: ["ok"] for key in found if key not in refused
    }
    drop = found["occlusion"].values[0]
    height, width = drop.shape
    place = np.array(np.unravel_index(drop.argmax(), drop.shape)) / (height, width)
    assert place[0] > 0.45  # the lower half: a smile is read from the mouth, whatever the network
    assert 0.2 < place[1] < 0.8


@pytest.mark.assets
def test_the_caveat_on_where_facemoods_cam_cells_look_is_true(smile):
    """Rows of its layer are drawn at 1/12 … 11/12 of the crop; its unpadded convolutions centre them elsewhere."""
    import torch

    from workbench.classifiers import load_classifier

    classifier = load_classifier("facemood")
    inputs, caught = classifier.inputs(smile).requires_grad_(), []
    layer = classifier.module.get_submodule(classifier.cam_layer)
    handle = layer.register_forward_hook(lambda _, __, output: caught.append(output))
    classifier.module(inputs)
    handle.remove()
    side, rows = inputs.shape[2], caught[0].shape[2]
    middle = []
    for row in (0, rows - 1):
        seen = torch.autograd.grad(caught[0][:, :, row, row].sum(), inputs, retain_graph=True)[0].abs().sum((0, 1, 3))
        places = torch.nonzero(seen)[:, 0]
        middle.append(float(places.min() + places.max() + 1) / 2 / side)
    assert middle == pytest.approx([0.23, 0.70], abs=0.03)
    assert "23 % to 70 %" in classifier.provenance["caveat"]

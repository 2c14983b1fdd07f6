"""Names and options are checked first; one bad explainer does not take the others with it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import LayerError, UnknownNameError, UsageError
from workbench.explainers import EXPLAINERS, NativeMaps, chosen, run
from workbench.explainers.cam.engine import cam_method


@pytest.fixture
def trial():
    """Register a CAM for one test."""
    names = []

    def register(name, function):
        cam_method(name, reference="none", summary="A trial.")(function)
        names.append(name)

    yield register
    for name in names:
        EXPLAINERS.remove(name)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no explainer 'gradcam'; did you mean grad_cam"):
        chosen(["lime", "gradcam"])


def test_an_unknown_option_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no option of 'lime': 'sample'; did you mean samples"):
        chosen("lime", {"lime": {"sample": 10}})
    with pytest.raises(UnknownNameError, match="no explainer 'limes'"):
        chosen("lime", {"limes": {}})


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("samples", "many", "should be of type int"),
        ("samples", 0, "out of range"),
        ("samples", True, "type int"),
        ("alpha", -1.0, "out of range"),
        ("alpha", float("inf"), "out of range"),
        ("fill", 0, "type str"),
    ],
)
def test_a_wrong_value_is_refused(option, value, words):
    with pytest.raises(UsageError, match=words):
        chosen("lime", {"lime": {option: value}})


@pytest.mark.parametrize(
    ("name", "option", "value", "words"),
    [
        ("grad_cam", "space", "odds", "'grad_cam': option space='odds' is not known; choose one of logit, probability"),
        ("saliency", "space", "odds", "'saliency': option space='odds' is not known"),
        ("le_grad", "space", "odds", "'le_grad': option space='odds' is not known"),
        ("attention_rollout", "heads", "odd", "option heads='odd' of 'attention_rollout' is not known"),
        ("attention_rollout", "discard", 1.0, "discard=1.0 of 'attention_rollout' leaves nothing"),
        ("transformer_attribution", "relevance", "odd", "option relevance='odd'"),
        ("kpca_cam", "kernel", "odd", "option kernel='odd' of 'kpca_cam' is not known"),
        ("shapley_cam", "utility", "odd", "option utility='odd' of 'shapley_cam' is not known"),
        ("lrp", "rule", "odd", "option rule='odd' of 'lrp' is not known"),
        ("lrp", "space", "probability", "'lrp' passes logits down"),
        ("occlusion", "window", 1.5, "'occlusion': option window=1.5 is a share"),
        ("inclusion", "stride", 0.0, "'inclusion': option stride=0.0 is a share"),
        ("lime", "draw", "odd", "'lime': option draw='odd' is not known"),
        ("lime", "draw", "kernel", "'lime': a ridge regression needs samples drawn uniformly"),
        ("lime", "samples", 2, "'lime': option samples=2 is too few; give 3 or more"),
        ("lime", "kernel_width", 0.0, "'lime': option kernel_width=0 leaves no sample any weight"),
        ("banzhaf", "draw", "kernel", "'banzhaf': marginals need samples drawn uniformly"),
        ("kernel_shap", "samples", 3, "'kernel_shap': option samples=3 is too few; give 4 or more"),
        ("shapley_sampling", "samples", 3, "samples=3 is too few"),
        ("region_shap", "samples", 3, "samples=3 is too few"),
        ("hsic", "samples", 3, "samples=3 is too few"),
        ("rise", "keep", 1.0, "'rise': option keep=1.0 must lie between 0 and 1"),
        ("sobol", "draws", 12, "'sobol': option draws=12 must be a power of two"),
        (
            "score_cam",
            "fill",
            "green",
            "'score_cam': option fill='green' is not known; choose one of black, zero, mean",
        ),
        ("extremal_perturbation", "areas", "much", "option areas='much' is a list of shares"),
        ("extremal_perturbation", "smoothness", 0.0, "option smoothness=0.0 is a share"),
        ("centre", "sigma", 0.0, "option sigma=0 of 'centre' gives an empty map"),
        ("smooth(lime)", "samples", 2, r"'smooth\(lime\)': option samples=2 is too few"),
        ("smooth_grad", "space", "odds", "'smooth_grad': option space='odds' is not known"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused_before_the_network_is_asked(name, option, value, words):
    with pytest.raises(UsageError, match=words):
        chosen(["grad_cam", name], {name: {option: value}})


def test_every_option_that_is_a_word_has_a_check():
    free = {"layer", "fuse", "regions"}  # what a network or a mask set must know
    for entry in EXPLAINERS:
        for option, default in entry.value.options.items():
            if isinstance(default, str) and option not in free:
                with pytest.raises(UsageError, match=option):
                    chosen(entry.name, {entry.name: {option: "no such word"}})


def test_defaults_are_filled_in_and_whole_numbers_taken_for_real_ones():
    assert chosen(["centre", "centre"], {"centre": {"sigma": 1}}) == {"centre": {"sigma": 1.0, "grid": 56}}
    with pytest.raises(UsageError, match="no explainer was named"):
        chosen([])


@pytest.mark.parametrize(
    ("images", "targets", "words"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), [], "N ≥ 1"),
        (np.zeros((1, 8, 8, 3), np.float32), [0], "uint8"),
        (np.zeros((4, 8, 8, 3), np.uint8), [0], r"targets of shape \(1,\) for 4 crops"),
        (np.zeros((1, 8, 8, 3), np.uint8), [3], "target 3 is no class of 'plain'; it has 0 to 2"),
        (np.zeros((1, 8, 8, 3), np.uint8), [-1], "target -1"),
    ],
)
def test_bad_input_is_refused(networks, images, targets, words):
    with pytest.raises(UsageError, match=words):
        run(networks["plain"], images, "saliency", targets)


def test_a_failing_explainer_is_recorded_and_the_rest_goes_on(networks, crops, trial):
    def broken(activations, gradients, scores):
        raise RuntimeError("no\nmemory left")

    trial("broken", broken)
    found = run(
        networks["plain"], crops, ["grad_cam", "broken", "saliency"], [0] * 4, on_error="record", progress=False
    )
    assert found["broken"].status == ["not computed"] * 4
    assert found["broken"].reason == "no memory left"
    assert np.isnan(found["broken"].values).all()
    assert found["grad_cam"].status == found["saliency"].status == ["ok"] * 4
    with pytest.raises(RuntimeError, match="memory"):
        run(networks["plain"], crops, ["grad_cam", "broken"], [0] * 4, progress=False)


def test_a_method_that_changes_the_grid_is_refused(networks, crops, trial):
    trial("whole", lambda activations, gradients, scores: activations.sum(1)[:, 1:])
    with pytest.raises(ValueError, match="whole gave maps of shape"):
        run(networks["plain"], crops, "whole", [0] * 4, progress=False)


def test_a_wrong_layer_is_an_error_or_a_recorded_failure(networks, crops):
    options = {"grad_cam": {"layer": "head"}}
    with pytest.raises(LayerError, match="the layer 'head' of 'plain' is not spatial"):
        run(networks["plain"], crops, "grad_cam", [0] * 4, options=options, progress=False)
    found = run(
        networks["plain"], crops, ["grad_cam", "hires_cam"], [0] * 4, options=options, on_error="record", progress=False
    )
    assert "the layer 'head' of 'plain' is not spatial" in found["grad_cam"].reason
    assert found["hires_cam"].status == ["ok"] * 4


def test_an_interrupt_leaves_nothing_behind_and_keeps_what_was_done(networks, crops, trial):
    def stop(activations, gradients, scores, *, now: bool = True):
        raise KeyboardInterrupt

    trial("stop", stop)
    kept = {}
    with pytest.raises(KeyboardInterrupt):
        run(
            networks["plain"],
            crops,
            ["saliency", "stop"],
            [0] * 4,
            on_error="record",
            progress=False,
            on_done=kept.__setitem__,
        )
    assert list(kept) == ["saliency"]
    module = networks["plain"].module
    assert not any(part._forward_hooks for part in module.modules())
    assert all(p.requires_grad for p in module.parameters())


def test_progress_goes_to_a_terminal_on_standard_error_only_if_wanted(networks, crops, capsys, monkeypatch):
    run(networks["plain"], crops, "grad_cam", [0] * 4, progress=True)
    assert capsys.readouterr() == ("", "")  # a file or a pipe gets no bars
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(networks["plain"], crops, "grad_cam", [0] * 4, progress=False)
    assert capsys.readouterr() == ("", "")
    run(networks["plain"], crops, "grad_cam", [0] * 4, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "plain" in err


def test_listing_explainers_does_not_load_torch():
    code = (
        "import sys; from workbench.explainers import EXPLAINERS; n = EXPLAINERS.names(); "
        "sys.exit(len(n) < 12 or bool({'torch', 'captum', 'skimage'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_native_maps_hold_one_status_a_map():
    with pytest.raises(ValueError, match="one status a map"):
        NativeMaps(np.zeros((2, 3, 3), np.float32), ["ok"])
    missing = NativeMaps.missing(2, "why")
    assert (len(missing), missing.status, missing.reason) == (2, ["not computed"] * 2, "why")


def test_what_is_refused_costs_the_others_no_forward(networks, crops):
    """cam and the attention methods have no meaning here; the rest of the family still shares one forward."""
    module = networks["branched"].module
    run(networks["branched"], crops, "grad_cam", [0] * 4, progress=False)
    passes = []
    handle = module.register_forward_hook(lambda *_: passes.append(1))
    names = ["grad_cam", "cam", "hires_cam", "layer_cam", "eigen_cam"]
    try:
        found = run(networks["branched"], crops, names, [0] * 4, on_error="record", progress=False)
    finally:
        handle.remove()
    assert found["cam"].reason.startswith("cam needs a score that is linear in the pooled layer")
    assert found["layer_cam"].status == ["ok"] * 4
    assert len(passes) <= 3  # the shared one, and what cam tried out before it refused


def test_an_output_that_is_not_a_number_spoils_its_own_target_alone(toy, crops):
    class Spoilt(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            found = self.fc(torch.relu(self.conv(x)).amax((2, 3)))
            return torch.cat([found[:, :1] * float("nan"), found[:, 1:]], 1)

    names = ["ablation_cam", "sobol", "occlusion", "kernel_shap"]
    options = {"sobol": {"grid": 2, "draws": 8}, "kernel_shap": {"samples": 40}}
    found = run(toy(Spoilt(), "conv"), crops[:2], names, [0, 1], options=options, progress=False)
    assert all(found[name].status == ["non-finite", "ok"] for name in names)


def test_a_network_that_cuts_its_graph_has_no_gradient(toy, crops):
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).detach().square().mean((2, 3)))

    names = ["shapley_cam", "grad_cam", "saliency", "integrated_gradients"]
    found = run(toy(Cut(), "conv"), crops[:2], names, [0, 1], progress=False)
    assert all(found[name].status == ["zero-gradient"] * 2 for name in names)

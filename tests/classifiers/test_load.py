"""`load_classifier`: every way in, and the one line that each wrong way gets."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.classifiers import CLASSIFIERS, load_classifier
from workbench.classifiers.heads import read_labels
from workbench.errors import ClassifierError, UnknownNameError, UnreadableFileError, UsageError, WorkbenchError

SEVEN = "Angry,disgust,FEAR,happy,sad,surprise,other"
NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
TIMM = "test_resnet"  # timm's own miniature


def net(classes: int = 7) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def load(module: nn.Module, **more: Any) -> Any:
    return load_classifier(module, **{"labels": SEVEN, "size": 12, **more})


@pytest.mark.parametrize(
    "labels",
    [
        SEVEN,
        SEVEN.split(","),
        {"surprise": 5, "fear": 2, "disgust": 1, "happiness": 3, "sadness": 4, "anger": 0, "other": 6},
        dict(enumerate(SEVEN.split(","))),
    ],
)
def test_labels_may_be_text_list_or_mapping(labels: Any) -> None:
    assert read_labels(labels) == NAMES


@pytest.mark.parametrize("labels", ["", "a,,b", [], {"a": 0, "b": 2}])
def test_labels_that_leave_a_gap(labels: Any) -> None:
    with pytest.raises(UsageError):
        read_labels(labels)


def test_the_user_s_module_is_not_touched() -> None:
    module = net()
    module.train()
    module[0].weight.requires_grad_(True)
    classifier = load(module)
    assert module.training
    assert module[0].weight.requires_grad
    assert not classifier.module.training
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    with torch.no_grad():
        module[0].weight.zero_()
    assert classifier.module[0].weight.abs().sum() > 0


def test_gradients_still_reach_the_input() -> None:
    x = torch.rand(1, 3, 12, 12, requires_grad=True)
    (gradient,) = torch.autograd.grad(load(net()).module(x)[0, 0], x)
    assert gradient.abs().sum() > 0


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_wrappers_are_taken_off() -> None:
    module = net().eval()
    x = torch.rand(2, 3, 12, 12)
    classifier = load(nn.DataParallel(module))
    assert type(classifier.module) is nn.Sequential
    torch.testing.assert_close(classifier.logits(x), module(x))
    with pytest.raises(ClassifierError, match="TorchScript"):
        load(torch.jit.trace(module, x, check_trace=False))


def test_outputs_must_match_labels() -> None:
    with pytest.raises(ClassifierError, match=r"'Sequential' gives \(2, 1000\) for 7 labels"):
        load(net(1000))


def test_probabilities_in_the_place_of_logits_are_refused_unless_they_are_meant() -> None:
    module = nn.Sequential(net(2), nn.Softmax(1))
    with pytest.raises(ClassifierError, match="outputs of the head 'expression' sum to one, so they are probabilities"):
        load(module, labels="anger,fear")
    meant = load(module, labels=None, heads={"expression": {"labels": "anger,fear", "kind": "linear"}})
    outputs = meant.logits(torch.rand(2, 3, 12, 12))
    assert torch.equal(meant.activated(outputs), outputs)
    assert load(nn.Sequential(net(1), nn.Sigmoid()), labels="fear").labels == ("fear",)


@pytest.mark.parametrize("size", [12.5, (12, 12.5)])
def test_a_size_is_in_whole_pixels(size: Any) -> None:
    with pytest.raises(UsageError, match="size is in whole pixels, not"):
        load(net(), size=size)


def test_damaged_weights_are_refused() -> None:
    module = net()
    with torch.no_grad():
        module[4].bias[0] = float("nan")
    with pytest.raises(ClassifierError, match="NaN"):
        load(module)


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def test_modules_that_give_something_else() -> None:
    with pytest.raises(ClassifierError, match=r"gives tuple of \[\(2, 3, 12, 12\), \(2, 3, 12, 12\)\]; expected expr"):
        load(Pair())
    with pytest.raises(ClassifierError, match=r"gives \(2, 7, 10, 10\) for 7 labels; expected \(images, 7\)"):
        load(nn.Conv2d(3, 7, 3))
    with pytest.raises(ClassifierError, match="fails on an input of 1×12×12"):
        load(net(), channels=1)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s},
        lambda s: {"net": {f"module.{k}": v for k, v in s.items()}, "lr": 0.1},
        lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_checkpoints_are_unwrapped(wrap: Any, suffix: str, tmp_path: Path) -> None:
    trained, path = net().eval(), tmp_path / f"mine{suffix}"
    held = wrap(trained.state_dict())
    if suffix == ".safetensors":
        from safetensors.torch import save_file

        held = next((v for v in held.values() if isinstance(v, dict)), held)
        save_file(held, path)
    else:
        torch.save(held, path)
    classifier = load(net(), checkpoint=path)
    x = torch.rand(2, 3, 12, 12)
    torch.testing.assert_close(classifier.logits(x), trained(x))
    assert len(classifier.provenance["sha256"]) == 64


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch evil-was-here",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, held in (("module.pt", net()), ("code.pt", Evil())):
        torch.save(held, name)
        with pytest.raises(ClassifierError, match="Python objects besides weights, which are never run") as caught:
            load(net(), checkpoint=name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "evil-was-here").exists()


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    torch.save(net(8).state_dict(), path)
    with pytest.raises(ClassifierError, match=r"mine\.pt: the checkpoint has 8 classes, 7 labels were given"):
        load(net(), checkpoint=path)
    torch.save({"a": torch.zeros(1), "0.weight": net()[0].weight.detach()}, path)
    with pytest.raises(ClassifierError, match=r"3 missing \(0.bias, 4.weight, 4.bias\), 1 surplus \(a\) of 4 names"):
        load(net(), checkpoint=path)
    torch.save({**net().state_dict(), "0.weight": torch.zeros(4, 1, 3, 3)}, path)
    with pytest.raises(ClassifierError, match=r"1 weights have another shape, first '0.weight': \(4, 1, 3, 3\) in"):
        load(net(), checkpoint=path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(ClassifierError, match=r"holds no weights by name \(found: epoch\)"):
        load(net(), checkpoint=path)
    for damaged in (b"hello", b""):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFileError, match="save it again"):
            load(net(), checkpoint=path)
    path.write_bytes(pickle.dumps(Evil(), protocol=4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of the protocol, which is not the user's business
        with pytest.raises(ClassifierError, match="never run"):
            load(net(), checkpoint=path)
    (tmp_path / "mine.safetensors").write_bytes(b"hello")
    with pytest.raises(UnreadableFileError, match="safetensors"):
        load(net(), checkpoint=tmp_path / "mine.safetensors")
    with pytest.raises(UnreadableFileError, match="does not exist"):
        load(net(), checkpoint=tmp_path / "none.pt")


def test_a_timm_network_with_a_checkpoint(tmp_path: Path) -> None:
    from workbench.classifiers._torchvision import import_timm

    torch.manual_seed(3)
    trained = import_timm().create_model(TIMM, num_classes=7, in_chans=1).eval()
    torch.save(trained.state_dict(), tmp_path / "mine.pt")
    classifier = load_classifier(
        TIMM, checkpoint=tmp_path / "mine.pt", labels=SEVEN, size=(48, 40), channels=1, mean=0.5, std=0.25
    )
    assert (classifier.name, classifier.labels) == (f"{TIMM}-mine", NAMES)
    assert classifier.preprocessing.size == (48, 40)
    x = torch.rand(2, 1, 48, 40)
    torch.testing.assert_close(classifier.logits(x), trained(x))


def test_a_timm_network_without_weights_must_be_asked_for() -> None:
    with pytest.raises(UsageError, match=r"needs one of checkpoint=.*none was given"):
        load_classifier(TIMM, labels=SEVEN)
    state = torch.random.get_rng_state()
    first, again = (load_classifier(TIMM, labels=SEVEN, random_weights=True) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert "control" in first.provenance["caveat"]
    assert all(torch.equal(a, b) for a, b in zip(first.module.parameters(), again.module.parameters(), strict=True))
    shape = first.spatial_layers()[first.cam_layer]
    assert shape[1] > 1
    assert first.preprocessing.size == shape_of(first)


def shape_of(classifier: Any) -> tuple[int, int]:
    return tuple(classifier.module.pretrained_cfg["input_size"][1:])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((("fer-mini-xcepton",), {}), UnknownNameError, "did you mean fer-mini-xception"),
        ((("resnet81",), {"labels": SEVEN}), UnknownNameError, "did you mean resnet"),
        ((("§§§",), {}), UnknownNameError, "known: facemood, fer-big-xception"),
        ((("facemood",), {"labels": SEVEN}), UsageError, "has labels of its own"),
        (((TIMM,), {"random_weights": True}), UsageError, "needs labels="),
        ((("mine.pt",), {"labels": SEVEN}), UsageError, "architecture's name"),
        (((net(),), {"labels": SEVEN}), UsageError, "needs size="),
        (((net(),), {"size": 12}), UsageError, "needs labels="),
        (((net(),), {"size": 12, "labels": SEVEN, "pretrained": True}), UsageError, "pretrained cannot be given"),
        (((net(),), {"size": 12, "labels": SEVEN, "device": "moon"}), UsageError, "device 'moon' cannot be used"),
        (((net(),), {"size": "big", "labels": SEVEN}), UsageError, "must be numbers"),
        (((net(),), {"size": (1, 2, 3), "labels": SEVEN}), UsageError, "must be numbers"),
        ((("none.h5",), {"labels": SEVEN}), UnreadableFileError, "does not exist"),
        ((([],), {}), UsageError, "a name, a path or a torch.nn.Module"),
    ],
)
def test_wrong_ways_in(arguments: Any, error: type[WorkbenchError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        load_classifier(*arguments[0], **arguments[1])
    assert "\n" not in str(caught.value)


def test_a_folder_of_that_name_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / TIMM).mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert load_classifier(TIMM, labels=SEVEN, random_weights=True).name == TIMM
    with pytest.raises(UsageError, match=r"notes\.txt is no Keras file"):
        load_classifier("notes.txt", labels=SEVEN)


def test_a_registered_function_is_a_classifier() -> None:
    CLASSIFIERS.add("mine-for-a-test", lambda: load(copy.deepcopy(net())), summary="a test")
    try:
        classifier = load_classifier("mine-for-a-test", layer="0", name="other")
    finally:
        CLASSIFIERS.remove("mine-for-a-test")
    assert (classifier.cam_layer, classifier.name) == ("0", "other")


ZOO = ("fer-mini-xception", "fer-big-xception", "fer-simple-cnn", "facemood")


def test_the_zoo_is_a_table() -> None:
    assert tuple(CLASSIFIERS.names()[:4]) == ZOO
    for entry in CLASSIFIERS:
        for key in ("asset", "labels", "licence", "caveat", "training_data", "parameters", "cam_layer"):
            assert entry.details[key], (entry.name, key)
        assert entry.reference


@pytest.mark.assets
@pytest.mark.parametrize("name", ZOO)
def test_a_row_says_what_the_file_holds(name: str) -> None:
    from workbench.classifiers.default_layer import default_layer
    from workbench.classifiers.layers import probe

    row, classifier = CLASSIFIERS[name].details, load_classifier(name)
    described = classifier.describe()
    assert described["parameters"] == row["parameters"]
    layers = classifier.spatial_layers()
    found = probe(classifier.module, classifier.preprocessing, classifier.heads)
    rule, _ = default_layer(classifier.module, classifier.preprocessing, found, classifier.heads)
    assert layers[classifier.cam_layer] == layers[rule]  # a row may prefer another layer of the same grid
    assert described["provenance"]["licence"] == row["licence"]
    assert classifier.heads["expression"].kind == "softmax"
    grey = np.full((1, 100, 100, 3), 128, np.uint8)
    value = classifier.inputs(grey).mean().item()
    assert value == pytest.approx(0.004 if "xception" in name else 0.502, abs=1e-3)


def test_nothing_heavy_is_imported_by_the_door() -> None:
    import subprocess
    import sys

    code = "import sys, workbench.classifiers; print(sorted({'torch', 'timm', 'h5py'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("labels", [3, ["anger", None]])
def test_labels_that_are_no_names(labels: Any) -> None:
    with pytest.raises(UsageError, match="labels must name every output"):
        read_labels(labels)


@pytest.mark.parametrize("name", ["", "  ", "."])
def test_an_empty_name_is_said_to_be_one(name: str) -> None:
    with pytest.raises(UsageError, match="has no name"):
        load_classifier(name)

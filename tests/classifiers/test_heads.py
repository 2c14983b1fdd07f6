"""Several named heads: how they are stated, what a module may return, what the columns mean."""

from __future__ import annotations

import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from workbench.classifiers import Classifier, Head, load_classifier
from workbench.classifiers.heads import action_unit, collate, read_heads
from workbench.errors import ClassifierError, UnknownNameError, UsageError

THREE = {"expression": ["Happy", "sad"], "au": ["AU1", "au_12", 25], "affect": "Valence,arousal"}
HEADS = read_heads(THREE)
Pair = namedtuple("Pair", ["au", "expression"])


@dataclass
class Answer:
    logits: torch.Tensor
    hidden_states: Any = None


class Model(nn.Module):
    """One convolution, and `give` makes the answer of its three, two and three columns."""

    def __init__(self, give: Any, columns: int = 7) -> None:
        super().__init__()
        self.conv, self.fc, self.give = nn.Conv2d(3, 4, 3), nn.Linear(4, columns), give

    def forward(self, x: torch.Tensor) -> Any:
        return self.give(self.fc(self.conv(x).relu().mean((2, 3))))


def by_name(x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"affect": x[:, 5:], "loss": torch.zeros(()), "au": x[:, 2:5], "expression": x[:, :2]}


def test_heads_by_name_have_their_kind_and_labels() -> None:
    assert [(name, head.kind, head.labels) for name, head in HEADS.items()] == [
        ("expression", "softmax", ("happiness", "sadness")),
        ("au", "sigmoid", ("1", "12", "25")),
        ("affect", "linear", ("valence", "arousal")),
    ]
    other = read_heads({"pain": Head(("pain",), "linear"), "gaze": {"labels": "left,right", "kind": "sigmoid"}})
    assert [head.kind for head in other.values()] == ["linear", "sigmoid"]
    assert read_heads({"au": Head(("AU06_r",), "linear")})["au"] == Head(("6",), "linear")  # intensities


@pytest.mark.parametrize("text", ["AU12", 12, "au_12", "12", "AU 12", "au012", "AU12_c"])
def test_action_units_are_numbers(text: object) -> None:
    assert action_unit(text) == "12"


@pytest.mark.parametrize(
    ("heads", "error", "words"),
    [
        ({"au": ["AU3"]}, UnknownNameError, "no action unit 'AU3'"),
        ({"au": ["smile"]}, UnknownNameError, "no action unit 'smile'"),
        ({"pain": ["pain"]}, UsageError, "the head 'pain' needs a kind"),
        ({"pain": {"labels": "pain", "kind": "relu"}}, UsageError, "softmax, sigmoid or linear, not 'relu'"),
        ({"au": ["AU1", "1"]}, ClassifierError, "'1' stands 2 times"),
        ({}, UsageError, "name → labels"),
        ("expression", UsageError, "name → labels"),
        ({"a:b": ["x"]}, UsageError, "without colon"),
    ],
)
def test_heads_that_make_no_sense(heads: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read_heads(heads)


@pytest.mark.parametrize(
    "give",
    [
        lambda x: x,
        lambda x: (x[:, :2], x[:, 2:5], x[:, 5:]),
        lambda x: [x[:, :2], x[:, 2:5], x[:, 5:]],
        by_name,
        lambda x: OrderedDict(by_name(x)),
    ],
)
def test_every_form_of_answer_gives_the_same_columns(give: Any) -> None:
    torch.manual_seed(0)
    module = Model(give)
    classifier = load_classifier(module, heads=THREE, size=12)
    torch.manual_seed(0)
    plain = load_classifier(Model(lambda x: x), heads=THREE, size=12)
    x = torch.rand(3, 3, 12, 12)
    torch.testing.assert_close(classifier.logits(x), plain.logits(x))
    assert classifier.logits(x).shape == (3, 7)
    assert (classifier.labels, classifier.columns("au")) == (("happiness", "sadness"), slice(2, 5))


def test_all_columns_may_be_called_logits_and_a_named_tuple_goes_by_name() -> None:
    x = torch.rand(2, 5)
    assert torch.equal(collate(Answer(x), {"expression": Head(tuple("abcde"))}, "m"), x)
    heads = {"expression": Head(tuple("abc")), "au": Head(("1", "2"))}
    assert torch.equal(collate(Answer(x), heads, "m"), x)
    assert torch.equal(collate({"logits": (x[:, :3], x[:, 3:])}, heads, "m"), x)
    assert torch.equal(collate(Pair(x[:, 3:], x[:, :3]), heads, "m"), x)  # its own order does not matter


def test_one_output_may_lack_its_axis_and_any_precision_is_float32() -> None:
    x = torch.rand(2, 3)
    heads = {"expression": Head(("a", "b")), "affect": Head(("valence",), "linear")}
    assert torch.equal(collate((x[:, :2], x[:, 2]), heads, "m"), x)
    assert collate(x.half(), heads, "m").dtype == torch.float32
    assert collate(x[:, 0], {"affect": Head(("valence",), "linear")}, "m").shape == (2, 1)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (torch.zeros(2, 6), r"'m' gives \(2, 6\) for 7 labels; expected \(images, 7\), one column each: happiness,"),
        (torch.zeros(2, 7, 1, 1), r"gives \(2, 7, 1, 1\) for 7 labels"),
        (
            (torch.zeros(2, 2), torch.zeros(2, 3)),
            r"gives tuple of \[\(2, 2\), \(2, 3\)\]; expected expression \(images",
        ),
        ({"expression": torch.zeros(2, 2), "aus": torch.zeros(2, 3)}, r"gives dict of \[expression: \(2, 2\), aus: "),
        (Answer(torch.zeros(2, 6)), r"'m' gives \(2, 6\) for 7 labels"),
        (by_name(torch.zeros(2, 7)) | {"au": torch.zeros(2, 4)}, r"gives dict of \[affect: \(2, 2\), loss: \(\), au: "),
        (None, "gives NoneType; expected expression"),
        (3.0, "gives float; expected"),
    ],
)
def test_another_answer_is_named_beside_the_expected(raw: object, words: str) -> None:
    with pytest.raises(ClassifierError, match=words) as caught:
        collate(raw, HEADS, "m")
    assert "\n" not in str(caught.value)


def test_activated_goes_head_by_head_and_can_be_differentiated() -> None:
    classifier = load_classifier(Model(by_name), heads=THREE, size=12)
    x = torch.tensor([[0.0, 1.0, -1.0, 0.0, 2.0, 3.0, -4.0]], requires_grad=True)
    made = classifier.activated(x)
    e = np.exp(1.0)
    expected = [1 / (1 + e), e / (1 + e), 1 / (1 + e), 0.5, 1 / (1 + np.exp(-2.0)), 3.0, -4.0]
    np.testing.assert_allclose(made[0].detach(), expected, rtol=1e-6)
    (gradient,) = torch.autograd.grad(made[0, 3], x)
    assert gradient.tolist() == [[0, 0, 0, 0.25, 0, 0, 0]]


def test_probabilities_of_each_head() -> None:
    classifier = load_classifier(Model(by_name), heads=THREE, size=12)
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    whole = classifier.activated(classifier.logits(classifier.inputs(images))).numpy()
    for head, columns in (("expression", slice(0, 2)), ("au", slice(2, 5)), ("affect", slice(5, 7))):
        np.testing.assert_allclose(classifier.probabilities(images, head), whole[:, columns], atol=1e-6)
    with pytest.raises(UsageError, match="no head 'aus'; it has expression, au, affect"):
        classifier.probabilities(images, "aus")


def test_a_network_without_expressions_can_be_loaded_and_described() -> None:
    classifier = load_classifier(Model(lambda x: x, 2), heads={"au": ["AU1", "AU12"]}, size=12)
    described = json.loads(json.dumps(classifier.describe()))
    assert described["heads"] == {"au": {"kind": "sigmoid", "labels": ["1", "12"]}}
    assert described["labels"] == []
    assert (described["cam_layer"], described["cam_layout"]) == ("conv", "NCHW")
    assert "Classifier('Model', au, 3×12×12" in repr(classifier)
    assert isinstance(classifier.with_layer("conv"), Classifier)
    with pytest.raises(ClassifierError, match="has no expression head; it has au"):
        _ = classifier.labels


def test_labels_and_heads_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="labels= is short for"):
        load_classifier(Model(by_name), labels="happy,sad", heads=THREE, size=12)
    with pytest.raises(UsageError, match="has heads of its own"):
        load_classifier("facemood", heads=THREE)


def test_a_timm_network_has_as_many_outputs_as_all_heads_together() -> None:
    classifier = load_classifier("test_resnet", heads=THREE, size=32, random_weights=True)
    assert classifier.logits(torch.zeros(1, 3, 32, 32)).shape == (1, 7)

"""Classifier: preprocessing by hand, probing, default layers, descriptions, random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.classifiers import Classifier, Head, Preprocessing, load_classifier, randomised
from workbench.errors import ClassifierError, LayerError, UsageError

LABELS = ("anger", "happiness", "surprise")


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(4 * 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.drop(self.act(self.norm(self.conv(x))))).flatten(1))


class Scores(nn.Sequential):
    """The last convolution gives the class scores; their mean is the output."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mix, self.head = nn.Conv2d(3, 5, 4, 4), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.mix(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


def small(module: nn.Module | None = None, size: int = 8, **more: object) -> Classifier:
    torch.manual_seed(0)
    return load_classifier(module or Small(), labels=LABELS, size=size, **more)  # type: ignore[arg-type]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def identity(**settings: object) -> Classifier:
    module = nn.Sequential(nn.Flatten(), nn.Linear(1, 1)).eval()
    return Classifier("x", module, {"expression": Head(("a",))}, Preprocessing(**settings), "")  # type: ignore[arg-type]


def test_inputs_scale_shift_and_order_of_axes() -> None:
    images = noise(2, 4, 6, 3)
    x = identity(size=(4, 6), mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0)).inputs(images).numpy()
    expected = (images / 255.0 - [0.5, 0.25, 0.0]) / [0.5, 1.0, 2.0]
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_grey_is_the_luma_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    images = noise(1, 9, 7, 3)
    grey = identity(size=(9, 7), channels=1).inputs(images).numpy()[0, 0] * 255
    assert np.abs(grey - cv2.cvtColor(images[0], cv2.COLOR_RGB2GRAY)).max() <= 0.51  # OpenCV rounds to whole numbers


def test_the_resize_is_antialiased_as_pillow_s() -> None:
    images = noise(1, 64, 64, 3)
    ours = identity(size=(20, 16)).inputs(images).numpy()[0].transpose(1, 2, 0) * 255
    theirs = np.asarray(Image.fromarray(images[0]).resize((16, 20), Image.Resampling.BILINEAR), np.float32)
    assert np.abs(ours - theirs).max() <= 1.01  # Pillow rounds twice


def test_what_else_is_in_the_batch_changes_nothing() -> None:
    classifier, images = small(), noise(5, 31, 31, 3)
    together = classifier.inputs(images)
    assert all(torch.equal(together[i], classifier.inputs(images[i : i + 1])[0]) for i in range(5))
    in_parts = classifier.probabilities(images, batch_size=2)
    np.testing.assert_allclose(in_parts, classifier.probabilities(images), atol=1e-6)


def test_probabilities_sum_to_one_and_nothing_gives_nothing() -> None:
    classifier = small()
    p = classifier.probabilities(noise(3, 8, 8, 3))
    np.testing.assert_allclose(p, torch.softmax(classifier.logits(classifier.inputs(noise(3, 8, 8, 3))), 1), atol=1e-6)
    assert p.dtype == np.float32
    assert classifier.probabilities(noise(0, 8, 8, 3)).shape == (0, 3)


def test_several_heads_share_the_columns() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).eval()
    heads = {"au": Head(("AU1", "AU12"), "sigmoid"), "expression": Head(LABELS)}
    classifier = Classifier("two", module, heads, Preprocessing((2, 2)), "")
    images = noise(4, 2, 2, 3)
    scores = classifier.logits(classifier.inputs(images))
    assert (classifier.columns("expression"), classifier.outputs) == (slice(2, 5), 5)
    np.testing.assert_allclose(classifier.probabilities(images, "au"), scores[:, :2].sigmoid(), atol=1e-6)
    np.testing.assert_allclose(classifier.probabilities(images), scores[:, 2:].softmax(1), atol=1e-6)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 4), np.uint8)]
)
def test_images_of_another_kind_are_refused(images: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"images must be \(N, height, width, 3\) of uint8"):
        small().inputs(images)


def test_layers_in_order_with_their_grids() -> None:
    assert list(small().spatial_layers().items()) == [
        ("conv", (4, 8, 8)),
        ("norm", (4, 8, 8)),
        ("act", (4, 8, 8)),
        ("drop", (4, 8, 8)),
        ("pool", (4, 4, 4)),
    ]


def test_the_default_layer_is_the_last_with_features() -> None:
    assert small().cam_layer == "act"  # "drop" gives the same tensor, pooling is left out
    assert small(Scores()).cam_layer == "1"  # "2" is the class score itself
    assert small(Tokens()).cam_layer == "mix"
    assert small(Tokens(), layer="patch").cam_layer == "patch"
    assert small(nn.Sequential(nn.Flatten(), nn.Linear(192, 3))).cam_layer == ""


def test_layers_that_cannot_be_used() -> None:
    with pytest.raises(LayerError, match="'Small' has no layer 'konv'; usable, for example: conv"):
        small(layer="konv")
    with pytest.raises(LayerError, match="'head' of 'Small' is not spatial"):
        small().with_layer("head")
    assert small().with_layer("conv").cam_layer == "conv"


def test_hooks_are_gone_after_probing_also_after_an_error() -> None:
    classifier = small()
    classifier.spatial_layers()
    broken = Small().eval()
    from workbench.classifiers.layers import probe

    with pytest.raises(ClassifierError, match="fails on an input of 3×9×30"):
        probe(broken, Preprocessing((9, 30)))
    for module in (classifier.module, broken):
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_a_module_in_training_mode_is_refused() -> None:
    with pytest.raises(ClassifierError, match="training mode"):
        Classifier("x", Small(), {"expression": Head(LABELS)}, Preprocessing((8, 8)), "conv")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": (0, 4)}, "size must be"),
        ({"size": (4, 4), "channels": 2}, "channels must be"),
        ({"size": (4, 4), "mean": (0.0, 1.0)}, "mean must be"),
        ({"size": (4, 4), "std": (0.0,)}, "std must be above 0"),
    ],
)
def test_preprocessing_that_makes_no_sense(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Preprocessing(**settings)  # type: ignore[arg-type]


def test_labels_stand_once() -> None:
    with pytest.raises(ClassifierError, match="'happiness' stands 2 times"):
        load_classifier(Small(), labels="happy,joy,anger", size=8)


def test_a_description_is_json() -> None:
    described = json.loads(json.dumps(small().describe()))
    assert described["cam_grid"] == {"channels": 4, "height": 8, "width": 8}
    assert described["parameters"] == 3 * 4 * 9 + 4 + 8 + 64 * 3 + 3
    assert described["labels"] == list(LABELS)


def test_random_weights_are_new_repeatable_and_leave_all_else_alone() -> None:
    classifier = small()
    classifier.module.norm.running_mean.fill_(3.0)  # type: ignore[union-attr,operator]
    before = {name: value.clone() for name, value in classifier.module.state_dict().items()}
    state = torch.random.get_rng_state()
    first, again, other = randomised(classifier, 1), randomised(classifier, 1), randomised(classifier, 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, classifier.module.state_dict()[name]) for name, value in before.items())
    assert first.name == "Small-random1"
    assert torch.equal(first.module.conv.weight, again.module.conv.weight)  # type: ignore[union-attr,arg-type]
    assert not torch.equal(first.module.conv.weight, other.module.conv.weight)  # type: ignore[union-attr,arg-type]
    assert abs(np.corrcoef(first.module.conv.weight.flatten(), before["conv.weight"].flatten())[0, 1]) < 0.3  # type: ignore[operator,union-attr]
    assert first.module.norm.running_mean.abs().max() == 0  # type: ignore[union-attr,operator]
    assert not first.module.training
    assert "control" in first.provenance["caveat"]


def test_weights_behind_a_norm_are_new_as_well() -> None:
    """The weight is made anew at each call from parameters of other names, which a new weight would not reach."""
    with pytest.warns(FutureWarning):
        module = nn.utils.weight_norm(nn.Conv2d(3, 4, 3))
    spectral = nn.utils.spectral_norm(nn.Conv2d(4, 4, 3))
    net = nn.Sequential(module, spectral, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    classifier = load_classifier(net, labels=LABELS, size=16)
    fresh = dict(randomised(classifier, 1).module.named_parameters())
    for name, value in classifier.module.named_parameters():
        assert name.endswith("bias") or not torch.equal(value, fresh[name]), name


def test_a_module_that_gives_two_answers_to_one_picture_is_refused() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(self.conv(x), 0.5).mean((2, 3))

    module = Dropping()
    state = torch.random.get_rng_state()
    with pytest.raises(ClassifierError, match="two forwards of one picture differ in evaluation mode"):
        load_classifier(module, labels=LABELS, size=16)
    assert torch.equal(torch.random.get_rng_state(), state)

"""The importer against TensorFlow's own outputs, which `make_keras_references.py` wrote down."""

from __future__ import annotations

import copy
import runpy
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.classifiers.keras.reading import read_keras

DATA = Path(__file__).with_name("data")
MAKER = runpy.run_path(str(Path(__file__).with_name("make_keras_references.py")))
SMALL = np.load(DATA / "small_outputs.npz")
ZOO = np.load(DATA / "zoo_logits.npz")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    with zipfile.ZipFile(DATA / "small_models.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", SMALL.files)
def test_every_layer_computes_what_keras_computes(name: str, small: Path) -> None:
    model = read_keras(small / f"{name}.h5")
    build = name.split("_")[0]
    images = MAKER["pattern"](2, *MAKER["SHAPES"][build]) * np.float32(255.0 if build == "nested" else 2.0)
    with torch.no_grad():
        logits = model.module(torch.from_numpy(images).movedim(-1, 1))
    squash = {"softmax": lambda x: x.softmax(1), "sigmoid": torch.sigmoid, "linear": lambda x: x}[model.kind]
    np.testing.assert_allclose(squash(logits).numpy(), SMALL[name], atol=1e-6)
    assert np.abs(SMALL[name][0] - SMALL[name][1]).max() > 1e-3  # the reference does look at its input


def test_the_output_s_squashing_is_stripped_and_named(small: Path) -> None:
    found = {
        name: (model.kind, model.stripped)
        for name in ("plain", "branches", "nested", "activations")
        for model in [read_keras(small / f"{name}_keras2.h5")]
    }
    assert found == {
        "plain": ("softmax", "softmax of dense_1"),
        "branches": ("softmax", "softmax of softmax"),
        "nested": ("sigmoid", "sigmoid of dense_5"),
        "activations": ("linear", ""),
    }


def test_names_are_those_of_keras_and_fused_activations_have_their_own(small: Path) -> None:
    names = dict(read_keras(small / "nested_keras2.h5").module.named_modules())
    assert {"base", "base.block/conv", "base.inner", "base.inner.inner_conv", "dense_5"} <= set(names)
    names = dict(read_keras(small / "plain_keras2.h5").module.named_modules())
    assert {"conv2d", "conv2d_relu", "dense_selu", "dense_1"} <= set(names)
    assert "dense_1_softmax" not in names


def test_a_trainable_module_has_its_statistics_as_buffers(small: Path) -> None:
    module = read_keras(small / "nested_keras2.h5").module
    buffers, parameters = dict(module.named_buffers()), dict(module.named_parameters())
    assert "base.inner.inner_bn.running_mean" in buffers
    assert "base.inner.inner_bn.weight" in buffers  # scale=False: Keras has no such parameter
    assert "base.inner.inner_bn.bias" in parameters
    assert not module.training
    x = torch.rand(1, 3, 14, 14)
    assert torch.equal(copy.deepcopy(module)(x), module(x))


@pytest.mark.assets
@pytest.mark.parametrize("name", ZOO.files)
def test_the_real_networks_give_tensorflow_s_logits(name: str) -> None:
    from workbench.classifiers import load_classifier

    classifier = load_classifier(name)
    images = torch.from_numpy(MAKER["pattern"](3, *MAKER["ZOO_SHAPES"][name]) * 2 - 1).movedim(-1, 1)
    difference = np.abs(classifier.logits(images).numpy() - ZOO[name]).max() / np.abs(ZOO[name]).max()
    assert difference < 2e-6

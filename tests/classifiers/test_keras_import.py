"""What the importer refuses, layer by layer, and arithmetic done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from workbench.classifiers.keras import modules as km
from workbench.classifiers.keras.reading import read_keras
from workbench.classifiers.keras.weights import _names
from workbench.errors import ClassifierError, UnreadableFileError

INPUT = {"class_name": "InputLayer", "config": {"name": "start", "batch_input_shape": [None, 6, 6, 1]}}


def keras_file(
    path: Path, layers: list[dict[str, Any]] | dict[str, Any], weights: dict[str, dict[str, np.ndarray]] | None = None
) -> Path:
    """A Keras 2 file by hand: a Sequential of `layers`, or a whole model_config."""
    config = layers if isinstance(layers, dict) else {"class_name": "Sequential", "config": {"layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.10.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = list(weights or {})
        for layer, arrays in (weights or {}).items():
            one = group.create_group(layer)
            one.attrs["weight_names"] = [f"{layer}/{leaf}:0" for leaf in arrays]
            for leaf, values in arrays.items():
                one[f"{layer}/{leaf}:0"] = values
    return path


def conv(**settings: Any) -> dict[str, Any]:
    return {
        "class_name": "Conv2D",
        "config": {
            "name": "c",
            "filters": 1,
            "kernel_size": [3, 3],
            "use_bias": False,
            "strides": [1, 1],
            "padding": "same",
            **settings,
        },
    }


KERNEL = {"c": {"kernel": np.ones((3, 3, 1, 1), np.float32)}}


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [
        (6, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (6, 3, 1, 1, (1, 1)),
        (6, 4, 1, 1, (1, 2)),
        (5, 2, 2, 1, (0, 1)),
        (6, 3, 1, 2, (2, 2)),
        (6, 1, 2, 1, (0, 0)),
        (224, 7, 2, 1, (2, 3)),
    ],
)
def test_same_padding_is_tensorflow_s(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]
) -> None:
    assert km.same_padding(size, kernel, stride, dilation) == pads


def test_a_padded_mean_divides_by_what_is_inside() -> None:
    pool = km.Pool2d("mean", (2, 2), (2, 2), same=True)
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert pool(x).flatten().tolist() == [2.0, 3.5, 6.5, 8.0]


def test_flatten_lets_channels_run_fastest() -> None:
    x = torch.arange(8.0).view(1, 2, 2, 2)
    assert km.Flatten()(x).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_an_asymmetric_convolution_by_hand(tmp_path: Path) -> None:
    model = read_keras(keras_file(tmp_path / "m.h5", [INPUT, conv(strides=[2, 2])], KERNEL))
    assert model.module(torch.ones(1, 1, 6, 6)).flatten().tolist() == [9, 9, 6, 9, 9, 6, 6, 6, 4]
    assert (model.kind, model.stripped, model.input_shape) == ("linear", "", (1, 6, 6))


def test_the_hard_sigmoid_of_keras_2(tmp_path: Path) -> None:
    model = read_keras(
        keras_file(
            tmp_path / "m.h5",
            [INPUT, conv(activation="hard_sigmoid", kernel_size=[1, 1])],
            {"c": {"kernel": np.ones((1, 1, 1, 1), np.float32)}},
        )
    )
    x = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0, 0.0]).expand(6, 6)[None, None]
    np.testing.assert_allclose(model.module(x)[0, 0, 0, :5].detach().numpy(), [0, 0.3, 0.5, 0.7, 1])


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            {"class_name": "Lambda", "config": {"name": "evil", "function": "…"}},
            ["'evil' (Lambda)", "never run", "Conv2D"],
        ),
        (
            {"class_name": "LSTM", "config": {"name": "memory"}},
            ["'memory' (LSTM)", "not supported", "BatchNormalization"],
        ),
        (conv(data_format="channels_first"), ["'c' (Conv2D)", "channels_first"]),
        (conv(padding="causal"), ["'c' (Conv2D)", "causal"]),
        (conv(activation="snake"), ["'c' (Conv2D)", "'snake'", "hard_sigmoid"]),
        (conv(filters=2), ["'kernel' of layer 'c' is 3×3×1×1", "3×3×any×2"]),
        (conv(use_bias=True), ["'c' has no weight 'bias'"]),
    ],
)
def test_what_cannot_be_read_is_named(layer: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ClassifierError) as caught:
        read_keras(keras_file(tmp_path / "m.h5", [INPUT, layer], KERNEL))
    message = str(caught.value)
    assert message.startswith("m.h5: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_surplus_weights_are_refused(tmp_path: Path) -> None:
    weights = {"c": {**KERNEL["c"], "gate": np.ones(3, np.float32)}}
    with pytest.raises(ClassifierError, match="'c' holds weights that its class does not use: gate"):
        read_keras(keras_file(tmp_path / "m.h5", [INPUT, conv()], weights))


def test_weights_that_lie_in_another_file_are_not_followed(tmp_path: Path) -> None:
    path = keras_file(tmp_path / "m.h5", [INPUT, conv()], KERNEL)
    keras_file(tmp_path / "other.h5", [INPUT, conv()], KERNEL)
    with h5py.File(path, "a") as file:
        del file["model_weights/c/c/kernel:0"]
        file["model_weights/c/c/kernel:0"] = h5py.ExternalLink("other.h5", "/model_weights/c/c/kernel:0")
    with pytest.raises(ClassifierError, match="another file"):
        read_keras(path)


def functional(layers: list[dict[str, Any]], outputs: list[list[Any]]) -> dict[str, Any]:
    return {
        "class_name": "Functional",
        "config": {
            "layers": [{**INPUT, "name": "start", "inbound_nodes": []}, *layers],
            "input_layers": [["start", 0, 0]],
            "output_layers": outputs,
        },
    }


def fed(layer: dict[str, Any], *calls: list[list[Any]]) -> dict[str, Any]:
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": list(calls)}


def test_shared_layers_and_several_outputs_are_refused(tmp_path: Path) -> None:
    once = [["start", 0, 0, {}]]
    shared = functional([fed(conv(), once, [["c", 0, 0, {}]])], [["c", 1, 0]])
    with pytest.raises(ClassifierError, match=r"'c' \(Conv2D\) is shared: it is called 2 times"):
        read_keras(keras_file(tmp_path / "a.h5", shared, KERNEL))
    two = functional([fed(conv(), once)], [["c", 0, 0], ["start", 0, 0]])
    with pytest.raises(ClassifierError, match="has 2 outputs"):
        read_keras(keras_file(tmp_path / "b.h5", two, KERNEL))


def test_layers_may_stand_in_any_order_and_may_be_unused(tmp_path: Path) -> None:
    add = {"class_name": "Add", "config": {"name": "sum"}}
    unused = {"class_name": "Lambda", "config": {"name": "unused"}}
    config = functional(
        [
            fed(add, [["c", 0, 0, {}], ["start", 0, 0, {}]]),
            fed(conv(), [["start", 0, 0, {}]]),
            fed(unused, [["c", 0, 0, {}]]),
        ],
        [["sum", 0, 0]],
    )
    model = read_keras(keras_file(tmp_path / "m.h5", config, KERNEL))
    assert model.module(torch.ones(1, 1, 6, 6))[0, 0, 2, 2].item() == 10.0
    assert [name for name, _ in model.module.named_children()] == ["c", "sum"]


def test_a_graph_that_does_not_fit_together_names_the_layer(tmp_path: Path) -> None:
    wide = {"c": {"kernel": np.ones((3, 3, 5, 1), np.float32)}}
    with pytest.raises(ClassifierError, match="does not fit together at layer 'c'"):
        read_keras(keras_file(tmp_path / "m.h5", [INPUT, conv()], wide))


def test_files_that_are_no_keras_models(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_keras(tmp_path / "none.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(UnreadableFileError, match="no readable HDF5 file"):
        read_keras(text)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_group("model_weights")
    with pytest.raises(ClassifierError, match="no architecture"):
        read_keras(tmp_path / "weights.h5")
    broken = keras_file(tmp_path / "broken.h5", [INPUT, conv()], KERNEL)
    with h5py.File(broken, "a") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [{"oops": 1}]}})
    with pytest.raises(ClassifierError, match="cannot be understood"):
        read_keras(broken)


def test_a_truncated_file_is_unreadable(tmp_path: Path) -> None:
    whole = keras_file(tmp_path / "m.h5", [INPUT, conv()], KERNEL).read_bytes()
    for share in (0.0, 0.1, 0.5, 0.99):
        (tmp_path / "part.h5").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableFileError, match="no readable HDF5 file"):
            read_keras(tmp_path / "part.h5")


def test_settings_of_the_wrong_kind_are_damage(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="damaged, or was not written by Keras"):
        read_keras(keras_file(tmp_path / "m.h5", [INPUT, conv(filters="many")], KERNEL))


def test_long_lists_of_names_come_in_parts() -> None:
    parts = {"weight_names0": np.array([b"a/kernel:0"]), "weight_names1": np.array(["b/bias:0"], dtype=object)}
    assert _names(parts, "weight_names") == ["a/kernel:0", "b/bias:0"]


@pytest.mark.parametrize("prefix", ["c", "c_1", "inner/c", "inner/c_3"])
def test_weights_of_a_nested_layer_are_found_by_name(prefix: str, tmp_path: Path) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [INPUT, conv()]}}
    path = keras_file(tmp_path / "m.h5", [inner], {"inner": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/inner"]
        group.attrs["weight_names"] = [f"{prefix}/kernel:0"]
        group[f"{prefix}/kernel:0"] = KERNEL["c"]["kernel"]
    assert read_keras(path).module(torch.ones(1, 1, 6, 6))[0, 0, 2, 2].item() == 9.0


def test_ambiguous_weights_of_a_nested_layer_are_refused(tmp_path: Path) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [INPUT, conv()]}}
    path = keras_file(tmp_path / "m.h5", [inner], {"inner": {}})
    with h5py.File(path, "a") as file:
        group = file["model_weights/inner"]
        group.attrs["weight_names"] = ["c_1/kernel:0", "c_2/kernel:0"]
        group["c_1/kernel:0"] = group["c_2/kernel:0"] = KERNEL["c"]["kernel"]
    with pytest.raises(ClassifierError, match="ambiguous"):
        read_keras(path)

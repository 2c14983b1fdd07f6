"""Makes the Keras files and reference outputs in `data/`, by TensorFlow; the tests themselves need none of it.

Run once, in an environment of its own (tf_keras writes the format of Keras 2, keras that of Keras 3):

    python3 -m venv tfenv && tfenv/bin/pip install tensorflow-cpu tf_keras
    tfenv/bin/python tests/classifiers/make_keras_references.py data/ [NAME=FILE …]

Each NAME=FILE is a network of the zoo and its Keras file (`python -c "import workbench.assets as a;
print(a.path('facemood'))"` prints where it lies); their logits go into `zoo_logits.npz`.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ZOO_SHAPES = {
    "fer-mini-xception": (64, 64, 1),
    "fer-big-xception": (64, 64, 1),
    "fer-simple-cnn": (48, 48, 1),
    "facemood": (170, 170, 3),
}
SHAPES = {"plain": (17, 19, 3), "branches": (13, 15, 4), "nested": (14, 14, 3), "activations": (4, 4, 1)}
ACTIVATIONS = (
    "relu",
    "elu",
    "selu",
    "softmax",
    "sigmoid",
    "tanh",
    "linear",
    "swish",
    "hard_sigmoid",
    "gelu",
    "softplus",
    "softsign",
    "exponential",
)


def pattern(*shape: int) -> np.ndarray:
    """Noise in [0, 1) that every NumPy makes alike (multiplicative hashing of the index)."""
    index = np.arange(1, 1 + int(np.prod(shape)), dtype=np.uint64)
    hashed = (index * np.uint64(2654435761) >> np.uint64(4)) % np.uint64(1 << 16)
    return (hashed.astype(np.float32) / np.float32(1 << 16)).reshape(shape)


def plain(keras, shape):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(shape),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.Conv2D(5, (2, 3), padding="same", use_bias=False),
            layers.Activation("elu"),
            layers.AveragePooling2D(3, strides=2, padding="same"),
            layers.Dropout(0.5),
            layers.GaussianNoise(0.1),
            layers.Flatten(),
            layers.Dense(6, activation="selu"),
            layers.BatchNormalization(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def branches(keras, shape):
    layers = keras.layers
    x = start = layers.Input(shape)
    a = layers.Conv2D(4, 3, dilation_rate=2, padding="same", groups=2)(x)
    b = layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, activation="tanh")(x)
    c = layers.SeparableConv2D(8, 4, strides=2, padding="same", depth_multiplier=2, activation="sigmoid")(a)
    x = layers.Add()([b, c])
    x = layers.Concatenate()([layers.LeakyReLU(0.2)(x), layers.ELU(0.7)(c), layers.PReLU()(b)])
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 1)(x))
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(6, activation="sigmoid")(layers.ReLU(6.0)(layers.Dense(3)(gate)))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 6))(gate)])
    y = layers.Cropping2D(((1, 0), (0, 2)))(layers.ZeroPadding2D(((0, 1), (2, 0)))(x))
    x = layers.Average()([x, layers.Maximum()([x, y]), layers.Minimum()([x, y])])
    x = layers.Subtract()([x, layers.ReLU(negative_slope=0.1, threshold=0.1, max_value=0.5)(y)])
    x = layers.UpSampling2D((2, 3))(x)
    x = layers.MaxPooling2D((2, 3), strides=(2, 1))(x)
    x = layers.Concatenate(axis=1)([x, layers.AveragePooling2D(2, strides=1, padding="same")(x)])
    x = layers.Concatenate()(
        [
            layers.GlobalMaxPooling2D()(x),
            layers.GlobalAveragePooling2D()(x),
            layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(y)),
        ]
    )
    return keras.Model(start, layers.Softmax()(layers.Dense(4)(x)))


def nested(keras, shape):
    layers = keras.layers
    slash = "_" if keras.__version__ >= "3" and keras.__name__ == "keras" else "/"  # Keras 2 allows it, and uses it
    inner_in = layers.Input((None, None, 5))
    inner = layers.BatchNormalization(scale=False, name="inner_bn")(layers.Conv2D(5, 3, name="inner_conv")(inner_in))
    inner = keras.Model(inner_in, layers.Add()([inner * (1.0 / 6.0), 1.0 - inner]), name="inner")
    base_in = layers.Input(shape)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(base_in)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 2.0])(x)
    x = layers.Conv2D(5, 3, strides=2, padding="same", name=f"block{slash}conv")(x)
    x = layers.BatchNormalization(center=False, name=f"block{slash}bn")(x)
    x = inner(x)
    base = keras.Model(base_in, layers.SpatialDropout2D(0.1)(x), name="base")
    return keras.Sequential(
        [layers.Input(shape), base, layers.GlobalAveragePooling2D(), layers.Dense(3, activation="sigmoid")]
    )


def activations(keras, shape):
    layers = keras.layers
    start = layers.Input(shape)
    wide = layers.Conv2D(6, 1)(start)
    parts = [layers.GlobalAveragePooling2D()(layers.Activation(name)(wide)) for name in ACTIVATIONS]
    return keras.Model(start, layers.Concatenate()(parts))


def main(folder: Path, networks: dict[str, str]) -> None:
    import keras
    import tf_keras

    folder.mkdir(parents=True, exist_ok=True)
    references, files = {}, {}
    for library, tag in ((tf_keras, "keras2"), (keras, "keras3")):
        for build in (plain, branches, nested, activations):
            name = f"{build.__name__}_{tag}"
            library.utils.set_random_seed(0)
            model = build(library, SHAPES[build.__name__])
            draw = np.random.default_rng(1)
            model.set_weights(
                [
                    draw.uniform(0.2, 1.2, w.shape) if w.ndim < 2 else draw.normal(0, 0.4, w.shape)
                    for w in model.get_weights()
                ]
            )
            scale = 255.0 if build is nested else 2.0
            images = pattern(2, *SHAPES[build.__name__]) * np.float32(scale)
            references[name] = np.asarray(model(images, training=False))
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / f"{name}.h5"
                model.save(file, include_optimizer=False)
                files[f"{name}.h5"] = file.read_bytes()
    with zipfile.ZipFile(folder / "small_models.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    np.savez_compressed(folder / "small_outputs.npz", **references)
    logits = {}
    for name, path in networks.items():
        model = tf_keras.models.load_model(path, compile=False)
        model.layers[-1].activation = tf_keras.activations.linear
        logits[name] = np.asarray(model(pattern(3, *ZOO_SHAPES[name]) * 2 - 1, training=False))
    if logits:
        np.savez_compressed(folder / "zoo_logits.npz", **logits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:]))

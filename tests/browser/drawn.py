"""Drawn faces and synthetic maps in the exact format of `explain`; also the first cell of the browser's notebook."""

import hashlib

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image, ImageDraw

from workbench.canonical import FACE_OVAL, load_frame
from workbench.faces.faceset import FaceSet

FACES = {"drawn-1": "happiness", "drawn-2": "surprise", "drawn-3": ""}
MODELS = ["net-a", "net-b"]
EXPLAINERS = ["grad_cam", "lime", "integrated_gradients"]
CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
SIDE = 192
_PARTS = {  # mesh points of what is drawn, with its colour
    "oval": (
        list(FACE_OVAL),
        (222, 184, 150),
    ),
    "right eye": ([33, 160, 158, 133, 153, 144], (245, 245, 245)),
    "left eye": ([362, 385, 387, 263, 373, 380], (245, 245, 245)),
    "right brow": ([70, 63, 105, 66, 107, 55, 65, 52, 53, 46], (84, 56, 40)),
    "left brow": ([300, 293, 334, 296, 336, 285, 295, 282, 283, 276], (84, 56, 40)),
    "nose": ([168, 98, 97, 2, 326, 327], (206, 162, 128)),
    "lips": ([61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181], (178, 76, 80)),
}


def drawn_faces():
    """Three drawn faces, turned and shifted a little, with the landmarks that they were drawn from."""
    images, landmarks = [], []
    for i in range(len(FACES)):
        turn = np.deg2rad(6 * (i - 1))
        shares = load_frame().shares() - 0.5
        shares = shares @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] * 0.86 + [0.5, 0.5 + 0.01 * i]
        canvas = Image.new("RGB", (SIDE, SIDE), (96 + 24 * i, 112, 132))
        pen = ImageDraw.Draw(canvas)
        for points, colour in _PARTS.values():
            pen.polygon([tuple(p) for p in shares[points] * SIDE], fill=colour)
        images.append(np.asarray(canvas))
        landmarks.append(shares)
    table = pd.DataFrame(
        {
            "name": list(FACES),
            "label": list(FACES.values()),
            "subject": "",
            "source": "drawn",
            "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        }
    )
    return FaceSet(np.stack(images), np.stack(landmarks).astype(np.float32), table)


def synthetic_maps(faces):
    """A signed blob per network, explainer and face, in units of its own; LIME lacks a face, one map is constant."""
    frame = load_frame()
    y, x = np.mgrid[: frame.grid[0], : frame.grid[1]]
    shape = (len(MODELS), len(EXPLAINERS), len(faces), *frame.grid)
    values, status = np.zeros(shape, np.float32), np.full(shape[:3], "ok", dtype=object)
    for m, e, i in np.ndindex(*shape[:3]):
        middle = frame.points[[13, 168, 50][(m + e + i) % 3]]
        distance = ((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / (18 + 8 * e) ** 2
        values[m, e, i] = (np.exp(-distance / 2) - 0.2) * (0.5, 0.02, 3.0)[e]
    values[:, 1, 2], status[:, 1, 2] = np.nan, "not computed"
    values[1, 0, 2], status[1, 0, 2] = 0.25, "constant"
    rng = np.random.default_rng(0)
    scores = np.exp(rng.normal(0, 2, (len(MODELS), len(faces), len(CLASSES))))
    scores[1, :, 6] = np.nan  # net-b has no neutral
    probability = scores / np.nansum(scores, axis=-1, keepdims=True)
    predicted = np.array(CLASSES)[np.nanargmax(probability, axis=-1)]
    return xr.DataArray(
        values,
        dims=("model", "explainer", "image", "y", "x"),
        name="heatmap",
        coords={
            "model": MODELS,
            "explainer": EXPLAINERS,
            "image": faces.names,
            "status": (("model", "explainer", "image"), status.astype(str)),
            "role": ("explainer", ["method"] * len(EXPLAINERS)),
            "predicted": (("model", "image"), predicted),
            **{
                f"probability_{name}": (("model", "image"), probability[..., c].astype(np.float32))
                for c, name in enumerate(CLASSES)
            },
            "label": ("image", list(FACES.values())),
            "subject": ("image", [""] * len(faces)),
            "sha256": ("image", faces.table["sha256"].tolist()),
        },
        attrs={"frame": "mediapipe478", "target": "predicted", "target_space": "logit", "seed": 0},
    )

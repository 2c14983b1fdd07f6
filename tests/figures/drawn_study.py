"""A small study of drawn faces in the exact format of the workbench, for tests of figures and reports."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image, ImageDraw

import workbench
from workbench.canonical import CanonicalFace
from workbench.faces.faceset import FaceSet, Failure
from workbench.masks import MaskSet
from workbench.statistics.multiplicity import benjamini_hochberg, benjamini_yekutieli
from workbench.vocabulary import BASIC_EXPRESSIONS

MODELS = ("net-a", "net-b", "net-c")
EXPLAINERS = ("grad_cam", "lime", "edge_map")
CLASSES = (*BASIC_EXPRESSIONS, "neutral")
FRAMES = Path(workbench.__file__).parent / "frames"


def frame() -> CanonicalFace:
    """The default canonical face, by the room's own loader."""
    from workbench.canonical import load_frame

    return load_frame("mediapipe478")


def drawn_face(expression: str, shade: int, side: int = 192) -> np.ndarray:
    """A cartoon (side, side, 3) uint8 whose parts stand where the canonical face's are."""
    face = frame()
    scale = np.array([side / face.grid[1], side / face.grid[0]])
    points = face.points[:468] * scale
    picture = Image.new("RGB", (side, side), (60, 70, 90))
    draw = ImageDraw.Draw(picture)
    from workbench.figures.outlines import features

    lines = {name: [tuple(p) for p in line * scale] for name, line in features(face).items()}
    draw.polygon(lines["oval"], fill=(shade, int(shade * 0.8), int(shade * 0.65)))
    for eye in ("right eye", "left eye"):
        draw.polygon(lines[eye], fill="white")
        x, y = np.mean(lines[eye], axis=0)
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=(40, 30, 20))
    for brow in ("right brow", "left brow"):
        draw.polygon(lines[brow], fill=(60, 40, 30))
    draw.line(lines["nose bridge"] + lines["nose base"], fill=(120, 80, 60), width=2)
    draw.polygon(lines["lips"], fill=(190, 70, 80))
    if expression in ("surprise", "fear"):
        x, y = points[13]
        draw.ellipse([x - 9, y - 4, x + 9, y + 14], fill=(60, 10, 20))
    return np.asarray(picture)


def faces(count: int = 8) -> FaceSet:
    """Drawn faces of three "people" with labels, two failures and an awkward name."""
    face = frame()
    labels = [(*BASIC_EXPRESSIONS, "")[i % 7] for i in range(count)]
    images = np.stack([drawn_face(label, 150 + 35 * (i % 3)) for i, label in enumerate(labels)])
    landmarks = np.repeat((face.points / np.array([face.grid[1], face.grid[0]]))[None], count, axis=0)
    names = [f"face-{i:02d}" for i in range(count)]
    names[1] = "<b>odd & name</b>"
    table = pd.DataFrame(
        {
            "name": names,
            "label": labels,
            "subject": [f"person {i % 3}" for i in range(count)],
            "source": "drawn",
            "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        }
    )
    failures = (Failure("tile 24", "detect", "no face found"), Failure("<i>x</i>.jpg", "read", "not an image"))
    return FaceSet(
        images,
        landmarks.astype(np.float32),
        table,
        failures=failures,
        notes=("two faces in group.jpg: the largest was taken",),
    )


def maps(face_set: FaceSet | None = None, seed: int = 0) -> xr.DataArray:
    """Per-image maps (model, explainer, image, y, x): a smooth blob each, one constant, LIME not on every face."""
    face_set = face_set if face_set is not None else faces()
    face = frame()
    rng = np.random.default_rng(seed)
    height, width = face.grid
    rows, columns = np.mgrid[0:height, 0:width]
    count = len(face_set)
    shape = (len(MODELS), len(EXPLAINERS), count)
    values = np.full((*shape, height, width), np.nan, np.float32)
    status = np.full(shape, "ok", dtype="<U16")
    for m, e, i in np.ndindex(*shape):
        if EXPLAINERS[e] == "lime" and i >= 3:
            status[m, e, i] = "not computed"
            continue
        y, x = rng.uniform(0.3, 0.8) * height, rng.uniform(0.3, 0.7) * width
        bump = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (0.13 * height) ** 2)) - 0.15
        values[m, e, i] = np.where(face.domain, bump * 10.0**e, 0)
    values[0, 0, 2] = 0
    status[0, 0, 2] = "constant"
    logits = rng.normal(size=(len(MODELS), count, len(CLASSES))) + 2.5 * np.eye(7)[np.arange(count) % 7]
    logits[:, :, CLASSES.index("disgust")] = -4  # nobody is ever called disgusted
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    probability[2, :, CLASSES.index("neutral")] = np.nan
    predicted = np.array(CLASSES)[np.nanargmax(probability, axis=-1)]
    return xr.DataArray(
        values,
        dims=("model", "explainer", "image", "y", "x"),
        name="heatmap",
        coords={
            "model": list(MODELS),
            "explainer": list(EXPLAINERS),
            "image": face_set.names,
            "status": (("model", "explainer", "image"), status),
            "role": ("explainer", ["method", "method", "control"]),
            "predicted": (("model", "image"), predicted),
            **{
                f"probability_{name}": (("model", "image"), probability[..., c].astype(np.float32))
                for c, name in enumerate(CLASSES)
            },
            "label": ("image", face_set.table["label"].to_numpy().astype(str)),
            "subject": ("image", face_set.table["subject"].to_numpy().astype(str)),
            "sha256": ("image", face_set.table["sha256"].to_numpy().astype(str)),
            "layer": (("model", "explainer"), [["conv", "", ""]] * len(MODELS)),
        },
        attrs={
            "frame": "mediapipe478",
            "target": "predicted",
            "target_space": "logit",
            "seed": 0,
            "options": json.dumps({"lime": {"samples": 1000}}),
            "failures": "[]",
            "package_version": "0",
        },
    )


def masks(name: str = "drawn") -> MaskSet:
    """Six rectangles on the canonical face, one an expression."""
    face = frame()
    height, width = face.grid
    values = np.zeros((6, height, width), np.float32)
    for i in range(6):
        top, left = int((0.2 + 0.08 * i) * height), int((0.2 + 0.06 * (i % 3)) * width)
        values[i, top : top + height // 4, left : left + width // 3] = 1
    values *= face.domain
    return MaskSet(
        name,
        xr.DataArray(values, dims=("expression", "y", "x"), coords={"expression": list(BASIC_EXPRESSIONS)}),
        "mediapipe478",
        xr.DataArray(face.domain, dims=("y", "x")),
        {"citation": "Nobody (2026)", "licence": "CC0-1.0", "authority": "none: rectangles for a test"},
    )


def heat(face_maps: xr.DataArray | None = None) -> xr.DataArray:
    """Global heatmaps by the plain definition, without the room that does it."""
    face_maps = face_maps if face_maps is not None else maps()
    inside = frame().domain
    shape = (len(MODELS), len(EXPLAINERS), 6)
    values = np.full((*shape, *inside.shape), np.nan, np.float32)
    n, left_out = np.zeros(shape, int), np.zeros(shape, int)
    for m, e, k in np.ndindex(*shape):
        member = face_maps["predicted"].values[m] == BASIC_EXPRESSIONS[k]
        status = face_maps["status"].values[m, e]
        good = member & (status == "ok")
        n[m, e, k], left_out[m, e, k] = good.sum(), (member & ~good & (status != "not computed")).sum()
        if good.any():
            positive = np.clip(face_maps.values[m, e, good], 0, None)
            mean = (positive / positive.max(axis=(1, 2), keepdims=True)).mean(0)
            low, high = mean[inside].min(), mean[inside].max()
            values[m, e, k] = np.where(inside, (mean - low) / (high - low), 0)
    dims = ("model", "explainer", "expression")
    return xr.DataArray(
        values,
        dims=(*dims, "y", "x"),
        name="heatmap",
        coords={
            "model": list(MODELS),
            "explainer": list(EXPLAINERS),
            "expression": list(BASIC_EXPRESSIONS),
            "n": (dims, n),
            "left_out": (dims, left_out),
            "role": ("explainer", ["method", "method", "control"]),
        },
        attrs={"frame": "mediapipe478", "by": "predicted", "normalise": "max", "policy": "mean of maps over their max"},
    )


def table(seed: int = 1) -> xr.Dataset:
    """A score table in the format of `evaluate`, with random but consistent numbers and two cells without a map."""
    rng = np.random.default_rng(seed)
    methods = EXPLAINERS[:2]
    dims, shape = ("model", "explainer", "expression"), (len(MODELS), 2, 6)
    out = xr.Dataset(coords={"model": list(MODELS), "explainer": list(methods), "expression": list(BASIC_EXPRESSIONS)})
    own = rng.uniform(0.05, 0.6, (*shape, 6))
    own[:, :, 1] = np.nan
    for k, name in enumerate(BASIC_EXPRESSIONS):
        out[f"iou_with_{name}"] = (dims, own[..., k])
    for score in ("iou", "precision", "recall", "f1", "correlation"):
        mine = np.einsum("...ii->...i", own).copy() if score == "iou" else rng.uniform(0.05, 0.7, shape)
        mine[:, :, 1] = np.nan
        out[score] = (dims, mine)
        for extra in (
            f"chance_{score}",
            f"other_masks_{score}",
            f"centre_{score}",
            f"centre_{score}_equal_area",
            f"random_weights_{score}",
            f"edge_map_{score}",
        ):
            values = rng.uniform(0.02, 0.5, shape) if "random" not in extra else np.full(shape, np.nan)
            if extra == "chance_correlation":
                values = np.zeros(shape)
            out[extra] = (dims, values)
        out[f"low_{score}"], out[f"high_{score}"] = (dims, mine - 0.04), (dims, mine + 0.05)
        out[f"mean_map_{score}"] = (dims, rng.uniform(0.02, 0.5, shape))
        for null in ("toroidal", "field"):
            p = np.where(np.isnan(mine), np.nan, rng.uniform(0.001, 0.4, shape))
            out[f"{null}_{score}"], out[f"{null}_95_{score}"] = (dims, mine * 0.4), (dims, mine * 0.9)
            out[f"p_{null}_{score}"] = (dims, p)
            out[f"bh_{null}_{score}"] = (dims, benjamini_hochberg(p))
            out[f"by_{null}_{score}"] = (dims, benjamini_yekutieli(p))
    out["p_labels_iou"], out["labels_iou"] = ("explainer", [0.4, 0.01]), ("explainer", [0.25, 0.2])
    out["rank_of_own_mask"] = (dims, np.where(np.isnan(out["iou"].values), np.nan, rng.integers(1, 7, shape)))
    out["chance_iou_face"] = out["chance_iou"] * 1.1
    out["area"] = (dims, rng.uniform(0.1, 0.4, shape))
    out["n"] = (dims, rng.integers(1, 5, shape))
    missing = np.isnan(out["iou"].values)
    out["reason"] = (dims, np.where(missing, "no face predicted", "").astype(object))
    said = np.where(missing, "not scored: no face predicted", "not distinguishable from chance (IoU .30, chance .20)")
    out["verdict"] = (dims, said.astype(object))
    known = {"draws": 600, "enumerated": False, "resolution": 1 / 601, "tests": int((~missing).sum()), "says": ""}
    passes = {"toroidal": 0.25, "field": 0.4}
    out.attrs["nulls"] = json.dumps(
        {name: {**known, "hypothesis": "drawn", "passes_central": rate} for name, rate in passes.items()}
    )
    out.attrs["reasons"] = json.dumps(
        {
            f"random_weights_{s}": "no map with random weights was made"
            for s in ("iou", "precision", "recall", "f1", "correlation")
        }
    )
    return out

"""Drawn faces whose class is in the mouth alone, and two small networks trained on them: the truth is known.

    python tools/drawn_faces.py FOLDER [--sheet faces.png]

Three classes, by the mouth: a smile with teeth ("happiness"), a frown ("sadness"), an open mouth ("surprise"). Brows,
eyes, nose, colours, position, size, tilt and background are drawn at random from one stream, whatever the class is.
After the first steps half of the pictures are hidden in part by black; their target is the class as far as the mouth is
visible, else undecided, so that the score depends on the mouth under occlusion too. `trained(kind, folder)` trains a
network once and keeps its weights in `folder`; kinds are "vit" (patches of 8, four blocks, class token, one register)
and "cnn" (six convolutions with batch norm and ReLU, pooling and one linear layer, a grid of 8 × 8).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from workbench.canonical import load_frame
from workbench.figures.outlines import features

if TYPE_CHECKING:
    import torch

    from workbench.classifiers import Classifier
    from workbench.faces import FaceSet

CLASSES: Final = ("happiness", "sadness", "surprise")
SIDE: Final = 64
FINE: Final = 4  # pictures are drawn this many times larger and averaged down
MEAN: Final = 0.5
STD: Final = 0.25
STEPS: Final = {"vit": 3000, "cnn": 1200}
PICTURES: Final = 16_000
BATCH: Final = 32
WHOLE: Final = 0.3  # share of the steps before pictures are hidden in part

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class DrawnFace:
    """image: (64, 64, 3) uint8. label: index into `CLASSES`. mouth: (64, 64) bool, the box in which any of the three
    mouths would have stood. landmarks: (478, 2) float32, shares of the side, of a face with a closed mouth."""

    image: np.ndarray
    label: int
    mouth: np.ndarray
    landmarks: np.ndarray


@lru_cache(maxsize=1)
def _canonical() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """All points and the lines of the features, in head heights from the middle of the head."""
    frame = load_frame("mediapipe478")
    points = np.asarray(frame.points, float)
    oval = features(frame)["oval"]
    middle, height = (oval.min(0) + oval.max(0)) / 2, float(np.ptp(oval[:, 1]))
    lines = {name: (line - middle) / height for name, line in features(frame).items()}
    return (points - middle) / height, lines


def drawn_face(stream: np.random.Generator, label: int | None = None) -> DrawnFace:
    """One face; everything but the class is drawn from `stream`, and the class too unless it is given."""
    own = int(stream.integers(len(CLASSES)))
    label = own if label is None else label
    points, lines = _canonical()
    tilt, height = stream.uniform(-0.12, 0.12), stream.uniform(0.76, 0.94)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    stretch = np.array([stream.uniform(0.9, 1.1), 1.0])
    middle = 0.5 + stream.uniform(-0.06, 0.06, 2)

    def place(shape: np.ndarray) -> np.ndarray:
        return (np.atleast_2d(shape) * stretch) @ turn.T * height + middle

    canvas = SIDE * FINE

    def at(shape: np.ndarray) -> list[Point]:
        return [(float(x), float(y)) for x, y in place(shape) * canvas]

    picture = Image.new("RGB", (canvas, canvas), _colour(stream))
    draw = ImageDraw.Draw(picture)
    _background(draw, stream, canvas)
    skin = _colour(stream, 90)
    draw.polygon(at(lines["oval"]), fill=skin)
    _eyes_and_brows(draw, stream, lines, at, height * canvas)
    shade = _other(stream, skin)
    nose = np.concatenate([lines["nose bridge"][stream.integers(0, 4) :], lines["nose base"][4:]])
    draw.line(at(nose), fill=shade, width=int(stream.integers(3, 8)))
    box = _mouth(draw, stream, lines["lips"], at, label, skin, height * canvas)
    grain = stream.normal(0, stream.uniform(0, 10), (SIDE, SIDE, 3))
    image = np.asarray(picture.reduce(FINE), float) + grain
    stencil = Image.new("L", (canvas, canvas))
    ImageDraw.Draw(stencil).polygon(at(box), fill=255)
    mouth = np.asarray(stencil.reduce(FINE)) > 0
    return DrawnFace(np.clip(np.rint(image), 0, 255).astype(np.uint8), label, mouth, place(points).astype(np.float32))


def _colour(stream: np.random.Generator, low: int = 0) -> Colour:
    red, green, blue = stream.integers(low, 256, 3).tolist()
    return red, green, blue


def _other(stream: np.random.Generator, ground: Colour) -> Colour:
    """A colour that is clearly darker than the ground."""
    while True:
        found = _colour(stream)
        if np.dot(np.subtract(ground, found), (0.299, 0.587, 0.114)) > 60:
            return found


def _background(draw: ImageDraw.ImageDraw, stream: np.random.Generator, canvas: int) -> None:
    for _ in range(int(stream.integers(2, 9))):
        x, y, wide, high = stream.uniform(-0.2, 1, 4) * canvas
        corners = [x, y, x + abs(wide), y + abs(high)]
        kind = stream.integers(3)
        if kind == 0:
            draw.ellipse(corners, fill=_colour(stream))
        elif kind == 1:
            draw.rectangle(corners, fill=_colour(stream))
        else:
            draw.line(corners, fill=_colour(stream), width=int(stream.integers(4, 24)))


def _eyes_and_brows(
    draw: ImageDraw.ImageDraw,
    stream: np.random.Generator,
    lines: dict[str, np.ndarray],
    at: Callable[[np.ndarray], list[Point]],
    scale: float,
) -> None:
    white, iris, brow = _colour(stream, 150), _colour(stream), _colour(stream)
    openness, angle, lift = stream.uniform(0.4, 3.0), stream.uniform(-0.5, 0.5), stream.uniform(-0.04, 0.03)
    thick = stream.uniform(0.6, 1.6)
    for side, sign in (("right", 1.0), ("left", -1.0)):
        eye = lines[f"{side} eye"]
        middle = eye.mean(0)
        draw.polygon(at(middle + (eye - middle) * (1.0, openness)), fill=white)
        (x, y), radius = at(middle)[0], 0.025 * scale * min(openness, 1.5)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=iris)
        shape = lines[f"{side} brow"]
        middle = shape.mean(0)
        offset = (shape - middle) * (1.0, thick)
        offset[:, 1] += sign * angle * offset[:, 0]
        draw.polygon(at(middle + offset + np.array([0.0, lift])), fill=brow)


def _mouth(
    draw: ImageDraw.ImageDraw,
    stream: np.random.Generator,
    lips: np.ndarray,
    at: Callable[[np.ndarray], list[Point]],
    label: int,
    skin: Colour,
    scale: float,
) -> np.ndarray:
    """The mouth of a class, and the box (4, 2) that holds all three with these numbers."""
    middle = (lips.min(0) + lips.max(0)) / 2 + stream.uniform(-0.02, 0.02, 2)
    half, bend = stream.uniform(0.18, 0.24), stream.uniform(0.055, 0.08)
    thick, colour, teeth = stream.uniform(0.03, 0.05), _other(stream, skin), _colour(stream, 215)
    along, wide = np.linspace(-1, 1, 25), stream.uniform(0.45, 0.8) * half
    if label == CLASSES.index("surprise"):
        turn = np.linspace(0, 2 * np.pi, 40)
        draw.polygon(at(middle + np.stack([wide * np.cos(turn), (bend + thick) * np.sin(turn)], 1)), fill=colour)
    else:
        sign = 1.0 if label == CLASSES.index("happiness") else -1.0
        curve = np.stack([half * along, sign * bend * (1 - 2 * along**2)], 1)
        if sign > 0:
            draw.polygon(at(middle + curve), fill=teeth)
        draw.line(at(middle + curve), fill=colour, width=max(2, round(thick * scale)), joint="curve")
    reach = np.array([half + thick / 2, bend + thick])
    return middle + reach * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])


def drawn_faces(count: int, seed: int) -> list[DrawnFace]:
    """`count` faces, each from a stream of its own."""
    return [drawn_face(np.random.default_rng([seed, index])) for index in range(count)]


def face_set(faces: Iterable[DrawnFace]) -> FaceSet:
    """Drawn faces as the workbench knows faces, labelled, with landmarks."""
    import hashlib

    import pandas as pd

    from workbench.faces.faceset import FaceSet

    faces = list(faces)
    table = pd.DataFrame(
        {
            "name": [f"drawn-{index:02d}" for index in range(len(faces))],
            "label": [CLASSES[face.label] for face in faces],
            "subject": "",
            "source": "tools/drawn_faces.py",
            "sha256": [hashlib.sha256(face.image.tobytes()).hexdigest() for face in faces],
        }
    )
    return FaceSet(np.stack([f.image for f in faces]), np.stack([f.landmarks for f in faces]), table)


def network(kind: str) -> torch.nn.Module:
    """A small untrained network for pictures of 64 pixels and three classes."""
    import torch
    from torch import nn

    from workbench.classifiers._torchvision import import_timm

    torch.manual_seed(0)
    if kind == "vit":
        import_timm()
        from timm.models.vision_transformer import VisionTransformer

        return VisionTransformer(
            img_size=SIDE, patch_size=8, embed_dim=64, depth=4, num_heads=4, num_classes=len(CLASSES), reg_tokens=1
        )
    layers: list[nn.Module] = []
    before = 3
    for width, stride in ((24, 2), (32, 1), (48, 2), (48, 1), (64, 2), (64, 1)):
        layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, len(CLASSES)))


def trained(kind: str, folder: Path) -> Classifier:
    """The network of that kind, trained once; its weights are kept in `folder` and read from there later."""
    import torch

    from workbench.classifiers import load_classifier

    path = folder / f"drawn-faces-{kind}.pt"
    module = network(kind)
    if path.exists():
        module.load_state_dict(torch.load(path, weights_only=True))
    else:
        _train(module, kind, folder)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), path)
    name = f"drawn faces, {'ViT' if kind == 'vit' else 'CNN'}"
    return load_classifier(module, labels=CLASSES, size=SIDE, mean=MEAN, std=STD, name=name)


def _pictures(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, 64, 64, 3), labels (N,) and mouths (N, 64, 64) for training."""
    path = folder / "drawn-faces.npz"
    if not path.exists():
        faces = drawn_faces(PICTURES, seed=1)
        folder.mkdir(parents=True, exist_ok=True)
        mouths = np.stack([face.mouth for face in faces])
        np.savez(path, images=np.stack([f.image for f in faces]), labels=[f.label for f in faces], mouths=mouths)
    with np.load(path) as kept:
        return kept["images"], kept["labels"], kept["mouths"]


def _train(module: torch.nn.Module, kind: str, folder: Path) -> None:
    import torch
    from torch.nn import functional as F

    images, labels, mouths = (torch.from_numpy(array) for array in _pictures(folder))
    stream, steps = np.random.default_rng(2), STEPS[kind]
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.05)
    peak = 1e-3 if kind == "vit" else 3e-3
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, total_steps=steps, pct_start=0.1)
    module.train()
    began = time.process_time()
    for step in range(steps):
        index = torch.from_numpy(stream.integers(0, len(images), BATCH))
        x = (images[index].movedim(-1, 1).float() / 255 - MEAN) / STD
        shown = torch.from_numpy(_shown(stream, BATCH))
        if step < WHOLE * steps:
            shown[:] = True
        black = (0 - MEAN) / STD
        x = torch.where(shown[:, None], x, black)
        flip = torch.from_numpy(stream.random(BATCH) < 0.5)
        x[flip] = x[flip].flip(-1)
        mouth = mouths[index]
        visible = (mouth & shown).flatten(1).sum(1) / mouth.flatten(1).sum(1)
        certain = F.one_hot(labels[index], len(CLASSES)).float()
        target = visible[:, None] * certain + (1 - visible[:, None]) / len(CLASSES)
        loss = F.cross_entropy(module(x), target)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        plan.step()
        if step % 200 == 199:
            print(f"{kind}: step {step + 1}, loss {loss.item():.3f}, {time.process_time() - began:.0f} s", flush=True)
    module.eval()


def _shown(stream: np.random.Generator, count: int) -> np.ndarray:
    """Which pixels are left (count, 64, 64) bool: all of them, or a random grid or a few rectangles are hidden."""
    shown = np.ones((count, SIDE, SIDE), bool)
    for one in shown:
        way = stream.integers(4)
        if way == 0:
            cells, keep = int(stream.choice([4, 8, 16])), stream.uniform(0.2, 0.95)
            one[:] = (stream.random((cells, cells)) < keep).repeat(SIDE // cells, 0).repeat(SIDE // cells, 1)
        elif way == 1:
            for _ in range(int(stream.integers(1, 4))):
                top, left = stream.integers(-8, SIDE - 8, 2)
                high, wide = stream.integers(8, 40, 2)
                one[max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)] = False
    return shown


def reliance(classifier: Classifier, count: int = 300) -> dict[str, float]:
    """Does the network look at the mouth alone? Shares of faces it had not seen.

    "accuracy"; "other mouth": answers that become the other face's when its mouth box is pasted in (of equal boxes
    drawn by the same numbers); "other face": answers that stay when everything but the mouth's box is another face (of
    which the mouth is painted over); "hidden": mean highest probability with the mouth blacked out (chance is 1/3).
    """
    faces = drawn_faces(count, seed=3)
    images = np.stack([face.image for face in faces])
    labels = np.array([face.label for face in faces])
    mouths = np.stack([face.mouth for face in faces])

    def answers(pictures: np.ndarray) -> np.ndarray:
        return np.asarray(classifier.activated(classifier.logits(classifier.inputs(pictures))).cpu())

    twins = [drawn_face(np.random.default_rng([3, index]), (face.label + 1) % 3) for index, face in enumerate(faces)]
    pasted = np.where(mouths[..., None], np.stack([twin.image for twin in twins]), images)
    mouthless = np.stack([_without_mouth(face) for face in faces])
    shuffled = np.where(mouths[..., None], images, np.roll(mouthless, 1, axis=0))
    said = answers(images).argmax(1)
    return {
        "accuracy": float((said == labels).mean()),
        "other mouth": float((answers(pasted).argmax(1) == (labels + 1) % 3).mean()),
        "other face": float((answers(shuffled).argmax(1) == said).mean()),
        "hidden": float(answers(np.where(mouths[..., None], 0, images).astype(np.uint8)).max(1).mean()),
    }


def _without_mouth(face: DrawnFace) -> np.ndarray:
    """The picture with its mouth's box in the colour around it."""
    skin = np.median(face.image[_rim(face.mouth)], axis=0)
    return np.where(face.mouth[..., None], skin, face.image).astype(np.uint8)


def main() -> None:
    """Train both networks, say what they rely on, and draw a sheet of faces if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where weights are kept")
    parser.add_argument("--sheet", type=Path, help="a PNG of 48 faces with their mouths outlined")
    parser.add_argument("--kinds", nargs="*", default=list(STEPS), choices=list(STEPS))
    args = parser.parse_args()
    if args.sheet:
        faces = drawn_faces(48, seed=0)
        cells = [np.where(_rim(f.mouth)[..., None], (255, 0, 0), f.image).astype(np.uint8) for f in faces]
        rows = [np.concatenate(cells[start : start + 12], 1) for start in range(0, 48, 12)]
        Image.fromarray(np.concatenate(rows)).resize((12 * 128, 4 * 128), Image.Resampling.NEAREST).save(args.sheet)
    for kind in args.kinds:
        found = reliance(trained(kind, args.folder))
        print(kind, ", ".join(f"{name} {value:.3f}" for name, value in found.items()))


def _rim(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask) & ~mask)


if __name__ == "__main__":
    main()

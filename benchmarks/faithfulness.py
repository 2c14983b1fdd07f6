"""Faithfulness scores beside bare forwards, pytorch-grad-cam, captum and Quantus, in one run on one thread.

    OMP_NUM_THREADS=1 python benchmarks/faithfulness.py [--networks resnet18,vit_small] [--rows ROAD]
                                                        [--device cuda] [--out FILE.md]

Rows against "bare forwards": the same number of pictures of 224 × 224 through the same network, in the batches and the
memory format that ours uses, nothing else. Rows against a peer: the same score of the same map. Contestants run in turn
in one process; processor time of one thread (on a GPU wall time between synchronisations); ratio of the minima, and the
median of the ratios within one repetition.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import pandas as pd
import torch
import xarray as xr
from harness import networks, table
from harness.clock import Clock, ratio

from workbench.canonical import load_frame
from workbench.classifiers import Classifier
from workbench.explainers.passes import pass_length
from workbench.faces.faceset import FaceSet, crop_sha256
from workbench.faithfulness import au_occlusion, faithfulness

SIDE = networks.SIDE
TARGET = "expression:happiness"
COLUMN = networks.LABELS.index("happiness")
Row = tuple[str, str, str, Callable[[], object], Callable[[], object]]


def faces_of(count: int) -> FaceSet:
    """Pictures whose landmarks are the canonical face."""
    frame, images = load_frame(), networks.pictures(count)
    low, high = frame.points.min(0), frame.points.max(0)
    points = np.full((478, 2), 0.5, np.float32)
    points[: len(frame.points)] = (frame.points - low) / (high - low).max() * 0.9 + 0.05
    rows = {"name": [f"face {k}" for k in range(count)], "label": "", "subject": "", "source": "drawn"}
    rows["sha256"] = [crop_sha256(image) for image in images]
    return FaceSet(images, np.repeat(points[None], count, 0), pd.DataFrame(rows))


def bare(network: Classifier, count: int) -> Callable[[], object]:
    """`count` forwards and nothing else."""
    inputs = network.inputs(networks.pictures(1))
    length = pass_length(inputs)
    batch = inputs.repeat(length, 1, 1, 1).contiguous(memory_format=network.memory_format)

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, count, length):
                network.module(batch[: min(length, count - start)])

    return run


def rows(name: str, device: str) -> Iterator[Row]:
    """What, against what, note, ours, theirs."""
    net = networks.module(name, device)
    network, faces = networks.classifier(name, net, device), faces_of(1)
    values = np.random.default_rng(0).random((1, 7, 7), dtype=np.float32)
    coords = {"image": faces.names, "status": ("image", ["ok"])}
    one = {(name, "a"): xr.DataArray(values, coords, ("image", "y", "x"))}
    settings: dict[str, Any] = {"target": TARGET, "progress": False}

    def ours(maps: dict[Any, xr.DataArray], scores: Any, **more: Any) -> Callable[[], object]:
        return lambda: faithfulness(network, faces, maps, scores=scores, **more, **settings)

    maps = 1 + 2 + 2  # of the explainer, centre and edges, random ones; one face has no mean map of others
    counts = {
        "deletion and insertion": (["deletion", "insertion", "insertion_deletion"], 2 * 9 * maps),
        "ROAD": (["road"], 18 * maps),
        "sensitivity-n and infidelity": (["sensitivity_n", "infidelity"], 300),
        "average drop, increase and gain": (["average_drop", "increase", "average_gain"], maps),
    }
    for title, (scores, each) in counts.items():
        count = each + 3  # with the whole face, the fill, and what is predicted
        work = ours(one, scores, steps=10, draws=2)
        yield title, f"{count} bare forwards", "1 face, 1 map, 4 references", work, bare(network, count)

    def units() -> object:
        return au_occlusion(network, faces, target=TARGET, progress=False)

    yield "AU occlusion", f"{24 * 21 + 2} bare forwards", "24 units, 20 places each", units, bare(network, 24 * 21 + 2)
    yield from peers(name, net, network, faces, one, ours, device)


def peers(name: str, net: Any, network: Classifier, faces: FaceSet, one: Any, ours: Any, device: str) -> Iterator[Row]:
    """The same scores of one map of one face without references."""
    import quantus
    from captum.metrics import infidelity
    from pytorch_grad_cam.metrics.road import ROADCombined

    inputs = networks.tensor(faces.images[:1], device)
    cam = np.random.default_rng(1).random((1, SIDE, SIDE), dtype=np.float32)
    full = {
        (name, "a"): one[name, "a"].isel(y=0, x=0, drop=True).expand_dims(y=SIDE, x=SIDE).transpose("image", "y", "x")
    }
    full = {(name, "a"): full[name, "a"].copy(data=cam)}
    target = [lambda output: output.softmax(-1)[COLUMN]]
    smooth = torch.nn.functional.interpolate(
        torch.from_numpy(one[name, "a"].values)[None], (SIDE, SIDE), mode="bilinear"
    )
    smooth_map = smooth[0].numpy()
    for kind, maps, cams in (("7 × 7", one, smooth_map), ("224 × 224", full, cam)):
        yield (
            "ROAD",
            "pytorch-grad-cam ROADCombined",
            f"1 face, 1 map of {kind}",
            ours(maps, "road", controls=False),
            lambda cams=cams: ROADCombined()(inputs, cams, target, net),
        )
    hidden = torch.rand(100, 1, SIDE, SIDE, device=device) > 0.9
    yield (
        "infidelity",
        "captum.metrics.infidelity, 8 pictures a pass",
        "1 face, 1 map, 100 pictures",
        ours(one, "infidelity", controls=False),
        lambda: infidelity(
            net,
            lambda x: (hidden[: len(x)].float().expand_as(x), torch.where(hidden[: len(x)], torch.zeros_like(x), x)),
            inputs,
            torch.from_numpy(smooth_map[:, None]).expand(1, 3, SIDE, SIDE).to(device),
            target=COLUMN,
            n_perturb_samples=100,
            max_examples_per_batch=8,
            normalize=True,
        ),
    )
    flipping = quantus.PixelFlipping(
        features_in_step=SIDE * SIDE // 14, perturb_baseline="black", disable_warnings=True, abs=False
    )
    x = inputs.cpu().numpy()
    yield (
        "deletion",
        "Quantus PixelFlipping",
        "1 face, 1 map, 42 steps",
        ours(one, "deletion", controls=False, steps=42, fill="black"),
        lambda: flipping(
            model=net, x_batch=x, y_batch=np.array([COLUMN]), a_batch=smooth_map[:, None], channel_first=True,
            softmax=True, device=device,
        ),
    )  # fmt: skip


def main() -> int:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", default="resnet18,vit_small")
    parser.add_argument("--rows", default="", help="only rows whose score holds this text")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    clock = Clock("cpu" if asked.device == "cpu" else "cuda")
    about = table.machine(clock.device) | {"repetitions": str(asked.repetitions)}
    lines = ["# Faithfulness scores, beside bare forwards and peers", ""]
    lines += [", ".join(f"{key} {value}" for key, value in about.items()), ""]
    lines += ["| score | network | beside | ours | theirs | ours ÷ theirs: min | median | note |"]
    lines += ["|---|---|---|--:|--:|--:|--:|---|"]
    for name in asked.networks.split(","):
        for title, against, note, ours, theirs in rows(name, asked.device):
            if asked.rows not in title:
                continue
            times = clock.interleaved({"ours": ours, "theirs": theirs}, asked.repetitions, warm=False)
            least, median = ratio(times["ours"], times["theirs"])
            sides = [f"{times[side].min():.0f} ms" for side in ("ours", "theirs")]
            lines.append(
                "| " + " | ".join([title, name, against, *sides, f"{least:.2f}", f"{median:.2f}", note]) + " |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
            if asked.out:
                asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

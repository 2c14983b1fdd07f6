"""mini-XCEPTION's Grad-CAM along its training, drawn into docs/images/training-trajectory.png.

    python tools/training_trajectory.py docs/images/training-trajectory.png [--maps FILE]

Every checkpoint among the assets explains all six expressions on all demo faces, so that every epoch rests on the same
pictures. All but two of them show one woman: intervals are over pictures, and hold for pictures of her. The file of
epoch 119 is of another run (its weights have nothing in common with the others'); it is no step but a level to compare
with. No face is in the figure. With --maps, the single maps are kept in FILE (NetCDF) and read from it the next time.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import xarray as xr
from PIL import Image
from tqdm import tqdm

from workbench import assets, figures
from workbench.classifiers import load_classifier
from workbench.comparison import trajectory
from workbench.explain import explain
from workbench.faces import demo_faces
from workbench.heatmaps import load, save
from workbench.vocabulary import BASIC_EXPRESSIONS

PREFIX = "fer-mini-xception-epoch-"
LABELS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
OTHER_RUN = "119"
WIDTH = 1400


def checkpoints() -> list[str]:
    """Names of the assets, first epoch to last."""
    return sorted(name for name in assets.ASSETS.names() if name.startswith(PREFIX))


def explained() -> xr.DataArray:
    """Maps (model, explainer, target, image, y, x) of every checkpoint, for each expression and picture."""
    faces = demo_faces(progress=False)
    targets = [f"expression:{name}" for name in BASIC_EXPRESSIONS]
    parts = []
    for name in tqdm(checkpoints(), desc="checkpoints"):
        classifier = load_classifier(assets.path(name), labels=LABELS, size=64, mean=0.5, std=0.5, name=name)
        maps = explain(classifier, faces, "grad_cam", target=targets, progress=False)
        parts.append(maps.isel(y=slice(2, None, 4), x=slice(2, None, 4)))
    return xr.concat(parts, "model", combine_attrs="override")


def main() -> None:
    """Explain, compare, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--maps", type=Path)
    args = parser.parse_args()
    began = time.perf_counter()
    if args.maps and args.maps.exists():
        maps = load(args.maps)
    else:
        maps = explained()
        if args.maps:
            save(maps, args.maps)
    maps = maps.drop_vars("subject")
    run = [str(name) for name in maps["model"].values if not str(name).endswith(OTHER_RUN)]
    found = trajectory(maps, "model", run, by="all", draws=500, splits=100).isel(explainer=0)
    other = trajectory(maps, "model", [PREFIX + OTHER_RUN, run[-1]], by="all", draws=0, splits=0).isel(explainer=0)
    epochs = [int(name.removeprefix(PREFIX)) for name in run]
    for name in ("similarity", "low", "high", "half_similarity", "reliability", "between_expressions"):
        print(name, found[name].assign_coords(step=epochs).T.to_pandas().round(2), sep="\n")
    beside = other["similarity"].isel(step=0)
    print("another run", beside.to_pandas().round(2), sep="\n")
    figure = figures.trajectory(
        found, positions=epochs, axis="epoch", beside=("another run of the training, with the last step", beside)
    )
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=WIDTH / float(figure.get_size_inches()[0]), facecolor="white")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(args.out, optimize=True)
    print(f"{args.out}, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

"""All explainers on one face, drawn for a CNN and a ViT; and whether they find a mouth that is known to decide.

    python tools/make_explainer_gallery.py FOLDER docs/images [--only astronaut vit cnn]

`explainers_cnn.png`: a network of the zoo on the astronaut. `explainers_vit.png`: the ViT of `drawn_faces.py` on one
drawn face, its mouth outlined. `FOLDER/mouths.json`: for both networks of `drawn_faces.py`, what every explainer gives
to the mouth, which alone decides; `explainer_page.py` puts it on the page. Weights and maps are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from drawn_faces import DrawnFace, drawn_faces, face_set, reliance, trained
from matplotlib.figure import Figure
from PIL import Image

from workbench.classifiers import load_classifier
from workbench.explain import explain
from workbench.explainers import EXPLAINERS
from workbench.faces import demo_faces
from workbench.figures import explainer_gallery
from workbench.figures.placing import resized

if TYPE_CHECKING:
    import xarray as xr

    from workbench.classifiers import Classifier
    from workbench.faces import FaceSet

WIDTH: Final = 1600
COUNT: Final = 8  # faces of the table
SHOWN: Final = 7  # the one of them in the picture
NEAR: Final = 4  # pixels beyond the mouth's box in which a map's highest place still counts: half a patch
OPTIONS: Final[dict[str, dict[str, Any]]] = {"ss_cam": {"n": 8}, "region_shap": {"regions": "face-regions"}}


def explained(
    classifier: Classifier, faces: FaceSet, options: Mapping[str, Mapping[str, Any]], kept: Path, redraw: bool
) -> dict[tuple[str, ...], xr.DataArray]:
    """Every registered explainer on these faces at its own resolution; read from `kept` to `redraw`, else put there."""
    if redraw:
        return pickle.loads(kept.read_bytes())
    began = time.process_time()
    found = explain(classifier, faces, EXPLAINERS.names(), frame="native", options=options, progress=False)
    print(f"{classifier.name}: {len(found)} explainers, {len(faces)} faces, {time.process_time() - began:.0f} s")
    for (_, name), maps in found.items():
        if maps.attrs["reason"]:
            print(f"  {name}: {maps.attrs['reason']}")
    kept.write_bytes(pickle.dumps(found))
    return found


def save(figure: Figure, path: Path) -> None:
    """The figure on white, WIDTH pixels wide."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=WIDTH / float(figure.get_size_inches()[0]), facecolor="white")
    picture = Image.open(stream).convert("RGB")
    picture.save(path, optimize=True)
    print(f"{path} {picture.width} × {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def found_mouth(maps: xr.DataArray, faces: Sequence[DrawnFace]) -> dict[str, float]:
    """What an explainer gives to the mouth, means over faces; maps are resampled to the pictures.

    "mass": share of the positive part (of a map without negative values: above its lowest value) that lies in the
    mouth's box, and "chance", the box's share of the picture; "auc": probability that a place in the box is above one
    outside (.5 by chance); "peak": share of faces whose highest place is in the box or within `NEAR` pixels of it.
    """
    from scipy.ndimage import binary_dilation
    from scipy.stats import rankdata

    rows = []
    for index, face in enumerate(faces):
        values = maps.values[index].astype(float)
        if str(maps["status"].values[index]) != "ok":
            continue
        values = resized(values, face.mouth.shape)
        positive = np.clip(values - max(0.0, float(values.min())), 0, None)
        ranks = rankdata(values).reshape(values.shape)
        inside, outside = int(face.mouth.sum()), int((~face.mouth).sum())
        auc = (ranks[face.mouth].sum() - inside * (inside + 1) / 2) / (inside * outside)
        near = binary_dilation(face.mouth, iterations=NEAR)
        top = np.unravel_index(int(values.argmax()), values.shape)
        mass = positive[face.mouth].sum() / positive.sum() if positive.any() else np.nan
        rows.append((mass, face.mouth.mean(), auc, float(near[top])))
    if not rows:
        return {"n": 0}
    mass, chance, auc, peak = np.nanmean(rows, axis=0)
    return {"n": len(rows), "mass": float(mass), "chance": float(chance), "auc": float(auc), "peak": float(peak)}


def places_removed(classifier: Classifier, faces: FaceSet) -> xr.DataArray:
    """Fall of the predicted class's score when one place of the CAM layer becomes the mean of all places.

    What can be seen at that layer at all: by then a transformer may have carried the mouth to other places.
    """
    import torch
    import xarray as xr

    layout = classifier.layout(classifier.cam_layer)
    inputs = classifier.inputs(faces.images)
    said = classifier.logits(inputs)
    rows = torch.arange(len(faces))
    place: tuple[int, int] = (0, 0)

    def remove(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        grid = layout.to_grid(output).clone()
        grid[:, :, place[0], place[1]] = grid.mean((2, 3))
        return layout.from_grid(grid, output)

    height, width = layout.grid
    values = np.zeros((len(faces), height, width), np.float32)
    with classifier.module.get_submodule(classifier.cam_layer).register_forward_hook(remove):
        for place in np.ndindex(height, width):
            left = classifier.logits(inputs)
            values[:, place[0], place[1]] = (said - left)[rows, said.argmax(1)].cpu().numpy()
    return xr.DataArray(values, {"status": ("image", ["ok"] * len(faces))}, ("image", "y", "x"))


def mouths(folder: Path, out: Path, kinds: Sequence[str], redraw: bool) -> None:
    """The table of both networks on drawn faces, and the ViT's picture."""
    drawn = drawn_faces(COUNT, seed=7)
    faces = face_set(drawn)
    path = folder / "mouths.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    for kind in kinds:
        classifier = trained(kind, folder)
        maps = explained(classifier, faces, OPTIONS, folder / f"maps-{kind}.pickle", redraw)
        table[kind] = {
            "network": classifier.name,
            "reliance": reliance(classifier),
            "layer": classifier.cam_layer,
            "places": found_mouth(places_removed(classifier, faces), drawn),
            "explainers": {name: found_mouth(array, drawn) for (_, name), array in maps.items()},
        }
        path.write_text(json.dumps(table, indent=1))
        for name, row in table[kind]["explainers"].items():
            numbers = ", ".join(f"{key} {value:.2f}" for key, value in row.items())
            print(f"  {name:24s} {numbers}")
        if kind == "vit":
            outline = ("the mouth, which alone decides", drawn[SHOWN].mouth)
            save(explainer_gallery(maps, faces, faces.names[SHOWN], outline=outline), out / "explainers_vit.png")


def astronaut(folder: Path, out: Path, network: str, redraw: bool) -> None:
    """The picture of a network of the zoo."""
    faces = demo_faces(collage=False, progress=False)["astronaut"]
    maps = explained(load_classifier(network), faces, OPTIONS, folder / "maps-astronaut.pickle", redraw)
    save(explainer_gallery(maps, faces, "astronaut"), out / "explainers_cnn.png")


def main() -> None:
    """Read the arguments, explain, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where weights and the table are kept")
    parser.add_argument("out", type=Path, help="where pictures go")
    parser.add_argument("--network", default="facemood")
    parser.add_argument("--only", nargs="+", choices=["astronaut", "vit", "cnn"], default=["astronaut", "vit", "cnn"])
    parser.add_argument("--redraw", action="store_true", help="draw what the last run found")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.folder.mkdir(parents=True, exist_ok=True)
    mouths(args.folder, args.out, [kind for kind in args.only if kind != "astronaut"], args.redraw)
    if "astronaut" in args.only:
        astronaut(args.folder, args.out, args.network, args.redraw)


if __name__ == "__main__":
    main()

"""`workbench explain`: heatmaps of pictures for one classifier."""

from __future__ import annotations

import argparse
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli._common import (
    add_classifier_arguments,
    classifier_options,
    counted,
    failure_line,
    map_failures,
    out_folder,
    print_json,
    say,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.faces import FaceSet

NAME = "explain"
HELP = "explain a classifier's decision on pictures: overlays, heatmaps and numbers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench explain IMAGE… --classifier NAME --explainer NAME… --out DIR`."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="pictures, or one folder")
    add_classifier_arguments(parser)
    parser.add_argument("--explainer", nargs="+", required=True, metavar="NAME", help="workbench list explainers")
    parser.add_argument(
        "--target",
        nargs="+",
        default=["predicted"],
        metavar="NAME",
        help="predicted (default), labelled, expression:fear, expression:happiness-vs-fear, au:12, affect:valence",
    )
    parser.add_argument("--all-faces", action="store_true", help="every face of a picture, not only the largest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, metavar="DIR", help="maps.nc, predictions.csv and overlays")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Explain and write; status 1 if some picture or map failed."""
    from workbench.classifiers import load_classifier
    from workbench.explain import check_request, explain
    from workbench.explainers import chosen
    from workbench.faces import load_faces
    from workbench.heatmaps import save
    from workbench.heatmaps.predictions import prediction_table
    from workbench.report.folder import all_or_nothing

    out = out_folder(args.out)
    methods = chosen(args.explainer)
    target = args.target[0] if len(args.target) == 1 else args.target
    check_request(args.explainer, target=target, seed=args.seed)  # a slip is refused before any work
    classifier = load_classifier(args.classifier, **classifier_options(args))
    source = args.images[0] if len(args.images) == 1 else [Path(image) for image in args.images]
    faces = load_faces(source, all_faces=args.all_faces)
    maps = explain(classifier, faces, args.explainer, target=target, seed=args.seed)
    table = prediction_table(maps)
    with all_or_nothing(out) as folder:
        save(maps, folder / "maps.nc")
        table.to_csv(folder / "predictions.csv", index=False)
        pictures = _overlays(maps, faces, folder)
    failures = [failure_line(failure.name, failure.reason) for failure in faces.failures]
    failures += map_failures(maps)
    if args.json:
        print_json(
            {
                "out": out,
                "predictions": table.to_dict(orient="records"),
                "overlays": pictures,
                "notes": faces.notes,
                "failures": failures,
            }
        )
    say(f"{counted(len(faces), 'face')} × {counted(len(methods), 'explainer')} → {out}", *faces.notes)
    say(*(f"failed: {failure}" for failure in failures))
    return 1 if failures else 0


def _overlays(maps: xr.DataArray, faces: FaceSet, out: Path) -> list[str]:
    """One picture a face and target, all explainers side by side; the file names."""
    from workbench.figures import overlay_grid

    written: list[str] = []
    shown = {f"-{one}": maps.sel(target=one) for one in maps["target"].values} if "target" in maps.dims else {"": maps}
    for name, (aim, of_aim) in product(faces.names, shown.items()):
        stem = re.sub(r"[^\w.-]+", "_", f"{Path(name).stem}{aim}")
        file = out / f"{stem}.png"
        number = 1
        while file.name in written:
            number += 1
            file = file.with_stem(f"{file.stem}-{number}")
        figure = overlay_grid(of_aim, faces, images=[name], tile=224)
        figure.savefig(file, dpi=150, facecolor="white")
        written.append(file.name)
    return written

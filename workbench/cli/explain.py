"""`workbench explain`: heatmaps of pictures for one classifier."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.cli._common import add_classifier_arguments, classifier_options, print_json, say

NAME = "explain"
HELP = "explain a classifier's decision on pictures: overlays, heatmaps and numbers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench explain IMAGE… --classifier NAME --explainer NAME… --out DIR`."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="pictures, or one folder")
    add_classifier_arguments(parser)
    parser.add_argument("--explainer", nargs="+", required=True, metavar="NAME", help="workbench list explainers")
    parser.add_argument("--target", default="predicted", metavar="NAME",
                        help="predicted (default), labelled, or expression:fear")  # fmt: skip
    parser.add_argument("--all-faces", action="store_true", help="every face of a picture, not only the largest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, metavar="DIR", help="maps.nc, predictions.csv and one overlay a map")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Explain and write; status 1 if some picture or map failed."""
    from workbench.classifiers import load_classifier
    from workbench.explain import explain
    from workbench.explainers import EXPLAINERS
    from workbench.faces import load_faces
    from workbench.figures import save_overlays
    from workbench.heatmaps import save

    for name in args.explainer:
        EXPLAINERS[name]  # an unknown name is refused before any work
    classifier = load_classifier(args.classifier, **classifier_options(args))
    source = args.images[0] if len(args.images) == 1 else [Path(image) for image in args.images]
    faces = load_faces(source, all_faces=args.all_faces)
    maps = explain(classifier, faces, args.explainer, target=args.target, seed=args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    save(maps, out / "maps.nc")
    table = maps["probability"].to_series().unstack("class").reset_index()
    table.to_csv(out / "predictions.csv", index=False)
    pictures = save_overlays(maps, faces, out)
    failures = [vars(failure) for failure in faces.failures] + json.loads(maps.attrs.get("failures", "[]"))
    if args.json:
        print_json({"out": str(out), "predictions": table.to_dict(orient="records"),
                    "overlays": [str(p.relative_to(out)) for p in pictures], "failures": failures})  # fmt: skip
    say(f"{len(faces)} faces × {len(args.explainer)} explainers → {out}", *faces.notes)
    say(*(f"failed: {failure}" for failure in failures))
    return 1 if failures else 0

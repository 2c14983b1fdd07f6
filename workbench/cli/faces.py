"""`workbench faces`: what was found in a folder of pictures."""

from __future__ import annotations

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from workbench.cli._common import counted, failure_line, out_folder, print_json, say
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.faces import FaceSet

NAME = "faces"
HELP = "detect, landmark and crop the faces of a folder, a table, a data set or a picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench faces PATH --out DIR`."""
    parser.add_argument("path", help="a picture, a folder, a folder of class folders, a CSV/Parquet table, a data set")
    parser.add_argument("--out", required=True, metavar="DIR", help="crops, landmarks, faces.csv and failures.csv")
    parser.add_argument("--layout", default="", metavar="NAME", help="how a data set lies on disk (fer2013, ck+, …)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the layout (usage=PrivateTest); may be repeated",
    )
    parser.add_argument(
        "--landmarks", metavar="FILE", help='known landmarks: CSV or NPZ, "dataset" or "template"; nothing is detected'
    )
    parser.add_argument("--cropped", action="store_true", help="the pictures are face crops already")
    parser.add_argument("--all-faces", action="store_true", help="every face of a picture, not only the largest")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of a crop (default 256)")
    parser.add_argument("--margin", type=float, default=1.15, help="crop ÷ box of the landmarks (default 1.15)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Detect and write; status 1 if a picture could not be read, or no face was found anywhere."""
    from workbench.faces import load_faces, save_faces
    from workbench.faces.store import check_target

    out = out_folder(args.out)
    check_target(out)
    faces = load_faces(
        args.path,
        layout=args.layout,
        landmarks=args.landmarks,
        cropped=args.cropped,
        all_faces=args.all_faces,
        size=args.size,
        margin=args.margin,
        **_options(args.set),
    )
    folder = save_faces(faces, out)
    units = _action_units(faces)
    if args.json:
        print_json(
            {
                "out": str(folder),
                "faces": faces.table.to_dict(orient="records"),
                "action_units": units,
                "failures": [vars(failure) for failure in faces.failures],
                "notes": list(faces.notes),
            }
        )
    say(f"{counted(len(faces), 'face')} → {folder}", *faces.notes)
    if unseen := [row["au"] for row in units if row["status"] == "not measurable"]:
        say(f"not measurable from blendshapes here: {', '.join(unseen)}")
    if faces.failures:
        say(f"{len(faces.failures)} without a usable face:")
        say(*(f"  {failure_line(failure.name, failure.reason)}" for failure in faces.failures))
    return 1 if any(failure.stage == "read" for failure in faces.failures) else 0


def _options(pairs: list[str]) -> dict[str, Any]:
    """`usage=PrivateTest` → {"usage": "PrivateTest"}; whole numbers become int."""
    from workbench.faces import load_faces

    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--set {pair!r} is no option; write KEY=VALUE, as in usage=PrivateTest")
        if key in inspect.signature(load_faces).parameters:
            raise UsageError(f"--set {pair!r} is no option of a layout; see workbench faces --help for {key}")
        options[key] = int(value) if value.isdecimal() else value
    return options


def _action_units(faces: FaceSet) -> list[dict[str, Any]]:
    """One row per estimated action unit: status, blendshape, its largest score, and an estimate per face."""
    from workbench.faces import au_estimates

    if faces.blendshapes is None:
        return []
    estimates = au_estimates(faces)
    return [
        {
            "au": str(column["au"].item()),
            "status": str(column["status"].item()),
            "blendshape": str(column["blendshape"].item()),
            "largest": float(column["largest"]),
            "estimates": dict(zip(faces.names, column.values.tolist(), strict=True)),
        }
        for column in estimates.transpose("au", "image")
    ]

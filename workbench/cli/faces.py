"""`workbench faces`: what was found in a folder of pictures."""

from __future__ import annotations

import argparse

from workbench.cli._common import counted, failure_line, out_folder, print_json, say

NAME = "faces"
HELP = "detect, landmark and crop the faces of a folder, a table or a picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench faces PATH --out DIR`."""
    parser.add_argument("path", help="a picture, a folder, a folder of class folders, or a CSV/Parquet table")
    parser.add_argument("--out", required=True, metavar="DIR", help="crops, landmarks, faces.csv and failures.csv")
    parser.add_argument("--all-faces", action="store_true", help="every face of a picture, not only the largest")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of a crop (default 256)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Detect and write; status 1 if a picture could not be read, or no face was found anywhere."""
    from workbench.faces import load_faces, save_faces
    from workbench.faces.store import check_target

    out = out_folder(args.out)
    check_target(out)
    faces = load_faces(args.path, all_faces=args.all_faces, size=args.size)
    folder = save_faces(faces, out)
    if args.json:
        print_json(
            {
                "out": str(folder),
                "faces": faces.table.to_dict(orient="records"),
                "failures": [vars(failure) for failure in faces.failures],
                "notes": list(faces.notes),
            }
        )
    say(f"{counted(len(faces), 'face')} → {folder}", *faces.notes)
    if faces.failures:
        say(f"{len(faces.failures)} without a usable face:")
        say(*(f"  {failure_line(failure.name, failure.reason)}" for failure in faces.failures))
    return 1 if any(failure.stage == "read" for failure in faces.failures) else 0

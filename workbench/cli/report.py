"""`workbench report`: a study file, or the demo without one, into one page."""

from __future__ import annotations

import argparse

from workbench.cli._common import failure_line, map_failures, out_folder, say

NAME = "report"
HELP = "run a study (the demo without one) and write its report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench report [STUDY.toml] [--out DIR]`."""
    parser.add_argument("study", nargs="?", metavar="STUDY.toml", help="a study file; the demo if there is none")
    parser.add_argument("--out", metavar="DIR", help="default: reports/<name of the study>")
    parser.add_argument("--no-faces", action="store_true", help="canonical maps only: no photograph on the page")
    parser.add_argument("--fresh", action="store_true", help="compute every map again, use nothing kept earlier")
    parser.add_argument("--store", metavar="DIR", help="where maps are kept between runs (default: the user's cache)")


def run(args: argparse.Namespace) -> int:
    """Run the study, write the page and print its path; status 1 where a file or a network's maps failed."""
    from workbench.report import report
    from workbench.study import load_study, run_study

    study = load_study(args.study)
    out = out_folder(args.out if args.out is not None else f"reports/{study.name}")
    store = None if args.store is None else out_folder(args.store, "--store")
    result = run_study(study, store=store, fresh=args.fresh)
    page = report(
        result.maps,
        result.masks,
        faces=result.faces,
        out=out,
        title=study.title,
        embed_faces=study.embed_faces and not args.no_faces,
        classifiers=result.classifiers,
        provenance=result.provenance,
        notes=result.notes,
        caveat=study.caveat,
    )
    unread = [failure_line(f.name, f.reason) for f in result.faces.failures if f.stage == "read"]
    failures = unread + map_failures(result.maps)
    say(*result.notes, *(f"failed: {failure}" for failure in failures))
    print(page)
    return 1 if failures else 0

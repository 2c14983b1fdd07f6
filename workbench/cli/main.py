"""Parses the command line, runs one verb, and turns every error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from workbench.cli import cluster, explain, faces, fetch, listing, report, score
from workbench.errors import WorkbenchError

VERBS = (listing, fetch, faces, explain, score, cluster, report)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="workbench",
        description="What facial-expression classifiers look at, compared with what FACS experts say.",
        epilog="Exit status: 0 done, 1 work failed, 2 the request makes no sense. Progress goes to standard error.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in VERBS:
        verb.add_arguments(verbs.add_parser(verb.NAME, help=verb.HELP, description=verb.HELP))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 1 failed work, 2 usage)."""
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as leaving:  # argparse leaves by itself after --help and usage errors
        return int(leaving.code or 0)
    if args.version:
        import workbench

        print(workbench.__version__)
        return 0
    if args.verb is None:
        parser.print_help(sys.stderr)
        return 2
    # Idle threads of GNU OpenMP spin by default: on a busy machine that made whole runs over ten times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    run = next(verb.run for verb in VERBS if args.verb == verb.NAME)
    try:
        status = run(args)
        sys.stdout.flush()
    except WorkbenchError as error:
        if args.debug:
            raise
        print(f"workbench {args.verb}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"workbench {args.verb}: interrupted; finished work is kept and is not repeated", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `workbench list … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status

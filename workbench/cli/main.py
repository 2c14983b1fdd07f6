"""Parses the command line, runs one verb, and turns every error into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from workbench.cli import cluster, explain, faces, fetch, listing, masks, report, score
from workbench.cli._common import print_json
from workbench.errors import UsageError, WorkbenchError

VERBS = (listing, fetch, faces, masks, explain, score, cluster, report)
_KEEPING = (fetch.NAME, report.NAME)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(
        prog="workbench",
        description="What facial-expression classifiers look at, compared with what FACS experts say.",
        epilog="Exit status: 0 done, 1 some work failed (the rest is done), 2 the request makes no sense. "
        "Progress goes to standard error.",
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
    argv = sys.argv[1:] if argv is None else list(argv)
    wants_json = "--json" in argv
    try:
        args = parser.parse_args(argv)
    except UsageError as error:
        return _failed(str(error), error.exit_status, wants_json)
    except SystemExit as leaving:  # argparse leaves by itself after --help
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
    who = f"workbench {args.verb}"
    try:
        with warnings.catch_warnings(), _terminable():
            if not args.debug:  # what libraries warn of is for developers; what a user must know is said by name
                warnings.simplefilter("ignore")
            status = run(args)
        sys.stdout.flush()
    except WorkbenchError as error:
        if args.debug:
            raise
        return _failed(f"{who}: {error}", error.exit_status, wants_json)
    except KeyboardInterrupt:
        kept = "what is finished is kept and not repeated" if args.verb in _KEEPING else "nothing was written"
        return _failed(f"{who}: interrupted; {kept}; run it again", 130, wants_json)
    except BrokenPipeError:  # `workbench list … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        return _failed(f"{who}: {_line(error)}", 1, wants_json)
    return status


@contextmanager
def _terminable() -> Iterator[None]:
    """Within, being terminated (`kill`, `timeout`) cleans up as Ctrl-C does."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _line(error: Exception) -> str:
    """One line for what the workbench did not raise itself: the system's refusals, and its own mistakes."""
    if isinstance(error, MemoryError):
        return "the memory is used up; give fewer or smaller pictures, or fewer explainers"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; check the path, its rights and the room on the disk"
    said = " ".join(str(error).split())[:300]
    return f"unexpected {type(error).__name__}: {said or 'no message'}; please report it with `workbench --debug …`"


def _failed(message: str, status: int, as_json: bool) -> int:
    """One line on standard error; under --json the same as the one document on standard output."""
    message = " ".join(message.splitlines())
    print(message, file=sys.stderr)
    if as_json:
        print_json({"error": message, "exit_status": status})
    return status

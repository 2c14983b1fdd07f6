"""`workbench fetch`: assets into the user's cache, hash-checked, resumable, offline-safe."""

from __future__ import annotations

import argparse

from workbench.cli._common import print_json, say

NAME = "fetch"
HELP = "fetch networks, landmarks and photographs into the user's cache"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench fetch [NAME…] [--demo] [--json]`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="assets (workbench list assets); all if none is named")
    parser.add_argument("--demo", action="store_true", help="only what the demo report needs")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Fetch; status 1 if any asset could not be had."""
    from workbench.assets import fetch
    from workbench.study import assets_of, load_study

    results = fetch(args.names or (assets_of(load_study()) if args.demo else None))
    if args.json:
        print_json({"assets": [vars(result) for result in results]})
    failed = [result for result in results if not result.ok]
    say(*(f"{result.name}: {result.error or result.path}" for result in results))
    if failed:
        say(f"{len(failed)} of {len(results)} assets could not be fetched; run `workbench fetch` again to resume")
    return 1 if failed else 0

"""`workbench cluster`: which networks' heatmaps are alike, a tree an expression."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.cli._common import failure_line, print_json, print_table, say

_ABSENT = "there is no map"
NAME = "cluster"
HELP = "cluster the networks by the likeness of their heatmaps, one tree an expression"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `workbench cluster`."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="heatmaps named <model>_<expression>*.png (grey, 8 or 16 bit), .npy, .npz, or .nc",
    )
    parser.add_argument("--linkage", default="average", metavar="NAME", help="average, complete, single or weighted")
    parser.add_argument(
        "--explainer", metavar="NAME", help="only this explainer's maps (default: the mean over explainers)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Cluster the folder; status 1 where a file failed or no expression gives a tree."""
    from workbench.canonical import frame_of_grid
    from workbench.comparison import LINKAGES, cluster
    from workbench.errors import UnknownNameError
    from workbench.heatmaps import load_folder

    if args.linkage not in LINKAGES:
        raise UnknownNameError("linkage", args.linkage, LINKAGES)
    heat = load_folder(args.folder)
    if not heat.attrs.get("frame"):
        heat.attrs["frame"] = frame_of_grid((heat.sizes["y"], heat.sizes["x"])) or ""
    found = cluster(heat, linkage=args.linkage, explainer=args.explainer)
    failures, skipped = json.loads(heat.attrs.get("failures", "[]")), json.loads(heat.attrs.get("skipped", "[]"))
    document = {**found.as_dict(), "failures": failures, "skipped": skipped}
    if args.json:
        print_json(document)
    else:
        for name, tree in found.expressions.items():
            if not len(tree.linkage):
                print(f"{name}: no tree: {tree.reason}\n")
                continue
            cophenetic = f"{tree.cophenetic:.3f}" if tree.cophenetic == tree.cophenetic else "undefined"
            support = f"unavailable: {tree.reason}" if tree.support is None else "given"
            print(f"{name}: cophenetic correlation {cophenetic}; support {support}")
            names = list(tree.labels)
            merges = []
            for k, (left, right, height, _) in enumerate(tree.linkage):
                pair = (names[int(left)], names[int(right)])
                names.append("{" + ", ".join(p.strip("{}") for p in pair) + "}")
                support = (
                    "–" if tree.support is None or tree.support[k] != tree.support[k] else f"{tree.support[k]:.2f}"
                )
                merges.append({"distance": f"{height:.3f}", "support": support, "merges": " + ".join(pair)})
            print_table(merges, ("distance", "support", "merges"))
            print()
    for name, tree in found.expressions.items():
        absent = [network for network, why in tree.left_out.items() if why == _ABSENT]
        if absent:
            say(f"left out of {name}: {', '.join(absent)}: {_ABSENT}")
        for network, why in tree.left_out.items():
            if why != _ABSENT:
                say(f"left out of {name}: {network}: {why}")
    for entry in failures:
        say(f"failed: {failure_line(entry['file'], entry['reason'])}")
    for entry in skipped:
        say(f"skipped: {entry['file']}: {entry['reason']}")
    return 0 if document["expressions"] and not failures else 1

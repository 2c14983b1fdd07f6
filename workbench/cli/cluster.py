"""`workbench cluster`: which networks' heatmaps are alike, a tree an expression."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli._common import failure_line, print_json, print_table, say

if TYPE_CHECKING:
    from workbench.comparison import Tree

_ABSENT = "there is no map"
NAME = "cluster"
HELP = "cluster the networks by the likeness of their heatmaps, one tree an expression"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `workbench cluster`."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="heatmaps named <model>_<expression>*.png (grey, 8 or 16 bit), .npy, .npz, or .nc; one .nc file of single "
        "images' maps gives branches their support",
    )
    parser.add_argument(
        "--distance",
        default="correlation",
        metavar="NAME",
        help="correlation (default), cosine, spearman, soft_iou, ssim or wasserstein",
    )
    parser.add_argument(
        "--linkage",
        default="average",
        metavar="NAME",
        help="average (default), complete, single, weighted, or ward where the distance is Euclidean",
    )
    parser.add_argument(
        "--support",
        default="bootstrap",
        metavar="NAME",
        help="bootstrap (default), multiscale, or none; without maps of single images, agreement over distances and "
        "linkages stands in its place",
    )
    parser.add_argument("--draws", type=int, default=200, metavar="N", help="resamples (of each size; default 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--explainer", metavar="NAME", help="only this explainer's maps (default: the mean over explainers)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Cluster the folder; status 1 where a file failed or no expression gives a tree."""
    from workbench.canonical import frame_of_grid
    from workbench.comparison import cluster
    from workbench.comparison.linkages import Growth
    from workbench.heatmaps import load, load_folder

    Growth(args.distance, args.linkage)
    heat = load(args.folder) if args.folder.is_file() and args.folder.suffix == ".nc" else load_folder(args.folder)
    if not heat.attrs.get("frame"):
        heat.attrs["frame"] = frame_of_grid((heat.sizes["y"], heat.sizes["x"])) or ""
    found = cluster(
        heat,
        linkage=args.linkage,
        distance=args.distance,
        support=args.support,
        explainer=args.explainer,
        draws=args.draws,
        seed=args.seed,
        progress=not args.json,
    )
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
            print(f"{name}: cophenetic correlation {cophenetic}; support {_support(tree)}")
            names = list(tree.labels)
            merges = []
            for k, (left, right, height, _) in enumerate(tree.linkage):
                pair = (names[int(left)], names[int(right)])
                names.append("{" + ", ".join(p.strip("{}") for p in pair) + "}")
                row = {"distance": f"{height:.3f}", "support": _share(tree.support, k)}
                if tree.multiscale is not None:
                    each = tree.multiscale[k]
                    row["multiscale p"] = "–" if each is None else f"{each.p:.2f}"
                if tree.agreement is not None:
                    row["agreement"] = _share(tree.agreement.share, k)
                merges.append({**row, "merges": " + ".join(pair)})
            print_table(merges, tuple(merges[0]))
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


def _share(shares: Sequence[float] | None, k: int) -> str:
    return "–" if shares is None or shares[k] != shares[k] else f"{shares[k]:.2f}"


def _support(tree: Tree) -> str:
    said = f"unavailable: {tree.reason}" if tree.support is None else f"from {tree.units} {tree.unit}s"
    if tree.multiscale_reason and tree.support is not None:
        said += f" (no multiscale bootstrap: {tree.multiscale_reason})"
    if tree.agreement is not None:
        said += f"; agreement over {len(tree.agreement.combinations)} combinations of distance and linkage"
    return said

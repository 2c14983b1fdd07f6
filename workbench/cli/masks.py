"""`workbench masks`: a mask set as images, one for each mask."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from workbench.cli._common import counted, out_folder, print_json, say

NAME = "masks"
HELP = "write a mask set as images: <entry>_gt.png for each mask"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`workbench masks NAME --frame FRAME --out DIR`."""
    parser.add_argument(
        "name", help="a mask set (workbench list masks), its folder, or a GeoJSON file of polygons to make one from"
    )
    parser.add_argument("--frame", default="mediapipe478", help="mediapipe478 (default), published or ibug68")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the images go")
    parser.add_argument("--codebook", metavar="NAME", help="action units → expressions, by this codebook")
    parser.add_argument("--weights", default="max", choices=("max", "share"), help="how a codebook joins units")
    parser.add_argument(
        "--side", default="both", choices=("both", "left", "right", "each"), help="of action units and regions"
    )
    parser.add_argument("--soft", action="store_true", help="soft maps (16 bit) instead of binary masks")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Draw and write."""
    from workbench.masks import load_masks, masks_from_polygons, save_masks

    out = out_folder(args.out)
    source = args.name
    if Path(source).suffix.lower() in (".geojson", ".json"):
        source = masks_from_polygons(source, out).parent
    masks = load_masks(source, args.frame, args.codebook, side=args.side, soft=args.soft, weights=args.weights)
    paths = save_masks(masks, out)
    lost = {name: share for name, share in json.loads(str(masks.attrs.get("lost", "{}"))).items() if share > 0.005}
    if args.json:
        print_json(
            {
                "out": str(out),
                "set": masks.name,
                "frame": masks.frame,
                "dimension": masks.dimension,
                "masks": [
                    {"name": name, "file": path.name, "area": masks.areas[name]}
                    for name, path in zip(masks.names, paths, strict=True)
                ],
                "lost": lost,
                "indistinguishable": masks.classes,
            }
        )
    say(f"{counted(len(paths), 'mask')} of {masks.name} on {masks.frame} → {out}")
    if lost:
        say("outside the frame: " + ", ".join(f"{name} {share:.0%}" for name, share in lost.items()))
    return 0

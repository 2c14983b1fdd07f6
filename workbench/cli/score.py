"""`workbench score`: heatmap files against masks, each score beside its controls."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli._common import failure_line, print_json, print_table, say
from workbench.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

NAME = "score"
HELP = "score heatmap images or arrays against expert masks, beside chance and other controls"
TABLE = (
    "model",
    "explainer",
    "expression",
    "iou",
    "chance_iou",
    "other_masks_iou",
    "centre_iou",
    "centre_iou_equal_area",
    "rank_of_own_mask",
    "bh_toroidal_iou",
    "bh_field_iou",
    "precision",
    "recall",
    "f1",
    "correlation",
    "area",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `workbench score`."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="heatmaps named <model>_<expression>*.png (grey, 8 or 16 bit), .npy, .npz, or .nc",
    )
    parser.add_argument(
        "--masks",
        required=True,
        metavar="NAME|DIR",
        help="a mask set (workbench list masks), or a folder of <expression>_gt.png",
    )
    parser.add_argument(
        "--threshold",
        default="otsu",
        metavar="otsu|AREA|value:V",
        help="foreground: above Otsu's threshold, the brightest share of the domain, such as 0.25, or above a share of "
        "the way from the map's least value to its greatest, such as value:0.5",
    )
    parser.add_argument(
        "--nulls",
        default=None,
        metavar="NAMES",
        help="null models with commas between them (workbench list nulls); 'none' for none; default: toroidal,field",
    )
    parser.add_argument(
        "--null-draws", type=int, default=None, metavar="N", help="draws of a sampled null (default: 20 for each cell)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def run(args: argparse.Namespace) -> int:
    """Score the folder; status 1 where a file failed or nothing could be scored."""
    from workbench.heatmaps.arithmetic import rule
    from workbench.scores import evaluate, rows, summary
    from workbench.scores.significance import DEFAULT_NULLS, chosen_nulls

    rule(args.threshold)
    nulls = chosen_nulls(DEFAULT_NULLS if args.nulls is None else _names(args.nulls))
    heat, masks = _read(args.folder, args.masks)
    table = evaluate(heat, masks, threshold=args.threshold, nulls=nulls, null_draws=args.null_draws)
    failures = json.loads(heat.attrs.get("failures", "[]"))
    skipped = json.loads(heat.attrs.get("skipped", "[]"))
    said = summary(table)
    document = {"scores": rows(table), "summary": {**said, "failures": failures, "skipped": skipped}}
    if args.json:
        print_json(document)
    else:
        _print(document)
    for entry in failures:
        say(f"failed: {failure_line(entry['file'], entry['reason'])}")
    for entry in skipped:
        say(f"skipped: {entry['file']}: {entry['reason']}")
    for entry in said["not_scored"]:
        say(f"not scored: {entry['model']} {entry['expression']}: {entry['reason']}")
    return 0 if said["cells"] and not failures else 1


def _names(given: str) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _read(folder: Path, masks: str) -> tuple[xr.DataArray, Any]:
    """The heatmaps and the masks, in one frame: a named mask set is loaded in the frame that the maps' size tells."""
    from workbench.canonical import frame_of_grid
    from workbench.heatmaps import load_folder
    from workbench.masks import load_masks

    if Path(masks).is_dir() and not (Path(masks) / "maskset.toml").exists():
        loaded = load_masks(masks)
        grid = (loaded.maps.sizes["y"], loaded.maps.sizes["x"])
        heat = load_folder(folder, grid=grid)
    else:
        heat = load_folder(folder)
        grid = (heat.sizes["y"], heat.sizes["x"])
        frame = str(heat.attrs.get("frame", "")) or frame_of_grid(grid)
        if frame is None:
            raise UsageError(
                f"the heatmaps in {folder} are {grid[0]}×{grid[1]} (height × width), the size of no frame that the "
                f"masks {masks!r} exist in; give a folder of mask images of that size"
            )
        loaded = load_masks(masks, frame=frame)
    if not heat.attrs.get("frame"):
        heat.attrs["frame"] = loaded.frame
    return heat, loaded


def _print(document: dict[str, Any]) -> None:
    def shown(value: Any) -> str:
        return "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)

    from workbench.scores.verdict import RUNGS

    scores, summary = document["scores"], document["summary"]
    extra = [key for key in ("au", "region") if scores and key in scores[0]]
    columns = [*TABLE[:3], *extra, *TABLE[3:]]
    if all(row["explainer"] is None for row in scores):
        columns.remove("explainer")
    columns = [column for column in columns if not column.startswith("bh_") or (scores and column in scores[0])]
    print_table([{key: shown(value) for key, value in row.items()} for row in scores], columns)
    print()
    pairs, many = ("pair", " of a map and a mask") if extra else ("map", "")
    print(
        f"{_counted(summary['cells'], pairs)}{many} of {_counted(summary['models'], 'network')} against "
        f"{summary['mask_set']}, frame {summary['frame']}, domain {summary['domain']}, threshold {summary['threshold']}"
    )
    print(summary["caution"])
    if summary["verdicts"]:
        words = {step: step if begins.endswith("(") else begins for step, begins in RUNGS.items()}
        steps = "; ".join(f"{count} × {words[step]}" for step, count in summary["verdicts"].items())
        print(f"Verdicts (with their tests in --json): {steps}.")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"

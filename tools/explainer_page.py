"""Write docs/explainers.md from the registry, from small networks of every family, and from the drawn mouths.

    python tools/explainer_page.py FOLDER docs/explainers.md [--again]

Every explainer is run on every family of `tests/families.py`, one drawn face of 64 pixels each, with fewer samples;
what came out is kept in `FOLDER/families.json` and only what is missing there is run (`--again`: everything).
`FOLDER/mouths.json` is made by `make_explainer_gallery.py`; without it that section is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.errors import LayerError
from workbench.explainers import EXPLAINERS
from workbench.figures.explainer_gallery import GROUPS, group_of

if TYPE_CHECKING:
    from workbench.classifiers import Classifier
    from workbench.faces import FaceSet
    from workbench.registry import Entry

COMMON: Final = ("layer", "space", "fill")
FEWER: Final[Mapping[str, Any]] = {"samples": 32, "draws": 2, "channels": 16, "stride": 0.25, "steps": 8, "n": 2}
NEGATIVE: Final = 1e-5  # share of the largest value below 0 from which a map counts as signed

FEM: Final = (
    "`fem` asks for places that lie k = 2 standard deviations above their channel's mean. Of n places none can lie "
    "more than √(n − 1) above, so that a grid of 2 × 2 (64-pixel input, stride 32) has none; take a larger input, an "
    "earlier layer or a smaller k."
)

LIMITS: Final = (
    "The last row is no explainer but what is to be seen at the layer at all: the fall of the score when one place "
    "of the CAM layer takes the mean of all places. In the CNN that is the mouth. In the ViT the class token reads "
    "places that have already exchanged what they know: the largest fall is mostly at the mouth, but other places "
    "matter as well, for and against.",
    "Methods that miss the mouth in the ViT: `hires_cam` and `eigen_grad_cam` show what the layer does: their maps "
    "correlate .82 and .74 with the removal of places. `grad_cam`, `x_grad_cam`, `ablation_cam`, `finer_cam` and "
    "`shapley_cam` give a channel one weight for all places, and so carry over what all tokens share; `grad_cam`, "
    "`x_grad_cam`, `ablation_cam` and `hires_cam` equal computations by hand to 1e-5 of their largest value "
    "(`x_grad_cam` with the mean gradient as weight where a channel's sum cancels, as its docstring says). "
    "`le_grad` asks what a place would add if it were attended to more, also where it is not attended to (the last "
    "block alone: AUC .36), and reads the score out behind blocks after which this network was never trained to be "
    "read; it equals a loop by hand to the last bit. `ts_cam` multiplies attention that is at the mouth (AUC .95) "
    "by the read-out of single places, for which the network was not trained either (AUC .19). `eigen_cam`, "
    "`kpca_cam`, `fem` and `layer_attention` know no class, and the sign of a principal component is a convention: "
    "an AUC near 0 is a mouth found with the other sign.",
    "In the CNN only `deconvolution` misses it. It is captum's to the last bit, does not ask whether a ReLU was "
    "active, and its maps for two classes correlate .78. Maps at the picture's resolution that change sign from "
    "pixel to pixel have an AUC near .5 wherever their mass lies.",
)

Cell = dict[str, Any]


def quick(name: str) -> dict[str, Any]:
    """The explainer's options with fewer samples."""
    defaults = EXPLAINERS[name].value.options
    return {key: value for key, value in FEWER.items() if key in defaults and value != defaults[key]}


def cells(classifier: Classifier, faces: FaceSet, names: list[str]) -> dict[str, Cell]:
    """What each explainer did on one network: status, reason, error, whether a value was negative."""
    from workbench.explain.regions import face_pictures, region_masks
    from workbench.explainers.run import run_all

    logits = classifier.logits(classifier.inputs(faces.images))[0].cpu().numpy()
    own = classifier.columns("expression")
    weights = np.zeros((1, 1, classifier.outputs), np.float32)
    weights[0, 0, own.start + int(logits[own].argmax())] = 1
    options = {name: quick(name) for name in names}
    on_crop, pictures = region_masks(faces), face_pictures(faces)

    def run(some: list[str], on_error: Any) -> Any:
        return run_all(
            classifier,
            faces.images[:1],
            some,
            weights,
            options={name: options[name] for name in some},
            progress=False,
            on_error=on_error,
            regions=on_crop,
            pictures=pictures,
        )

    found = {}
    for (name, _, _), maps in run(names, "record").items():
        values = maps.values[0]
        found[name] = {
            "status": maps.status[0],
            "reason": maps.reason,
            "signed": bool(values.min() < -NEGATIVE * np.abs(values).max()),
            "error": "",
        }
        if maps.reason:
            try:
                run([name], "raise")
            except LayerError:
                pass
            except Exception as error:
                found[name]["error"] = type(error).__name__
    return found


def measured(path: Path, again: bool) -> dict[str, dict[str, Cell]]:
    """Family → explainer → cell, for everything that is registered now; kept in `path`."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from drawn_faces import drawn_faces, face_set
    from families import FAMILIES, load_family

    kept: dict[str, dict[str, Cell]] = json.loads(path.read_text()) if path.exists() and not again else {}
    names = EXPLAINERS.names()
    faces = face_set(drawn_faces(2, seed=9))
    for family in FAMILIES:
        own = {name: cell for name, cell in kept.get(family, {}).items() if name in names}
        todo = [name for name in names if name not in own]
        if todo:
            began = time.process_time()
            own |= cells(load_family(family), faces, todo)
            print(f"{family}: {len(todo)} explainers, {time.process_time() - began:.0f} s", flush=True)
        kept[family] = {name: own[name] for name in names}
        path.write_text(json.dumps(kept, indent=1))
    return {family: kept[family] for family in FAMILIES}


def option_text(entry: Entry[Any]) -> str:
    """The options of its own with their defaults, and those of `COMMON` that it has."""
    own = [f"`{key}={value!r}`" for key, value in entry.value.options.items() if key not in COMMON]
    shared = [key for key in COMMON if key in entry.value.options]
    usual = {"layer": "", "space": "logit", "fill": "black"}
    stated = [f"`{k}={entry.value.options[k]!r}`" for k in shared if entry.value.options[k] != usual[k]]
    plain = [f"`{key}`" for key in shared if entry.value.options[key] == usual[key]]
    return ", ".join([*own, *stated, *plain]) or "–"


def listing(table: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """One table for each group of explainers."""
    lines = []
    for group, title in GROUPS.items():
        entries = [entry for entry in EXPLAINERS if group_of(entry.name) == group]
        if not entries:
            continue
        lines += [f"### {title.capitalize()}", "", "| name | what it gives | values | options | cost | source |"]
        lines += ["|---|---|---|---|---|---|"]
        for entry in entries:
            signed = any(own[entry.name]["signed"] for own in table.values() if entry.name in own)
            values = "signed" if signed else "≥ 0"
            if entry.value.classless and group != "control":
                values += ", one for all targets"
            row = (entry.summary, values, option_text(entry), entry.details["cost"] or "–", entry.reference or "–")
            lines.append(f"| `{entry.name}` | " + " | ".join(_plain(text) for text in row) + " |")
        lines.append("")
    return lines


def suited(table: Mapping[str, Mapping[str, Cell]]) -> list[str]:
    """Which explainers run on which families, and why the others do not."""
    families = list(table)
    everywhere: list[str] = []
    rest: dict[tuple[str, str], list[str]] = {}
    odd: dict[str, list[str]] = {}
    for name in EXPLAINERS.names():
        reasons: dict[str, list[str]] = {}
        for family in families:
            cell = table[family][name]
            if cell["error"]:
                odd.setdefault(f"`{name}`: {cell['error']}, {cell['reason']}", []).append(family)
            elif not cell["reason"] and cell["status"] != "ok":
                odd.setdefault(f"`{name}`: the map is {cell['status']}", []).append(family)
            if cell["reason"]:
                reasons.setdefault(_general(cell["reason"], family), []).append(family)
        if not reasons:
            everywhere.append(f"`{name}`")
            continue
        refused = [family for those in reasons.values() for family in those]
        runs = [family for family in families if family not in refused]
        why = "<br>".join(f"{', '.join(those)}: {reason}" for reason, those in reasons.items())
        rest.setdefault((f"{len(runs)}: {', '.join(runs) or '–'}", _plain(why)), []).append(f"`{name}`")
    total = len(families)
    lines = [*_prose(f"Families: {', '.join(families)}."), *_prose(f"On all {total}: {', '.join(everywhere)}.")]
    lines += ["| explainer | runs on | refuses |", "|---|---|---|"]
    lines += [f"| {', '.join(names)} | {runs} | {why} |" for (runs, why), names in rest.items()]
    if odd:
        lines += ["", "What else was seen:", "", *(f"- {what} ({', '.join(where)})" for what, where in odd.items())]
    if any("`fem`: the map is constant" in what for what in odd):
        lines += ["", *_prose(FEM)[:-1]]
    return [*lines, ""]


def _general(reason: str, family: str) -> str:
    """A reason without what differs from network to network: its name, its layer's name, sizes."""
    reason = reason.replace(repr(family), "the network")
    reason = re.sub(r" \(\d+ × \d+(, \d+ × \d+)*\)", "", reason)
    return re.sub(r"layer '[^']+'", "its layer", reason)


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _prose(text: str) -> list[str]:
    return [*textwrap.wrap(text, 120, break_on_hyphens=False), ""]


def mouth_section(table: Mapping[str, Any]) -> list[str]:
    """The table of the drawn mouths."""
    kinds = list(table)
    lines = [
        *_prose(
            "Two small networks were trained on drawn faces whose class depends on the mouth alone "
            "(`tools/drawn_faces.py`); brows, eyes, nose, colours, position, size and background are random. What the "
            "networks rely on was checked on 300 faces that they had not seen:"
        ),
        "| | accuracy | answer follows a pasted mouth | answer stays, all else redrawn | certainty, mouth hidden |",
        "|---|---|---|---|---|",
    ]
    for kind in kinds:
        own = table[kind]["reliance"]
        row = [f"{own[key]:.2f}" for key in ("accuracy", "other mouth", "other face", "hidden")]
        lines.append(f"| {table[kind]['network']} | " + " | ".join(row) + " |")
    some = next(iter(table.values()))["explainers"]
    chance = next(row["chance"] for row in some.values() if row["n"])
    count = max(row["n"] for row in some.values())
    lines += [
        "",
        *_prose(
            f"What every explainer gives to the mouth, for the predicted class, means over {count} faces. *Mass*: the "
            "share of the positive part that lies in the mouth's box (of a map without negative values: of what is "
            f"above its lowest value); the box is {chance:.3f} of the picture, ×: times that. *AUC*: how probably a "
            "place in the box is above one outside, .5 by chance. *Peak*: share of faces whose highest place is in "
            "the box or within 4 pixels of it. Maps of 8 × 8 places spread over the surroundings, so that their mass "
            "cannot be all inside."
        ),
        "| explainer | "
        + " | ".join(f"{k.upper()}: mass | × | AUC | peak" for k in kinds).replace("VIT", "ViT")
        + " |",
        "|---" * (1 + 4 * len(kinds)) + "|",
    ]
    for name in [name for name in EXPLAINERS.names() if name in some]:
        row = []
        for kind in kinds:
            row += _numbers(table[kind]["explainers"].get(name, {"n": 0}))
        lines.append(f"| `{name}` | " + " | ".join(row) + " |")
    row = []
    for kind in kinds:
        row += _numbers(table[kind]["places"])
    lines.append("| *a place of the CAM layer removed* | " + " | ".join(row) + " |")
    return [*lines, "", *(line for text in LIMITS for line in _prose(text))]


def _numbers(row: Mapping[str, float]) -> list[str]:
    if not row["n"]:
        return ["–"] * 4
    times = row["mass"] / row["chance"]
    return [f"{row['mass']:.2f}", f"{times:.1f}", f"{row['auc']:.2f}", f"{row['peak']:.2f}"]


def page(table: Mapping[str, Mapping[str, Cell]], mouths: Mapping[str, Any]) -> str:
    """The whole page."""
    lines = [
        "# Explainers",
        "",
        *_prose(
            "Made by `tools/explainer_page.py` from the registry and from what was measured; `workbench list "
            "explainers` prints the registry. Maps are raw: sign and scale are the method's, the final ReLU of the "
            "papers is left to whoever normalises."
        ),
        "![every explainer on one face, CNN](images/explainers_cnn.png)",
        "",
        "![every explainer on one drawn face, ViT](images/explainers_vit.png)",
        "",
        "## What there is",
        "",
        *_prose(
            "Options that many share stand without their usual default: `layer` (the classifier's own), `space` "
            "(`logit`, or `probability`: which score is explained), `fill` (`black`; also `zero`, `mean`, `blur`, "
            "`noise`, `average_face`: what hidden pixels become). Any explainer `x` is averaged over noisy copies of "
            "its input as `smooth(x)`, with the options `n` and `sigma` besides its own. *Signed*: a negative value "
            "was seen on the networks below."
        ),
        *listing(table),
        "## On which networks",
        "",
        *_prose(
            "One small member of each family with random weights, 64-pixel input, one face, fewer samples where an "
            "explainer draws them."
        ),
        *suited(table),
    ]
    if mouths:
        lines += ["## Where the truth is known", "", *mouth_section(mouths)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Run what is missing, write the page, print what is amiss."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where what was measured is kept")
    parser.add_argument("out", type=Path)
    parser.add_argument("--again", action="store_true", help="run every explainer on every family again")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    table = measured(args.folder / "families.json", args.again)
    path = args.folder / "mouths.json"
    mouths = json.loads(path.read_text()) if path.exists() else {}
    args.out.write_text(page(table, mouths), encoding="utf-8")
    bad = [f"{n} on {f}: {c['error']}: {c['reason']}" for f, own in table.items() for n, c in own.items() if c["error"]]
    print("\n".join(bad) or "no explainer failed but by a refusal")


if __name__ == "__main__":
    main()

"""CAM-COS and ATT-COS of the demo networks, with their controls: docs/au-correlation.md and its picture.

    python tools/au_correlation.py docs

On the labelled demo faces (a collage of one woman, and an astronaut), with the maps of arXiv 2402.00281 as its code
draws them, on crops of 224 pixels; the attribution table on the canonical face.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import workbench as wb
from workbench.vocabulary import BASIC_EXPRESSIONS

# Outputs of blocks, from input to output; the last one is the default layer of CAM methods.
LAYERS = {
    "fer-mini-xception": ["activation_1", "activation_2", "add_1", "add_2", "add_3", "add_4"],
    "fer-big-xception": ["block1_conv1_act", "block1_conv2_act", "add_1", "block3_sepconv2_act", "add_2"],
    "fer-simple-cnn": ["activation_1", "activation_2", "activation_3", "activation_4", "batch_normalization_9"],
    "facemood": ["conv2d_relu", "conv2d_1_relu", "conv2d_2_relu", "conv2d_3_relu", "conv2d_4_relu"],
}
MASKS, CODEBOOK, SIDE = "belharbi-au-published", "belharbi-2024-code", 224
OWN_MASKS, OWN_CODEBOOK = "facs-au", "martinez-2017"
WIDTH = 1400


def number(value: float, digits: int = 2) -> str:
    """`.57`, `−.05`, `–` for none."""
    from workbench.figures import theme

    return theme.number(float(value), digits)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def measured() -> dict[str, Any]:
    """Faces, and every table of the page."""
    faces = wb.demo_faces(size=SIDE, progress=False)
    faces = faces[
        [name for name, label in zip(faces.names, faces.table["label"], strict=True) if label in BASIC_EXPRESSIONS]
    ]
    expressions = wb.au_heatmap(faces, "expressions", masks=MASKS, codebook=CODEBOOK)
    own = wb.au_heatmap(faces, "expressions", masks=OWN_MASKS, codebook=OWN_CODEBOOK)
    units = wb.au_heatmap(faces, "aus", masks=OWN_MASKS, codebook=OWN_CODEBOOK)
    cams: dict[tuple[str, ...], Any] = {}
    attention: dict[tuple[str, ...], Any] = {}
    networks = [wb.load_classifier(name) for name in LAYERS]
    for network in networks:
        found = wb.explain(
            network,
            faces,
            ["grad_cam", "layer_attention"],
            target="labelled",
            layers=LAYERS[network.name],
            controls=["random_weights"],
            frame="native",
            progress=False,
        )
        for key, maps in found.items():
            (attention if key[1].startswith("layer_attention") else cams)[key] = maps
    last = {key: maps for key, maps in cams.items() if key[2] == LAYERS[key[0]][-1] and "@" not in key[1]}
    canonical = wb.explain(networks, faces, ["grad_cam"], target="labelled", progress=False)
    areas = wb.load_masks(OWN_MASKS, soft=True)
    return {
        "faces": faces,
        "cam": wb.cam_cos(cams, expressions),
        "att": wb.att_cos(attention, expressions),
        "own": wb.cam_cos(last, own),
        "units": wb.cam_cos(last, units),
        "plain": wb.attribution_table(wb.attributions(canonical, areas, by="labelled"), per=()),
        "shared": wb.attribution_table(wb.attributions(canonical, areas, by="labelled", overlap="shared"), per=()),
    }


def cosine_rows(found: pd.DataFrame, random: pd.DataFrame) -> list[list[str]]:
    """One row a network and layer: the mean over expressions, with its controls."""
    rows = []
    weights = random.set_index(["model", "layer"])
    for _, row in found.iterrows():
        blind = weights.loc[(row["model"], row["layer"])]
        rows.append(
            [
                str(row["model"]),
                f"{row['layer']} ({row['grid']})",
                f"**{number(row['cosine'])}**",
                number(row["uniform_cosine"]),
                number(row["centre_cosine"]),
                number(row["mean_map_cosine"]),
                number(row["other_cosine"]),
                number(blind["cosine"]),
                f"{row['rank_cosine']:.1f}",
                f"{row['rank_centre_cosine']:.1f}",
                f"{row['first_cosine']:.0f} of {row['n']}",
                number(row["pearson"]),
                number(row["centre_pearson"]),
            ]
        )
    return rows


HEAD = [
    "network", "layer", "own", "uniform", "centred", "mean map", "other expressions", "random weights", "rank of own",
    "rank, centred", "own first", "Pearson", "Pearson, centred",
]  # fmt: skip


def split(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of means over expressions: of networks, and of networks with random weights."""
    means = found[found["expression"] == "mean"]
    random = means["explainer"].str.contains("@")
    return means[~random], means[random]


def page(found: dict[str, Any]) -> str:
    """The page's text."""
    faces = found["faces"]
    labels = faces.table["label"].value_counts()
    counts = ", ".join(f"{labels[e]} {e}" for e in BASIC_EXPRESSIONS if e in labels)
    cam, cam_random = split(found["cam"])
    att, att_random = split(found["att"])
    last = cam[cam["depth"] == cam["layers"] - 1]
    return "\n".join(
        [
            "# Action-unit heatmap correlation of the demo networks",
            "",
            "Made by `python tools/au_correlation.py docs`; the numbers and the picture are its output.",
            "",
            f"**Small n.** {len(faces)} labelled faces ({counts}) of {faces.table['subject'].nunique()} people, "
            "labelled by eye; the other expressions have no face, and neutral has no action units. No interval is "
            f"given: {cam['reason'].iloc[0]}. The tables show how the numbers are to be read; they support no claim "
            "about these networks.",
            "",
            "CAM-COS and ATT-COS are those of Belharbi et al. 2024 (arXiv 2402.00281): the uncentred cosine of a "
            "network’s map with the map of the action units that a codebook lists for the face’s label, averaged "
            "over the faces of an expression, then over expressions. CAM-COS takes Grad-CAM of the labelled class, "
            "stretched to [0, 1]; ATT-COS the mean of a layer over its channels. The action units are drawn as that "
            f"paper’s code draws them (`{MASKS}`, codebook `{CODEBOOK}`, crops of {SIDE} pixels).",
            "",
            "A cosine of maps that are nowhere negative is high whatever they show. Beside each stands what was "
            "scored on the same faces by a uniform map, by a centred Gaussian (standard deviation 50 of 224 pixels), "
            "by the mean of the six expressions’ maps (one map for every class), by the network’s own map with the "
            "*other* expressions’ action units, and by the same method on the same network with random weights. "
            "Rank: of the right expression among six, for the network’s map and for the centred Gaussian, which "
            "knows nothing. A map speaks for the right action units only where “own” is above all of these.",
            "",
            "## Default layer",
            "",
            table(HEAD, cosine_rows(last, cam_random)),
            "",
            reading(last, cam_random),
            "",
            "## Layer profile",
            "",
            "![Correlation against depth, with its controls](images/layer-profile.png)",
            "",
            "Grad-CAM and the channel mean of each block, from input to output (`62²`: 62 × 62 places); thin lines "
            "are the same maps with the other expressions’ action units.",
            "",
            "### CAM-COS, every layer",
            "",
            table(HEAD, cosine_rows(cam, cam_random)),
            "",
            "### ATT-COS, every layer",
            "",
            table(HEAD, cosine_rows(att, att_random)),
            "",
            "## With the workbench’s own action-unit maps",
            "",
            f"The same at the default layer with the set `{OWN_MASKS}` and the codebook `{OWN_CODEBOOK}`.",
            "",
            table(*without_random(found["own"])),
            "",
            "## Single action units",
            "",
            "Pearson’s correlation of Grad-CAM at the default layer with each unit’s map, mean over expressions, and "
            "of the centred Gaussian on the same faces; the five highest of each network. Units that location cannot "
            "separate are one class.",
            "",
            table(["network", "units (Pearson; centred Gaussian)"], unit_rows(found["units"])),
            "",
            "## Attribution",
            "",
            "Grad-CAM on the canonical face, all faces: the share of its positive part in each action unit’s soft "
            "map (mass), over the unit’s share of the face (enrichment; 1 for a uniform map), and the enrichment of "
            "the centred Gaussian. Plain: what units share counts in each. Shared: divided by Shapley values. The "
            "five units most enriched, plain.",
            "",
            table(
                ["network", "unit", "area", "mass", "enrichment", "centred", "mass, shared", "enrichment, shared"],
                attribution_rows(found["plain"], found["shared"]),
            ),
            "",
        ]
    )


def reading(last: pd.DataFrame, random: pd.DataFrame) -> str:
    """What the table says, counted."""
    blind = random.set_index(["model", "layer"])["cosine"]
    beside = [blind[row["model"], row["layer"]] for _, row in last.iterrows()]
    names = ["uniform_cosine", "centre_cosine", "mean_map_cosine", "other_cosine"]
    above = {name: int((last["cosine"] > last[name]).sum()) for name in names}
    above["random"] = int((last["cosine"].to_numpy() > np.array(beside)).sum())
    k = len(last)
    return (
        f"Of {k} networks, “own” is above the uniform map in {above['uniform_cosine']}, above the centred Gaussian in "
        f"{above['centre_cosine']}, above the mean map in {above['mean_map_cosine']}, above the other expressions in "
        f"{above['other_cosine']}, and above random weights in {above['random']}."
    )


def without_random(found: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """The table of cosines without the column of random weights."""
    means = found[found["expression"] == "mean"]
    place = HEAD.index("random weights")
    rows = cosine_rows(means, means)
    return [*HEAD[:place], *HEAD[place + 1 :]], [[*row[:place], *row[place + 1 :]] for row in rows]


def unit_rows(found: pd.DataFrame) -> list[list[str]]:
    """The five units with the highest Pearson correlation of each network."""
    rows = []
    for model, part in found[found["expression"] == "mean"].groupby("model", sort=False):
        best = part.sort_values("pearson", ascending=False).head(5)
        cells = [f"{r['au']} {number(r['pearson'])} ({number(r['centre_pearson'])})" for _, r in best.iterrows()]
        rows.append([str(model), ", ".join(cells)])
    return rows


def attribution_rows(plain: pd.DataFrame, shared: pd.DataFrame) -> list[list[str]]:
    """The five most enriched units of each network."""
    other = shared.set_index(["model", "region"])
    rows = []
    for model, part in plain[plain["region"] != "rest"].groupby("model", sort=False):
        for _, row in part.sort_values("enrichment", ascending=False).head(5).iterrows():
            beside = other.loc[(model, row["region"])]
            numbers = [
                row["area"],
                row["mass"],
                row["enrichment"],
                row["centre_enrichment"],
                beside["mass"],
                beside["enrichment"],
            ]
            rows.append([str(model), str(row["region"]), *(number(value) for value in numbers)])
    return rows


def picture(found: dict[str, Any], path: Path) -> None:
    """The layer profile on white, WIDTH pixels wide."""
    both = pd.concat([split(found["cam"])[0], split(found["att"])[0]])
    figure = wb.figures.layer_profile(both)
    stream = io.BytesIO()
    figure.savefig(
        stream, format="png", dpi=WIDTH / float(figure.get_size_inches()[0]), facecolor="white", transparent=False
    )
    Image.open(stream).convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    """Measure, write the page and its picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder docs")
    args = parser.parse_args()
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    found = measured()
    picture(found, args.out / "images" / "layer-profile.png")
    (args.out / "au-correlation.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()

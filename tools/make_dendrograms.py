"""Draw docs/images/dendrogram-support*.png: trees with a number at every branch, and what the number is.

    python tools/make_dendrograms.py docs/images --published ../shared/reference/published_heatmaps/by_network

`dendrogram-support.png`: drawn networks, 40 images of 40 people, three families of unlike strength; multiscale
bootstrap. `dendrogram-support-published.png` (only with --published): the maps released with arXiv 2401.11835, one a
network, so that their trees have no support and show agreement over distances and linkages.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter

from workbench.comparison import cluster
from workbench.figures import dendrograms
from workbench.heatmaps import load_folder

WIDTH = 1400
GRID = (48, 40)
CLOSE = {"a": (0.3, 0.3, 0.3, 0.9), "b": (0.5, 0.5, 0.5), "c": (1.2, 1.2)}
"""Families, and how far each network's own pattern departs from its family's."""


def drawn(images: int, seed: int = 0) -> xr.DataArray:
    """Maps of nine networks: smooth patterns of families, each network's own, and noise in each image."""
    rng = np.random.default_rng(seed)

    def smooth(*shape: int) -> np.ndarray:
        field = gaussian_filter(rng.normal(size=(*shape, *GRID)), (*(0,) * len(shape), 4, 4))
        return field / field.std()

    networks, patterns = [], []
    for family, departures in CLOSE.items():
        common = smooth()
        for k, departure in enumerate(departures):
            networks.append(f"net {family}{k + 1}")
            patterns.append(common + departure * smooth())
    maps = np.stack([pattern + 2.5 * smooth(images) + 8 for pattern in patterns])
    return xr.DataArray(
        np.maximum(maps, 0)[:, None].astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": networks,
            "explainer": ["drawn"],
            "image": [f"face {k}" for k in range(images)],
            "subject": ("image", [f"person {k}" for k in range(images)]),
            "predicted": (("model", "image"), [["fear"] * images] * len(networks)),
        },
        attrs={"target": "predicted"},
    )


def save(figure: Figure, path: Path, ground: str = "white") -> None:
    """The figure on a plain ground, at most WIDTH pixels wide, as a PNG of few colours."""
    stream = io.BytesIO()
    dots = min(200.0, WIDTH / float(figure.get_size_inches()[0]))
    figure.savefig(stream, format="png", dpi=dots, facecolor=ground, transparent=False)
    picture = Image.open(stream).convert("RGB").quantize(64, Image.Quantize.MEDIANCUT)
    picture.save(path, optimize=True)
    print(f"{path} {picture.width} × {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Read the arguments, draw the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--published", type=Path, help="folder of the released heatmaps")
    parser.add_argument("--ground", default="white", help="colour behind the figures")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    trees = cluster(drawn(40), support="multiscale", draws=200)
    save(dendrograms(trees), args.out / "dendrogram-support.png", args.ground)
    if args.published:
        found = cluster(load_folder(args.published).assign_attrs(frame="published"))
        save(dendrograms(found), args.out / "dendrogram-support-published.png", args.ground)


if __name__ == "__main__":
    main()

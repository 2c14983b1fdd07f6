"""The photographs that come without any hub: a collage of one woman, an astronaut, a Navy portrait."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from workbench import assets
from workbench.errors import AssetError
from workbench.faces.detector import Detector
from workbench.faces.faceset import FaceSet
from workbench.faces.gather import gather
from workbench.faces.images import read_image
from workbench.faces.sources import Item

_TILE = 384
_GRID = 5
# By eye, only what is plainly visible; (row, column). Tile (2, 1) is fear or surprise and stays unlabelled.
COLLAGE_LABELS: dict[tuple[int, int], str] = {
    (0, 0): "neutral",
    (0, 1): "happiness",
    (1, 3): "anger",
    (2, 0): "anger",
    (2, 3): "anger",
    (3, 0): "sadness",
    (3, 1): "happiness",
    (4, 1): "happiness",
    (4, 2): "neutral",
    (4, 3): "surprise",
    (4, 4): "anger",
}
_AMBIGUOUS = "collage-r2c1 is fear or surprise by eye and stays unlabelled"


def _collage_items() -> list[Item]:
    picture, _ = read_image(assets.path("collage"))
    if picture.shape != (_GRID * _TILE, _GRID * _TILE, 3):
        raise AssetError(
            f"the collage is {picture.shape[1]}×{picture.shape[0]} pixels, expected {_GRID * _TILE} "
            "square; fetch the asset 'collage' again"
        )
    return [
        Item.of_array(
            f"collage-r{row}c{column}",
            np.ascontiguousarray(picture[row * _TILE : (row + 1) * _TILE, column * _TILE : (column + 1) * _TILE]),
            label=COLLAGE_LABELS.get((row, column), ""),
            subject="collage-woman",
            source="collage",
        )
        for row in range(_GRID)
        for column in range(_GRID)
    ]


def _astronaut_item() -> Item:
    from skimage import data

    return Item.of_array(
        "astronaut", np.asarray(data.astronaut()), label="happiness", subject="astronaut", source="astronaut"
    )


def _navy_item() -> Item:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    # No label: a closed, faint smile at most.
    return Item.of_file("navy-portrait", path, subject="navy-officer", source="navy-portrait")


def _each_expression_in_turn(items: list[Item]) -> list[Item]:
    """The same items: labelled ones first, the first of every label, then the second of every label, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for item in items:
        turns.append((not item.label, seen[item.label] if item.label else 0))
        seen[item.label] += 1
    return [items[i] for i in sorted(range(len(items)), key=turns.__getitem__)]


def demo_faces(
    size: int = 256,
    *,
    collage: bool = True,
    detector: Detector | None = None,
    progress: bool = True,
) -> FaceSet:
    """Real photographs without a hub: the collage's tiles, the astronaut and the Navy portrait, found and cropped.

    size: side of the crops in pixels. collage=False leaves the collage away (what may be shown in public).
    Sources: the asset `collage`, scikit-image's `astronaut`, matplotlib's `grace_hopper.jpg`; their credits,
    licences and caveats are in `attrs["sources"]` (JSON). Labels were given by eye; labelled faces come first, one of
    each expression in turn, so that the first n show as many expressions as can be. Raises AssetError where a file
    cannot be had.
    """
    sources = {
        "astronaut": {
            "credit": "NASA, portrait of Eileen Collins, from scikit-image",
            "licence": "public domain",
            "caveat": "",
        },
        "navy-portrait": {
            "credit": "US Navy, portrait of Grace Hopper, from matplotlib's sample data",
            "licence": "public domain",
            "caveat": "",
        },
    }
    items = [_astronaut_item(), _navy_item()]
    notes = ["labels of the demo faces were given by eye"]
    if collage:
        asset = assets.ASSETS["collage"].value
        items += _collage_items()
        sources = {"collage": {"credit": asset.citation, "licence": asset.licence, "caveat": asset.caveat}} | sources
        notes.append(_AMBIGUOUS)
    return gather(
        _each_expression_in_turn(items),
        origin="the demo faces",
        size=size,
        margin=1.15,
        all_faces=False,
        detector=detector,
        notes=notes,
        attrs={"sources": json.dumps(sources, ensure_ascii=False)},
        progress=progress,
    )

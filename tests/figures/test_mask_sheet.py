"""The contact sheet: the right mask on the right tile, carried to where the face is."""

import numpy as np
import pandas as pd
import pytest

from workbench.canonical import load_frame
from workbench.errors import UnknownNameError
from workbench.faces.faceset import FaceSet, crop_sha256
from workbench.figures.mask_sheet import mask_sheet
from workbench.masks import load_masks

UPRIGHT = 0.1 + 0.8 * load_frame().shares() * [224 / 256, 1] + [0.05, 0]


def faces(count=1):
    images = np.full((count, 96, 96, 3), 255, np.uint8)
    rows = [
        {"name": f"f{i}", "label": "", "subject": "", "source": "", "sha256": crop_sha256(images[i])}
        for i in range(count)
    ]
    return FaceSet(images, np.stack([UPRIGHT] * count), pd.DataFrame(rows), "mediapipe478")


def tiles(figure):
    return {image.get_gid(): np.asarray(image.get_array()) for image in figure.axes[0].images}


def test_each_mask_has_a_tile_on_the_canonical_face_and_on_every_face():
    masks = load_masks("facs-au")
    found = tiles(mask_sheet(masks, faces(2), names=["AU1", "AU12", "AU17"], columns=2))
    assert set(found) == {f"tile-{row}-{column}" for row, column in [*np.ndindex(1, 6), (1, 0), (1, 1), (1, 2)]}
    for tile, name in (("tile-0-0", "AU1"), ("tile-0-3", "AU12"), ("tile-1-0", "AU17")):
        mask = masks.maps.sel(au=name).values
        assert np.array_equal(found[tile][..., 3] > 0.5, mask == 1)
        row, column = map(int, tile.split("-")[1:])
        on_face = found[f"tile-{row}-{column + 1}"]
        covered = on_face[..., 0] < 0.9  # a white face under a blue mask
        assert covered.mean() == pytest.approx(mask.mean(), rel=0.3)
        where = np.argwhere(covered).mean(axis=0) / covered.shape
        assert where == pytest.approx(np.argwhere(mask).mean(axis=0) / mask.shape, abs=0.06)


def test_without_faces_and_with_a_wrong_name():
    assert len(tiles(mask_sheet(load_masks("htnet")))) == 4
    with pytest.raises(UnknownNameError, match="did you mean AU1"):
        mask_sheet(load_masks("facs-au"), names=["AU1x"])

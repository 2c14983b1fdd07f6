"""Painted arrays: kinds, sizes, and what is refused."""

import json

import numpy as np
import pytest

from workbench.errors import FrameMismatchError, UsageError
from workbench.masks import load_masks, masks_from_arrays, save_masks

GRID = (256, 224)


def block(value=True, dtype=bool, times=1):
    out = np.zeros((GRID[0] * times, GRID[1] * times), dtype)
    out[100 * times : 120 * times, 50 * times : 90 * times] = value
    return out


def test_kinds_of_arrays_are_understood():
    layer = np.zeros((*GRID, 4), np.uint8)
    layer[100:120, 50:90, 3] = 255
    for array in (block(), block(255, np.uint8), block(1.0, float), layer, block(True, bool, 3), block(180, np.uint8)):
        masks = masks_from_arrays({"right_cheek": array})
        assert np.array_equal(masks.maps.values[0] == 1, block())
        assert (masks.dimension, masks.attrs["values"]) == ("region", "binary")
    values = block(0.5, float)
    values[110, 60] = 1
    soft = masks_from_arrays({"AU6": values, "AU12R": block()}, authority="me")
    assert soft.dimension == "au"
    assert soft.attrs["values"] == "soft: painted"
    assert soft.attrs["authority"] == "me"
    assert np.array_equal(soft.maps.values[0], values.astype(np.float32))


def test_painted_masks_are_kept_and_cut_to_the_face(tmp_path):
    array = block()
    array[:20] = True  # above and beside the forehead
    masks = masks_from_arrays({"anything": array}, name="mine")
    lost = json.loads(str(masks.attrs["lost"]))["anything"]
    assert lost == pytest.approx(1 - (array & masks.domain.values).sum() / array.sum(), abs=1e-4)
    save_masks(masks, tmp_path)
    again = load_masks(tmp_path)
    assert (again.name, again.dimension, again.frame) == ("mine", "region", "mediapipe478")
    assert again.maps.equals(masks.maps)


def test_what_cannot_be_a_mask_is_refused():
    with pytest.raises(UsageError, match="no array"):
        masks_from_arrays({})
    with pytest.raises(UsageError, match="'eye' is painted nowhere"):
        masks_from_arrays({"eye": np.zeros(GRID)})
    outside = np.zeros(GRID, bool)
    outside[:3, :3] = True
    with pytest.raises(UsageError, match="'eye' is painted outside the face"):
        masks_from_arrays({"eye": outside})
    with pytest.raises(FrameMismatchError, match="100 × 100 pixels; the frame has 256 × 224"):
        masks_from_arrays({"eye": np.ones((100, 100))})
    with pytest.raises(UsageError, match=r"int64\(256, 224\)"):
        masks_from_arrays({"eye": np.ones(GRID, np.int64)})
    with pytest.raises(UsageError, match="outside 0 … 1"):
        masks_from_arrays({"eye": 3.0 * block(1.0, float)})
    with pytest.raises(UsageError, match="'rage' is no expression"):
        masks_from_arrays({"rage": block()}, dimension="expression")

"""Left and right apart; classes that location cannot separate as one entry."""

import numpy as np
import pytest

from workbench.canonical import FRAMES, load_frame
from workbench.errors import UsageError
from workbench.masks import by_class, by_side, load_masks, masks_from_arrays


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("frame", FRAMES)
def test_two_sides_are_the_whole_and_do_not_overlap(frame, soft):
    whole = load_masks("facs-au", frame=frame, soft=soft)
    each = load_masks("facs-au", frame=frame, soft=soft, side="each")
    assert each.names == [f"{name}{side}" for name in whole.names for side in "LR"]
    for name in whole.names:
        left, right = (each.maps.sel(au=f"{name}{side}").values for side in "LR")
        assert np.array_equal(np.maximum(left, right), whole.maps.sel(au=name).values)
        assert not (np.minimum(left, right) > 0).any()
        if frame == "mediapipe478":
            assert np.array_equal(left > 0, (right > 0)[:, ::-1])


def test_left_and_right_are_the_subjects():
    corner = load_frame().points[61].round().astype(int)  # the subject's right mouth corner, left in the image
    right, left = (load_masks("facs-au", side=side) for side in ("right", "left"))
    assert right.names[:2] == ["AU1R", "AU2R"]
    assert right.maps.sel(au="AU12R").values[corner[1], corner[0]] == 1
    assert left.maps.sel(au="AU12L").values[corner[1], corner[0]] == 0
    assert right.attrs["side"] == "right"
    assert right.classes == [["AU23R", "AU24R"], ["AU26R", "AU27R"]]


def test_regions_of_one_side_stay_and_others_are_cut():
    whole, each, left = load_masks("areas"), load_masks("areas", side="each"), load_masks("areas", side="left")
    assert [name for name in left.names if not name.startswith("left_")] == []
    assert len(each.names) == 2 * len(left.names) == 30
    for name in whole.names:
        own = whole.maps.sel(region=name).values
        if name.startswith(("left_", "right_")):
            assert np.array_equal(each.maps.sel(region=name).values, own)
        else:
            parts = [each.maps.sel(region=f"{side}_{name}").values for side in ("left", "right")]
            assert np.array_equal(sum(parts), own)
            assert np.array_equal(parts[0], parts[1][:, ::-1])


def test_classes_become_one_entry():
    masks = by_class(load_masks("facs-au"))
    assert [name for name in masks.names if "/" in name] == ["AU23/24", "AU26/27"]
    assert len(masks.names) == 24
    assert masks.classes == []
    assert np.array_equal(
        masks.maps.sel(au="AU26/27").values, load_masks("facs-au").maps.sel(au=["AU26", "AU27"]).max("au").values
    )
    assert "AU23/24L" in by_class(load_masks("facs-au", side="each")).names
    apart = load_masks("friesen-ekman")
    assert by_class(apart) is apart


def test_what_cannot_be_cut_is_refused(tmp_path):
    from PIL import Image

    with pytest.raises(UsageError, match="side is 'middle'"):
        load_masks("facs-au", side="middle")
    with pytest.raises(UsageError, match="'friesen-ekman' has masks of expressions"):
        load_masks("friesen-ekman", side="left")
    shape = np.zeros((256, 224), bool)
    shape[100:120, 40:60] = True  # on the subject's right
    with pytest.raises(UsageError, match="nothing on the left side"):
        by_side(masks_from_arrays({"right_cheek": shape}), "left")
    with pytest.raises(UsageError, match="nothing on the left side"):
        by_side(masks_from_arrays({"AU6": shape}), "left")
    Image.fromarray(np.eye(40, dtype=bool)).save(tmp_path / "AU12_gt.png")
    with pytest.raises(UsageError, match="middle line is not known"):
        by_side(load_masks(tmp_path), "left")

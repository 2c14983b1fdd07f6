"""Masks as image files: round trip, spellings, depths, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from workbench.errors import FrameMismatchError, UnreadableFileError, UsageError, WorkbenchError
from workbench.masks import MASKS, by_class, load_masks, save_masks


def write(folder, name, values, dtype=np.uint8):
    Image.fromarray(np.asarray(values, dtype=dtype)).save(folder / name)


def disk(height=40, width=30):
    y, x = np.mgrid[:height, :width]
    return (y - 20) ** 2 + (x - 15) ** 2 < 60


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("name", "frame"), [*((name, "mediapipe478") for name in MASKS.names()), ("areas", "ibug68")])
def test_round_trip(tmp_path, name, frame, soft):
    masks = load_masks(name, frame=frame, soft=soft)
    paths = save_masks(masks, tmp_path / "new" / "folder")
    assert [p.name for p in paths] == [f"{n}_gt.png" for n in masks.names]
    again = load_masks(tmp_path / "new" / "folder")
    assert (again.name, again.frame, again.dimension, again.names) == (name, frame, masks.dimension, masks.names)
    assert np.abs(again.maps.values - masks.maps.values).max() <= (0.5 / 65535 + 1e-7 if soft else 0)
    assert again.attrs == masks.attrs
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted(p.name for p in paths)


def test_sides_and_classes_round_trip_too(tmp_path):
    for number, masks in enumerate((load_masks("facs-au", side="each"), by_class(load_masks("facs-au")))):
        paths = save_masks(masks, tmp_path / str(number))
        again = load_masks(tmp_path / str(number))
        assert again.names == masks.names
        assert again.classes == masks.classes
        assert again.maps.equals(masks.maps)
    assert "AU23-24_gt.png" in {path.name for path in paths}


def test_a_file_painted_over_and_stripped_of_its_text_goes_by_its_name(tmp_path):
    masks = load_masks("jaa-au", side="left")
    (path,) = save_masks(replace(masks, maps=masks.maps.sel(au=["AU12L"])), tmp_path)
    Image.fromarray(np.asarray(Image.open(path))).save(path)
    again = load_masks(tmp_path)
    assert again.names == ["AU12L"]
    assert again.attrs["citation"] == "not stated"


def test_spellings_depths_and_modes_are_understood(tmp_path):
    write(tmp_path, "Angry_gt.png", disk() * 255)
    write(tmp_path, "HAPPY_GT.PNG", disk() * 65535, np.uint16)
    write(tmp_path, "sad_gt.png", disk() * 1)  # 0 and 1
    write(tmp_path, "Fear_gt.png", np.stack([disk() * 200, disk() * 0, disk() * 0], axis=-1))  # red
    soft = np.where(disk(), 180, 40)
    soft[0, 0] = 0
    write(tmp_path, "SU_gt.png", soft)  # more than half is mask
    Image.fromarray(disk()).save(tmp_path / "disgusted_gt.png")  # one bit
    (tmp_path / "notes.txt").write_text("not a mask")
    masks = load_masks(tmp_path)
    assert masks.names == ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
    assert masks.frame == "image"
    assert masks.domain.values.all()
    for mask in masks.maps.values:
        assert np.array_equal(mask == 1, disk())


def test_masks_on_the_mesh_grid_are_cut_to_its_domain(tmp_path):
    write(tmp_path, "anger_gt.png", np.full((256, 224), 255))
    masks = load_masks(tmp_path)
    assert masks.frame == "mediapipe478"
    assert masks.areas["anger"] == 1
    assert '"anger": 0.2354' in str(masks.attrs["lost"])


def test_bad_files_are_refused_in_one_line_that_names_them(tmp_path):
    def refuse(error: type[WorkbenchError], match: str) -> None:
        with pytest.raises(error, match=match) as caught:
            load_masks(tmp_path)
        assert "\n" not in str(caught.value)

    refuse(UsageError, "neither maskset.toml nor <expression>_gt.png")
    (tmp_path / "anger_gt.png").write_bytes(b"")
    refuse(UnreadableFileError, "anger_gt.png")
    (tmp_path / "anger_gt.png").write_text("not an image")
    refuse(UnreadableFileError, "anger_gt.png")
    write(tmp_path, "anger_gt.png", np.random.default_rng(0).integers(0, 255, (90, 90)))
    whole = (tmp_path / "anger_gt.png").read_bytes()
    (tmp_path / "anger_gt.png").write_bytes(whole[: len(whole) // 2])
    refuse(UnreadableFileError, "anger_gt.png")
    write(tmp_path, "anger_gt.png", np.zeros((40, 30)))
    refuse(UsageError, "anger_gt.png: the mask is empty")
    write(tmp_path, "anger_gt.png", disk() * 255)
    write(tmp_path, "fear_gt.png", disk(50, 30) * 255)
    refuse(FrameMismatchError, "50 × 30 .* beside masks of 40 × 30")
    write(tmp_path, "fear_gt.png", disk() * 255)
    write(tmp_path, "Afraid_gt.png", disk() * 255)
    refuse(UsageError, "second mask for fear")
    (tmp_path / "Afraid_gt.png").rename(tmp_path / "boredom_gt.png")
    refuse(UsageError, "'boredom' names no expression")
    (tmp_path / "boredom_gt.png").rename(tmp_path / "AU12_gt.png")
    refuse(UsageError, "mixed")
    (tmp_path / "AU12_gt.png").rename(tmp_path / "AU99_gt.png")
    refuse(UsageError, "AU99 is no action unit")


def test_a_frame_that_the_files_are_not_on_is_refused(tmp_path):
    write(tmp_path, "anger_gt.png", disk() * 255)
    with pytest.raises(FrameMismatchError, match="not on 'published'"):
        load_masks(tmp_path, frame="published")

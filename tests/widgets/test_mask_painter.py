from __future__ import annotations

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import traitlets
from PIL import Image

import workbench as wb
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks import load_masks
from workbench.widgets import MaskPainter
from workbench.widgets.mask_painter import _ground

GRID = (256, 224)


def block(top, bottom, left, right):
    array = np.zeros(GRID, bool)
    array[top:bottom, left:right] = True
    return array


MOUTH, BROW = block(170, 200, 80, 144), block(70, 80, 60, 164)


@pytest.fixture
def painter():
    return MaskPainter(["anger", "fear"])


def test_the_door_leads_here():
    assert wb.MaskPainter is MaskPainter


def test_begins_with_the_first_entry_and_nothing_painted(painter):
    assert (painter.entry, painter.brush, painter.erase, painter.mirror) == ("anger", 12, False, True)
    assert list(painter.arrays) == ["anger", "fear"]
    assert all(array.shape == GRID and array.dtype == bool and not array.any() for array in painter.arrays.values())
    assert painter.status == "Nothing painted yet: anger, fear."
    assert painter.drawing.startswith("data:image/png;base64,")
    assert painter.domain == wb.load_frame("mediapipe478").domain.tobytes()


def test_arrays_come_back_as_set_and_only_that_entry_changes(painter):
    painter.set("fear", MOUTH)
    assert np.array_equal(painter.arrays["fear"], MOUTH)
    assert not painter.arrays["anger"].any()
    painter.set("fear", np.where(BROW, 0.5, 0))
    assert np.array_equal(painter.arrays["fear"], BROW)
    painter.set("fear", np.zeros(GRID))
    assert painter.layer_1 == b""


def test_what_the_page_sends_is_read_row_by_row(painter):
    sent = MOUTH.astype(np.uint8).tobytes()
    painter.set_state({"layer_0": memoryview(sent), "erase": True})
    assert np.array_equal(painter.arrays["anger"], MOUTH)
    assert painter.erase is True
    share = MOUTH[wb.load_frame("mediapipe478").domain].mean()
    assert painter.status == f"anger covers {share:.1%} of the face. Nothing painted yet: fear."


def test_the_words_follow_the_entry(painter):
    painter.set("anger", MOUTH)
    painter.set("fear", BROW)
    assert painter.status.endswith("All are painted.")
    painter.entry = "fear"
    assert painter.status.startswith("fear covers")


def test_what_is_saved_is_what_load_masks_reads(painter, tmp_path):
    painter.set("anger", BROW)
    painter.set("fear", MOUTH)
    files = painter.save(tmp_path / "mine", citation="Yourself (2026)", licence="CC0-1.0")
    assert [path.name for path in files] == ["anger_gt.png", "fear_gt.png"]
    assert sorted((tmp_path / "mine").iterdir()) == files
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    read = load_masks(str(tmp_path / "mine"))
    assert (read.name, read.frame, read.dimension) == ("mine", "mediapipe478", "expression")
    assert (read.attrs["citation"], read.attrs["licence"]) == ("Yourself (2026)", "CC0-1.0")
    domain = wb.load_frame("mediapipe478").domain
    for name, array in (("anger", BROW), ("fear", MOUTH)):
        assert np.array_equal(read.maps.sel(expression=name).values > 0, array & domain)


def test_a_saved_set_can_be_gone_on_with(painter, tmp_path):
    painter.set("anger", BROW)
    painter.save(tmp_path / "mine", leave_out_empty=True)
    again = MaskPainter(load_masks(str(tmp_path / "mine")))
    assert list(again.names) == ["anger"]
    assert np.array_equal(again.arrays["anger"], BROW)


@pytest.mark.parametrize("frame", ["published", "ibug68"])
def test_every_frame_is_painted_on_its_own_grid(frame):
    painter = MaskPainter(["left_brow"], frame=frame)
    array = wb.load_frame(frame).domain.copy()
    array[: len(array) // 2] = False
    painter.set("left_brow", array)
    masks = painter.masks()
    assert (masks.frame, masks.dimension) == (frame, "region")
    assert np.array_equal(masks.maps.values[0] > 0, array)


def test_dimensions_and_what_action_units_are_called():
    painter = MaskPainter(["AU12", "AU1L"])
    painter.set("AU12", MOUTH)
    assert painter.masks(leave_out_empty=True).dimension == "au"
    assert painter.labels == ["AU12, lip corner puller", "AU1L, inner brow raiser"]
    assert MaskPainter("mouth").labels == ["mouth"]
    region = MaskPainter(["anger"], dimension="region")
    region.set("anger", MOUTH)
    assert region.masks().dimension == "region"


def test_empty_entries_are_refused_by_name_or_left_out(painter, tmp_path):
    with pytest.raises(UsageError, match=r"^nothing is painted for anger, fear; paint them$"):
        painter.save(tmp_path / "mine")
    painter.set("fear", MOUTH)
    with pytest.raises(UsageError, match=r"^nothing is painted for anger; paint it, or set leave_out_empty=True$"):
        painter.save(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    assert painter.masks(leave_out_empty=True).names == ["fear"]


def test_a_folder_is_replaced_as_a_whole_when_asked(painter, tmp_path):
    painter.set("anger", BROW)
    painter.set("fear", MOUTH)
    painter.save(tmp_path / "mine")
    painter.set("fear", np.zeros(GRID))
    with pytest.raises(UsageError, match="holds masks already; choose another folder, or set replace=True"):
        painter.save(tmp_path / "mine", leave_out_empty=True)
    painter.save(tmp_path / "mine", leave_out_empty=True, replace=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["anger_gt.png"]
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt is there already and is no mask; choose another folder"):
        painter.save(tmp_path / "mine", leave_out_empty=True, replace=True)


def test_a_save_that_fails_leaves_the_old_set(painter, tmp_path, monkeypatch):
    painter.set("anger", BROW)
    painter.save(tmp_path / "mine", leave_out_empty=True)
    before = (tmp_path / "mine" / "anger_gt.png").read_bytes()
    painter.set("anger", MOUTH)

    def fails(masks, folder):
        folder.mkdir()
        (folder / "anger_gt.png").write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("workbench.widgets.mask_painter.save_masks", fails)
    with pytest.raises(OSError, match="no space left"):
        painter.save(tmp_path / "mine", leave_out_empty=True, replace=True)
    assert (tmp_path / "mine" / "anger_gt.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "there is no mask to paint; give names"),
        ((["anger", "anger"],), "the mask 'anger' is named twice"),
        ((["anger"], "mediapipe"), "there is no frame 'mediapipe'; did you mean mediapipe478"),
        ((["anger"], "mediapipe478", "emotion"), "there is no dimension 'emotion'"),
        ((["AU12", "AU3"],), "MaskPainter: 'AU3' is no action unit"),
        ((["anger"], "mediapipe478", None, np.zeros((4, 4))), "the background has shape (4, 4); give RGB"),
    ],
)
def test_bad_requests_are_told_in_one_line(arguments, message):
    with pytest.raises(UsageError) as caught:
        MaskPainter(*arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_wrong_names_sizes_and_texts(painter):
    with pytest.raises(UnknownNameError, match="no mask 'feer'; did you mean fear"):
        painter.set("feer", MOUTH)
    with pytest.raises(UnknownNameError, match="no mask 'feer'"):
        painter.entry = "feer"
    with pytest.raises(FrameMismatchError, match="has 3 × 4 pixels; the frame mediapipe478 has 256 × 224"):
        painter.set("fear", np.zeros((3, 4)))
    with pytest.raises(UnknownNameError, match="no setting 'size'"):
        MaskPainter(["anger"], size=3)
    with pytest.raises(traitlets.TraitError):
        painter.brush = 0
    painter.set("fear", MOUTH)
    with pytest.raises(UsageError, match="'author' is no text of a mask set"):
        painter.masks(leave_out_empty=True, author="me")


def test_what_lies_outside_the_face_is_cut_off_and_said(painter):
    painter.set("anger", np.ones(GRID))
    masks = painter.masks(leave_out_empty=True)
    domain = wb.load_frame("mediapipe478").domain
    assert np.array_equal(masks.maps.values[0] > 0, domain)
    assert str(round(1 - domain.mean(), 4)) in str(masks.attrs["lost"])


def test_backgrounds(faces):
    frame = wb.load_frame("mediapipe478")
    grey = np.full((*GRID, 3), 102.0)
    grey[:10] = np.nan
    ground = _ground(frame, grey)
    assert np.allclose(ground[10:], [0.4, 0.4, 0.4, 1])
    assert not ground[:10, :, 3].any()
    average = _ground(frame, faces)
    assert not average[~frame.domain, 3].any()
    warped = [frame.warp_image(i, p) for i, p in zip(faces.images, faces.landmarks, strict=True)]
    middle = tuple(frame.points[4].astype(int)[::-1])
    assert np.allclose(average[middle][:3], np.mean([w[middle] for w in warped], axis=0) / 255, atol=1e-6)
    drawings = {MaskPainter(["anger"], background=ground).drawing for ground in (None, faces, grey)}
    assert len(drawings) == 3


def test_the_same_words_in_every_process():
    code = "import workbench as wb; print(repr(wb.MaskPainter(['anger', 'fear'])))"
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout}
    assert said == {"MaskPainter(expression on mediapipe478; anger –, fear –)\n"}


def test_a_page_gets_the_widget_its_words_and_a_picture_once_painted(painter):
    assert "image/png" not in painter._repr_mimebundle_()[0]
    painter.set("anger", MOUTH)
    bundle, _ = painter._repr_mimebundle_()
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as sheet:
        assert np.ptp(np.asarray(sheet.convert("RGBA")), axis=(0, 1)).min() > 0
    assert bundle["text/plain"] == repr(painter)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "anger 4" in repr(painter)

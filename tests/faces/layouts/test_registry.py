"""A layout of one's own, options, recognition that refuses to guess."""

from __future__ import annotations

import pytest

from workbench.errors import UnknownNameError, UnreadableFileError, UsageError
from workbench.faces import LAYOUTS, Item, layout, load_faces


@pytest.fixture
def our_lab():
    @layout("our-lab")
    def read(path, notes, session=""):
        """S01_happy_2.png: subject, expression, session."""
        for file in sorted(path.glob("*.png")):
            subject, expression, taken = file.stem.split("_")
            if session in ("", taken):
                yield Item.of_file(file.name, file, label=expression, subject=subject, groups={"session": taken})

    yield
    LAYOUTS.remove("our-lab")


def test_a_layout_of_ones_own(our_lab, draw, load, tmp_path):
    for name in ("S01_happy_1", "S02_Fear_1", "S02_sad_2"):
        draw(f"{name}.png")
    faces = load(tmp_path, layout="our-lab")
    assert faces.table["label"].tolist() == ["happiness", "fear", "sadness"]
    assert (faces.groups, faces.attrs["layout"]) == (["session"], "our-lab")
    assert len(load(tmp_path, layout="our-lab", session="1")) == 2
    assert LAYOUTS["our-lab"].summary == "S01_happy_2.png: subject, expression, session."
    draw("S03_bored_1.png")
    with pytest.raises(
        UsageError, match=r"S03_bored_1.png \(layout 'our-lab'\): label 'bored': there is no expression"
    ):
        load(tmp_path, layout="our-lab")


def test_unknown_layouts_options_and_paths(our_lab, load, draw, tmp_path):
    draw("S01_happy_1.png")
    with pytest.raises(UnknownNameError, match=r"there is no layout 'ckplus'; known: .*ck\+"):
        load(tmp_path, layout="ckplus")
    with pytest.raises(UnknownNameError, match="no option of layout 'our-lab' 'part'"):
        load(tmp_path, layout="our-lab", part="1")
    with pytest.raises(UsageError, match="has no option 'al_faces'"):
        load_faces(tmp_path, al_faces=True)
    with pytest.raises(UnreadableFileError, match="no such file or folder"):
        load(tmp_path / "none", layout="our-lab")
    with pytest.raises(UsageError, match="layout 'our-lab' is read from a path, not from list"):
        load([tmp_path], layout="our-lab")


def test_two_layouts_that_fit_are_not_guessed_between(write, draw, load, tmp_path):
    draw("happy/a.png")
    write("EmoLabel/list_patition_label.txt", "train_1.jpg 4\n")
    write("ActionUnit_Labels/SN001_au12.txt", "1,0\n")
    faces = load(tmp_path)
    assert faces.table["label"].tolist() == ["happiness"]
    assert "may be of layout 'raf-db' or 'disfa'; state the layout" in faces.notes[0]
    assert "layout" not in faces.attrs


def test_the_two_plain_layouts_can_be_stated(draw, write, load, tmp_path):
    draw("fear/a.png")
    file = write("list.csv", "path,label,au_12,au_4_intensity\nfear/a.png,sad,1,\n")
    assert load(tmp_path, layout="class-folders").table["label"].tolist() == ["fear"]
    assert load(file, layout="table").table["label"].tolist() == ["sadness"]
    with pytest.raises(UsageError, match="is a folder of folders"):
        load(file, layout="class-folders")
    with pytest.raises(UsageError, match="is a CSV, TSV or Parquet file"):
        load(tmp_path, layout="table")


def test_a_broken_csv_nearby_does_not_stop_a_folder(draw, load, tmp_path):
    draw("fear/a.png")
    (tmp_path / "notes.csv").write_bytes(b"\xff\xfe\x00\x01")
    assert len(load(tmp_path)) == 1


def test_every_layout_says_what_it_reads():
    assert {"fer2013", "raf-db", "affectnet", "ck+", "jaffe", "kdef", "disfa", "bp4d"} <= set(LAYOUTS.names())
    for entry in LAYOUTS:
        assert entry.summary.endswith("."), entry.name
        assert len(entry.summary) <= 120, entry.name

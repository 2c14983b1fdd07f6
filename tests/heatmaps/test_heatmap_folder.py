"""Heatmaps made elsewhere: what is read, what is refused, and that the rest goes on."""

import json

import numpy as np
import pytest
from PIL import Image

from workbench.errors import FrameMismatchError, UnreadableFileError, UsageError
from workbench.heatmaps import global_heatmaps, load_folder, save

RAMP = np.linspace(0, 255, 30).reshape(6, 5).astype(np.uint8)


def png(path, array, **options):
    Image.fromarray(array).save(path, **options)


def reasons(heat, kind="failures"):
    return {entry["file"]: entry["reason"] for entry in json.loads(heat.attrs[kind])}


def cell(heat, model="net", expression="fear", explainer=""):
    return heat.sel(model=model, explainer=explainer, expression=expression)


@pytest.fixture
def folder(tmp_path):
    """One good file, so that the rest of a batch has somewhere to go on."""
    png(tmp_path / "net_fear.png", RAMP)
    return tmp_path


def test_model_and_expression_come_from_the_name(tmp_path):
    for name in ("AlexNet_CV3_Fear_heatmap.png", "AlexNet_CV3_happy.png", "Vgg_Angry.png"):
        png(tmp_path / name, RAMP)
    heat = load_folder(tmp_path)
    assert heat.dims == ("model", "explainer", "expression", "y", "x")
    assert heat.model.values.tolist() == ["AlexNet_CV3", "Vgg"]
    assert heat.explainer.values.tolist() == [""]
    np.testing.assert_array_equal(cell(heat, "AlexNet_CV3", "happiness"), RAMP)
    assert str(cell(heat, "Vgg", "anger").status.item()) == "ok"
    assert str(cell(heat, "Vgg", "fear").status.item()) == "not computed"
    assert np.isnan(cell(heat, "Vgg", "fear")).all()


def test_a_name_without_a_model_belongs_to_the_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    png(tmp_path / "mine" / "fear.png", RAMP)
    assert load_folder(tmp_path / "mine").model.values.tolist() == ["mine"]


def test_sixteen_bits_are_kept(tmp_path):
    deep = (np.arange(30, dtype=np.uint16).reshape(6, 5)) * 2000 + 1
    png(tmp_path / "net_fear.png", deep)
    np.testing.assert_array_equal(cell(load_folder(tmp_path)), deep)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1"])
def test_grey_pictures_of_other_modes_are_read(tmp_path, mode):
    picture = Image.fromarray(np.where(RAMP > 100, 255, 0).astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "net_fear.png")
    values = cell(load_folder(tmp_path)).values
    np.testing.assert_array_equal(values / values.max(), RAMP > 100)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_are_read_with_their_own_values(tmp_path, suffix):
    values = np.random.default_rng(0).normal(size=(6, 5))
    if suffix == ".npy":
        np.save(tmp_path / "net_sad.npy", values[None])
    else:
        np.savez(tmp_path / "net_sad.npz", values)
    np.testing.assert_allclose(cell(load_folder(tmp_path), expression="sadness"), values, rtol=1e-6)


def test_an_archive_may_hold_one_array_a_key(tmp_path):
    np.savez(tmp_path / "VGG16.npz", happy=RAMP, other_fear=RAMP + 1.0, baseline=RAMP)
    heat = load_folder(tmp_path)
    assert heat.model.values.tolist() == ["VGG16", "other"]
    assert str(cell(heat, "VGG16", "happiness").status.item()) == "ok"
    assert str(cell(heat, "other", "fear").status.item()) == "ok"
    assert "names its expression" in reasons(heat, "skipped")["VGG16.npz[baseline]"]


def test_what_the_workbench_saved_keeps_its_explainers(tmp_path, four_faces):
    maps = four_faces.assign_attrs(frame="published")
    save(maps, tmp_path / "maps.nc")
    heat = load_folder(tmp_path)
    wanted = global_heatmaps(maps)
    assert heat.attrs["frame"] == "published"
    for model in ("net0", "net1"):
        np.testing.assert_array_equal(
            cell(heat, model, "fear", "cam"), wanted.sel(model=model, explainer="cam", expression="fear")
        )
    save(wanted, tmp_path / "maps.nc")
    np.testing.assert_array_equal(load_folder(tmp_path / "maps.nc").values, heat.values)


BAD = {
    "colour": ("in colour", lambda p: png(p, np.dstack([RAMP, RAMP[::-1], RAMP]))),
    "transparent": ("transparent", lambda p: png(p, np.dstack([RAMP, RAMP, RAMP, RAMP]))),
    "text": ("no readable image", lambda p: p.write_text("not a picture")),
    "empty": ("no readable image", lambda p: p.write_bytes(b"")),
    "truncated": ("no readable image", lambda p: p.write_bytes((p.parent / "net_fear.png").read_bytes()[:60])),
    "constant": ("constant", lambda p: png(p, np.full((6, 5), 9, np.uint8))),
    "size": ("is 5×6, not 6×5", lambda p: png(p, RAMP.reshape(5, 6))),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_named_and_the_others_go_on(folder, kind):
    says, make = BAD[kind]
    make(folder / "bad_fear.png")
    heat = load_folder(folder, grid=(6, 5))
    assert says in reasons(heat)["bad_fear.png"]
    assert np.isnan(cell(heat, "bad")).all()
    assert says in str(cell(heat, "bad").status.item())
    assert str(cell(heat, "net").status.item()) == "ok"
    assert "\n" not in reasons(heat)["bad_fear.png"]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.full((6, 5), np.nan), "no pixel has a value"),
        (np.where(RAMP > 200, np.inf, RAMP), "non-finite"),
        (np.zeros((6, 5, 3)), "shape (6, 5, 3)"),
        (np.zeros((6, 5), complex), "complex128"),
        (np.array([["a"] * 5] * 6), "not real numbers"),
        (np.array([{"pickled": 1}], dtype=object), "no readable NumPy file"),
    ],
)
def test_a_bad_array_is_named_and_the_others_go_on(folder, array, says):
    np.save(folder / "bad_fear.npy", array, allow_pickle=True)
    heat = load_folder(folder)
    assert says in reasons(heat)["bad_fear.npy"]
    assert np.isnan(cell(heat, "bad")).all()
    assert str(cell(heat, "net").status.item()) == "ok"


def test_an_animation_is_refused(folder):
    frames = [Image.fromarray(RAMP), Image.fromarray(RAMP[::-1].copy())]
    frames[0].save(folder / "bad_fear.png", save_all=True, append_images=frames[1:])
    assert "animated" in reasons(load_folder(folder))["bad_fear.png"]


def test_two_files_for_one_map_are_both_refused(folder):
    png(folder / "net_happy.png", RAMP)
    png(folder / "net_happiness_heatmap.png", RAMP)
    heat = load_folder(folder)
    assert set(reasons(heat)) == {"net_happy.png", "net_happiness_heatmap.png"}
    assert "2 files for one map" in str(cell(heat, expression="happiness").status.item())
    assert np.isnan(cell(heat, expression="happiness")).all()


def test_files_that_are_no_heatmaps_are_listed(folder):
    png(folder / "portrait.png", RAMP)
    png(folder / "fear_gt.png", RAMP)
    (folder / "notes.txt").write_text("x")
    heat = load_folder(folder)
    skipped = reasons(heat, "skipped")
    assert "names no expression" in skipped["portrait.png"]
    assert "mask" in skipped["fear_gt.png"]
    assert "not a heatmap file" in skipped["notes.txt"]
    assert heat.model.values.tolist() == ["net"]


def test_without_a_grid_the_size_of_most_files_counts(folder):
    png(folder / "net_anger.png", RAMP)
    png(folder / "net_sad.png", np.tile(RAMP, (2, 2)))
    heat = load_folder(folder)
    assert heat.shape[-2:] == (6, 5)
    assert list(reasons(heat)) == ["net_sad.png"]


def test_no_map_of_the_wanted_size(folder):
    with pytest.raises(FrameMismatchError, match="6×5 and 275×224"):
        load_folder(folder, grid=(275, 224))


def test_no_folder_no_files_nothing_readable(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        load_folder(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no heatmap"):
        load_folder(tmp_path)
    png(tmp_path / "portrait.png", RAMP)
    with pytest.raises(UsageError, match=r"portrait\.png: its name names no expression"):
        load_folder(tmp_path)
    (tmp_path / "net_fear.png").write_text("x")
    with pytest.raises(UnreadableFileError, match=r"net_fear\.png"):
        load_folder(tmp_path)


def test_a_damaged_archive_or_netcdf_file_is_named(folder):
    (folder / "a_fear.npz").write_bytes(b"PK")
    (folder / "b.nc").write_bytes(b"x")
    assert set(reasons(load_folder(folder))) == {"a_fear.npz", "b.nc"}


def test_the_published_maps(published):
    heat = load_folder(published / "by_network")
    assert dict(heat.sizes) == {"model": 12, "explainer": 1, "expression": 6, "y": 275, "x": 224}
    assert (heat.status == "ok").all()
    assert heat.attrs["failures"] == "[]"


def test_the_folder_of_a_report_is_read_by_its_global_heatmaps(tmp_path, four_faces):
    save(four_faces, tmp_path / "maps.nc")
    save(global_heatmaps(four_faces), tmp_path / "heatmaps.nc")
    (tmp_path / "scores.nc").write_bytes(b"scores")
    heat = load_folder(tmp_path)
    assert reasons(heat) == {}
    assert set(reasons(heat, "skipped")) == {"maps.nc", "scores.nc"}
    np.testing.assert_array_equal(heat.values, global_heatmaps(four_faces).values)


def test_maps_that_enter_no_expression_are_said_to_do_so(tmp_path, four_faces):
    save(four_faces.assign_attrs(target="expression:disgust"), tmp_path / "maps.nc")
    with pytest.raises(UsageError, match=r"maps\.nc: none of its maps enters an expression"):
        load_folder(tmp_path)

"""What is saved comes back as it was, whole or not at all."""

import json

import numpy as np
import pytest
import xarray as xr

from workbench.errors import UnreadableFileError, UsageError
from workbench.heatmaps import global_heatmaps, load, save


@pytest.fixture
def rich(build_maps):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 2, 3, 5, 4))
    values[0, 0, 0, 0, 0] = np.nan
    maps = build_maps(
        values,
        [["fear", "anger", "fear"]] * 2,
        explainer=("cam", "edge_map"),
        status=[[["ok"] * 3, ["ok", "constant", "not computed"]]] * 2,
        subject=["", "Zoë", "b"],
        frame="published",
        seed=3,
        options=json.dumps({"a": 1}),
    )
    maps = maps.assign_coords(role=("explainer", ["method", "control"]))
    return maps.assign_attrs(failures=["a", {"b": None}], flag=True, nothing=None, lr=0.5)


@pytest.mark.parametrize("name", ["maps.nc", "maps.zarr"])
def test_everything_comes_back(rich, tmp_path, name):
    if name.endswith("zarr"):
        pytest.importorskip("zarr")
    path = save(rich, tmp_path / "deep" / name)
    assert path == tmp_path / "deep" / name
    back = load(path)
    xr.testing.assert_identical(back, rich)
    assert back.dtype == np.float32
    assert back.attrs == rich.attrs
    assert {c: back[c].dtype.kind for c in back.coords} == {c: rich[c].dtype.kind for c in rich.coords}


def test_global_maps_come_back_with_their_domain(rich, tmp_path):
    heat = global_heatmaps(rich, domain=np.ones((5, 4), bool))
    back = load(save(heat, tmp_path / "heat.nc"))
    xr.testing.assert_identical(back, heat)
    assert back["domain"].dtype == bool


def test_several_layers_and_targets_come_back_and_are_selected_before_they_are_averaged(rich, tmp_path):
    maps = rich.expand_dims({"layer": ["a", "b"], "target": ["au:12", "predicted"]}, axis=(2, 3))
    back = load(save(maps, tmp_path / "maps.nc"))
    xr.testing.assert_identical(back, maps)
    with pytest.raises(UsageError, match=r"select one entry of the others, maps.sel\(layer='a'\)"):
        global_heatmaps(back)
    xr.testing.assert_identical(
        global_heatmaps(back.sel(layer="a", target="au:12")), global_heatmaps(maps.sel(layer="a", target="au:12"))
    )


def test_saving_again_replaces_the_file(rich, tmp_path):
    path = save(rich, tmp_path / "maps.nc")
    save(rich + 1, path)
    np.testing.assert_allclose(load(path).values, rich.values + 1)
    assert [p.name for p in tmp_path.iterdir()] == ["maps.nc"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(rich, tmp_path, monkeypatch):
    path = save(rich, tmp_path / "maps.nc")

    def breaks(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", breaks)
    with pytest.raises(OSError, match="no space"):
        save(rich * 0, path)
    monkeypatch.undo()
    xr.testing.assert_identical(load(path), rich)
    assert [p.name for p in tmp_path.iterdir()] == ["maps.nc"]


def test_lazy_loading_reads_the_same_values(rich, tmp_path):
    path = save(rich, tmp_path / "maps.nc")
    lazy = load(path, lazy=True)
    xr.testing.assert_identical(global_heatmaps(lazy), global_heatmaps(rich))


@pytest.mark.parametrize("content", [b"", b"not a NetCDF file", b"\x89HDF\r\n\x1a\n" + b"\0" * 64])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "maps.nc"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"maps\.nc") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_foreign_one(tmp_path):
    with pytest.raises(UnreadableFileError, match="no file"):
        load(tmp_path / "none.nc")
    xr.Dataset({"temperature": ("t", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(UnreadableFileError, match="no variable 'heatmap'"):
        load(tmp_path / "other.nc")


def test_another_ending_is_refused(rich, tmp_path):
    with pytest.raises(UsageError, match=r"\.nc or \.zarr"):
        save(rich, tmp_path / "maps.pkl")

"""Tables of more images than memory holds: nothing reads an array whole, and memory does not grow with the images."""

import sys
import tracemalloc
from collections import Counter
from functools import partial

import numpy as np
import pytest
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.comparison import cluster
from workbench.heatmaps import aggregate, global_heatmaps, load, save
from workbench.masks import MaskSet
from workbench.scores import evaluate, reliability
from workbench.vocabulary import BASIC_EXPRESSIONS

GRID = (40, 32)
DIMS = ("model", "explainer", "image", "y", "x")
CELLS = [(m, x) for m in range(2) for x in range(2)]
MAP_BYTES = 4 * GRID[0] * GRID[1]


class Counted(BackendArray):
    """An array on disk, as xarray sees one, that writes down what is read of it."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.reads, self.largest = Counter(), 0

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key):
        found = self.values[key]
        self.largest = max(self.largest, found.nbytes)
        wanted = np.arange(self.shape[2])[key[2]].ravel()
        self.reads.update((key[0], key[1], int(image)) for image in wanted)
        return found


def made(images):
    """Maps of 2 networks × 2 explainers, brighter at another height for each expression."""
    rng = np.random.default_rng(0)
    values = rng.random((2, 2, images, *GRID), dtype=np.float32)
    for k in range(6):
        values[:, :, k::6, 5 * k : 5 * k + 8] += 1
    return values


def labelled(data, images):
    said = np.array(BASIC_EXPRESSIONS)[np.arange(images) % 6]
    coords = {
        "model": ["a", "b"],
        "explainer": ["cam", "lime"],
        "image": [f"face {k}" for k in range(images)],
        "predicted": (("model", "image"), np.stack([said, said])),
        "subject": ("image", [f"s{k % 25}" for k in range(images)]),
    }
    return xr.DataArray(data, coords, DIMS, attrs={"target": "predicted"})


@pytest.fixture
def masks():
    found = np.zeros((6, *GRID), np.float32)
    for k in range(6):
        found[k, 5 * k : 5 * k + 8, 8:24] = 1
    maps = xr.DataArray(found, {"expression": list(BASIC_EXPRESSIONS)}, ("expression", "y", "x"))
    return MaskSet("bars", maps, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")))


@pytest.fixture
def little_memory(monkeypatch):
    """Blocks of forty maps, means of redrawn faces of one cell at a time, halves of a few of ten splits."""
    monkeypatch.setattr(aggregate, "_BLOCK_BYTES", 40 * MAP_BYTES)
    monkeypatch.setattr(sys.modules["workbench.scores.intervals"], "_MEANS_BYTES", 1)
    monkeypatch.setattr(sys.modules["workbench.scores.reliability"], "_HALVES_BYTES", 40 * MAP_BYTES)
    monkeypatch.setattr(sys.modules["workbench.scores.evaluation"], "reliability", partial(reliability, splits=10))


def scored(maps, masks):
    return evaluate(maps, masks, nulls=(), draws=20, progress=False)


def test_each_map_is_read_a_few_times_whatever_the_draws_splits_and_expressions(masks):
    store = Counted(made(120))
    maps = labelled(xr.Variable(DIMS, indexing.LazilyIndexedArray(store)), 120)
    lazy = scored(maps, masks)
    assert set(store.reads) == {(m, x, i) for m, x in CELLS for i in range(120)}
    assert max(store.reads.values()) <= 5
    xr.testing.assert_identical(lazy, scored(labelled(store.values, 120), masks))


def test_trees_with_support_read_each_map_a_few_times():
    store = Counted(made(120))
    maps = labelled(xr.Variable(DIMS, indexing.LazilyIndexedArray(store)), 120)
    trees = cluster(maps, draws=20, progress=False)
    assert all(tree.support is not None for tree in trees.expressions.values())
    assert set(store.reads) == {(m, x, i) for m, x in CELLS for i in range(120)}
    assert max(store.reads.values()) <= 2 + 6  # redrawn expression by expression, and neighbours in the file come along


def test_one_read_takes_no_more_than_a_piece_of_the_file(masks, monkeypatch):
    monkeypatch.setattr(aggregate, "_READ_AT_ONCE", 16)
    store = Counted(made(120))
    maps = labelled(xr.Variable(DIMS, indexing.LazilyIndexedArray(store)), 120)
    scored(maps, masks)
    cluster(maps, draws=5, progress=False)
    assert store.largest <= 16 * MAP_BYTES


def test_memory_does_not_grow_with_the_images(masks, little_memory, tmp_path):
    """Of a file that NumPy maps; what a face costs otherwise (its draws, its halves) is a small part of its maps."""
    peaks = {}
    for images in (120, 360):
        path = tmp_path / f"{images}.npy"
        np.save(path, made(images))
        maps = labelled(np.load(path, mmap_mode="r"), images)
        tracemalloc.start()
        scored(maps, masks)
        peaks[images] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    more = (360 - 120) * len(CELLS) * MAP_BYTES
    assert peaks[360] - peaks[120] < 0.15 * more


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_mapped_array_is_saved_without_a_copy_and_opened_unread(tmp_path, ending):
    if ending == "zarr":
        pytest.importorskip("zarr", reason="no zarr; pip install 'facs-workbench[zarr]'")
    save(labelled(made(6), 6), tmp_path / f"first.{ending}")  # imports what it needs
    values = made(600)
    np.save(tmp_path / "maps.npy", values)
    maps = labelled(np.load(tmp_path / "maps.npy", mmap_mode="r"), 600)
    tracemalloc.start()
    path = save(maps, tmp_path / f"maps.{ending}")
    lazy = load(path, lazy=True)
    assert tracemalloc.get_traced_memory()[1] < 0.7 * values.nbytes
    tracemalloc.stop()
    xr.testing.assert_identical(global_heatmaps(lazy), global_heatmaps(maps))


def test_images_in_any_order_are_read_as_they_are_asked_for():
    maps = labelled(made(60), 60)
    asked = np.array([59, 3, 3, 20, 0])
    chosen, values, _ = next(aggregate.blocks(maps, 1, 0, asked, "none"))
    assert chosen.tolist() == asked.tolist()
    np.testing.assert_array_equal(values, maps.values[1, 0, asked])

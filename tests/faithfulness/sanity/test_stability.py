"""Maps made again: with other seeds, of mildly changed pictures, of near-identical crops."""

import numpy as np
import pytest
from network_state import assert_same, state
from scipy import ndimage

from workbench.errors import UnknownNameError, UsageError
from workbench.faithfulness.sanity import stability
from workbench.faithfulness.sanity.changes import augmentations, common, crops

from .conftest import faces_of


@pytest.fixture(scope="module")
def pictures():
    """Eight smooth 48 × 48 crops."""
    noise = np.random.default_rng(2).standard_normal((8, 48, 48, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0))
    return faces_of(np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8))


def test_seeds_matter_to_random_maps_alone(conv, twelve):
    before = state(conv.module)
    table = stability(conv, twelve, ["saliency", "random"], "seed", seeds=3, progress=False)
    assert table.similarity.dims == ("explainer", "change", "measure", "image")
    assert table["change"].values.tolist() == ["seed 1", "seed 2", "seed 3"]
    assert np.allclose(table.similarity.sel(explainer="saliency"), 1, atol=1e-12)
    assert (table.score_change == 0).all()
    assert abs(float(table.similarity.sel(explainer="random", measure="spearman").mean())) < 0.1
    words = table.verdict.sel(measure="spearman")
    assert str(words.sel(explainer="saliency").values).startswith("more alike than maps of different images")
    assert "1.00 [1.00, 1.00] over seeds" in str(words.sel(explainer="saliency").values)
    assert str(words.sel(explainer="random").values).startswith("no more alike than maps of different images")
    assert table.top_by_chance.sel(explainer="saliency").values == pytest.approx(0.1, abs=0.01)
    assert_same(before, state(conv.module))


def test_augmentations(conv, pictures):
    table = stability(conv, pictures, ["edge_map", "centre"], "augmentation", progress=False)
    assert table["change"].values.tolist() == ["brightness", "contrast", "blur", "jpeg", "flip"]
    edges = table.similarity.sel(explainer="edge_map", measure="correlation")
    assert np.allclose(edges.sel(change="flip"), 1)
    assert (edges.sel(change="jpeg") > 0.9).all()
    assert (edges.sel(change="blur") < 0.9999).all()
    assert np.allclose(table.similarity.sel(explainer="centre"), 1)
    assert np.allclose(table.floor_images.sel(explainer="centre"), 1)
    assert np.allclose(table.above_images.sel(explainer="centre"), 0)
    brighter = np.clip(np.round(pictures.images * 1.1), 0, 255).astype(np.uint8)
    before, after = (conv.logits(conv.inputs(images)).numpy() for images in (pictures.images, brighter))
    rows, named = np.arange(8), before.argmax(1)
    assert np.allclose(table.score_change.sel(change="brightness"), after[rows, named] - before[rows, named], atol=1e-5)
    moved = (conv.probabilities(brighter) - conv.probabilities(pictures.images))[rows, named]
    assert np.allclose(table.probability_change.sel(change="brightness"), moved, atol=1e-6)


def test_a_mirrored_face_has_mirrored_landmarks(pictures):
    landmarks = np.random.default_rng(0).random((8, 478, 2)).astype(np.float32)
    faces = faces_of(pictures.images)
    object.__setattr__(faces, "landmarks", landmarks)
    flipped = augmentations(faces)[-1]
    assert np.array_equal(flipped.faces.images, faces.images[:, :, ::-1])
    assert np.allclose(flipped.faces.landmarks[..., 0], 1 - landmarks[..., 0])
    assert np.array_equal(flipped.faces.landmarks[..., 1], landmarks[..., 1])
    assert (flipped.faces.table["sha256"] != faces.table["sha256"]).all()


def test_windows_lie_in_the_crop_and_landmarks_stay_on_the_face(pictures):
    base, moved = crops(pictures)
    assert base.window == (1, 1, 46)
    assert len(moved) == 10
    for change in moved:
        left, top, side = change.window
        assert left >= 0
        assert top >= 0
        assert max(left, top) + side <= 48
        assert np.array_equal(change.faces.images, pictures.images[:, top : top + side, left : left + side])
        assert np.allclose(change.faces.landmarks[0, 0] * side + (left, top), 24)


@pytest.mark.parametrize("window", [(0, 0, 20), (4, 0, 20), (3, 2, 17)])
def test_a_map_of_places_is_the_same_in_every_window(window):
    """What depends linearly on the place in the crop is equal where two windows overlap, away from their edges."""

    def ramp(left, top, side, places):
        x = left + (np.arange(places) + 0.5) / places * side
        y = top + (np.arange(places) + 0.5) / places * side
        return (2 * y[:, None] + x[None, :])[None]

    base = (2, 2, 20)
    one = common(ramp(*base, 10), base, window, (10, 10))
    other = common(ramp(*window, 7), window, base, (10, 10))
    assert one.shape == other.shape == (1, 10, 10)
    assert np.allclose(one[0, 2:-2, 2:-2], other[0, 2:-2, 2:-2])


def test_crops(conv, pictures):
    table = stability(conv, pictures, ["edge_map", "saliency", "centre"], "crop", progress=False)
    edges = table.similarity.sel(explainer="edge_map", measure="correlation").mean("image")
    assert (edges > 0.9).all()
    assert float(edges.sel(change="left 1%")) < 1
    centred = table.similarity.sel(explainer="centre", measure="correlation").mean("image")
    assert (centred.sel(change=["left 3%", "up 3%"]) < 1).all()  # it stays where it is while the face moves
    assert np.isfinite(table.similarity.sel(explainer="saliency")).all()


def test_few_images_and_bad_input(conv, twelve, pictures):
    table = stability(conv, twelve[:2], "saliency", seeds=1, progress=False)
    assert "at least 5 images are needed" in str(table.verdict.values[0, 0])
    single = stability(conv, twelve[:1], "saliency", seeds=1, progress=False)
    assert np.isnan(single.floor_images).all()
    with pytest.raises(UnknownNameError, match="kind of change 'crops'"):
        stability(conv, twelve, "saliency", "crops")
    with pytest.raises(UsageError, match="too small to be moved"):
        stability(conv, twelve, "saliency", "crop")
    with pytest.raises(UsageError, match="seeds=0"):
        stability(conv, twelve, "saliency", seeds=0)
    with pytest.raises(UsageError, match="there is no face"):
        stability(conv, twelve[:0], "saliency")

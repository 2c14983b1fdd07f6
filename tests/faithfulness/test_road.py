"""Imputation and ROAD beside pytorch-grad-cam's, which solves the same system with a direct solver."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter

from workbench.classifiers._torchvision import import_timm
from workbench.faithfulness import faithfulness
from workbench.faithfulness.imputation import impute

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::scipy.sparse.SparseEfficiencyWarning")
SETTINGS = {"fill": "zero", "space": "probability", "progress": False, "controls": False}


@pytest.fixture(scope="module")
def theirs():
    import_timm()
    return pytest.importorskip("pytorch_grad_cam.metrics.road")


@pytest.mark.parametrize("size", [(8, 8), (37, 50), (64, 64)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_holes_are_filled_as_by_the_direct_solver(theirs, size, share):
    stream = np.random.default_rng(3)
    smooth, rough = gaussian_filter(stream.normal(size=size), 4), stream.normal(size=size)
    picture = torch.from_numpy(stream.normal(size=(3, *size)).astype(np.float32))
    removed = np.stack([values > np.quantile(values, 1 - share) for values in (smooth, rough)])
    ours = impute(picture[None], torch.from_numpy(removed[:, None]))
    for hole, found in zip(removed, ours, strict=True):
        expected = theirs.NoisyLinearImputer(noise=0.0)(picture, torch.from_numpy(np.float32(~hole)))
        assert float((found - expected).abs().max()) < 0.002
        torch.testing.assert_close(found[:, ~hole], picture[:, ~hole], rtol=0, atol=0)


def test_a_plane_is_restored_inside_and_nothing_removed_changes_nothing():
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    plane = (0.05 * rows - 0.03 * columns)[None, None]
    hole = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    assert torch.equal(impute(plane, hole), plane)
    hole[..., 8:24, 6:25] = True
    torch.testing.assert_close(impute(plane, hole), plane, rtol=0, atol=1e-3)


def test_a_batch_gives_what_its_pictures_give_one_by_one():
    stream = torch.Generator().manual_seed(1)
    picture, holes = torch.rand(1, 3, 24, 24, generator=stream), torch.rand(4, 1, 24, 24, generator=stream) > 0.5
    alone = torch.cat([impute(picture, hole[None]) for hole in holes])
    torch.testing.assert_close(impute(picture, holes), alone, rtol=0, atol=1e-6)


def test_road_equals_pytorch_grad_cams(theirs, bent, small, monkeypatch):
    from workbench.faithfulness import road

    monkeypatch.setattr(road, "NOISE", 0.0)
    monkeypatch.setattr(theirs.NoisyLinearImputer.__init__, "__defaults__", (0.0, theirs.neighbors_weights))
    maps = np.stack([gaussian_filter(np.random.default_rng(k).normal(size=(8, 8)), 1) for k in range(6)])
    maps = (maps - maps.min((1, 2), keepdims=True)) / np.ptp(maps, axis=(1, 2))[:, None, None]
    coords = {"image": small.names, "status": ("image", ["ok"] * 6)}
    ours = {("bent", "mine"): xr.DataArray(maps.astype(np.float32), coords, ("image", "y", "x"))}
    names = ["road", "road_morf", "road_lerf"]
    target = "expression:anger"
    found = faithfulness(bent, small, ours, scores=names, target=target, **SETTINGS)
    inputs = bent.inputs(small.images)
    targets = [lambda output: output.softmax(-1)[0]] * 6
    cams = maps.astype(np.float32)
    for name, reference in (("road", theirs.ROADCombined()), ("road_morf", theirs.ROADMostRelevantFirstAverage())):
        expected = reference(inputs, cams, targets, bent.module)
        if name == "road_morf":  # theirs is the change of the score
            with torch.no_grad():
                expected = expected + bent.module(inputs).softmax(1)[:, 0].numpy()
        # of 64 pixels a share such as .3 is no whole number: one pixel more or less
        np.testing.assert_allclose(found[name][0, 0], expected, atol=0.02)
        assert np.corrcoef(found[name][0, 0], expected)[0, 1] > 0.98
    np.testing.assert_allclose(found["road"], (found["road_lerf"] - found["road_morf"]) / 2)
    np.testing.assert_allclose(found["road_morf"], found["road_morf_curve"].mean("removed"))

"""What every explainer in the registry promises on every kind of network: a new entry is tested at once."""

import importlib
import json

import numpy as np
import pytest
import torch

from workbench.explainers import EXPLAINERS, run
from workbench.explainers.explainer import STATUSES

NAMES = EXPLAINERS.names()
QUICK = {"lime": {"samples": 40}, "rise": {"samples": 40}, "integrated_gradients": {"steps": 5}}


@pytest.fixture(scope="module")
def found(networks, crops):
    targets = [0, 1, 2, 1]
    return {
        (model, name): run(networks[model], crops, name, targets, seed=3, options=QUICK, progress=False)[name]
        for model in networks
        for name in NAMES
    }


def test_the_names_that_the_report_needs_are_there():
    assert {
        "grad_cam",
        "grad_cam_pp",
        "layer_cam",
        "hires_cam",
        "integrated_gradients",
        "saliency",
        "occlusion",
        "lime",
        "rise",
        "random",
        "centre",
        "edge_map",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_entry(name):
    entry = EXPLAINERS[name]
    assert entry.value.name == name
    assert callable(importlib.import_module(entry.value.engine).compute)
    assert entry.value.family in ("cam", "gradient", "perturbation", "control")
    assert entry.summary.endswith(".")
    assert entry.reference or entry.value.role == "control"
    assert json.loads(json.dumps(entry.as_dict()))["role"] in ("method", "control")
    assert set(entry.value.shared) <= set(entry.value.options)


@pytest.mark.parametrize("model", ["plain", "branched"])
@pytest.mark.parametrize("name", NAMES)
class TestMaps:
    def test_shape_and_status(self, found, model, name):
        maps = found[model, name]
        assert maps.values.dtype == np.float32
        assert maps.values.shape[0] == len(maps.status) == 4
        assert min(maps.values.shape[1:]) > 1
        assert set(maps.status) <= set(STATUSES)
        assert maps.status == ["ok"] * 4
        assert np.isfinite(maps.values).all()
        assert set(maps.options) == set(EXPLAINERS[name].value.options)
        assert bool(maps.layer) == (EXPLAINERS[name].value.family == "cam")

    def test_a_batch_is_its_singles(self, networks, crops, found, model, name):
        batch = found[model, name].values
        for index, target in enumerate([0, 1, 2, 1]):
            one = run(networks[model], crops[index : index + 1], name, [target], seed=3, options=QUICK, progress=False)
            assert np.allclose(one[name].values[0], batch[index], atol=2e-6 * np.abs(batch).max())

    def test_same_seed_same_map_and_the_global_streams_do_not_count(self, networks, crops, found, model, name):
        torch.manual_seed(99)
        np.random.seed(99)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        again = run(networks[model], crops, name, [0, 1, 2, 1], seed=3, options=QUICK, progress=False)[name]
        assert np.array_equal(again.values, found[model, name].values)
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002

    def test_the_target_counts_unless_the_map_knows_no_class(self, networks, crops, found, model, name):
        other = run(networks[model], crops, name, [2, 0, 0, 0], seed=3, options=QUICK, progress=False)[name].values
        same = np.array_equal(other, found[model, name].values)
        assert same == (EXPLAINERS[name].value.role == "control" or name == "eigen_cam")

    def test_company_does_not_matter(self, networks, crops, found, model, name):
        """Whatever else is asked for in the same call, and in whatever order."""
        others = [n for n in reversed(NAMES) if EXPLAINERS[n].value.family == EXPLAINERS[name].value.family]
        together = run(networks[model], crops, others, [0, 1, 2, 1], seed=3, options=QUICK, progress=False)
        assert list(together) == others
        assert np.array_equal(together[name].values, found[model, name].values)


@pytest.mark.parametrize("name", ["lime", "rise", "random"])
def test_another_seed_or_crop_gives_other_draws(networks, crops, name):
    def draw(pictures, seed):
        return run(networks["plain"], pictures, name, [0], seed=seed, options=QUICK, progress=False)[name].values

    assert not np.array_equal(draw(crops[:1], 0), draw(crops[:1], 1))
    assert not np.array_equal(draw(crops[:1], 0), draw(crops[1:2], 0))


def test_the_network_is_given_back_after_every_explainer(networks, crops):
    module = networks["branched"].module
    module.stem.weight.requires_grad_(False)
    flags = [p.requires_grad for p in module.parameters()]
    values = [v.clone() for v in module.state_dict().values()]
    run(networks["branched"], crops, NAMES, [0, 1, 2, 3], options=QUICK, progress=False)
    assert [p.requires_grad for p in module.parameters()] == flags
    assert all(p.grad is None for p in module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(values, module.state_dict().values(), strict=True))
    assert not any(part._forward_hooks or part.training for part in module.modules())
    module.stem.weight.requires_grad_(True)


def test_edge_map_and_centre_by_hand(networks, crops):
    step = np.zeros((1, 8, 8, 3), np.uint8)
    step[:, :, 4:] = 255
    found = run(networks["plain"], step, ["edge_map", "centre"], [0], options={"centre": {"grid": 5}}, progress=False)
    edges = found["edge_map"].values[0]
    assert np.allclose(edges[1:-1, 3:5], np.sqrt(0.5), atol=1e-5)  # a unit step, half in each of two columns
    assert np.allclose(edges[:, [0, 1, 6, 7]], 0)
    blob = found["centre"].values[0]
    assert blob.argmax() == 12
    assert blob[2, 3] == pytest.approx(np.exp(-0.5 * (0.2 / 0.25) ** 2))
    assert np.allclose(blob, blob.T)
    assert np.allclose(blob, blob[::-1])

"""References and their p-values, the truth against random maps, and what must not depend on anything."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from network_state import assert_same, state

import workbench as wb
from workbench.errors import UnknownNameError, UsageError
from workbench.explainers.perturbation import engine
from workbench.faithfulness import DEFAULT, FAITHFULNESS, faithfulness, faithfulness_score, road
from workbench.faithfulness.references import OtherMaps, centre_map, edge_map, random_maps

QUIET = {"progress": False}


def as_maps(values, faces, model, explainer="mine", status=None):
    coords = {"image": faces.names, "status": ("image", status or ["ok"] * len(faces))}
    return {(model, explainer): xr.DataArray(np.asarray(values, np.float32), coords, ("image", "y", "x"))}


@pytest.mark.parametrize("family", ["vgg", "vit"])
def test_the_true_map_beats_every_reference(make_looking, blobs, true_map, family):
    network, faces = make_looking(family), blobs[:3]
    maps = as_maps([true_map] * 3, faces, family) | as_maps([-true_map] * 3, faces, family, "turned")
    names = ["insertion_deletion", "road", "sensitivity_n"]
    found = faithfulness(network, faces, maps, scores=names, fill="black", steps=8, draws=5, **QUIET)
    for name in names:
        sign = FAITHFULNESS[name].value.sign
        true, turned = (found[name].sel(explainer=key).mean("image").item() for key in ("mine", "turned"))
        random = found[f"random_{name}"].mean("image").item()
        assert sign * true > sign * random, name
        assert sign * random >= sign * turned - 1e-9, name
        assert sign * true > sign * found[f"edge_{name}"].mean("image")[0, 0].item(), name
    p = found["p_insertion_deletion"].sel(explainer="mine")
    assert float(p.mean()) < 0.3
    assert found["p_insertion_deletion"].min().item() == pytest.approx(1 / 6)
    assert found.attrs["resolution"] == pytest.approx(1 / 6)


def test_references_are_the_scores_of_those_maps(bent, small):
    given = np.random.default_rng(0).normal(size=(6, 8, 8))
    names = ["deletion", "infidelity", "sensitivity_n", "average_drop"]
    settings = {"scores": names, "fill": "zero", "steps": 4, "target": "expression:anger", **QUIET}
    found = faithfulness(bent, small, as_maps(given, small, "bent"), draws=3, **settings)
    others = [given[[k for k in range(6) if k != i]] for i in range(6)]
    scaled = [(one / np.abs(one).max((1, 2), keepdims=True)).mean(0) for one in others]
    made = {
        "centre": [centre_map((8, 8))] * 6,
        "edge": [edge_map(image, (8, 8)) for image in small.images],
        "mean_map": scaled,
    }
    for kind, values in made.items():
        again = faithfulness(bent, small, as_maps(values, small, "bent"), controls=False, **settings)
        for name in names:
            np.testing.assert_allclose(found[f"{kind}_{name}"], again[name], atol=1e-5, err_msg=f"{kind} {name}")
    assert not any(name.startswith(("random", "p_", "centre")) for name in again)
    assert found.attrs["references"]
    assert not again.attrs["references"]


def test_random_maps_are_those_of_the_face_and_p_counts_them(bent, small):
    given = np.random.default_rng(0).normal(size=(6, 8, 8))
    settings = {"scores": "insertion", "fill": "zero", "steps": 4, "target": "expression:anger", **QUIET}
    found = faithfulness(bent, small, as_maps(given, small, "bent"), draws=5, seed=3, **settings)
    job = _job(bent, small, 3)
    drawn = np.stack([random_maps(job.stream(i, "random maps"), 5, (8, 8)) for i in range(6)])
    scores = np.stack(
        [
            faithfulness(bent, small, as_maps(drawn[:, k], small, "bent"), controls=False, seed=3, **settings)[
                "insertion"
            ].values[0, 0]
            for k in range(5)
        ]
    )
    np.testing.assert_allclose(found["random_insertion"][0], scores.mean(0), atol=1e-6)
    better = (scores >= found["insertion"].values[0, 0]).sum(0)
    np.testing.assert_allclose(found["p_insertion"][0, 0], (1 + better) / 6)


def _job(network, faces, seed):
    from workbench.explain import predict
    from workbench.faithfulness.request import job_of

    return job_of(network, faces, predict(network, faces), seed, "float32")


def test_the_mean_map_leaves_out_the_image_and_its_copies():
    values = np.arange(12.0).reshape(3, 2, 2) + 1
    others = OtherMaps(values, np.array([True, True, True]), ["a", "b", "a"])
    np.testing.assert_allclose(others.without(0), values[1] / 8)
    np.testing.assert_allclose(others.without(1), (values[0] / 4 + values[2] / 12) / 2)
    assert OtherMaps(values, np.array([True, False, True]), ["a", "b", "a"]).without(0) is None


def test_neither_batches_nor_other_maps_change_a_number(bent, small, monkeypatch):
    given = np.random.default_rng(0).normal(size=(6, 8, 8))
    one, two = as_maps(given, small, "bent"), as_maps(given[::-1], small, "bent", "other")
    settings = {"fill": "blur", "steps": 4, "draws": 2, "limit": 4, **QUIET}
    found = faithfulness(bent, small, one | two, **settings)
    monkeypatch.setattr(engine, "pass_length", lambda *_: 7)
    again = faithfulness(bent, small, one, **settings)
    part = faithfulness(
        bent, small[2:4], as_maps(given[2:4], small[2:4], "bent"), scores="road", controls=False, **QUIET
    )
    for name in DEFAULT:
        for variable in (name, f"centre_{name}", f"mean_map_{name}", f"p_{name}"):
            np.testing.assert_allclose(again[variable][0, 0], found[variable].sel(explainer="mine")[0], atol=1e-5)
    np.testing.assert_allclose(part["road"][0, 0], found["road"].sel(explainer="mine")[0, 2:4], atol=1e-5)


@pytest.mark.parametrize("broken", [False, True])
def test_the_network_is_left_as_it_was(bent, small, monkeypatch, broken):
    before = state(bent.module)
    if broken:
        monkeypatch.setattr(road, "REMOVED", None)
        with pytest.raises(TypeError):
            faithfulness(bent, small, as_maps(np.random.rand(6, 8, 8), small, "bent"), scores="road", **QUIET)  # noqa: NPY002
    else:
        names = ["deletion", "max_sensitivity"]
        faithfulness(bent, small, explainers="saliency", scores=names, precision="bfloat16", draws=2, **QUIET)
    assert_same(before, state(bent.module))


def test_explainers_by_name_give_what_their_maps_give(bent, small):
    settings = {"scores": "deletion", "target": "expression:fear", "draws": 2, **QUIET}
    maps = wb.explain(bent, small, ["saliency"], target="expression:fear", frame="native", progress=False)
    by_maps = faithfulness(bent, small, maps, **settings)
    by_name = faithfulness(bent, small, explainers="saliency", **settings)
    xr.testing.assert_allclose(by_maps, by_name)
    first = faithfulness(bent, small, maps, limit=2, **settings)
    xr.testing.assert_allclose(first["mean_map_deletion"], by_maps["mean_map_deletion"][..., :2])
    assert json.loads(first.attrs["summary"])["deletion"]["reference"].startswith("Petsiuk")


def test_nothing_undefined_is_a_number(bent, small):
    given = np.random.default_rng(0).normal(size=(6, 8, 8))
    maps = as_maps(given, small, "bent", status=["ok", "constant", "not computed", "ok", "ok", "ok"])
    maps |= {("other", "grad_cam"): maps["bent", "mine"]}
    found = faithfulness(bent, small, maps, scores=["deletion", "max_sensitivity"], draws=2, **QUIET)
    assert found["reason"].values[0, 0, :3].tolist() == [
        "max_sensitivity: 'mine' is no registered explainer and cannot be asked again",
        "the map is constant",
        "the map is not computed",
    ]
    assert np.isnan(found["deletion"].values[0, 0, 1:3]).all()
    assert np.isfinite(found["deletion"].values[0, 0, [0, 3, 4, 5]]).all()
    assert np.isnan(found["max_sensitivity"].values).all()


def test_a_map_is_what_its_values_say_even_where_its_status_says_ok(bent, small):
    given = np.random.default_rng(0).normal(size=(6, 8, 8))
    given[0], given[1], given[2, 3, 3], given[3, 0, 0] = 0, np.nan, np.nan, np.inf
    with np.errstate(all="raise"):
        found = faithfulness(bent, small, as_maps(given, small, "bent"), scores="deletion", draws=2, **QUIET)
    assert found["reason"].values[0, 0].tolist() == [
        "the map is constant",
        "the map is not computed",
        "the map is non-finite",
        "the map is non-finite",
        "",
        "",
    ]
    assert np.isfinite(found["deletion"].values[0, 0]).tolist() == [False] * 4 + [True] * 2


def test_what_is_no_native_map_is_refused_by_name(bent, small):
    good = as_maps(np.random.default_rng(0).normal(size=(6, 8, 8)), small, "bent")
    key = ("bent", "mine")
    for maps, says in (
        ({key: good[key].values}, "are of type ndarray, not an xarray.DataArray as native"),
        ({key: good[key].drop_vars("status")}, "have no coordinate 'status'"),
    ):
        with pytest.raises(UsageError, match=says):
            faithfulness(bent, small, maps, **QUIET)
    with pytest.raises(UsageError, match="no score was named"):
        faithfulness(bent, small, good, scores=None, **QUIET)


def test_an_unlabelled_face_has_no_score(bent, make_faces):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    faces = make_faces(images, labels=["anger", "", "sadness"])
    given = as_maps(np.random.default_rng(0).normal(size=(3, 8, 8)), faces, "bent")
    found = faithfulness(bent, faces, given, scores="deletion", target="labelled", draws=2, **QUIET)
    assert np.isfinite(found["deletion"].values[0, 0]).tolist() == [True, False, False]
    assert "nothing to explain" in found["reason"].values[0, 0, 2]
    assert found["explained"].values[0].tolist() == ["anger", "", ""]


def test_a_score_of_ones_own(bent, small):
    from workbench.faithfulness.deletion import deleted

    @faithfulness_score("half_gone", takes="order", asks=(deleted,), best=1, span=(-1, 1), reference="here")
    def half_gone(answer):
        """Fall of the score when half of the pixels are hidden."""
        return answer.whole - answer.scores[:, answer.scores.shape[1] // 2]

    try:
        given = as_maps(np.random.default_rng(0).normal(size=(6, 8, 8)), small, "bent")
        found = faithfulness(bent, small, given, scores=["deletion", "half_gone"], steps=4, draws=2, **QUIET)
        curve = found["deletion_curve"]
        np.testing.assert_allclose(found["half_gone"], curve[..., 0] - curve[..., 2])
        assert {"random_half_gone", "p_half_gone", "centre_half_gone"} <= set(found)
    finally:
        FAITHFULNESS.remove("half_gone")


def test_equal_pixels_come_in_no_order_of_the_picture(make_network, make_faces):
    class Top(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :16].mean((1, 2)), x[:, 0, 16:].mean((1, 2))], 1)

    network = make_network(Top(), (32, 32), "top", labels=("anger", "fear"))
    faces = make_faces(np.full((1, 32, 32, 3), 255, np.uint8))
    flat = np.zeros((1, 32, 32))
    flat[0, 0, 0] = 1
    settings = {"fill": "black", "space": "logit", "controls": False, **QUIET}
    for target in ("expression:anger", "expression:fear"):
        found = faithfulness(network, faces, as_maps(flat, faces, "top"), scores="deletion", target=target, **settings)
        assert found["deletion"].item() == pytest.approx(0.5, abs=0.03)


def _bad(bent, small):
    good = as_maps(np.random.default_rng(0).normal(size=(6, 8, 8)), small, "bent")
    (array,) = good.values()
    turned = array.isel(image=slice(None, None, -1))
    yield {"maps": good, "scores": "delection"}, UnknownNameError, "did you mean deletion"
    yield {"maps": good, "scores": []}, UsageError, "no score was named"
    yield {"maps": good, "fill": "grey"}, UsageError, "fill='grey' is not known"
    yield {"maps": good, "space": "odds"}, UsageError, "space='odds'"
    yield {"maps": good, "steps": 1}, UsageError, "steps=1"
    yield {"maps": good, "draws": 0}, UsageError, "draws=0"
    yield {"maps": good, "limit": 0}, UsageError, "limit=0"
    yield {"maps": good, "target": ["predicted"]}, UsageError, "one target at a time"
    yield {"maps": good, "precision": "int8"}, UsageError, "int8"
    yield {}, UsageError, "give either maps"
    yield {"maps": good, "explainers": "grad_cam"}, UsageError, "give either maps"
    yield {"explainers": "grad_camm"}, UnknownNameError, "did you mean"
    yield {"maps": array}, UsageError, "not DataArray"
    yield {"maps": {"bent": array}}, UsageError, "keyed by"
    yield {"maps": {("bent", "mine"): turned}}, UsageError, "other faces"
    yield {"maps": {("bent", "mine"): array.rename(y="row")}}, UsageError, "expected"
    yield {"maps": {("bent", "mine"): array.assign_attrs(target="labelled")}}, UsageError, "say target='labelled'"
    yield {"maps": {("else", "mine"): array}}, UnknownNameError, "among the maps"


def test_bad_input_is_refused_before_any_work(bent, small, monkeypatch):
    monkeypatch.setattr(engine, "asked", lambda *_: pytest.fail("the network was asked"))
    for given, error, words in _bad(bent, small):
        with pytest.raises(error, match=words):
            faithfulness(bent, small, **given, **QUIET)
    with pytest.raises(UsageError, match="each with its own name"):
        faithfulness([bent, bent], small, explainers="saliency", **QUIET)


def test_every_registered_score_says_what_it_is():
    for entry in FAITHFULNESS:
        score = entry.value
        assert entry.summary, entry.name
        assert entry.reference, entry.name
        assert score.low <= score.best <= score.high, entry.name
        assert score.best in (score.low, score.high), entry.name
        assert bool(score.asks) == (score.takes != "explainer"), entry.name

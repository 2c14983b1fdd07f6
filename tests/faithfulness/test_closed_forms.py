"""Scores of a linear network, known in closed form, and the same numbers from captum, Quantus and NumPy."""

import numpy as np
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.faithfulness import faithfulness

PLAIN = {"fill": "zero", "space": "logit", "target": "expression:happiness", "progress": False, "controls": False}


def as_maps(values, faces, model="linear", explainer="mine", **attrs):
    coords = {"image": faces.names[: len(values)], "status": ("image", ["ok"] * len(values))}
    array = xr.DataArray(np.asarray(values, np.float32), coords, ("image", "y", "x"), attrs=attrs)
    return {(model, explainer): array}


def pixels(faces):
    return faces.images[..., 0] / 255.0


def test_deletion_and_insertion_of_a_linear_network(linear, small):
    weights = linear.module.weights.detach().numpy()[1]
    parts = weights * pixels(small)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(64.0), (6, 1)), axis=1).reshape(6, 8, 8)
    found = faithfulness(linear, small, as_maps(order, small), scores=["deletion", "insertion"], steps=16, **PLAIN)
    taken = np.take_along_axis(parts.reshape(6, 64), np.argsort(-order.reshape(6, 64), axis=1), axis=1)
    sums = np.concatenate([np.zeros((6, 1)), taken.cumsum(1)[:, 3::4]], axis=1)
    np.testing.assert_allclose(found["insertion_curve"][0, 0], sums, atol=1e-5)
    np.testing.assert_allclose(found["deletion_curve"][0, 0], sums[:, -1:] - sums, atol=1e-5)
    area = (sums.sum(1) - (sums[:, 0] + sums[:, -1]) / 2) / 16
    np.testing.assert_allclose(found["insertion"][0, 0], area, atol=1e-5)
    np.testing.assert_allclose(found["deletion"][0, 0], sums[:, -1] - area, atol=1e-5)
    both = faithfulness(linear, small, as_maps(order, small), scores="insertion_deletion", steps=16, **PLAIN)
    np.testing.assert_allclose(both["insertion_deletion"][0, 0], 2 * area - sums[:, -1], atol=1e-5)


def test_deletion_equals_pixel_flipping_of_quantus(bent, small):
    quantus = pytest.importorskip("quantus")
    maps = np.random.default_rng(4).normal(size=(6, 8, 8)).astype(np.float32)
    settings = PLAIN | {"space": "probability"}
    found = faithfulness(bent, small, as_maps(maps, small, "bent"), scores="deletion", steps=16, **settings)
    metric = quantus.PixelFlipping(features_in_step=4, perturb_baseline=0.0, disable_warnings=True)
    theirs = metric(
        model=bent.module,
        x_batch=pixels(small)[:, None].astype(np.float32),
        y_batch=np.ones(6, int),
        a_batch=maps[:, None],
        channel_first=True,
        softmax=True,
        device="cpu",
    )
    np.testing.assert_allclose(found["deletion_curve"][0, 0, :, 1:], theirs, atol=1e-5)


def test_gradient_times_input_of_a_linear_network_is_sensitive_and_faithful(linear, small):
    maps = wb.explain(
        linear, small, ["input_x_gradient"], target="expression:happiness", frame="native", progress=False
    )
    found = faithfulness(linear, small, maps, scores=["sensitivity_n", "infidelity"], **PLAIN)
    np.testing.assert_allclose(found["sensitivity_n"], 1, atol=1e-5)
    np.testing.assert_allclose(found["sensitivity_n_curve"], 1, atol=1e-5)
    np.testing.assert_allclose(found["infidelity"], 0, atol=1e-8)
    wrong = {key: -one for key, one in maps.items()}
    wrong = {key: one.assign_attrs(maps[key].attrs) for key, one in wrong.items()}
    turned = faithfulness(linear, small, wrong, scores=["sensitivity_n", "infidelity"], **PLAIN)
    np.testing.assert_allclose(turned["sensitivity_n"], -1, atol=1e-5)
    assert (turned["infidelity"] > 0.01).all()  # β is not allowed to turn the sign


def test_the_signed_gradient_of_a_linear_network_foretells_noise(linear, small):
    weights = np.tile(linear.module.weights.detach().numpy()[1], (6, 1, 1))
    found = faithfulness(linear, small, as_maps(7 * weights, small), scores="infidelity_noise", **PLAIN)
    np.testing.assert_allclose(found["infidelity_noise"], 0, atol=1e-8)


def test_infidelity_equals_captums_with_its_scaling(bent, small):
    from captum.metrics import infidelity as captums

    from workbench.faithfulness import infidelity as module
    from workbench.faithfulness.registry import Sample

    maps = np.abs(np.random.default_rng(6).normal(size=(6, 8, 8))).astype(np.float32)
    settings = PLAIN | {"space": "logit"}
    found = faithfulness(bent, small, as_maps(maps, small, "bent"), scores="infidelity", **settings)["infidelity"][0, 0]
    job_stream = _stream(bent, small)
    compared = 0
    for index in range(6):
        inputs = bent.inputs(small.images[[index]])
        sample = Sample(inputs, torch.zeros_like(inputs), maps[[index]].astype(float), job_stream(index))
        pictures = module.squares_hidden(sample)
        seen = pictures.make(0, pictures.count)
        hidden = (seen == 0).float()  # no pixel is black
        theirs = captums(
            bent.module,
            lambda _, hidden=hidden, seen=seen: (hidden, seen),
            inputs,
            torch.from_numpy(maps[[index], None]),
            target=1,
            n_perturb_samples=pictures.count,
            normalize=True,
        )
        with torch.no_grad():
            change = bent.module(inputs)[0, 1] - bent.module(seen)[:, 1]
        if (hidden[:, 0] * torch.from_numpy(maps[index])).sum((1, 2)) @ change > 0:  # captum's β may be negative
            compared += 1
            assert float(found[index]) == pytest.approx(float(theirs), rel=1e-3)
        else:
            assert float(found[index]) == pytest.approx(float((change**2).mean()), rel=1e-3)
    assert compared >= 2


def _stream(network, faces, seed=0):
    from workbench.explain import predict
    from workbench.faithfulness.request import job_of

    job = job_of(network, faces, predict(network, faces), seed, "float32")
    return lambda index: lambda purpose: job.stream(index, purpose)


def test_max_sensitivity_equals_captums(bent, small):
    from captum.metrics import sensitivity_max

    settings = PLAIN | {"target": "expression:happiness"}
    maps = wb.explain(
        bent,
        small,
        ["saliency"],
        target="expression:happiness",
        frame="native",
        options={"saliency": {"signed": True}},
        progress=False,
    )
    found = faithfulness(bent, small, maps, scores="max_sensitivity", **settings)["max_sensitivity"][0, 0]
    stream = _stream(bent, small)

    def gradient(inputs):
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        inputs = inputs.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(bent.module(inputs)[:, 1].sum(), inputs)  # a tuple, as captum broadcasts others

    for index in range(6):
        inputs = bent.inputs(small.images[[index]])
        size = 0.02 * float(inputs.max() - inputs.min())
        draw = [stream(index)(f"max-sensitivity {copy}").uniform(-1, 1, (1, 8, 8)) for copy in range(10)]
        noise = torch.from_numpy(np.stack(draw).astype(np.float32)) * size
        changed = inputs + noise  # a function of one argument: of two, captum passes its radius as the second
        theirs = sensitivity_max(gradient, inputs, _always(changed), n_perturb_samples=10)
        assert float(found[index]) == pytest.approx(float(theirs), rel=1e-3)


def _always(value):
    return lambda _: value


def test_average_drop_gain_and_increase_by_hand(bent, small):
    maps = np.random.default_rng(8).normal(size=(6, 8, 8))
    settings = PLAIN | {"space": "probability"}
    names = ["average_drop", "increase", "average_gain"]
    found = faithfulness(bent, small, as_maps(maps, small, "bent"), scores=names, **settings)
    shown = np.clip(maps, 0, None)
    shown = shown / shown.max((1, 2), keepdims=True)
    inputs = torch.from_numpy(pixels(small)[:, None]).float()
    with torch.no_grad():
        whole = bent.module(inputs).softmax(1)[:, 1].numpy()
        seen = bent.module(inputs * torch.from_numpy(shown[:, None]).float()).softmax(1)[:, 1].numpy()
    np.testing.assert_allclose(found["average_drop"][0, 0], np.clip(1 - seen / whole, 0, None), atol=1e-5)
    np.testing.assert_allclose(found["increase"][0, 0], seen > whole)
    np.testing.assert_allclose(found["average_gain"][0, 0], np.clip((seen - whole) / (1 - whole), 0, None), atol=1e-5)
    logit = faithfulness(bent, small, as_maps(maps, small, "bent"), scores="average_gain", **PLAIN)
    assert np.isnan(logit["average_gain"]).all()
    assert "average_gain: a gain is a share of the missing probability" in str(logit["reason"].values[0, 0, 0])


def test_sensitivity_n_is_the_correlation_over_the_subsets_that_were_hidden(bent, small):
    from workbench.faithfulness import subsets
    from workbench.faithfulness.registry import Sample

    maps = np.random.default_rng(9).normal(size=(6, 8, 8)).astype(np.float32)
    found = faithfulness(bent, small, as_maps(maps, small, "bent"), scores="sensitivity_n", **PLAIN)
    inputs = bent.inputs(small.images[[2]])
    sample = Sample(inputs, torch.zeros_like(inputs), maps[[2]].astype(float), _stream(bent, small)(2))
    pictures = subsets.random_cells(sample)
    seen = pictures.make(0, pictures.count)
    hidden = (seen == 0).numpy()[:, 0]
    np.testing.assert_array_equal(hidden.sum((1, 2)).reshape(5, 40), np.repeat([[2], [4], [8], [16], [32]], 40, 1))
    with torch.no_grad():
        fall = (bent.module(inputs)[0, 1] - bent.module(seen)[:, 1]).numpy().reshape(5, 40)
    sums = (hidden * maps[2]).sum((1, 2)).reshape(5, 40)
    expected = [np.corrcoef(one, other)[0, 1] for one, other in zip(sums, fall, strict=True)]
    np.testing.assert_allclose(found["sensitivity_n_curve"][0, 0, 2], expected, atol=1e-4)

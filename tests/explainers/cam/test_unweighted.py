"""What knows no class: layer attention and the feature explanation method."""

import numpy as np

from workbench.explainers import EXPLAINERS, run


def test_fem_is_its_definition_channel_by_channel():
    import torch

    activations = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((2, 5, 6))
    for image in range(2):
        for channel in activations[image].double().numpy():
            expected[image] += (channel > channel.mean() + 1.0 * channel.std()) * channel.mean()
    found = EXPLAINERS["fem"].value.method(activations, None, None, k=1.0)
    assert np.allclose(found, expected, atol=1e-6)


def test_maps_without_class_are_the_same_for_every_target(networks, crops):
    names = ["layer_attention", "fem", "eigen_cam", "kpca_cam"]
    one = run(networks["plain"], crops, names, [0] * 4, progress=False)
    two = run(networks["plain"], crops, names, [2] * 4, progress=False)
    for name in names:
        assert np.array_equal(one[name].values, two[name].values)
        assert EXPLAINERS[name].value.classless


def test_layer_attention_is_the_mean_of_the_layer(networks, crops):
    classifier = networks["plain"]
    found = run(classifier, crops, "layer_attention", [0] * 4, progress=False)["layer_attention"].values
    kept = {}
    handle = classifier.module.norm.register_forward_hook(lambda _m, _i, out: kept.update(layer=out.detach()))
    classifier.logits(classifier.inputs(crops))
    handle.remove()
    assert np.allclose(found, kept["layer"].mean(1).numpy(), atol=1e-6)

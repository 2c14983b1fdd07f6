"""What every explainer promises on a member of every family of networks: a new entry is tested at once.

Explainers of more than 200 forwards run with few samples on one CNN and one ViT, all others on every family.
"""

import copy

import numpy as np
import pytest
import torch
from families import FAMILIES, SIZE, WRAPPED, load_family
from network_state import assert_same, state

from workbench.errors import LayerError
from workbench.explainers import EXPLAINERS
from workbench.explainers import passes as passes_module
from workbench.explainers.cam import engine as cam_engine
from workbench.explainers.explainer import STATUSES
from workbench.explainers.run import run_all
from workbench.vocabulary import EXPRESSIONS

FEW = {"samples": 32, "steps": 4, "n": 3, "draws": 2, "segments": 8, "channels": 16, "stride": 0.25}
FEW |= {"compactness": 100.0, "k": 0.5}  # so that eight segments are found in noise, and some of four places stand out
BOTH = ("resnet", "vit")  # what expensive explainers are tried on
NAMES = EXPLAINERS.names()
OPTIONS = {name: {key: value for key, value in FEW.items() if key in EXPLAINERS[name].value.options} for name in NAMES}
CLASSES = (2, 0)

ATTENTION = {"attention_rollout", "transformer_attribution", "le_grad", "ts_cam"}
RULES = {"guided_backprop", "deconvolution", "guided_grad_cam", "deep_lift", "lrp"}
TOKENS = {"vit", "vit_avg", "vit_registers", "deit", "deit_distilled"}
MIXED = {"swin", "swinv2", "maxvit", "coatnet"}  # attention in windows or beside convolutions
SMOOTH = {"mobilenetv3", "efficientnet", "efficientnetv2", "convnext", "mambaout"}  # hardswish, SiLU, GELU
NOT_LINEAR = {"torchvision_densenet", "vgg", "mobilenetv3", "convnext", "mambaout", "two_heads"}  # behind the layer

REFUSED = {
    family: (set() if family in TOKENS else ATTENTION)
    | (RULES if family in TOKENS | MIXED | SMOOTH else set())
    | ({"full_grad"} if family in TOKENS | MIXED else set())
    | ({"cam"} if family in TOKENS | NOT_LINEAR else set())
    for family in FAMILIES
}

ROUNDING = {"efficientnet": 1e-4, "efficientnetv2": 1e-4, "inception": 2e-3, "coatnet": 2e-5, "maxvit": 2e-5}


def _crops():
    """Two crops with structure: bright discs on noise."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    stream = np.random.default_rng(3)
    pictures = []
    for centre in (20, 44):
        disc = np.exp(-((rows - centre) ** 2 + (columns - SIZE + centre) ** 2) / 200)[..., None] * [200, 120, 90]
        pictures.append(np.clip(disc + stream.normal(80, 30, (SIZE, SIZE, 3)), 0, 255))
    return np.array(pictures).astype(np.uint8)


CROPS = _crops()


def _regions(_name, _index):
    """Four soft regions that overlap and leave a rest."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    places = [(0.3, 0.3), (0.3, 0.7), (0.6, 0.5), (0.8, 0.5)]
    masks = [np.clip(1.5 - 8 * np.hypot(rows - y, columns - x), 0, 1) for y, x in places]
    return ["right eye", "left eye", "nose", "mouth"], np.array(masks, np.float32)


def explained(classifier, names, crops=CROPS, classes=CLASSES, *, seed=3, on_error="record", places=None):
    weights = np.zeros((len(crops), 1, classifier.outputs), np.float32)
    weights[np.arange(len(crops)), 0, list(classes)] = 1
    found = run_all(
        classifier,
        crops,
        names,
        weights,
        seed=seed,
        options={name: OPTIONS[name] for name in names},
        progress=False,
        on_error=on_error,
        regions=_regions,
    )
    return {name: maps for (name, _, _), maps in found.items()}


def suitable(family):
    return [name for name in NAMES if family in BOTH or not EXPLAINERS[name].value.expensive]


@pytest.fixture(scope="module")
def found():
    """family → explainer → maps, all explainers of a family in one call."""
    kept = {}

    def of(family):
        if family not in kept:
            kept[family] = explained(load_family(family), suitable(family))
        return kept[family]

    return of


@pytest.mark.parametrize("family", FAMILIES)
class TestFamily:
    def test_maps_are_named_finite_and_say_what_they_looked_at(self, found, family):
        classifier = load_family(family)
        for name, maps in found(family).items():
            explainer = EXPLAINERS[name].value
            if maps.reason:
                continue
            assert maps.values.dtype == np.float32, name
            assert maps.values.shape[0] == len(maps.status) == 2, name
            assert min(maps.values.shape[1:]) > 1, name
            assert set(maps.status) <= set(STATUSES), name
            assert maps.status == ["ok", "ok"], (name, maps.status)
            assert np.isfinite(maps.values).all(), name
            assert {**explainer.options, **OPTIONS[name]} == maps.options, name
            if "layer" in explainer.options:
                assert maps.layer == classifier.cam_layer, name
                grid = classifier.layout(maps.layer).grid
                assert explainer.free_grid or explainer.family != "cam" or maps.values.shape[1:] == grid, name

    def test_what_is_refused_is_refused_in_one_sentence(self, found, family):
        for name, maps in found(family).items():
            if maps.reason:
                assert maps.status == ["not computed"] * 2
                assert "\n" not in maps.reason
                assert len(maps.reason) < 300
                with pytest.raises(LayerError):
                    explained(load_family(family), [name], on_error="raise")

    def test_only_what_is_known_to_be_unsuited_is_refused(self, found, family):
        refused = {name for name, maps in found(family).items() if maps.reason}
        assert refused == REFUSED[family] & set(suitable(family))

    def test_the_same_seed_gives_the_same_maps_and_global_streams_do_not_count(self, found, family):
        torch.manual_seed(99)
        np.random.seed(99)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        again = explained(load_family(family), suitable(family))
        for name, maps in found(family).items():
            assert np.array_equal(again[name].values, maps.values, equal_nan=True), name
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002

    def test_a_batch_is_its_singles_whatever_the_length_of_a_pass(self, found, family, monkeypatch):
        for module in (passes_module, *_users_of_pass_length()):
            monkeypatch.setattr(module, "pass_length", lambda *_, **__: 5)
        monkeypatch.setattr(cam_engine, "BATCH", 1)
        for index in range(2):
            one = explained(load_family(family), suitable(family), CROPS[index : index + 1], CLASSES[index : index + 1])
            for name, maps in found(family).items():
                if not maps.reason:
                    gap = np.abs(one[name].values[0] - maps.values[index]) / np.abs(maps.values[index]).max()
                    # 1e-5, and the rounding of single precision through a network of random weights
                    assert np.quantile(gap, 0.9) < 1e-5 + ROUNDING.get(family, 0), name
                    assert gap.max() < 1e-3 + 10 * ROUNDING.get(family, 0), name  # a rectifier may tip over at its kink

    def test_the_target_counts_unless_the_map_knows_no_class(self, found, family):
        other = explained(load_family(family), suitable(family), classes=(5, 6))
        for name, maps in found(family).items():
            if not maps.reason:
                same = np.array_equal(other[name].values, maps.values)
                assert same == EXPLAINERS[name].value.classless, name

    def test_the_network_is_given_back_as_it_was(self, family):
        classifier = load_family(family)
        before = state(classifier.module)
        explained(classifier, suitable(family))
        assert_same(before, state(classifier.module))


def _users_of_pass_length():
    import importlib

    names = ("perturbation.engine", "gradient.engine", "cam.view")
    modules = [importlib.import_module(f"workbench.explainers.{name}") for name in names]
    return [module for module in modules if hasattr(module, "pass_length")]


@pytest.mark.parametrize("family", BOTH)
@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_given_back_after_an_error_in_the_middle(family, name, found):
    """The network is in the middle of its owner's work, and fails at the third pass, or the first if there is one."""
    if found(family)[name].reason or EXPLAINERS[name].value.role == "control":
        pytest.skip(found(family)[name].reason or "a control asks no network")
    classifier = load_family(family)
    module = classifier.module
    head = list(module.modules())[-1]
    calls = []

    def count(*_):
        calls.append(1)

    handle = head.register_forward_hook(count)
    explained(classifier, [name])
    handle.remove()
    assert calls, "the network was not asked"
    fatal = min(3, len(calls))
    calls.clear()

    class Stop(Exception):
        pass

    def stop(*_):
        calls.append(1)
        if len(calls) == fatal:
            raise Stop

    flagged = next(module.parameters())
    flagged.requires_grad_(not flagged.requires_grad)
    next(iter(module.children())).train()
    handle = head.register_forward_hook(stop)
    before = state(module)
    try:
        with pytest.raises(Stop):
            explained(classifier, [name], on_error="raise")
        assert_same(before, state(module))
    finally:
        handle.remove()
        flagged.requires_grad_(not flagged.requires_grad)
        module.eval()


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_wrapped_network_gives_maps(wrapper):
    names = [name for name in NAMES if not EXPLAINERS[name].value.expensive]
    found = explained(load_family(wrapper), names)
    assert {name for name, maps in found.items() if maps.reason} <= REFUSED["resnet"] | REFUSED["vit"]
    for name, maps in found.items():
        if not maps.reason:
            empty = ["constant"] if name == "guided_grad_cam" else []  # where Grad-CAM has nothing positive
            assert set(maps.status) <= {"ok", *empty}, name


@pytest.mark.parametrize("wrapper", ["data_parallel", "compiled_called", "checkpointing", "training"])
def test_a_wrapper_changes_no_map(wrapper, found):
    names = [name for name in NAMES if not EXPLAINERS[name].value.expensive]
    wrapped = load_family(wrapper)
    plain = copy.deepcopy(load_family("resnet"))
    if wrapped.cam_layer != plain.cam_layer:
        pytest.skip(f"{wrapper} is another network")
    plain.module.load_state_dict(wrapped.module.state_dict())
    expected, other = explained(plain, names), explained(wrapped, names)
    for name in names:
        assert np.allclose(expected[name].values, other[name].values, rtol=1e-4, atol=1e-6, equal_nan=True), name


def test_classes_are_named(found):
    assert set(load_family("resnet").labels) <= set(EXPRESSIONS)

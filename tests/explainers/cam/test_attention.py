"""Attention methods: numbers by hand, direct loops, and places that an independent occlusion confirms."""

import numpy as np
import pytest
import torch
from families import load_family
from torch import nn
from torch.nn import functional

from workbench.classifiers import load_classifier
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.classifiers.layout import Layout
from workbench.errors import UnsuitedError, UsageError
from workbench.explainers import EXPLAINERS
from workbench.explainers.cam import attention
from workbench.explainers.explainer import Job

NAMES = ("attention_rollout", "transformer_attribution", "le_grad", "ts_cam")
LABELS = ("anger", "happiness", "fear", "sadness", "surprise", "disgust", "neutral")


def wrap(module, size, layout=None, *, classes=7, channels=3, mean=0.5, std=0.5):
    """A classifier whose token layout is stated."""
    prepared = Preprocessing(size, channels, (mean,), (std,))
    owner = Classifier("small", module.eval(), {"expression": Head(LABELS[:classes])}, prepared, "")
    return owner.knowing({"blocks": layout} if layout else {})


def maps(owner, images, name, weights, **options):
    """Maps (T, N, h, w) and statuses of one method; weights (T, columns)."""
    explainer = EXPLAINERS[name].value
    weights = np.stack([np.asarray(weights, np.float32)] * len(images))
    job = Job(owner, images, weights, tuple(map(str, range(weights.shape[1]))))
    (found,) = attention.compute(job, [(explainer, {**explainer.options, **options})])
    return np.stack([one.values for one in found]), [one.status for one in found]


def one_hot(*classes, of=7):
    return np.eye(of, dtype=np.float32)[list(classes)]


# --- two blocks, one head, one channel: numbers by hand --------------------------------------------------------------

FIRST = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
SECOND = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


class Block(nn.Module):
    """x + P x with a given attention table P."""

    def __init__(self, table):
        super().__init__()
        self.register_buffer("bias", table.log()[None, None])

    def forward(self, x):
        zero = torch.zeros_like(x)[:, None]
        return x + functional.scaled_dot_product_attention(zero, zero, x[:, None], attn_mask=self.bias)[:, 0]


class Worked(nn.Module):
    """A class token of 0 and two pixels through two blocks; the outputs are ± the class token."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Block(FIRST), Block(SECOND)

    def forward(self, x):
        x = functional.pad(x.flatten(1), (1, 0))[:, :, None]
        x = self.second(self.first(x))
        return torch.cat([x[:, 0], -x[:, 0]], 1)


@pytest.fixture
def worked():
    """Pixels of 2 and 6; tokens are (0, 2, 6), then (1, 6, 9), then (8.5, 7, 18)."""
    owner = wrap(Worked(), (1, 2), Layout("tokens", 1, (1, 2), prefix=1), classes=2, channels=1, mean=0.0, std=1 / 255)
    picture = np.array([[[[2] * 3, [6] * 3]]], np.uint8)
    assert torch.allclose(owner.module(owner.inputs(picture)), torch.tensor([[8.5, -8.5]]))
    return owner, picture


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # Â₂ row 0 is (.5, .25, .25); times Â₁ = [[.75, .25, 0], [0, .75, .25], [.25, 0, .75]]
        ("attention_rollout", {}, [0.3125, 0.25]),
        # a third of nine entries: the three zeros of each table
        ("attention_rollout", {"discard": 0.34}, [0.3125, 0.25]),
        # Ā₁ = [[0, 1, 0], [0, .5, 1.5], [0, 0, 1.5]], Ā₂ row 0 = (0, 3, 4.5); row 0 of (I + Ā₂)(I + Ā₁)
        ("transformer_attribution", {}, [5.5, 15.75]),
        # behind block 1 the gradient at row 0 is (0, 2, 6), behind block 2 (1, 6, 9); mean over 3 queries, 2 blocks
        ("le_grad", {}, [8 / 6, 15 / 6]),
        # every query has a third of what the class token had, and so all three of them together the same
        ("le_grad", {"pooled": "mean"}, [8 / 6, 15 / 6]),
        # row 0 of the mean table is (.25, .5, .25), the places' own scores are 7 and 18
        ("ts_cam", {}, [3.5, 4.5]),
    ],
)
def test_by_hand(worked, name, options, expected):
    values, status = maps(*worked, name, [[1, 0]], **options)
    assert values.shape == (1, 1, 1, 2)
    assert np.allclose(values[0, 0, 0], expected, rtol=1e-6)
    assert status == [["ok"]]


def test_discarding_by_hand(worked):
    """Four of nine entries: of the first table three zeros and its first .5, of the second four of five zeros."""
    values, _ = maps(*worked, "attention_rollout", [[1, 0]], discard=0.5)
    first = np.array([[2 / 3, 1 / 3, 0], [0, 0.75, 0.25], [0.25, 0, 0.75]])
    assert np.allclose(values[0, 0, 0], (np.array([0.5, 0.25, 0.25]) @ first)[1:], rtol=1e-6)


@pytest.mark.parametrize("name", ["transformer_attribution", "le_grad"])
def test_what_only_lowers_the_score_is_empty(worked, name):
    values, status = maps(*worked, name, [[0, 1]])
    assert not values.any()
    assert status == [["constant"]]


def test_a_score_without_gradient_is_named_so(worked):
    _, status = maps(*worked, "transformer_attribution", [[1, 1], [1, 0]])
    assert status == [["zero-gradient"], ["ok"]]


def test_a_contrast_of_ts_cam_is_the_difference_of_its_classes(worked):
    values, _ = maps(*worked, "ts_cam", [[1, -1], [1, 0], [0, 1]])
    assert np.allclose(values[0], values[1] - values[2])


class Flat(Worked):
    """Reads all three tokens, each with a weight of its own; a shorter sequence does not fit."""

    def forward(self, x):
        x = self.second(self.first(functional.pad(x.flatten(1), (1, 0))[:, :, None]))
        return x.flatten(1) @ torch.tensor([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])


def test_ts_cam_of_a_head_that_needs_every_token():
    """All three rows of the mean table are read, and a sequence of one place's token scores six times the token."""
    owner = wrap(Flat(), (1, 2), Layout("tokens", 1, (1, 2), 1), classes=2, channels=1, mean=0.0, std=1 / 255)
    values, _ = maps(owner, np.array([[[[2] * 3, [6] * 3]]], np.uint8), "ts_cam", [[1, 0]])
    attention_paid = (FIRST + SECOND).numpy().mean(0)[1:] / 2
    assert np.allclose(values[0, 0, 0], attention_paid * 6 * np.array([7, 18]))


# --- direct loops on a vision transformer ----------------------------------------------------------------------------


def vit(**options):
    from workbench.classifiers._torchvision import import_timm

    timm = import_timm()
    kind = options.pop("kind", timm.models.vision_transformer.VisionTransformer)
    shape = {"img_size": 32, "patch_size": 8, "num_classes": 7, "embed_dim": 24, "depth": 3, "num_heads": 3}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = kind(**{**shape, **options})
        for parameter in module.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.3)
    return module.eval()


def distilled():
    from workbench.classifiers._torchvision import import_timm

    return vit(kind=import_timm().models.deit.VisionTransformerDistilled)


FORMS = {
    "class token": (lambda: vit(), 1, [0]),
    "registers": (lambda: vit(reg_tokens=4), 5, [0]),
    "distilled": (distilled, 2, [0, 1]),
    "average": (lambda: vit(global_pool="avg", class_token=False), 0, range(16)),
    "average beside a class token": (lambda: vit(global_pool="avg"), 1, range(1, 17)),
}


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=list(FORMS))
def form(request):
    make, prefix, rows = FORMS[request.param]
    module = make()
    return wrap(module, (32, 32), Layout("tokens", 24, (4, 4), prefix)), module, prefix, list(rows)


def listened(module, inputs):
    """Outputs, attention tables and block outputs, by hooks on the modules of attention written out."""
    tables, tokens, handles = [], [], []
    for block in module.blocks:
        block.attn.fused_attn = False
        handles.append(block.attn.attn_drop.register_forward_hook(lambda *given: tables.append(given[2])))
        handles.append(block.register_forward_hook(lambda *given: tokens.append(given[2])))
    inputs = inputs.clone().requires_grad_()
    outputs = module(inputs)
    for handle in handles:
        handle.remove()
    for block in module.blocks:
        block.attn.fused_attn = True
    return outputs, tables, tokens


def grids(rows_by_token, prefix, rows):
    """Mean over the tokens that are read, (N, L, L) → (N, 4, 4)."""
    return rows_by_token[:, rows, prefix:].mean(1).reshape(-1, 4, 4)


def test_rollout_is_a_product_of_matrices(form, pictures):
    owner, module, prefix, rows = form
    _, tables, _ = listened(module, owner.inputs(pictures))
    expected = []
    for index in range(3):
        total = np.eye(tables[0].shape[-1])
        for table in tables:
            fused = table[index].detach().double().numpy().max(0)
            mixed = (fused + np.eye(len(fused))) / (fused.sum(1, keepdims=True) + 1)
            total = mixed @ total
        assert np.allclose(total.sum(1), 1)
        expected.append(total)
    values, _ = maps(owner, pictures, "attention_rollout", one_hot(1), heads="max")
    assert np.allclose(values[0], grids(np.array(expected), prefix, rows), rtol=1e-4)


@pytest.mark.parametrize("space", ["logit", "probability"])
def test_attribution_is_the_published_loop(form, pictures, space):
    owner, module, prefix, rows = form
    outputs, tables, _ = listened(module, owner.inputs(pictures))
    score = outputs if space == "logit" else outputs.softmax(1)
    expected = []
    for index in range(3):
        gradients = torch.autograd.grad(score[index, 4], tables, retain_graph=True)
        total = torch.eye(tables[0].shape[-1])
        for table, gradient in zip(tables, gradients, strict=True):
            total = total + (table[index] * gradient[index]).clamp(min=0).mean(0) @ total
        expected.append(total - torch.eye(len(total)))
    values, _ = maps(owner, pictures, "transformer_attribution", one_hot(0, 4), space=space)
    wanted = grids(torch.stack(expected).detach().numpy(), prefix, rows)
    assert np.allclose(values[1], wanted, rtol=1e-3, atol=1e-5 * wanted.max())


def behind(module, tokens):
    return module.forward_head(module.norm(tokens))


@pytest.mark.parametrize("pooled", ["network", "mean"])
def test_le_grad_is_the_published_loop(form, pictures, pooled):
    owner, module, prefix, _ = form
    _, tables, tokens = listened(module, owner.inputs(pictures))
    expected = np.zeros((3, 16))
    for table, hidden in zip(tables, tokens, strict=True):
        if pooled == "mean":
            hidden = hidden.mean(1, keepdim=True).expand_as(hidden)
        (gradient,) = torch.autograd.grad(behind(module, hidden)[:, 2].sum(), table, retain_graph=True)
        expected += gradient.clamp(min=0).mean((1, 2))[:, prefix:].numpy() / 3
    values, _ = maps(owner, pictures, "le_grad", one_hot(2), pooled=pooled)
    assert np.allclose(values[0].reshape(3, 16), expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_ts_cam_is_attention_times_the_head_on_each_place(form, pictures):
    owner, module, prefix, rows = form
    with torch.no_grad():
        _, tables, tokens = listened(module, owner.inputs(pictures))
        attention_map = grids(torch.stack(tables).mean((0, 2)), prefix, rows)
        semantic = torch.zeros(3, 16)
        for place in range(16):
            same = tokens[-1][:, prefix + place : prefix + place + 1].expand(-1, prefix + 16, -1)
            semantic[:, place] = behind(module, same)[:, 5] - behind(module, same)[:, 6]
    values, _ = maps(owner, pictures, "ts_cam", one_hot(5) - one_hot(6))
    assert np.allclose(values[0], attention_map * semantic.reshape(3, 4, 4), rtol=1e-3, atol=1e-6)


# --- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_singles_and_targets_do_not_disturb_each_other(form, pictures, name):
    owner = form[0]
    weights = np.stack([one_hot(2)[0], one_hot(3)[0] - one_hot(1)[0]])
    batch, status = maps(owner, pictures, name, weights)
    assert batch.shape == (2, 3, 4, 4)
    assert status == [["ok"] * 3] * 2
    for target in range(2):
        for index in range(3):
            one, _ = maps(owner, pictures[index : index + 1], name, weights[target : target + 1])
            assert np.allclose(one[0, 0], batch[target, index], rtol=1e-5, atol=1e-6 * np.abs(batch).max())


def test_methods_and_targets_share_one_forward(pictures):
    calls = []
    owner = wrap(vit(), (32, 32), Layout("tokens", 24, (4, 4), 1))
    job = Job(owner, pictures, np.stack([one_hot(0, 1, 2)] * 3), ("a", "b", "c"))
    group = [(EXPLAINERS[name].value, dict(EXPLAINERS[name].value.options)) for name in NAMES]
    assert len({explainer.group(options) for explainer, options in group}) == 1
    alone = [attention.compute(job, [request])[0] for request in group]
    handle = owner.module.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    together = attention.compute(job, group)
    handle.remove()
    assert len(calls) == 1 + 1 + 3 + 2 + 1  # the forward; read-outs: sound? behind 3 blocks; brief? all places
    for one, other in zip(alone, together, strict=True):
        for target in range(3):
            assert np.array_equal(one[target].values, other[target].values)


def test_the_length_of_a_pass_has_no_influence(pictures, monkeypatch):
    owner = wrap(vit(), (32, 32), Layout("tokens", 24, (4, 4), 1))
    whole = [maps(owner, pictures, name, one_hot(1))[0] for name in NAMES]
    monkeypatch.setattr(attention, "pass_length", lambda *_: 2)
    for name, expected in zip(NAMES, whole, strict=True):
        assert np.allclose(maps(owner, pictures, name, one_hot(1))[0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_given_back(pictures, name):
    owner = wrap(vit(), (32, 32), Layout("tokens", 24, (4, 4), 1))
    weights = {key: value.clone() for key, value in owner.module.state_dict().items()}
    flags = [parameter.requires_grad for parameter in owner.module.parameters()]
    expected = owner.module(owner.inputs(pictures))
    maps(owner, pictures, name, one_hot(1))
    assert [parameter.requires_grad for parameter in owner.module.parameters()] == flags
    assert all(parameter.grad is None for parameter in owner.module.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in owner.module.state_dict().items())
    assert torch.equal(owner.module(owner.inputs(pictures)), expected)
    for part in owner.module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert "forward" not in vars(part)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_callers_gradient_mode_has_no_influence(pictures, context):
    owner = wrap(vit(), (32, 32), Layout("tokens", 24, (4, 4), 1))
    expected = [maps(owner, pictures, name, one_hot(1)) for name in NAMES]
    with context():
        for name, (values, status) in zip(NAMES, expected, strict=True):
            again, same = maps(owner, pictures, name, one_hot(1))
            assert np.array_equal(again, values)
            assert same == status == [["ok"] * 3]


def test_rollout_knows_no_class(pictures):
    owner = wrap(vit(), (32, 32), Layout("tokens", 24, (4, 4), 1))
    values, _ = maps(owner, pictures, "attention_rollout", one_hot(1, 2))
    assert np.array_equal(values[0], values[1])
    assert EXPLAINERS["attention_rollout"].value.classless
    assert not any(EXPLAINERS[name].value.classless for name in NAMES[1:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"heads": "sum"}, "heads='sum'.*mean, max, min"),
        ({"discard": 1.0}, "discard=1.0.*leaves nothing"),
    ],
)
def test_options_that_make_no_sense_are_refused(worked, options, words):
    with pytest.raises(UsageError, match=words):
        maps(*worked, "attention_rollout", [[1, 0]], **options)


class Windowed(nn.Module):
    """Attends within the two halves of its four places."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = x.flatten(1).unflatten(1, (2, 2))[..., None].flatten(0, 1)[:, None]
        x = functional.scaled_dot_product_attention(x, x, x).reshape(-1, 4)
        return self.head(x)


class Pooled(Worked):
    """Its tokens are read by a pooling query."""

    def forward(self, x):
        x = self.second(self.first(functional.pad(x.flatten(1), (1, 0))[:, :, None]))
        return functional.scaled_dot_product_attention(x[:, :1] + 1, x, x)[:, 0].expand(-1, 2)


class Mixed(Worked):
    """Averages two attentions in one module."""

    def forward(self, x):
        x = functional.pad(x.flatten(1), (1, 0))[:, None, :, None]
        one, other = (functional.scaled_dot_product_attention(s * x, x, x) for s in (1, 2))
        return (one + other)[:, 0, 0].expand(-1, 2)


class Unread(Worked):
    """Its outputs come from before its last attention."""

    def forward(self, x):
        x = self.first(functional.pad(x.flatten(1), (1, 0))[:, :, None])
        self.second(x)
        return x[:, 0].expand(-1, 2)


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), "no attention between places; take grad_cam"),
        (Windowed(), "2 × 2.* does not run over all of its places.*take grad_cam"),
        (Pooled(), "1 × 3, 3 × 3.* does not run over all of its places.*pooling query.*take grad_cam"),
        (Mixed(), "several attention tables in one module and mixes them; take grad_cam"),
        (Unread(), "do not depend on its last attention; take grad_cam"),
    ],
)
def test_networks_without_attention_over_their_places_are_refused(name, module, words):
    size = (2, 2) if isinstance(module, Windowed) else (1, 2)
    owner = wrap(module, size, Layout("tokens", 1, (1, 2), 1), classes=2, channels=1)
    with pytest.raises(UnsuitedError, match=words):
        maps(owner, np.zeros((2, *size, 3), np.uint8), name, [[1, 0]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", ["vit", "vit_avg", "vit_registers", "deit", "deit_distilled", "checkpointing"])
def test_families_that_have_it(name, family):
    owner = load_family(family)
    images = np.random.default_rng(2).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    values, status = maps(owner, images, name, one_hot(1, 3))
    assert values.shape == (2, 2, 8, 8)
    assert status == [["ok"] * 2] * 2


@pytest.mark.parametrize("family", ["resnet", "swin", "swinv2", "maxvit", "coatnet", "mambaout", "viewing"])
def test_families_that_do_not(family):
    owner = load_family(family)
    images = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(UnsuitedError, match=f"^[^.]*{family}[^.]*; take grad_cam, hires_cam or layer_cam$"):
        maps(owner, images, "attention_rollout", np.ones((1, owner.outputs)))


class Between(Worked):
    """Doubles its tokens between the blocks, so that its blocks cannot simply be left out."""

    def forward(self, x):
        x = 2 * self.first(functional.pad(x.flatten(1), (1, 0))[:, :, None])
        x = self.second(x)
        return torch.cat([x[:, 0], -x[:, 0]], 1)


@pytest.mark.parametrize("name", ["le_grad", "ts_cam"])
def test_blocks_that_do_not_follow_each_other_are_refused_where_they_must(name):
    owner = wrap(Between(), (1, 2), Layout("tokens", 1, (1, 2), 1), classes=2, channels=1)
    picture = np.full((1, 1, 2, 3), 200, np.uint8)
    with pytest.raises(UnsuitedError, match=r"do not simply follow each other.*take transformer_attribution"):
        maps(owner, picture, name, [[1, 0]])
    maps(owner, picture, "transformer_attribution", [[1, 0]])


# --- where is it? ----------------------------------------------------------------------------------------------------


def seeing_brightness(**options):
    """A vision transformer whose class token looks at bright patches and whose first output is their brightness."""
    module = vit(img_size=32, norm_layer=nn.Identity, depth=2, num_heads=1, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.patch_embed.proj.weight[0] = 1 / (3 * 64)  # channel 0 holds the patch's brightness
        token = module.cls_token if module.cls_token is not None else module.pos_embed
        token[..., 1] = 1  # channel 1 marks the token that asks
        for block in module.blocks:
            block.attn.qkv.weight[0, 1] = 8.0  # query: "I ask"
            block.attn.qkv.weight[24, 0] = 4.0  # key: brightness
            block.attn.qkv.weight[48, 0] = 1.0  # value: brightness
            block.attn.proj.weight[0, 0] = 1.0
        module.head.weight[0, 0] = 1.0
    return module


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "prefix"),
    [({}, 1), ({"reg_tokens": 4}, 5), ({"global_pool": "avg", "class_token": False}, 0)],
    ids=["class token", "registers", "average"],
)
def test_the_map_is_largest_where_occlusion_lowers_the_score_most(name, options, prefix):
    module = seeing_brightness(**options)
    owner = load_classifier(module, labels=LABELS, size=32, mean=0.0, std=1.0)  # finds the layout for itself
    assert {layout.prefix for layout in owner.layouts.values() if layout.kind == "tokens"} >= {prefix}
    picture = np.random.default_rng(1).integers(0, 60, (1, 32, 32, 3)).astype(np.uint8)
    picture[:, 8:16, 24:32] = 230  # the place in row 1, column 3
    drops = np.zeros((4, 4))
    with torch.no_grad():
        whole = float(module(owner.inputs(picture))[0, 0])
        for row in range(4):
            for column in range(4):
                covered = picture.copy()
                covered[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 0
                drops[row, column] = whole - float(module(owner.inputs(covered))[0, 0])
    assert np.unravel_index(drops.argmax(), (4, 4)) == (1, 3)
    values, _ = maps(owner, picture, name, one_hot(0))
    assert np.unravel_index(values[0, 0].argmax(), (4, 4)) == (1, 3)

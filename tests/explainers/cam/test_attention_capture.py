"""Attention is written out, kept and handed back: same outputs, rows that sum to one, nothing left behind."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.explainers._attention import _Recorder, attended, read_out
from workbench.explainers._capture import borrowed

LABELS = ("anger", "happiness", "fear", "sadness", "surprise", "disgust", "neutral")


def classifier(module, size=32, name="small"):
    prepared = Preprocessing((size, size), 3, (0.5,), (0.5,))
    return Classifier(name, module.eval(), {"expression": Head(LABELS)}, prepared, "")


def small_vit(**options):
    from workbench.classifiers._torchvision import import_timm

    with torch.random.fork_rng():
        torch.manual_seed(1)
        shape = {"img_size": 32, "patch_size": 8, "num_classes": 7, "embed_dim": 24, "depth": 2, "num_heads": 3}
        module = import_timm().models.vision_transformer.VisionTransformer(**shape, **options)
        for parameter in module.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.3)
    return module.eval()


class WithWeights(nn.Module):
    """Tokens of 8 × 8 patches through nn.MultiheadAttention layers whose caller wants the weights."""

    def __init__(self, average):
        super().__init__()
        self.average = average
        self.embed = nn.Conv2d(3, 12, 8, stride=8)
        self.attend = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 7)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        given, weights = self.attend(x, x, x, average_attn_weights=self.average)
        weights = weights if self.average else weights.mean(1)
        return self.head((x + given + weights @ x).mean(1))


@pytest.fixture
def pictures():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network(kind):
    if kind == "encoder layer":
        layer = nn.TransformerEncoderLayer(12, 3, 24, batch_first=True)  # has a fused path of its own
        embed = nn.Conv2d(3, 12, 8, stride=8)
        return nn.Sequential(embed, nn.Flatten(2), Transposed(), layer, Mean(), nn.Linear(12, 7))
    if kind.startswith("multi-head"):
        return WithWeights(average=kind == "multi-head")
    module = small_vit()
    for block in module.blocks:
        block.attn.fused_attn = kind == "fused"
    return module


KINDS = ("fused", "unfused", "multi-head", "multi-head by head", "encoder layer")


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gradients", [False, True])
def test_the_outputs_are_those_of_the_network_and_the_rows_sum_to_one(pictures, kind, gradients):
    owner = classifier(network(kind))
    with torch.no_grad():
        expected = owner.module(pictures)
    with borrowed(owner.module) as module:
        seen = attended(owner, module, pictures, gradients=gradients)
    assert torch.allclose(seen.outputs, expected, rtol=1e-5, atol=1e-5)
    assert len(seen.tables) == (2 if "fused" in kind else 1)
    for table in seen.tables:
        weights = table.weights
        assert weights.shape == ((3, 3, 17, 17) if "fused" in kind else (3, 3, 16, 16))
        assert weights.min() >= 0
        assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-6)
        assert weights.requires_grad == gradients
    assert seen.outputs.requires_grad == gradients


def test_fused_and_unfused_attention_give_the_same_tables(pictures):
    found = []
    for kind in ("fused", "unfused"):
        owner = classifier(network(kind))
        with borrowed(owner.module) as module:
            found.append([table.weights for table in attended(owner, module, pictures, gradients=False).tables])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found, strict=True))


def allowed(*shape):
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(4)) > 0.4
    mask[..., 2, :] = False  # a query that may look at nothing
    return mask


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.1},
        {"is_causal": True},
        {"attn_mask": allowed(5, 6)},
        {"attn_mask": allowed(2, 1, 5, 6)},
        {"attn_mask": torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(5))},
        {"enable_gqa": True},
    ],
    ids=["plain", "scale", "causal", "mask", "mask by image", "bias", "grouped heads"],
)
def test_written_out_attention_is_torchs(options):
    stream = torch.Generator().manual_seed(2)
    heads = 2 if "enable_gqa" in options else 4
    query = torch.randn(2, 4, 5, 8, generator=stream)
    key, value = (torch.randn(2, heads, 6, 8, generator=stream) for _ in range(2))
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    recorder = _Recorder([])
    with recorder:
        found = functional.scaled_dot_product_attention(query, key, value, **options)
    assert torch.allclose(found, expected, atol=1e-6)
    assert recorder.tables[0].weights.shape == (2, 4, 5, 6)


def test_dropout_that_was_asked_for_is_honoured():
    query = torch.randn(1, 1, 40, 8, generator=torch.Generator().manual_seed(2))
    with torch.random.fork_rng(), _Recorder([]):
        found = functional.scaled_dot_product_attention(query, query, torch.ones(1, 1, 40, 40), dropout_p=0.5)
    assert float(found.detach().std()) > 0.01
    assert float(found.detach().mean()) == pytest.approx(1, abs=0.2)


def test_an_in_place_operation_on_the_table_does_not_change_what_was_read():
    class InPlace(nn.Module):
        def forward(self, x):
            x = x.flatten(2)
            return (x.softmax(-1).mul_(2.0) @ x.transpose(1, 2)).flatten(1)[:, :7]

    owner = classifier(InPlace(), 4)
    inputs = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    with borrowed(owner.module) as module:
        seen = attended(owner, module, inputs, gradients=True)
    assert torch.allclose(seen.tables[0].weights, inputs.flatten(2).softmax(-1))
    (gradient,) = torch.autograd.grad(seen.outputs[:, 0].sum(), seen.tables[0].weights)
    assert torch.allclose(gradient[:, 0], 2 * inputs.flatten(2)[:, 0])


def test_nothing_before_the_first_table_is_recorded(pictures):
    owner = classifier(small_vit())
    with borrowed(owner.module) as module:
        seen = attended(owner, module, pictures, gradients=True)
    assert seen.tables[0].weights.is_leaf
    assert not seen.tables[1].weights.is_leaf


@pytest.mark.parametrize("options", [{}, {"global_pool": "avg", "class_token": False}])
def test_blocks_are_found_and_can_be_left_out(pictures, options):
    network = small_vit(**options)
    owner = classifier(network)
    with borrowed(owner.module) as module, torch.no_grad():
        seen = attended(owner, module, pictures, gradients=False)
        assert [table.block for table in seen.tables] == ["blocks.0", "blocks.1"]
        tokens = seen.tables[1].tokens
        assert torch.allclose(
            read_out(owner, module, seen.tables, pictures[:1], tokens),
            network.forward_head(network.norm(tokens)),
            atol=1e-6,
        )


def test_blocks_that_give_tuples_are_found_and_can_be_left_out(pictures):
    class Tupled(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.inner = block

        def forward(self, x):
            return self.inner(x), None

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.vit = small_vit()
            self.layers = nn.ModuleList([Tupled(block) for block in self.vit.blocks])
            self.vit.blocks = nn.Identity()

        def forward(self, x):
            x = self.vit._pos_embed(self.vit.patch_embed(x))
            for layer in self.layers:
                x = layer(x)[0]
            return self.vit.forward_head(self.vit.norm(x))

    owner = classifier(Network())
    with borrowed(owner.module) as module, torch.no_grad():
        seen = attended(owner, module, pictures, gradients=False)
        assert [table.block for table in seen.tables] == ["layers.0", "layers.1"]
        again = read_out(owner, module, seen.tables, pictures[:1], seen.tables[-1].tokens)
    assert torch.allclose(again, seen.outputs, atol=1e-6)


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt("stop")])
@pytest.mark.parametrize("what", ["forward", "read-out"])
def test_nothing_is_left_behind_after_an_error(pictures, what, error):
    owner = classifier(small_vit())
    fused = functional.scaled_dot_product_attention
    with borrowed(owner.module) as module:
        seen = attended(owner, module, pictures, gradients=False)
        module.head = Failing(error)
        tokens = seen.tables[-1].tokens
        work = {
            "forward": lambda: attended(owner, module, pictures, gradients=True),
            "read-out": lambda: read_out(owner, module, seen.tables, pictures[:1], tokens),
        }[what]
        with pytest.raises(type(error), match="stop"):
            work()
    assert functional.scaled_dot_product_attention is fused
    assert not _get_current_function_mode_stack()
    for part in owner.module.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
        assert "forward" not in vars(part)


def test_torchs_own_attention_is_put_back_after_an_error_inside_multi_head_attention():
    attend = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    fused = functional.scaled_dot_product_attention
    with pytest.raises((AssertionError, RuntimeError)), _Recorder([]):
        attend(torch.zeros(1, 4, 12), torch.zeros(1, 5, 12), torch.zeros(1, 7, 12))
    assert functional.scaled_dot_product_attention is fused

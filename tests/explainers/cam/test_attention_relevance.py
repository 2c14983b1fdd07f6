"""Layer-wise relevance: rules by hand, what they conserve, and a direct propagation through a vision transformer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.classifiers.layout import Layout
from workbench.errors import UnsuitedError, UsageError
from workbench.explainers import EXPLAINERS
from workbench.explainers.cam import attention
from workbench.explainers.cam.attention_relevance import _Linear, _Mean, _Product, _Sum
from workbench.explainers.explainer import Job

LABELS = ("anger", "happiness", "fear", "sadness", "surprise", "disgust", "neutral")


def relevance(function, inputs, given, **fixed):
    inputs = [one.clone().requires_grad_() for one in inputs]
    return torch.autograd.grad(function.apply(*inputs, *fixed.values()), inputs, given)


def test_linear_by_hand():
    """x = (1, −2), w = ((3, −1), (−2, −2)): positive products are 3, 2 | –, 4; relevance 10 and 6."""
    (found,) = relevance(
        _Linear,
        [torch.tensor([[1.0, -2.0]])],
        torch.tensor([[10.0, 6.0]]),
        weight=torch.tensor([[3.0, -1.0], [-2.0, -2.0]]),
        bias=torch.tensor([100.0, -100.0]),
    )
    assert torch.allclose(found, torch.tensor([[6.0, 4.0 + 6.0]]))


def test_sum_by_hand():
    """Branches (1, 3) and (1, −1), relevance (4, 2): values share it as (2, 3) and (2, −1), Σ 5 and 1 of 6."""
    left, right = relevance(_Sum, [torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, -1.0]])], torch.tensor([[4.0, 2.0]]))
    assert torch.allclose(left, torch.tensor([[2.0, 3.0]]))
    assert torch.allclose(right, torch.tensor([[2.0, -1.0]]))


def test_sum_scales_branches_of_opposite_sign():
    """Branches (4,) and (−2,), relevance 1: values give 2 and −1; |2| / 3 and |−1| / 3 of the relevance go on."""
    left, right = relevance(_Sum, [torch.tensor([[4.0]]), torch.tensor([[-2.0]])], torch.tensor([[1.0]]))
    assert (left.item(), right.item()) == pytest.approx((2 / 3, 1 / 3))


def test_product_and_mean_by_hand():
    left, right = relevance(
        _Product, [torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0], [1.0]])], torch.tensor([[10.0]])
    )
    assert torch.allclose(left, torch.tensor([[2.0, 3.0]]))
    assert torch.allclose(right, torch.tensor([[2.0], [3.0]]))
    (found,) = relevance(_Mean, [torch.tensor([[1.0, 3.0]])], torch.tensor([8.0]), dim=1, keepdim=False)
    assert torch.allclose(found, torch.tensor([[2.0, 6.0]]))


@pytest.mark.parametrize("rule", ["linear", "product", "sum", "mean"])
def test_relevance_is_conserved_for_each_image(rule):
    stream = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, 4, 4, generator=stream) for _ in range(2))
    given = torch.rand(3, 4, 4, generator=stream)
    found = {
        "linear": lambda: relevance(_Linear, [a], given, weight=b[0], bias=None),
        "product": lambda: relevance(_Product, [a, b], given),
        "sum": lambda: relevance(_Sum, [a, b], given),
        "mean": lambda: relevance(_Mean, [a], given[:, :1], dim=1, keepdim=True),
    }[rule]()
    wanted = given[:, :1].sum((1, 2)) if rule == "mean" else given.sum((1, 2))
    assert torch.allclose(sum(one.sum((1, 2)) for one in found), wanted, rtol=1e-3)


def vit(**options):
    from workbench.classifiers._torchvision import import_timm

    timm = import_timm()
    kind = options.pop("kind", timm.models.vision_transformer.VisionTransformer)
    shape = {"img_size": 32, "patch_size": 8, "num_classes": 7, "embed_dim": 24, "depth": 3, "num_heads": 3}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = kind(**{**shape, **options})
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
    return module.eval()


def wrap(module, prefix):
    owner = Classifier(
        "small", module.eval(), {"expression": Head(LABELS)}, Preprocessing((32, 32), 3, (0.5,), (0.5,)), ""
    )
    return owner.knowing({"blocks": Layout("tokens", 24, (4, 4), prefix)})


def maps(owner, images, weights, **options):
    explainer = EXPLAINERS["transformer_attribution"].value
    job = Job(owner, images, np.stack([np.asarray(weights, np.float32)] * len(images)), ("t",) * len(weights))
    (found,) = attention.compute(job, [(explainer, {**explainer.options, "relevance": "lrp", **options})])
    return np.stack([one.values for one in found])


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)


# An independent propagation, module by module and in double precision: x · ∂/∂x of what is to be shared, as the
# authors' code has it. Every function takes what a step was given, and the relevance of what it gave.


def shared(function, inputs, given):
    inputs = [one.detach().requires_grad_() for one in inputs]
    outputs = function(*inputs)
    scale = torch.where(outputs == 0, 0.0, given / outputs)
    return [one * slope for one, slope in zip(inputs, torch.autograd.grad(outputs, inputs, scale), strict=True)]


def through_linear(layer, x, given):
    up, down = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    return sum(shared(lambda p, n: p @ up.T + n @ down.T, [x.clamp(min=0), x.clamp(max=0)], given))


def through_sum(one, other, given):
    parts = shared(torch.add, [one, other], given)
    sizes = [part.sum().abs() for part in parts]
    return [part * size / sum(sizes) * given.sum() / part.sum() for part, size in zip(parts, sizes, strict=True)]


def through_block(block, x, given):
    """Relevance of the block's table and of what it was given."""
    attend, heads = block.attn, block.attn.num_heads
    normed = block.norm1(x)
    query, key, value = attend.qkv(normed).reshape(len(x), -1, 3, heads, 24 // heads).permute(2, 0, 3, 1, 4)
    table = (query @ key.mT * attend.scale).softmax(-1)
    mixed = (table @ value).transpose(1, 2).flatten(2)
    middle = x + attend.proj(mixed)
    hidden = block.mlp.fc1(block.norm2(middle))
    active = block.mlp.act(hidden)
    straight, behind = through_sum(middle, block.mlp.fc2(active), given)
    behind = through_linear(block.mlp.fc2, active, behind)
    behind = through_linear(block.mlp.fc1, block.norm2(middle), behind)
    straight, behind = through_sum(x, attend.proj(mixed), straight + behind)
    behind = through_linear(attend.proj, mixed, behind)
    behind = behind.unflatten(2, (heads, -1)).transpose(1, 2)
    of_table, of_value = (part / 2 for part in shared(torch.matmul, [table, value], behind))
    of_query, of_key = (part / 2 for part in shared(lambda q, k: q @ k.mT, [query, key], of_table))
    three = torch.stack([of_query, of_key, of_value]).permute(1, 3, 0, 2, 4).flatten(2)
    return of_table, straight + through_linear(attend.qkv, normed, three)


def expected(module, inputs, column, pooled):
    """The map of one image, R in double precision."""
    tables, given = [], []
    for block in module.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda *seen: tables.append(seen[2]))
        block.register_forward_pre_hook(lambda *seen: given.append(seen[1][0]))
    tokens = []
    module.norm.register_forward_hook(lambda *seen: tokens.append(seen[2]))
    outputs = module(inputs.clone().requires_grad_())
    gradients = torch.autograd.grad(outputs[0, column], tables, retain_graph=True)
    with torch.enable_grad():
        start = torch.zeros_like(outputs)
        start[0, column] = 1
        back = torch.zeros_like(tokens[0])
        if pooled:
            mean = tokens[0].mean(1)
            arrived = through_linear(module.head, module.fc_norm(mean), start)
            (back,) = shared(lambda t: t.mean(1), [tokens[0]], arrived)
        else:
            back[:, 0] = through_linear(module.head, tokens[0][:, 0], start)
        relevances = []
        for block, x in zip(reversed(module.blocks), reversed(given), strict=True):
            of_table, back = through_block(block, x.detach(), back)
            relevances.insert(0, of_table)
    total = torch.eye(tables[0].shape[-1], dtype=torch.float64)
    for gradient, one in zip(gradients, relevances, strict=True):
        total = (torch.eye(len(total)) + (gradient * one).clamp(min=0).mean(1)[0]) @ total
    total = (total - torch.eye(len(total))).detach().numpy()
    return total.mean(0) if pooled else total[0, -16:]


@pytest.mark.parametrize("pooled", [False, True], ids=["class token", "average"])
def test_the_map_is_that_of_a_direct_propagation(pictures, pooled):
    options = {"global_pool": "avg", "class_token": False} if pooled else {}
    owner = wrap(vit(**options), 0 if pooled else 1)
    found = maps(owner, pictures, np.eye(7)[[4, 1]])
    for target, column in enumerate([4, 1]):
        for index in range(2):
            inputs = owner.inputs(pictures[index : index + 1]).double()
            wanted = expected(vit(**options).double(), inputs, column, pooled)
            assert wanted.max() > 0
            assert np.allclose(found[target, index].ravel(), wanted, rtol=2e-3, atol=2e-4 * wanted.max())


@pytest.mark.parametrize(("options", "prefix"), [({}, 1), ({"reg_tokens": 4}, 5), ({"init_values": 0.5}, 1)])
def test_a_batch_is_its_singles_and_differs_from_plain_attention(pictures, options, prefix):
    owner = wrap(vit(**options), prefix)
    found = maps(owner, pictures, np.eye(7)[:2])
    for index in range(2):
        one = maps(owner, pictures[index : index + 1], np.eye(7)[1:2])
        assert np.allclose(one[0, 0], found[1, index], rtol=1e-5, atol=1e-6 * found.max())
    assert not np.allclose(found, maps(owner, pictures, np.eye(7)[:2], relevance="attention"), rtol=0.1)


def test_the_relevance_of_a_contrast_does_not_cancel(pictures):
    owner = wrap(vit(), 1)
    one, other, contrast = maps(owner, pictures, [[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0], [1, -1, 0, 0, 0, 0, 0]])
    assert contrast.max() > 0.01 * max(one.max(), other.max())


def test_attention_written_out_gives_the_same(pictures):
    fused, unfused = vit(), vit()
    for block in unfused.blocks:
        block.attn.fused_attn = False
    assert np.allclose(
        maps(wrap(fused, 1), pictures, np.eye(7)[:1]), maps(wrap(unfused, 1), pictures, np.eye(7)[:1]), rtol=1e-3
    )


class Gated(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        x = self.inner(x)
        return x * x


def test_an_operation_without_a_rule_is_refused_by_name(pictures):
    module = vit()
    module.blocks[1].mlp = Gated(module.blocks[1].mlp)
    with pytest.raises(UnsuitedError, match=r"computes 'mul' behind its attention.*no rule; take transformer_attri"):
        maps(wrap(module, 1), pictures, np.eye(7)[:1])


def test_multi_head_attention_modules_are_refused(pictures):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Conv2d(3, 24, 8, stride=8), nn.Linear(24, 7)
            self.attend = nn.MultiheadAttention(24, 3, batch_first=True)

        def forward(self, x):
            x = self.embed(x).flatten(2).transpose(1, 2)
            return self.head(functional.relu(self.attend(x, x, x)[0]).mean(1))

    with pytest.raises(UnsuitedError, match="layer-wise relevance"):
        maps(wrap(Tokens(), 0), pictures, np.eye(7)[:1])


def test_an_unknown_relevance_is_refused(pictures):
    with pytest.raises(UsageError, match=r"relevance='taylor'.*attention, lrp"):
        maps(wrap(vit(), 1), pictures, np.eye(7)[:1], relevance="taylor")

"""Where the places lie is read off the network: hand-made networks whose answer is known, checked patch by patch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from workbench.classifiers import Classifier, load_classifier
from workbench.errors import LayerError, UsageError

LABELS = ("anger", "happiness", "surprise")


class Attention(nn.Module):
    """A residual block that mixes tokens by attention, with its table as a layer's output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.table, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), Same(), Same()
        self.heads = Same()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        weights = self.table((q @ k.mT / width**0.5).softmax(-1))  # (N, heads, L, L)
        return x + self.proj((weights @ self.heads(v)).transpose(1, 2).reshape(n, length, width))


class Same(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1


class Tokens(nn.Module):
    """Patches of 8 px as tokens, others before and after them, an order of one's own; two blocks; a read-out."""

    def __init__(
        self,
        read: Callable[[torch.Tensor], torch.Tensor],
        *,
        before: int = 0,
        after: int = 0,
        width: int = 12,
        order: Callable[[torch.Tensor], torch.Tensor] = lambda x: x.flatten(2).transpose(1, 2),
        patchify: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.patch = patchify or nn.Conv2d(3, width, 8, 8)
        self.before, self.after = (nn.Parameter(torch.randn(1, n, width)) for n in (before, after))
        self.drop, self.blocks = nn.Dropout(0.1), nn.Sequential(Attention(width), Attention(width))
        self.norm, self.head, self.read, self.order = nn.LayerNorm(width), nn.Linear(width, 3), read, order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x)
        x = self.order(x) if x.dim() == 4 else x
        x = self.drop(torch.cat([self.before.expand(len(x), -1, -1), x, self.after.expand(len(x), -1, -1)], 1))
        return self.head(self.read(self.norm(self.blocks(x))))


class Unfolded(nn.Module):
    """Patches without a convolution: there is no grid before the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 64, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.nn.functional.unfold(x, 8, stride=8).transpose(1, 2))


def first(x: torch.Tensor) -> torch.Tensor:
    return x[:, 0]


def last(x: torch.Tensor) -> torch.Tensor:
    return x[:, -1]


def mean(x: torch.Tensor) -> torch.Tensor:
    return x.mean(1)


def load(module: nn.Module, size: tuple[int, int] = (48, 40), **more: object) -> Classifier:
    return load_classifier(module, labels=LABELS, size=size, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def places_that_move(classifier: Classifier, layer: str, row: int, column: int, patch: int = 8) -> list[list[int]]:
    """Which places of a layer's grid differ when one patch of the picture does."""
    height, width = classifier.preprocessing.size
    images = torch.rand(1, 3, height, width).repeat(2, 1, 1, 1)
    images[1, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] = 0
    held = []
    handle = classifier.module.get_submodule(layer).register_forward_hook(lambda _m, _i, out: held.append(out))
    classifier.logits(images)
    handle.remove()
    grid = classifier.layout(layer).to_grid(held[0])
    change = (grid[1] - grid[0]).abs().sum(0)
    return (change > 1e-3 * change.max()).nonzero().tolist()


@pytest.mark.parametrize(
    ("before", "after", "read", "chosen"),
    [(0, 0, mean, "blocks.1"), (1, 0, first, "blocks.1.norm"), (5, 0, first, "blocks.1.norm"),
     (0, 2, last, "blocks.1.norm"), (2, 3, mean, "blocks.1")],
)  # fmt: skip
def test_class_tokens_registers_and_appended_tokens(before: int, after: int, read: Callable, chosen: str) -> None:  # type: ignore[type-arg]
    classifier = load(Tokens(read, before=before, after=after))
    layout = classifier.layout("drop")
    assert (layout.kind, layout.grid, layout.prefix, layout.suffix) == ("tokens", (6, 5), before, after)
    assert all(places_that_move(classifier, "drop", *place) == [list(place)] for place in ((0, 0), (2, 3), (5, 4)))
    assert classifier.cam_layer == chosen
    assert classifier.layout(chosen) == layout


def test_tables_and_parts_of_attention_are_no_grids() -> None:
    # 6 · 5 + 1 tokens, 2 heads, width 62: (2, 31, 31) and (2, 31, 31) look like grids by their sizes
    layouts = load(Tokens(first, before=1, width=62)).layouts
    assert not {name for name in layouts if name.endswith(("table", "heads", "qkv"))}
    assert {name for name in layouts if name.startswith("blocks.0")} == {"blocks.0.norm", "blocks.0.proj", "blocks.0"}


def test_tokens_that_are_no_convolution_s() -> None:
    layout = load(Tokens(first, before=1, patchify=Unfolded())).layout("drop")
    assert (layout.grid, layout.prefix) == ((6, 5), 1)


def test_an_order_that_is_not_row_after_row_is_refused_or_stated() -> None:
    columns_first = Tokens(mean, order=lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2))
    classifier = load(columns_first)
    assert classifier.cam_layer == ""
    assert "tokens=(prefix, height, width)" in classifier.provenance["cam_layer"]
    with pytest.raises(LayerError, match="has no default layer for CAMs: tokens follow the last grid"):
        classifier.layout("")
    with pytest.raises(LayerError, match=r"'blocks.1' of 'Tokens' is not spatial.*tokens=\(prefix, height, width\)"):
        classifier.layout("blocks.1")
    shuffled = torch.randperm(30)
    assert load(Tokens(mean, order=lambda x: x.flatten(2).transpose(1, 2)[:, shuffled])).cam_layer == ""


def test_a_stated_grid_is_believed() -> None:
    shuffled = torch.randperm(30)
    module = Tokens(first, before=1, order=lambda x: x.flatten(2).transpose(1, 2)[:, shuffled])
    classifier = load(module, tokens=(1, 6, 5))
    assert classifier.layout("blocks.0").shape == (12, 6, 5)
    assert classifier.cam_layer == "blocks.1.norm"
    assert classifier.with_layer("blocks.1").layout("blocks.1").prefix == 1
    for wrong in ((1, 6), "1,6,5", (1, 6, 0), (-1, 6, 5), (1.0, 6, 5)):
        with pytest.raises(UsageError, match=r"tokens must be \(prefix, height, width\)"):
            load(module, tokens=wrong)


class Reordered(nn.Module):
    """Tokens that a layer reorders before they mix, and of which there are as many as before."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.embed, self.unroll = nn.Conv2d(3, 12, 8, 8), Same(), Same()
        self.block, self.head = Attention(12), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(self.patch(x).flatten(2).transpose(1, 2))
        x = self.unroll(x.unflatten(1, (2, 8)).transpose(1, 2).flatten(1, 2))
        return self.head(self.block(x).mean(1))


def test_a_reordering_on_the_way_is_seen() -> None:
    classifier = load(Reordered(), (32, 32))
    assert classifier.cam_layer == ""
    assert set(classifier.layouts) == {"patch"}


class Mixer(nn.Module):
    """As many channels as tokens: (N, tokens, C) and (N, C, tokens) have one shape."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.embed, self.norm = nn.Conv2d(3, 16, 8, 8), Same(), nn.LayerNorm(16)
        self.across, self.within, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.turned = Same()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(self.patch(x).flatten(2).transpose(1, 2))
        x = x + 0.3 * self.across(self.turned(self.norm(x).transpose(1, 2))).transpose(1, 2)
        return self.head((x + 0.1 * self.within(x)).mean(1))


def test_tokens_and_channels_are_not_exchanged() -> None:
    layouts = load(Mixer(), (32, 32)).layouts
    assert {"embed", "norm"} <= set(layouts)
    assert "turned" not in layouts
    assert "across" not in layouts


class Last(nn.Module):
    """Channels last from the first layer on, as many as the grid has rows; windows are no layer of their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch, self.embed = nn.Conv2d(3, width, 4, 4), Same()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.pool, self.head = Same(), nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(self.patch(x).permute(0, 2, 3, 1))
        x = x + self.down(self.up(self.norm(x)).relu())
        return self.head(self.pool(x).mean((1, 2)))


@pytest.mark.parametrize("width", [8, 5])
@pytest.mark.parametrize("size", [(32, 32), (48, 40)])
def test_channels_last_is_told_from_channels_first(width: int, size: tuple[int, int]) -> None:
    classifier = load(Last(width), size)
    grid = (size[0] // 4, size[1] // 4)
    kinds = {name: (layout.kind, layout.shape) for name, layout in classifier.layouts.items()}
    assert kinds.pop("patch") == ("NCHW", (width, *grid))
    assert kinds.pop("up") == ("NHWC", (2 * width, *grid))
    assert kinds == dict.fromkeys(("embed", "norm", "down", "pool"), ("NHWC", (width, *grid)))
    assert classifier.cam_layer == "pool"
    assert places_that_move(classifier, "norm", 3, 1, patch=4) == [[3, 1]]


class Branches(nn.Module):
    """The last layer that runs is one of two branches; before them one layer that everything passes."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.left, self.right = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.trunk(x).relu()
        return self.head((self.left(x) + self.right(x)).mean((2, 3)))


class Again(nn.Module):
    """One activation that runs after both convolutions; a layer that runs twice cannot be a CAM's."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.act, self.head = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.two(self.act(self.one(x)))).mean((2, 3)))


def test_the_default_layer_is_one_that_everything_passes_and_runs_once() -> None:
    assert load(Branches(), (32, 32)).cam_layer == "trunk"
    assert load(Again(), (32, 32)).cam_layer == "two"


def test_the_choice_is_told() -> None:
    assert load(Again(), (32, 32)).provenance["cam_layer"] == (
        "chosen: the last layer with features on a grid before pooling"
    )
    assert load(Again(), (32, 32), layer="one").provenance["cam_layer"] == "stated"
    told = load(Tokens(first, before=1)).provenance["cam_layer"]
    assert told.startswith("chosen: what the last block reads of 'blocks.0', normalised; behind it no gradient reaches")
    assert load(Tokens(mean)).describe()["cam_layout"] == "tokens"

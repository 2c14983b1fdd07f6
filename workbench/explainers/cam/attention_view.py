"""What an attention method may look at: the tables of every block of one batch, under one target."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from workbench.errors import UnsuitedError
from workbench.explainers._attention import Attended, Table, attended, read_out
from workbench.explainers._capture import agree
from workbench.explainers.cam.attention_relevance import relevance_tables
from workbench.explainers.passes import streamed
from workbench.explainers.spaces import scores

if TYPE_CHECKING:
    from torch import nn

    from workbench.classifiers.classifier import Classifier
    from workbench.classifiers.layout import Layout

INSTEAD = "take grad_cam, hires_cam or layer_cam"
VALUES = 2**22  # of tokens that are read out at once
READ = 1e-6  # a token whose share of the largest gradient is below this is not read


@dataclass(frozen=True, eq=False)
class Batch:
    """One forward of N inputs through a network whose blocks attend over all of its tokens.

    inputs: (N, channels, H, W). seen: tables and outputs, in one graph where gradients were asked for. layout: where
    the places stand among the L tokens.
    """

    classifier: Classifier
    module: nn.Module
    inputs: torch.Tensor
    seen: Attended
    layout: Layout

    @classmethod
    def of(cls, classifier: Classifier, module: nn.Module, inputs: torch.Tensor, *, gradients: bool) -> Batch:
        """Raises UnsuitedError for a network without attention over all of its places."""
        seen = attended(classifier, module, inputs, gradients=gradients)
        return cls(classifier, module, inputs, seen, _fitting_layout(classifier, seen, len(inputs)))

    @property
    def layer(self) -> str:
        """The block read last."""
        return self.seen.tables[-1].block

    @cached_property
    def tables(self) -> list[torch.Tensor]:
        """Attention of each block, (N, heads, L, L), rows summing to one, without a graph."""
        return [self.by_head(table.weights.detach()).float() for table in self.seen.tables]

    def by_head(self, weights: torch.Tensor) -> torch.Tensor:
        """Weights as computed, or their gradients, as (N, heads, L, L)."""
        return weights if weights.ndim == 4 else weights.unflatten(0, (len(self.inputs), -1))

    @cached_property
    def rows(self) -> torch.Tensor:
        """Which tokens the network's read-out looks at, (L,), summing to one: the class token, or all places."""
        return read_rows(self.classifier, self.module)

    def read(self, matrix: torch.Tensor) -> torch.Tensor:
        """What the read-out's tokens took from each place: (N, L, L) → (N, h, w)."""
        return self.places(torch.einsum("q,nqk->nk", self.rows.to(matrix), matrix))

    def places(self, tokens: torch.Tensor) -> torch.Tensor:
        """One value a token, (N, L), on the grid (N, h, w); class token and registers are left out."""
        stop = tokens.shape[1] - self.layout.suffix
        return tokens[:, self.layout.prefix : stop].unflatten(1, self.layout.grid)

    def read_out(self, tokens: torch.Tensor) -> torch.Tensor:
        """What the network makes of tokens (M, L, C) behind its last block: (M, columns)."""
        return read_out(self.classifier, self.module, self.seen.tables, self.inputs[:1], tokens)

    @cached_property
    def block_tokens(self) -> list[torch.Tensor]:
        """What each block gave, (N, L, C), with its graph.

        Raises UnsuitedError where the blocks cannot be left out of a forward: then nothing can be read out of them.
        """
        tables = self.seen.tables
        tokens = [table.tokens for table in tables if table.tokens is not None]
        sound = len(tokens) == len(tables) and all(
            after.given is before.tokens for before, after in itertools.pairwise(tables)
        )
        if sound:
            try:
                with torch.no_grad():
                    again = self.read_out(tokens[-1][:1].detach().expand(2, -1, -1))
                outputs = self.seen.outputs[:1].detach().expand(2, -1)
                sound = agree(again, outputs)
            except (RuntimeError, TypeError, ValueError, AttributeError):
                sound = False
        if not sound:
            raise UnsuitedError(
                f"the blocks of {self.classifier.name!r} do not simply follow each other, so that nothing can be read "
                "out behind each; take transformer_attribution or attention_rollout"
            )
        return tokens

    @cached_property
    def block_outputs(self) -> list[torch.Tensor]:
        """The network's read-out applied behind each block, (N, columns), in the graph of its tokens."""
        with torch.inference_mode(False), torch.enable_grad():
            return [self.read_out(tokens) for tokens in self.block_tokens]

    @cached_property
    def block_mean_outputs(self) -> list[torch.Tensor]:
        """The network's read-out of the mean of each block's tokens, (N, columns), in the graph of the tokens: of a
        sequence whose every token is that mean."""
        with torch.inference_mode(False), torch.enable_grad():
            length = self.block_tokens[-1].shape[1]
            return [self.read_out(tokens.mean(1, keepdim=True).expand(-1, length, -1)) for tokens in self.block_tokens]

    @cached_property
    def place_outputs(self) -> torch.Tensor:
        """The read-out of each place by itself, (N, h·w, columns): of a sequence whose every token is that place's.

        For a class token that is the head applied to the place's token in its stead. Without a graph.
        """
        with torch.no_grad():
            tokens = self.block_tokens[-1].detach()
            prefix, suffix, length = self.layout.prefix, self.layout.suffix, tokens.shape[1]
            places = tokens[:, prefix : length - suffix].flatten(0, 1)[:, None]
            short = prefix + 1 + suffix
            if not self._same_when_short(places[:1], length, short):
                short = length
            several = max(1, VALUES // (short * tokens.shape[2]))
            parts = streamed(lambda part: self.read_out(places[part].expand(-1, short, -1)), len(places), several)
            return torch.cat([outputs for _, outputs in parts]).unflatten(0, (len(tokens), -1))

    @cached_property
    def relevance(self) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Outputs and tables (as computed) between which the backward carries relevance; see `attention_relevance`."""

        def run() -> torch.Tensor:
            return self.classifier.outputs_of(self.module(self.inputs.clone()))

        outputs, tables = relevance_tables(run, self.classifier.name)
        expected = self.seen.outputs.detach()
        if len(tables) != len(self.seen.tables) or not agree(outputs.detach(), expected):
            raise UnsuitedError(
                f"layer-wise relevance does not reproduce the outputs of {self.classifier.name!r}; take "
                "transformer_attribution with relevance='attention'"
            )
        return outputs, tables

    def _same_when_short(self, place: torch.Tensor, length: int, short: int) -> bool:
        whole = self.read_out(place.expand(-1, length, -1))
        try:
            brief = self.read_out(place.expand(-1, short, -1))
        except (RuntimeError, IndexError, ValueError):
            return False
        return agree(brief, whole, 1e-4)


@dataclass(frozen=True, eq=False)
class AttentionView:
    """One batch under one target: weights (N, columns), whose sum with the outputs in `space` is the score."""

    batch: Batch
    weights: torch.Tensor
    space: str

    def score(self, outputs: torch.Tensor) -> torch.Tensor:
        """The explained score of outputs (N, …, columns) → (N, …); differentiable."""
        weights = self.weights.reshape(len(self.weights), *[1] * (outputs.ndim - 2), -1).expand_as(outputs)
        flat = scores(outputs.flatten(0, -2), weights.flatten(0, -2), self.batch.classifier, self.space)
        return flat.unflatten(0, outputs.shape[:-1])

    @cached_property
    def gradients(self) -> list[torch.Tensor]:
        """Gradient of the score at each table, (N, heads, L, L): one backward for all."""
        tables = self.batch.seen.tables
        return self._gradients(self.score(self.batch.seen.outputs), tables)

    @cached_property
    def relevances(self) -> list[torch.Tensor]:
        """Relevance of each table's entries, (N, heads, L, L): that for each output, times its weight, summed.

        One backward for each output that has a weight: a sum of relevances that cancel could not be carried down.
        """
        outputs, tables = self.batch.relevance
        weights = self.weights.to(outputs)
        total = [torch.zeros_like(table) for table in tables]
        for column in weights.any(0).nonzero()[:, 0]:
            start = torch.zeros_like(outputs)
            start[:, column] = 1
            given = torch.autograd.grad(outputs, tables, start, retain_graph=True, allow_unused=True)
            for table, one in zip(total, given, strict=True):
                if one is not None:
                    heads = len(table) // len(weights)
                    share = weights[:, column].repeat_interleave(heads)
                    table.add_(one * share.reshape(-1, *[1] * (table.ndim - 1)))
        return [self.batch.by_head(table).float() for table in total]

    def block_gradients(self, *, mean: bool) -> list[torch.Tensor]:
        """Gradient, at each block's table, of the score read out behind that block: of the tokens that the network
        reads, or of the `mean` of all of its tokens."""
        read = self.batch.block_mean_outputs if mean else self.batch.block_outputs
        pairs = zip(read, self.batch.seen.tables, strict=True)
        return [self._gradients(self.score(outputs), [table])[0] for outputs, table in pairs]

    @property
    def silent(self) -> torch.Tensor:
        """Where the gradient is zero at every table, (N,) bool."""
        return torch.stack([gradient.flatten(1).abs().amax(1) for gradient in self.gradients]).amax(0) == 0

    def _gradients(self, found: torch.Tensor, tables: Sequence[Table]) -> list[torch.Tensor]:
        weights = [table.weights for table in tables]
        given: Sequence[torch.Tensor | None] = [None] * len(weights)
        if found.requires_grad:
            given = torch.autograd.grad(found.sum(), weights, retain_graph=True, allow_unused=True)
        return [
            self.batch.by_head(torch.zeros_like(one) if gradient is None else gradient).float()
            for gradient, one in zip(given, weights, strict=True)
        ]


def _fitting_layout(classifier: Classifier, seen: Attended, count: int) -> Layout:
    """The layout whose number of tokens every table has; UnsuitedError where there is none."""
    name, tables = classifier.name, [table.weights for table in seen.tables]
    if not tables:
        raise UnsuitedError(f"{name!r} has no attention between places; {INSTEAD}")
    if any(table.mixed for table in seen.tables):
        raise UnsuitedError(f"{name!r} computes several attention tables in one module and mixes them; {INSTEAD}")
    layouts = [layout for layout in classifier.layouts.values() if layout.kind == "tokens"]
    sizes = {tuple(weights.shape[-2:]) for weights in tables}
    first = {one.prefix + one.grid[0] * one.grid[1] + one.suffix: one for one in reversed(layouts)}
    length = tables[-1].shape[-1]
    whole = all(
        weights.shape[0] == count or (weights.ndim == 3 and weights.shape[0] % count == 0) for weights in tables
    )
    if sizes != {(length, length)} or length not in first or not whole:
        shown = ", ".join(sorted({f"{queries} × {keys}" for queries, keys in sizes})[:4])
        raise UnsuitedError(
            f"the attention of {name!r} ({shown}) does not run over all of its places in every block (windows, stages, "
            f"or a pooling query); {INSTEAD}"
        )
    return first[length]


_ROWS: weakref.WeakKeyDictionary[nn.Module, torch.Tensor] = weakref.WeakKeyDictionary()


def read_rows(classifier: Classifier, module: nn.Module) -> torch.Tensor:
    """Share of each token in the read-out, (L,): equal among those on which the outputs depend after the last block.

    Found once a network by the gradient of its outputs, on two noise images, at the queries of the last table; a
    class token that is not read, or registers, come out as zero. Raises UnsuitedError where no token is read.
    """
    if module not in _ROWS:
        height, width = classifier.preprocessing.size
        stream = torch.Generator().manual_seed(0)
        noise = torch.rand(2, classifier.preprocessing.channels, height, width, generator=stream)
        seen = attended(
            classifier,
            module,
            noise.to(classifier.device).contiguous(memory_format=classifier.memory_format),
            gradients=True,
        )
        mixture = torch.randn(classifier.outputs, generator=stream).to(seen.outputs)
        (found,) = torch.autograd.grad((seen.outputs @ mixture).sum(), seen.tables[-1].weights, allow_unused=True)
        size = torch.zeros(1) if found is None else found.abs().amax(-1).flatten(0, -2).amax(0)
        if not size.any():
            raise UnsuitedError(f"the outputs of {classifier.name!r} do not depend on its last attention; {INSTEAD}")
        rows = (size > READ * size.max()).to(torch.float32)
        _ROWS[module] = rows / rows.sum()
    return _ROWS[module]

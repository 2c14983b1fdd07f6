"""Methods of attention: rollout, attribution by gradient times attention, LeGrad, and TS-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.explainers.cam.attention import attention_method
from workbench.explainers.explainer import checked

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.attention_view import AttentionView

FUSIONS = ("mean", "max", "min")
RELEVANCES = ("attention", "lrp")
POOLED = ("network", "mean")


def _check_fusion(heads: str, discard: float) -> None:
    if heads not in FUSIONS:
        raise UsageError(f"option heads={heads!r} of 'attention_rollout' is not known; choose {', '.join(FUSIONS)}")
    if discard >= 1:
        raise UsageError(f"option discard={discard} of 'attention_rollout' leaves nothing; give a share below 1")


def _check_relevance(relevance: str) -> None:
    if relevance not in RELEVANCES:
        raise UsageError(
            f"option relevance={relevance!r} of 'transformer_attribution' is not known; choose {', '.join(RELEVANCES)}"
        )


def _check_pooled(pooled: str) -> None:
    if pooled not in POOLED:
        raise UsageError(f"option pooled={pooled!r} of 'le_grad' is not known; choose {' or '.join(POOLED)}")


@attention_method(
    "attention_rollout",
    reference="Abnar & Zuidema, ACL 2020, section 3: Â_l = (A_l + I) / 2 with rows normalised, map = row of Â_L … Â_1",
    cost="1 forward",
    classless=True,
)
@checked(_check_fusion)
def attention_rollout(view: AttentionView, *, heads: str = "mean", discard: float = 0.0) -> torch.Tensor:
    """How much of each place reaches the read-out when attention and residuals are followed through all blocks.

    Knows no class; never negative, at most 1 over all tokens. `heads`: mean, max or min over the heads. `discard`: the
    share of smallest entries of each fused table, in [0, 1), that is dropped first (not in the paper).
    """
    import torch

    _check_fusion(heads, discard)
    total: torch.Tensor | None = None
    for table in view.batch.tables:
        fused = table.mean(1) if heads == "mean" else table.amax(1) if heads == "max" else table.amin(1)
        if discard:
            dropped = int(discard * fused[0].numel())
            smallest = fused.flatten(1).sort(stable=True, dim=1).indices[:, :dropped]
            fused = fused.flatten(1).scatter(1, smallest, 0.0).view_as(fused)
        mixed = fused + torch.eye(fused.shape[-1], device=fused.device)
        mixed = mixed / mixed.sum(-1, keepdim=True)
        total = mixed if total is None else mixed @ total
    assert total is not None
    return view.batch.read(total)


@attention_method(
    "transformer_attribution",
    reference=(
        "Chefer et al., ICCV 2021 (Generic Attention-model Explainability), eq. 1, 5 and 6: R = I; "
        "Ā = mean_h (∇A ⊙ A)⁺, R ← R + Ā R, over the blocks in order; with relevance='lrp' Chefer et al., CVPR 2021 "
        "(Transformer Interpretability Beyond Attention Visualization), eq. 13 and 14: the layer-wise relevance of A "
        "in the place of A"
    ),
    cost="1 forward and backward; 2 of each with relevance='lrp'",
)
@checked(_check_relevance)
def transformer_attribution(view: AttentionView, *, relevance: str = "attention") -> torch.Tensor:
    """Attention weighted by its positive effect on the score, followed through all blocks.

    Never negative. The read-out's own identity (what a place passes on by residuals alone, the same for each) is left
    out of the map: for a class token that changes nothing, for an average-pooled network it is a constant.
    `relevance`: "attention", or "lrp" for the relevance of the outputs under the target's weights, carried down to the
    tables; refused for networks with operations that have no rule.
    """
    import torch

    _check_relevance(relevance)
    total: torch.Tensor | None = None
    tables = view.batch.tables if relevance == "attention" else view.relevances
    for table, gradient in zip(tables, view.gradients, strict=True):
        weight = (gradient * table).relu().mean(1)
        if total is None:
            total = torch.zeros_like(weight)
        total = total + weight + weight @ total  # R − I ← R − I + Ā (R − I) + Ā
    assert total is not None
    return view.batch.read(total)


@attention_method(
    "le_grad",
    reference=(
        "Bousselham et al., ICCV 2025, arXiv 2404.03214, section 3: mean over blocks l, heads and queries of "
        "(∂s_l / ∂A_l)⁺, s_l the score read out behind block l; with pooled='mean' of the mean of its tokens, as in "
        "the authors' code"
    ),
    cost="1 forward, a read-out and a backward of one block for each block",
)
@checked(_check_pooled)
def le_grad(view: AttentionView, *, pooled: str = "network") -> torch.Tensor:
    """How much more of each place, at each block, would raise the score that is read out behind that block.

    Never negative; the min–max normalisation of the paper is left out. `pooled`: what is read out behind a block,
    "network", the tokens that the network itself reads, or "mean", the mean of all tokens, class token and registers
    included. The paper leaves it to the network; its authors' code for class-token networks (CLIP), and torch-cam,
    take the mean. Of a class token's read-out a block's gradient is that of one query; of the mean, of all of them.
    """
    import torch

    _check_pooled(pooled)
    gradients = view.block_gradients(mean=pooled == "mean")
    blocks = torch.stack([gradient.relu().mean((1, 2)) for gradient in gradients])
    return view.batch.places(blocks.mean(0))


@attention_method(
    "ts_cam",
    reference=(
        "Gao et al., ICCV 2021 (TS-CAM), section 3: mean over blocks and heads of the class token's attention, times "
        "the semantic map of the score"
    ),
    cost="1 forward, and the read-out of each place",
    summary=(
        "The read-out's attention, mean over blocks and heads, times each place's own score; in a network not trained "
        "with TS-CAM's convolutional head, that score is the read-out applied to the place's token."
    ),
)
def ts_cam(view: AttentionView) -> torch.Tensor:
    """Attention of the read-out's tokens over all blocks, times what the read-out makes of each place's token.

    Signed as the score of the place is. In an average-pooled network the attention is that which all places pay.
    """
    import torch

    attention = view.batch.read(torch.stack([table.mean(1) for table in view.batch.tables]).mean(0))
    semantic = view.score(view.batch.place_outputs)
    return attention * semantic.view_as(attention)

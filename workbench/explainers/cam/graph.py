"""Whether a score is linear in a layer, read from the graph that automatic differentiation recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View

# operations of one tensor that are linear, and sums of several
LINEAR = {
    *("AddBackward0", "SubBackward0", "NegBackward0", "MeanBackward0", "MeanBackward1", "SumBackward0", "SumBackward1"),
    *("AdaptiveAvgPool2DBackward0", "MkldnnAdaptiveAvgPool2DBackward0", "AvgPool2DBackward0", "CloneBackward0"),
    *("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "AliasBackward0", "ExpandBackward0"),
    *("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2", "UnsqueezeBackward0", "PermuteBackward0"),
    *("TransposeBackward0", "TBackward0", "SliceBackward0", "SelectBackward0", "CatBackward0", "ToCopyBackward0"),
    *("AsStridedBackward0", "AsStridedBackward1"),
}
# products, linear where only one factor depends on the layer
PRODUCTS = {"AddmmBackward0", "MmBackward0", "ConvolutionBackward0", "MulBackward0", "DivBackward0"}


def recorded(view: View) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Outputs and layer of the view's forward, joined by the recorded graph; None where there is none."""
    forward = getattr(view.shared, "forward", None)
    if forward is None or not forward.outputs.requires_grad:
        return None
    return forward.outputs, forward.leaves[view.layer]


def proven_linear(view: View) -> bool:
    """Whether the view's score is linear in its layer, by the recorded graph."""
    found = recorded(view)
    return view.space == "logit" and found is not None and linear_by_graph(*found)


def linear_by_graph(outputs: torch.Tensor, leaf: torch.Tensor) -> bool:
    """Whether every operation on the way from `leaf` to `outputs` is known to be linear.

    True is a proof; False says only that some operation is not in the list. The graph must have been recorded.
    """
    end = leaf.grad_fn
    seen: set[Any] = set()
    left = [outputs.grad_fn]
    while left:
        node: Any = left.pop()
        if node is None or node is end or node in seen:
            continue
        seen.add(node)
        name = type(node).__name__
        if name == "AccumulateGrad":
            continue
        before = [one for one, _ in node.next_functions if one is not None]
        if name not in LINEAR and not (name in PRODUCTS and len(before) <= 1):
            return False
        left += before
    return True


def only_pooled(view: View) -> bool:
    """Whether the network reads nothing of the view's layer but the mean of each channel, by the recorded graph."""
    found = recorded(view)
    if found is None or view.layout.kind != "NCHW":
        return False
    outputs, leaf = found
    nodes: set[Any] = set()
    left: list[Any] = [outputs.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in nodes and node is not leaf.grad_fn:
            nodes.add(node)
            left += [one for one, _ in node.next_functions]
    end = leaf.grad_fn or next((node for node in nodes if getattr(node, "variable", None) is leaf), None)
    readers: list[Any] = [] if end is None else [end]
    while readers:
        readers = [node for node in nodes if any(one in readers for one, _ in node.next_functions)]
        if any(type(node).__name__ != "CloneBackward0" for node in readers):
            break
    return bool(readers) and all(_means_places(node) for node in readers)


def _means_places(node: Any) -> bool:
    if type(node).__name__ != "MeanBackward1":
        return False
    axes = {axis - (1 << 64) if axis >= 1 << 63 else axis for axis in node._saved_dim}  # negative ones are wrapped
    return {axis % 4 for axis in axes} == {2, 3}

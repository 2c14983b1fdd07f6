"""Full gradients: the score split, without rest, into what the input and what every bias gives to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from workbench.errors import UnsuitedError

if TYPE_CHECKING:
    from workbench.explainers.cam.view import View

PICTURES = 4  # in one pass: the whole graph of the network is kept
COMPLETE = 1e-3  # of the sum of absolute contributions: by how much the map's sum may miss the score


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# f(tx) = t f(x) for t > 0, so that f(x) = J x and there is no bias
HOMOGENEOUS = _names(
    "relu relu_ max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d mean sum amax flatten view view_as "
    "reshape permute transpose movedim contiguous clone squeeze unsqueeze expand __getitem__ chunk split unbind "
    "dropout dropout2d to float"
)
SUMS = _names("add add_ __add__ __iadd__ __radd__ sub sub_ __sub__ __isub__ cat stack concat")
SCALINGS = _names("mul mul_ __mul__ __imul__ __rmul__")  # homogeneous by something that does not move
ELEMENTWISE = _names(
    "silu silu_ gelu sigmoid sigmoid_ tanh tanh_ hardswish hardsigmoid elu elu_ selu celu mish softplus softsign "
    "logsigmoid relu6 hardtanh hardtanh_ leaky_relu exp"
)
ATTENTION = _names("scaled_dot_product_attention multi_head_attention_forward")
PRODUCTS = _names("matmul __matmul__ bmm einsum baddbmm")


def full_gradient_map(view: View) -> torch.Tensor:
    """Maps (N, H, W) at the input's resolution whose sum is the score; see `full_grad`."""
    parts = [_of_part(view, slice(start, start + PICTURES)) for start in range(0, len(view.inputs), PICTURES)]
    return torch.cat(parts)


def _of_part(view: View, part: slice) -> torch.Tensor:
    from workbench.explainers._capture import laid_like

    rows = torch.arange(len(view.inputs), device=view.inputs.device)[part]
    with torch.inference_mode(False), torch.enable_grad():
        inputs = laid_like(view.inputs[part].clone(), view.inputs).requires_grad_()
        with Biases(view.classifier.name, inputs) as biases:
            scores = view.score(view.classifier.outputs_of(view.module(inputs)), rows)
        if not scores.requires_grad:
            return torch.zeros_like(inputs[:, 0])
        (gradient,) = torch.autograd.grad(scores.sum(), inputs)
    found = (gradient * inputs.detach()).sum(1)
    for grid in biases.grids.values():
        found = found + spread(grid, found.shape[1:])
    found = found + (biases.placeless / found[0].numel()).to(found)[:, None, None]
    missing = (found.double().sum((1, 2)) - scores.detach().double()).abs()
    if bool((missing > COMPLETE * (found.double().abs().sum((1, 2)) + scores.detach().double().abs())).any()):
        raise UnsuitedError(
            f"full_grad cannot see every bias of {view.classifier.name!r} (its map would not sum to the score); take "
            "integrated_gradients or input_x_gradient"
        )
    return found


class Biases(TorchFunctionMode):
    """While entered, every operation on the image's way through the network leaves behind what its bias adds to the
    score; a backward then fills `grids` and `placeless`.

    The bias of an operation y = f(x) is y − J x: what a convolution, a linear layer or a batch norm adds, and for
    other functions the bias of their linearisation. Nothing in the network is changed. grids: (h, w) → (N, h, w), of
    layers with places; placeless: (N,) float64, of layers after pooling. Raises UnsuitedError for attention, and for
    features that lie on no grid.
    """

    def __init__(self, network: str, inputs: torch.Tensor) -> None:
        super().__init__()
        self.network, self.size = network, (inputs.shape[2], inputs.shape[3])
        self.grids: dict[tuple[int, int], torch.Tensor] = {}
        self.placeless = torch.zeros(len(inputs), dtype=torch.float64, device=inputs.device)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, and have its bias weighted with the gradient that a backward brings here."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        moving = [one for one in _tensors((args, kwargs)) if one.requires_grad]
        if not moving or name == "__get__" or _without_bias(name, args, kwargs, len(moving)):
            return func(*args, **kwargs)
        if name in ATTENTION or (name in PRODUCTS and len(moving) > 1):
            self._refuse("attention")
        rule = LINEAR.get(name)
        before = None if rule else [one.detach().clone() for one in moving]
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.requires_grad:
            bias = rule(*args, **kwargs) if rule else _by_linearising(func, args, kwargs, moving, before or [])
            if bias is not None and bool(bias.any()):
                self._listen(result, bias, last=name in ("linear", "layer_norm"))
        return result

    def _listen(self, result: torch.Tensor, bias: torch.Tensor, last: bool) -> None:
        if result.ndim == 3:
            self._refuse("features that lie on no grid")
        axis = self._channels(result, last)
        if axis is not None and bias.ndim == 1:
            bias = bias.reshape([-1 if one == axis else 1 for one in range(result.ndim)])

        def weigh(gradient: torch.Tensor) -> None:
            terms = (gradient * bias).where(gradient != 0, 0.0)  # −∞ in the margin of a max pooling
            if axis is None:
                self.placeless += terms.double().flatten(1).sum(1)
                return
            places = terms.sum(axis)
            size = (places.shape[1], places.shape[2])
            self.grids[size] = self.grids[size] + places if size in self.grids else places

        result.register_hook(weigh)

    def _channels(self, result: torch.Tensor, last: bool) -> int | None:
        """The axis of the channels: 1 or 3 of a grid, None of a vector."""
        if result.ndim != 4:
            return None
        return 3 if last or (not self._fits(result.shape[2:]) and self._fits(result.shape[1:3])) else 1

    def _fits(self, size: torch.Size) -> bool:
        """Whether a grid has the input's proportions, to the rounding of a cell."""
        return abs(size[0] * self.size[1] - size[1] * self.size[0]) <= max(self.size)

    def _refuse(self, what: str) -> None:
        raise UnsuitedError(
            f"full_grad is defined for convolutional networks; {self.network!r} uses {what}; take "
            "integrated_gradients, or attention_rollout where there is a class token"
        )


def spread(grid: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Grids (N, h, w) resized to (N, H, W), bilinear, each place's share kept: the sum stays the same."""
    if grid.shape[1:] == size:
        return grid
    mode = "bilinear" if grid.shape[1] <= size[0] and grid.shape[2] <= size[1] else "area"

    def resized(values: torch.Tensor) -> torch.Tensor:
        return F.interpolate(values[:, None], size=tuple(size), mode=mode)[:, 0]

    # what a place is worth in the resized grid: the resize is a product of one along each axis
    down = resized(
        torch.eye(grid.shape[1], dtype=grid.dtype, device=grid.device)[:, :, None].expand(-1, -1, grid.shape[2])
    )
    across = resized(
        torch.eye(grid.shape[2], dtype=grid.dtype, device=grid.device)[:, None, :].expand(-1, grid.shape[1], -1)
    )
    worth = down[:, :, 0].sum(1)[:, None] * across[:, 0, :].sum(1)[None]
    return resized(grid / worth)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [found for one in value for found in _tensors(one)]
    if isinstance(value, dict):
        return [found for one in value.values() for found in _tensors(one)]
    return []


def _swapped(value: Any, old: list[torch.Tensor], new: tuple[torch.Tensor, ...]) -> Any:
    if isinstance(value, torch.Tensor):
        return next((fresh for one, fresh in zip(old, new, strict=True) if one is value), value)
    if isinstance(value, tuple | list):
        return type(value)(_swapped(one, old, new) for one in value)
    if isinstance(value, dict):
        return {key: _swapped(one, old, new) for key, one in value.items()}
    return value


def _by_linearising(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    moving: list[torch.Tensor],
    before: list[torch.Tensor],
) -> torch.Tensor | None:
    """f(x) − J x at the point x = `before`; None where the result is no single tensor."""

    leaves = [value.requires_grad_() for value in before]
    own = tuple(leaf.clone() for leaf in leaves)  # an in-place operation works on a copy
    value = func(*_swapped(args, moving, own), **_swapped(kwargs, moving, own))
    if not isinstance(value, torch.Tensor):
        return None
    if func.__name__ in ELEMENTWISE and len(leaves) == 1:
        (slope,) = torch.autograd.grad(value.sum(), leaves)
        return value.detach() - slope * leaves[0].detach()
    # J x as the derivative of (J' u) · x in u, which is linear in u
    along = torch.zeros_like(value).requires_grad_()
    back = torch.autograd.grad(value, leaves, along, create_graph=True, allow_unused=True)
    moved = [(one * leaf.detach()).sum() for one, leaf in zip(back, leaves, strict=True) if one is not None]
    (tangent,) = torch.autograd.grad(torch.stack(moved).sum(), along)
    return (value - tangent).detach()


def _without_bias(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], moving: int) -> bool:
    """Whether an operation is homogeneous in what moves with the image."""
    if name in SUMS:
        numbers = any(isinstance(one, int | float) for one in args[:2]) and name not in ("cat", "stack", "concat")
        return not numbers and moving == len(_tensors((args, kwargs)))
    return name in HOMOGENEOUS or (name in SCALINGS and moving == 1)


def _of_convolution(input: Any, weight: Any, bias: torch.Tensor | None = None, *_: Any, **__: Any) -> Any:
    return bias


def _of_batch_norm(
    input: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if running_mean is None or running_var is None:
        raise UnsuitedError("full_grad needs batch norms with running statistics; take integrated_gradients")
    scale = (running_var + eps).rsqrt() if weight is None else weight * (running_var + eps).rsqrt()
    return -running_mean * scale if bias is None else bias - running_mean * scale


LINEAR: dict[str, Callable[..., torch.Tensor | None]] = {
    "conv2d": _of_convolution,
    "conv_transpose2d": _of_convolution,
    "linear": _of_convolution,
    "batch_norm": _of_batch_norm,
}

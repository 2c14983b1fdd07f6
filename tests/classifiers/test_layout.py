"""Layout: exact numbers on counted tensors, there and back, derivatives, refusals."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from workbench.classifiers import Layout
from workbench.errors import LayerError

KINDS = [
    Layout("NCHW", 2, (3, 4)),
    Layout("NHWC", 2, (3, 4)),
    Layout("tokens", 2, (3, 4)),
    Layout("tokens", 2, (3, 4), prefix=5, suffix=1),
]


def output_of(layout: Layout, images: int = 2) -> torch.Tensor:
    """Every entry says where it is: 100 · channel + 10 · row + column, negative in other tokens, + 1000 an image."""
    c, y, x = torch.meshgrid(torch.arange(2), torch.arange(3), torch.arange(4), indexing="ij")
    grid = (100 * c + 10 * y + x).double() + 1000 * torch.arange(images)[:, None, None, None]
    if layout.kind == "NCHW":
        return grid
    if layout.kind == "NHWC":
        return grid.permute(0, 2, 3, 1)
    places = torch.stack([grid[:, :, y, x] for y in range(3) for x in range(4)], 1)
    before, after = (torch.full((images, n, 2), -float(n)) for n in (layout.prefix, layout.suffix))
    return torch.cat([before, places, after], 1)


@pytest.mark.parametrize("layout", KINDS)
def test_every_place_is_where_it_belongs(layout: Layout) -> None:
    grid = layout.to_grid(output_of(layout))
    assert (layout.shape, grid.shape) == ((2, 3, 4), (2, 2, 3, 4))
    for n, c, y, x in product(range(2), range(2), range(3), range(4)):
        assert grid[n, c, y, x] == 1000 * n + 100 * c + 10 * y + x


@pytest.mark.parametrize("layout", KINDS)
def test_back_again_other_tokens_are_kept(layout: Layout) -> None:
    output = output_of(layout)
    assert torch.equal(layout.from_grid(layout.to_grid(output), output), output)
    changed = layout.from_grid(layout.to_grid(output) * 0, output)
    assert torch.equal(layout.to_grid(changed), torch.zeros(2, 2, 3, 4))
    assert changed.double().sum() == (-(layout.prefix**2) - layout.suffix**2) * 4
    one_for_all = layout.from_grid(layout.to_grid(output), output[:1])
    assert torch.equal(one_for_all, output)


@pytest.mark.parametrize("layout", KINDS)
def test_derivatives_pass_both_ways(layout: Layout) -> None:
    output = output_of(layout).requires_grad_()
    (there,) = torch.autograd.grad(layout.to_grid(output).sum(), output)
    assert there.sum() == 2 * 2 * 12
    grid = torch.zeros(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    (back,) = torch.autograd.grad((layout.from_grid(grid, output) * output).sum(), grid)
    assert torch.equal(back, layout.to_grid(output).detach())


def test_reading_is_a_view() -> None:
    for layout in KINDS:
        output = output_of(layout)
        layout.to_grid(output)[0, 1, 2, 3] = -7.0
        assert (output == -7.0).any()


@pytest.mark.parametrize(
    ("layout", "shape", "words"),
    [
        (KINDS[0], (1, 3, 3, 4), r"NCHW: expected \(images, 2, height, width\)"),
        (KINDS[1], (1, 2, 3, 4), r"NHWC: expected \(images, height, width, 2\)"),
        (KINDS[3], (1, 17, 2), r"of shape \(1, 17, 2\) does not lie as tokens: expected \(images, 5\+3·4\+1, 2\)"),
        (KINDS[2], (1, 2, 3, 4), "does not lie as tokens"),
    ],
)
def test_what_does_not_fit_is_refused(layout: Layout, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(LayerError, match=words):
        layout.to_grid(torch.zeros(shape))
    with pytest.raises(LayerError, match=words):
        layout.from_grid(torch.zeros(1, 2, 3, 4), torch.zeros(shape))


def test_a_grid_that_does_not_fit_is_refused() -> None:
    with pytest.raises(LayerError, match=r"a grid of shape \(1, 2, 4, 3\) is none of 2×3×4"):
        KINDS[2].from_grid(torch.zeros(1, 2, 4, 3), torch.zeros(1, 12, 2))


def test_convolutions_may_be_larger_or_smaller_than_they_were() -> None:
    assert KINDS[1].to_grid(torch.zeros(1, 9, 8, 2)).shape == (1, 2, 9, 8)

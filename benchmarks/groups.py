"""How often comparisons of groups of faces call a difference that is not there, and find one that is.

    python benchmarks/groups.py                 # the three tables of docs/groups.md, some minutes
    python benchmarks/groups.py --pairs 200

Made-up maps, 12 × 10 pixels, Gaussian noise of 1.5 pixels; tested as `compare_groups` does, 199 relabellings.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from workbench.comparison.groups.contrast import Contrast
from workbench.comparison.groups.testing import tested

GRID = (12, 10)
SMALL = (6, 6)
SMOOTH = 1.5
RELABELLED = 199
CLUSTER_LEVEL = 0.01
LEVEL = 0.05
BLOCK = np.zeros(GRID, bool)
BLOCK[3:8, 2:7] = True
MIDDLE = int(np.ravel_multi_index((5, 4), GRID))
DESIGNS = {
    "5 against 7": (5, 7, False),
    "12 against 12": (12, 12, False),
    "10 against 40": (10, 40, False),
    "8 in both": (8, 8, True),
    "20 in both": (20, 20, True),
}
SPREADS = ((6, 24, 3.0), (6, 24, 1.5), (12, 48, 2.0), (24, 6, 3.0), (12, 12, 3.0), (6, 6, 3.0))

Floats = npt.NDArray[np.float64]


def maps(count: int, rng: np.random.Generator, grid: tuple[int, int] = GRID) -> npt.NDArray[np.float32]:
    """Smooth maps (count, P) of unit variance."""
    drawn = gaussian_filter(rng.normal(size=(count, *grid)), (0, SMOOTH, SMOOTH), mode="wrap")
    return np.asarray((drawn / drawn.std()).reshape(count, -1), np.float32)


def rejected(
    first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], paired: bool, seed: int
) -> tuple[bool, bool, bool]:
    """Whether p ≤ .05 at the pixel in the middle (of the block), anywhere by the maximum, and that the maps differ."""
    contrast = Contrast(first, second, paired)
    found = tested(contrast, contrast.arrangements(RELABELLED, seed), np.ones(GRID, bool), CLUSTER_LEVEL)
    return found.p[MIDDLE] <= LEVEL, found.p_max.min() <= LEVEL, found.p_differ <= LEVEL


def rates(pairs: int, one: Callable[[int], tuple[bool, ...]]) -> list[str]:
    """Shares over the pairs, in words of a table."""
    return [f"{share:.3f}" for share in np.mean([one(seed) for seed in tqdm(range(pairs), leave=False)], axis=0)]


def row(name: str, cells: list[str]) -> None:
    """One line of a table."""
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def pooled(weights: npt.NDArray[np.float32], values: Floats) -> Floats:
    """Student's t with a pooled variance, (draws, P), of each grouping."""
    first = weights.sum(axis=1, keepdims=True)
    second = weights.shape[1] - first
    a, b = (weights @ values) / first, ((1 - weights) @ values) / second
    inner = (values**2).sum(axis=0) - first * a**2 - second * b**2
    return np.asarray((a - b) / np.sqrt(inner / (len(values) - 2) * (1 / first + 1 / second)))


def anywhere(first: int, second: int, ratio: float, seed: int) -> tuple[bool, bool]:
    """Whether some pixel differs by the maximum statistic of Welch's and of the pooled t; equal means."""
    rng = np.random.default_rng(seed)
    one, other = maps(first, rng, SMALL) * np.float32(ratio), maps(second, rng, SMALL)
    contrast = Contrast(one, other, paired=False)
    arrangements = contrast.arrangements(RELABELLED, seed)
    welch = np.abs(contrast.statistic()(arrangements.weights)[0]).max(axis=1)
    values = np.concatenate([one, other]).astype(np.float64)
    observed = np.zeros((1, len(values)), np.float32)
    observed[:, :first] = 1
    usual = np.abs(pooled(arrangements.weights, values)).max(axis=1)
    sizes = np.abs(contrast.observed()).max(), np.abs(pooled(observed, values)).max()
    return tuple(
        bool(arrangements.p((drawn >= size * (1 - 1e-5)).sum()) <= LEVEL)
        for drawn, size in zip((welch, usual), sizes, strict=True)
    )  # type: ignore[return-value]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--pairs", type=int, default=1000, help="of groups without a difference; of the rest three tenths"
    )
    args = parser.parse_args()
    fewer = max(1, 3 * args.pairs // 10)
    print(f"no difference, {args.pairs} pairs of groups: one pixel, any pixel, maps differ")
    for name, (first, second, paired) in DESIGNS.items():

        def none(seed: int, first: int = first, second: int = second, paired: bool = paired) -> tuple[bool, ...]:
            rng = np.random.default_rng([1, seed])
            return rejected(maps(first, rng), maps(second, rng), paired, seed)

        row(name, rates(args.pairs, none))
    print(f"\n20 against 20, a block shifted by so many standard deviations, {fewer} pairs")
    for shift in (0.5, 1.0, 1.5):

        def some(seed: int, shift: float = shift) -> tuple[bool, ...]:
            rng = np.random.default_rng([2, seed])
            return rejected(maps(20, rng) + np.float32(shift) * BLOCK.ravel(), maps(20, rng), False, seed)

        row(str(shift), rates(fewer, some))
    print(f"\nequal means, unequal spread, {fewer} pairs, {SMALL[0] * SMALL[1]} pixels: Welch's t, pooled t")
    for first, second, ratio in SPREADS:
        row(
            f"{first} against {second} | {ratio:g}",
            rates(fewer, lambda seed, f=first, s=second, r=ratio: anywhere(f, s, r, seed)),  # type: ignore[misc]
        )


if __name__ == "__main__":
    main()

"""A grouping of networks that was given beforehand: do their maps keep to it, against every grouping of those sizes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from math import factorial, prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.clustering import cluster
from workbench.comparison.distances import PUBLISHED
from workbench.comparison.tree import Clustering, Matrix
from workbench.errors import UnknownNameError, UsageError, whole_numbers
from workbench.statistics.multiplicity import PER_TEST, benjamini_hochberg, holm, least_at_smallest
from workbench.statistics.permutation import p_value, resolution
from workbench.vocabulary import EXPRESSION

MOST: Final = 20_000  # more groupings than this are drawn, not enumerated
DRAWS: Final = 9_999
LICENCE: Final = (
    "A small p says that the networks are not exchangeable between these groups: their maps differ in where they lie, "
    "in how widely they scatter, or both; where p_dispersion is small too, unequal scatter alone may be the cause. It "
    "holds for groups that were fixed before any tree or map was seen, and says nothing about why they differ."
)

Labels = npt.NDArray[np.int8]


def groupings(sizes: tuple[int, ...]) -> int:
    """How many ways there are to split Σ sizes things into unnamed groups of these sizes: 495 for (4, 8)."""
    return factorial(sum(sizes)) // (prod(map(factorial, sizes)) * prod(map(factorial, Counter(sizes).values())))


def every_grouping(sizes: tuple[int, ...]) -> Labels:
    """Each split of Σ sizes things into groups of these sizes once: (groupings, things) of group numbers.

    Groups of one size are exchangeable, so that what differs in their names alone is one split.
    """
    return np.array(list(_splits(tuple(range(sum(sizes))), sizes, {})), dtype=np.int8)


def within_squares(distances: Matrix, labels: Labels, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Sum of squares inside the groups from distances (N, N), for each of the groupings (A, N): (A,).

    Source: Anderson 2001, Austral Ecology 26, equation 2 (Σ d² of each group's pairs over its size).
    """
    squares = np.asarray(distances, dtype=np.float64) ** 2
    total = np.zeros(len(labels))
    for group, size in enumerate(sizes):
        member = (labels == group).astype(np.float64)
        total += ((member @ squares) * member).sum(axis=1) / (2 * size)
    return total


def to_centroids(distances: Matrix, labels: Labels, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Distance of each thing (N,) to the centroid of its group in principal coordinates, those of negative
    eigenvalues included: d²(i, c) = Σⱼ d²ᵢⱼ / n − Σⱼₖ d²ⱼₖ / 2n². A negative square counts as 0.

    Source: Anderson 2006, Biometrics 62, equation 7.
    """
    squares = np.asarray(distances, dtype=np.float64) ** 2
    out = np.zeros(len(squares))
    for group, size in enumerate(sizes):
        here = np.flatnonzero(labels == group)
        block = squares[np.ix_(here, here)]
        out[here] = np.sqrt(np.maximum(block.mean(axis=1) - block.sum() / (2 * size**2), 0))
    return out


def grouping_test(
    maps: xr.DataArray | Clustering,
    groups: Mapping[str, str],
    *,
    distance: str = PUBLISHED,
    explainer: str | None = None,
    domain: str | npt.ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Whether networks of one group have maps more alike than any grouping of those sizes would give, per expression.

    maps: global or per-image maps, compared as `cluster` does (`distance`, `explainer`, `domain`), or a clustering,
    whose distances are taken. groups: network → group, for every network (such as pre-trained or not), two or more.

    Variables (expression,):

    - `pseudo_f`, `r2`: between-group over within-group variation of squared distances, and the share between groups
      (PERMANOVA); `p`: share of all groupings of those sizes with at least this pseudo-F, the observed one counted.
      Up to 20,000 groupings are enumerated (4 of 12: 495, so no p is below .0020); of more, `draws` are drawn, at least
      20 a test;
    - `p_bh`, `p_holm`: the same over the call's expressions, by Benjamini–Hochberg and by Holm;
    - `dispersion_f`, `p_dispersion`: whether the groups scatter alike about their centroids (PERMDISP, distances times
      √(n/(n−1)) against the pull of small groups' centroids; residuals permuted over the same groupings). NaN where a
      group has fewer than two networks. `scatter` (expression, group): mean of those distances;
    - `networks` (expression, group); `arrangements`, `resolution` (smallest p), `enumerated`, `left_out`, `reason` (why
      there is no test, else "").

    attrs["licence"] says what a small p does and does not license; attrs["needed"], how many expressions must show the
    smallest p before Benjamini–Hochberg at .05 accepts any.

    Raises UnknownNameError for a network that is not in the maps, UsageError for one without a group, for fewer than
    two groups, and as `cluster` does.
    Sources: Anderson 2001, Austral Ecology 26, 32–46; Anderson 2006, Biometrics 62, 245–253; Stier et al. 2013, Ecology
    94 (the factor for small groups).
    """
    trees = (
        maps
        if isinstance(maps, Clustering)
        else cluster(maps, distance=distance, explainer=explainer, domain=domain, draws=0, agreement=False)
    )
    whole_numbers(draws=draws, seed=seed)
    known = list(
        dict.fromkeys(label for tree in trees.expressions.values() for label in (*tree.labels, *tree.left_out))
    )
    names = _names(groups, known)
    expressions = list(trees)
    rows = [_one(trees[e].labels, trees[e].distances, groups, names, draws, seed, len(trees)) for e in expressions]
    out = xr.Dataset(
        {key: (EXPRESSION, [row[key] for row in rows]) for key in rows[0] if key not in ("networks", "scatter")},
        {EXPRESSION: expressions, "group": names},
        {"distance": trees.distance, "explainer": trees.explainer, "domain": trees.domain, "frame": trees.frame},
    )
    for key in ("networks", "scatter"):
        out[key] = ((EXPRESSION, "group"), [row[key] for row in rows])
    out["p_bh"], out["p_holm"] = (EXPRESSION, benjamini_hochberg(out["p"])), (EXPRESSION, holm(out["p"]))
    out["left_out"] = (EXPRESSION, ["; ".join(f"{k}: {v}" for k, v in trees[e].left_out.items()) for e in expressions])
    tests = int(np.isfinite(out["p"]).sum())
    if tests:
        out.attrs["needed"] = least_at_smallest(float(out["resolution"].max()), tests)
    return out.assign_attrs(tests=tests, seed=seed, licence=LICENCE)


def _names(groups: Mapping[str, str], known: list[str]) -> list[str]:
    if not isinstance(groups, Mapping):
        raise UsageError(
            f"groups say of each network which one it is in, {{network: group}}, not {type(groups).__name__}; "
            f"networks: {', '.join(known)}"
        )
    for network in groups:
        if network not in known:
            raise UnknownNameError("network", network, known, "(in these maps)")
    if without := [network for network in known if groups.get(network) in (None, "")]:
        raise UsageError(f"no group is given for {', '.join(without)}; name one, or select the other networks' maps")
    names = list(dict.fromkeys(str(groups[network]) for network in known))
    if len(names) < 2:
        raise UsageError(f"all networks are in one group ({names[0]}); a grouping has at least two")
    return names


def _one(
    networks: tuple[str, ...],
    distances: Matrix,
    groups: Mapping[str, str],
    names: list[str],
    draws: int,
    seed: int,
    tests: int,
) -> dict[str, Any]:
    named = np.array([names.index(str(groups[network])) for network in networks], dtype=np.int64)
    counts = np.bincount(named, minlength=len(names))
    row: dict[str, Any] = dict.fromkeys(("pseudo_f", "r2", "p", "dispersion_f", "p_dispersion", "resolution"), np.nan)
    row |= {"arrangements": 0, "enumerated": False, "networks": counts, "scatter": np.full(len(names), np.nan)}
    present = np.flatnonzero(counts)
    if len(present) < 2 or len(networks) <= len(present):
        said = ", ".join(f"{names[g]} {counts[g]}" for g in range(len(names)))
        needed = "at least two groups are needed, one of them with two"
        return row | {"reason": f"too few networks with a usable map: {said} ({needed})"}
    sizes = tuple(int(counts[g]) for g in present)
    observed = np.searchsorted(present, named).astype(np.int8)
    enumerated = groupings(sizes) <= MOST
    if enumerated:
        labels = every_grouping(sizes)
    else:
        rng = np.random.default_rng(seed)
        wanted = max(draws, PER_TEST * tests)
        labels = rng.permuted(np.tile(observed, (wanted, 1)), axis=1)
    count, groups_n = len(networks), len(sizes)
    total = float((np.triu(distances) ** 2).sum() / count)
    within = float(within_squares(distances, observed[None], sizes)[0])
    if not total > 0:
        return row | {"reason": "all maps are the same"}
    with np.errstate(divide="ignore"):
        row["pseudo_f"] = float(np.float64((total - within) / (groups_n - 1)) / (within / (count - groups_n)))
    row["r2"] = 1 - within / total
    # With the total fixed, pseudo-F orders groupings as the sum within does, backwards.
    null = within_squares(distances, labels, sizes)
    row["p"] = float(p_value(within, null, enumerated=enumerated, sign=-1))
    row |= {"arrangements": len(labels), "enumerated": enumerated}
    row["resolution"] = resolution(len(labels), enumerated=enumerated)
    if min(sizes) >= 2:
        z = to_centroids(distances, observed, sizes) * np.sqrt(counts[named] / (counts[named] - 1))
        row["scatter"] = np.array([z[named == g].mean() if counts[g] else np.nan for g in range(len(names))])
        row["dispersion_f"], row["p_dispersion"] = _dispersion(z, observed, labels, sizes, enumerated)
    return row | {"reason": ""}


def _dispersion(
    z: npt.NDArray[np.float64], observed: Labels, labels: Labels, sizes: tuple[int, ...], enumerated: bool
) -> tuple[float, float]:
    """F of a one-way analysis of the distances, and its p with residuals permuted over the groupings."""
    means = np.array([z[observed == g].mean() for g in range(len(sizes))])
    residuals = z - means[observed]
    f = float(_anova(z - z.mean(), observed[None], sizes)[0])
    null = _anova(residuals, labels, sizes)
    if not enumerated:
        return f, float(p_value(f, null, enumerated=False))
    # Residuals in their own groups have F = 0: there the observed F takes its place.
    same = _same_split(labels, observed, len(sizes))
    null[same] = f
    return f, float(p_value(f, null, enumerated=True))


def _anova(values: npt.NDArray[np.float64], labels: Labels, sizes: tuple[int, ...]) -> npt.NDArray[np.float64]:
    between = sum(((labels == g) @ values) ** 2 / size for g, size in enumerate(sizes))
    within = np.maximum((values**2).sum() - between, 0)
    tiny = 1e-15 * max(float((values**2).sum()), 1e-300)
    return np.asarray(between / (len(sizes) - 1) / (np.maximum(within, tiny) / (len(values) - len(sizes))))


def _same_split(labels: Labels, observed: Labels, count: int) -> npt.NDArray[np.bool_]:
    """Which of the groupings keep every observed group together, whatever it is called: the observed one."""
    return np.all([np.ptp(labels[:, observed == g], axis=1) == 0 for g in range(count)], axis=0)


def _splits(things: tuple[int, ...], sizes: tuple[int, ...], chosen: dict[int, int]) -> Iterator[list[int]]:
    group = len(set(chosen.values()))
    if group == len(sizes):
        yield [chosen[i] for i in range(len(chosen))]
        return
    size = sizes[group]
    for part in combinations(things, size):
        # Groups of one size come in the order of their first things.
        earlier = [min(i for i, g in chosen.items() if g == k) for k in range(group) if sizes[k] == size]
        if earlier and part[0] < max(earlier):
            continue
        rest = tuple(i for i in things if i not in part)
        yield from _splits(rest, sizes, chosen | dict.fromkeys(part, group))

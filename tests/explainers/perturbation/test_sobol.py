"""Total Sobol indices of functions whose indices are known."""

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.explainers.perturbation.sobol import sobol_grids, sobol_total


def test_the_design_is_a_b_and_a_with_one_column_of_b(scene):
    plan = sobol_grids(scene(), grid=3, draws=8)
    assert plan.count == 8 * (9 + 2)
    first, second, mixed = plan.features[:8], plan.features[8:16], plan.features[16:].reshape(9, 8, 9)
    for cell in range(9):
        expected = first.copy()
        expected[:, cell] = second[:, cell]
        assert np.array_equal(mixed[cell], expected)
    assert plan.features.min() >= 0
    assert plan.features.max() < 1
    # each column of A has one point in every eighth of [0, 1), up to the shift
    assert all(len(set(np.floor((column - column.min() + 1e-9) * 8))) == 8 for column in first.T)
    assert not np.array_equal(first, sobol_grids(scene(1), grid=3, draws=8).features[:8])


def test_ishigami(scene):
    """Saltelli et al. 2008: total indices of the Ishigami function with a = 7, b = 0.1 are .5576, .4424 and .2437."""
    plan = sobol_grids(scene(2), grid=2, draws=8192)
    x = np.pi * (2 * plan.features - 1)
    scores = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    found = sobol_total(plan, scores[:, None])
    assert found.shape == (1, 2, 2)
    assert np.allclose(found.ravel(), [0.5576, 0.4424, 0.2437, 0], atol=0.01)


def test_a_product_and_a_sum_at_once(scene):
    """x0 + 2 x1 + x2 x3 in closed form: V = 1/12 + 4/12 + 7/144; S_T of x2 = E[x3²] V[x2] / V."""
    plan = sobol_grids(scene(3), grid=2, draws=1024)
    x = plan.features
    found = sobol_total(plan, np.stack([x[:, 0] + 2 * x[:, 1] + x[:, 2] * x[:, 3], 5 + 0 * x[:, 0]], 1))
    variance = 1 / 12 + 4 / 12 + 7 / 144
    pair = (1 / 3) * (1 / 12) / variance
    assert np.allclose(found[0].ravel(), [1 / 12 / variance, 4 / 12 / variance, pair, pair], atol=0.005)
    assert (found[1] == 0).all()  # a score that never changes


@pytest.mark.parametrize("draws", [1, 12])
def test_draws_are_a_power_of_two(scene, draws):
    with pytest.raises(UsageError, match=f"draws={draws} must be a power of two"):
        sobol_grids(scene(), draws=draws)

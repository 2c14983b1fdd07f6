"""The three rules that a foreground is made by, and what is refused."""

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.heatmaps import threshold
from workbench.heatmaps.arithmetic import rule, share


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("OTSU ", "otsu"),
        ("0.25", 0.25),
        (0.25, 0.25),
        ("Value:.50", "value:0.5"),
        ("value: 0.123456", "value:0.123456"),
        ("value:0", "value:0.0"),
        ("value:0.99999999999", "value:0.99999999999"),
    ],
)
def test_a_rule_has_one_form(given, normal):
    assert rule(given) == normal
    assert rule(rule(given)) == normal


@pytest.mark.parametrize(
    "how", ["otsuu", 0, 1, "1.5", "nan", None, "value:1", "value:-0.1", "value:nan", "value:", "0.5:"]
)
def test_what_is_refused_names_the_ways_out(how):
    for ask in (rule, lambda how: threshold(np.arange(4.0), how)):
        with pytest.raises(UsageError, match=r"none of: 'otsu'; a share .* such as 0\.25; .* such as 'value:0\.5'"):
            ask(how)


def test_a_share_is_not_a_height():
    with pytest.raises(UsageError, match="neither 'otsu' nor a share"):
        share("value:0.5")


def test_a_height_is_strictly_above_its_share_of_the_way():
    values = np.array([[2.0, 4.0, 6.0, 8.0, 10.0]])  # half way from 2 to 10 is 6
    assert threshold(values, "value:0.5").tolist() == [[False, False, False, True, True]]
    assert threshold(values, "value:0.499").sum() == 3
    assert threshold(values, "value:0").sum() == 4
    assert threshold(-values, "value:0.5").sum() == 2


def test_a_height_is_of_the_domain():
    values = np.array([[100.0, 2.0, 4.0, 6.0, np.nan]])
    domain = np.array([[False, True, True, True, True]])
    assert threshold(values, "value:0.4", domain).tolist() == [[False, False, True, True, False]]


def test_a_height_of_a_constant_map_leaves_nothing():
    assert not threshold(np.ones((3, 3)), "value:0").any()


def test_more_height_leaves_less():
    values = np.random.default_rng(0).normal(size=(20, 20))
    areas = [threshold(values, f"value:{h}").mean() for h in np.linspace(0, 0.99, 12)]
    assert (np.diff(areas) <= 0).all()
    assert areas[0] == 399 / 400
    assert areas[-1] == 1 / 400

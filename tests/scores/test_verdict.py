"""The ladder of words, rung by rung."""

import math

import pytest

from workbench.scores.verdict import verdict

CELL = {
    "value": 0.3,
    "chance": 0.15,
    "centre": 0.25,
    "other": 0.2,
    "rank": 1.0,
    "masks": 6,
    "low": 0.27,
    "high": 0.34,
    "interval_reason": "",
    "who": "n = 40 images, 12 subjects",
}
NO = {"low": math.nan, "high": math.nan}


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        (NO | {"interval_reason": "no per-image maps"}, "one map without replicates, so nothing can be tested"),
        (
            NO | {"interval_reason": "too few", "who": "n = 3 images, 1 subject"},
            "n too small to say (n = 3 images, 1 subject); described: IoU .30, above chance .15, above centre blob .25",
        ),
        (NO | {"interval_reason": "intervals=False"}, "no interval was asked for"),
        (NO, "no interval, as most draws give no score (n = 40 images, 12 subjects); described: IoU .30"),
        ({"low": 0.1}, "not distinguishable from chance (.15; 95% interval .10 to .34, n = 40 images, 12 subjects)"),
        ({"low": 0.01, "high": 0.1}, "below chance"),
        ({"low": 0.2}, "above chance (.15) but not above the content-free centre blob (.25"),
        ({"low": 0.2, "high": 0.24}, "above chance (.15) but below the content-free centre blob"),
        ({"rank": 3.0}, "above chance and centre blob (95% interval .27 to .34, n = 40 images, 12 subjects), but the"),
        ({}, "above chance and centre blob, own mask first"),
        ({"rank": 3.0, "own": False}, "above chance and centre blob, rank 3 of 6 masks (95% interval .27 to .34"),
        (NO | {"interval_reason": "no per-image maps", "own": False}, "one map without replicates"),
    ],
)
def test_every_rung(changes, starts):
    assert verdict(**(CELL | changes)).startswith(starts)


def test_the_description_names_what_is_lower_and_what_is_higher():
    text = verdict(**(CELL | NO | {"interval_reason": "x", "value": 0.18, "rank": 4.0}))
    assert text.endswith("IoU .18, above chance .15, below centre blob .25, below other masks .20, own mask 4 of 6")


def test_a_set_of_units_has_no_own_mask():
    text = verdict(**(CELL | NO | {"interval_reason": "x", "rank": 4.0, "own": False}))
    assert text.endswith("rank 4 of 6")
    assert "own mask" not in text

"""The ladder of words, step by step."""

import math
from dataclasses import replace

import pytest

from workbench.scores.verdict import RUNGS, Evidence, Step, number, probability, verdict

CELL = Evidence(
    value=0.3,
    chance=0.15,
    blob=0.25,
    other=0.2,
    rank=1.0,
    masks=6,
    nulls={"toroidal": (0.0004, 0.02), "field": (0.001, 0.03)},
    tests=72,
    passes={"toroidal": 0.58},
    over_blob=Step(0.05, 0.01, 0.09, 0.02),
    over_others=Step(0.1, 0.02, 0.2, 0.01),
)
NO_REPLICATES = {"over_blob": None, "over_others": None, "untestable": "no per-image maps"}
TESTED = "toroidal shifts p < .001, corrected .020; random fields p .001, corrected .030; 72 tests"
PASS = "; unrelated central maps and masks pass, uncorrected: toroidal shifts 58%"


@pytest.mark.parametrize(
    ("changes", "step", "says"),
    [
        (
            {"too_few": "n = 3 images, 1 subject"},
            "too few",
            "n too small to call anything significant (n = 3 images, 1 subject); described: IoU .30, above chance .15, "
            "above a blob of the same area .25, above other masks .20, own mask 1 of 6",
        ),
        ({"nulls": {}}, "not tested", "chance was not tested; described: IoU .30, above chance .15"),
        ({"nulls": {"toroidal": (math.nan, math.nan)}}, "not tested", "chance was not tested; described"),
        (
            {"nulls": {"toroidal": (0.02, 0.2)}, "tests": 1},
            "chance",
            "not distinguishable from chance (IoU .30, chance .15; toroidal shifts p .020, corrected .20; 1 test)",
        ),
        (
            {"nulls": {"toroidal": (0.0004, 0.02), "field": (0.1, 0.3)}},
            "chance",
            "not distinguishable from chance (IoU .30",
        ),
        (
            NO_REPLICATES,
            "above chance, rest not testable",
            f"above chance ({TESTED}{PASS}); better than a blob of the same area and specific: not testable "
            "(no per-image maps); described: IoU .30",
        ),
        (
            {"over_blob": Step(0.05, -0.01, 0.09, 0.2)},
            "no better than a blob",
            "above chance, no better than a blob of the same area (difference .05, 95% interval −.01 to .09, corrected "
            "p .20; chance by ",
        ),
        ({"over_blob": Step(0.05, 0.01, 0.09, 0.06)}, "no better than a blob", "above chance, no better than a blob"),
        (
            {"over_others": Step(0.1, -0.02, 0.2, 0.1)},
            "not specific",
            "better than a blob, not specific to this expression (own mask against the others: difference .10",
        ),
        ({"rank": 2.0}, "not specific", "better than a blob, not specific to this expression (own mask"),
        ({}, "specific", "better than a blob and specific (own mask against the others: difference .10, 95% interval"),
        (
            {"own": False, "rank": 3.0, "over_others": None},
            "better than a blob, no own mask",
            "better than a blob of the same area (difference .05",
        ),
        (NO_REPLICATES | {"own": False}, "above chance, rest not testable", f"above chance ({TESTED}{PASS}); better"),
        (
            {"over_blob": Step(0.05, math.nan, math.nan, math.nan)},
            "above chance, rest not testable",
            f"above chance ({TESTED}{PASS}); better than a blob of the same area and specific: not testable (",
        ),
    ],
)
def test_every_step(changes, step, says):
    said = verdict(replace(CELL, **changes))
    assert said.startswith(says)
    assert [name for name, words in RUNGS.items() if said.startswith(words)] == [step]


def test_what_has_no_other_mask_is_not_called_unspecific():
    undefined = Step(math.nan, math.nan, math.nan, math.nan)
    alone = verdict(replace(CELL, masks=1, over_others=undefined))
    assert alone.startswith("better than a blob of the same area (difference .05")
    assert alone.endswith("specific: not testable (no other mask has a score)")
    assert verdict(replace(CELL, over_others=undefined)).endswith("not testable (most draws of faces have no score)")


def test_the_description_names_what_is_lower_and_what_is_higher():
    text = verdict(replace(CELL, nulls={}, value=0.18, rank=4.0))
    assert text.endswith(
        "IoU .18, above chance .15, below a blob of the same area .25, below other masks .20, own mask 4 of 6"
    )


def test_a_set_of_units_has_no_own_mask():
    text = verdict(replace(CELL, nulls={}, rank=4.0, own=False))
    assert text.endswith("rank 4 of 6")
    assert "own mask" not in text


def test_numbers_in_words():
    assert [number(v) for v in (0.3, -0.031, -0.001, 1.0, 10.0, math.nan)] == [
        ".30", "−.03", ".00", "1.00", "10.00", "undefined"
    ]  # fmt: skip
    assert [probability(p) for p in (0.0004, 0.0018, 0.04, 0.39, 1.0)] == ["< .001", ".002", ".040", ".39", "1.00"]

"""Each reason why a score is NaN; and none is NaN without one."""

import numpy as np
import pytest

from workbench.scores import SCORES
from workbench.scores import undefined as u
from workbench.scores.undefined import why_undefined

VALUES, MASK = np.arange(8.0), np.arange(8) > 4
FOREGROUND, NONE = VALUES > 3, np.zeros(8, bool)
PLACES = np.argwhere(np.ones((4, 2))) / 4
MISSING, INFINITE = np.where(VALUES == 2, np.nan, VALUES), np.where(VALUES == 2, -np.inf, VALUES)


@pytest.mark.parametrize(
    ("name", "values", "foreground", "mask", "reason"),
    [
        ("iou", VALUES, NONE, MASK, u.NO_FOREGROUND),
        ("precision", VALUES, NONE, NONE, u.NO_FOREGROUND),
        ("iou", VALUES, FOREGROUND, NONE, u.NO_MASK),
        ("relevance_rank", VALUES, NONE, NONE, u.NO_MASK),
        ("earth_movers", VALUES, NONE, NONE, u.NO_MASK),
        ("recall", np.ones(8), NONE, MASK, u.CONSTANT),
        ("cosine", np.ones(8), NONE, MASK, u.CONSTANT),
        ("auc", MISSING, FOREGROUND, MASK, u.MISSING),
        ("f1", INFINITE, FOREGROUND, MASK, u.INFINITE),
        ("auc", VALUES, FOREGROUND, ~NONE, u.WHOLE_MASK),
        ("correlation", VALUES, FOREGROUND, ~NONE, u.WHOLE_MASK),
        ("energy_ratio", VALUES, FOREGROUND, ~NONE, u.WHOLE_MASK),
        ("energy_ratio", VALUES * MASK, FOREGROUND, MASK, u.NONE_OUTSIDE),
    ],
)
def test_the_reason(name, values, foreground, mask, reason):
    score = SCORES[name].value
    rest = [PLACES] if score.takes == "places" else []
    assert np.isnan(score.function(values, foreground, mask, *rest))
    assert why_undefined(score, values, foreground, mask) == reason


def test_no_pixel_at_all():
    assert why_undefined(SCORES["iou"].value, VALUES[:0], NONE[:0], NONE[:0]) == u.NO_PIXEL


@pytest.mark.parametrize("entry", list(SCORES), ids=lambda entry: entry.name)
def test_every_nan_has_a_reason_of_its_own(entry):
    score, rng = entry.value, np.random.default_rng(0)
    rest = [PLACES] if score.takes == "places" else []
    seen = 0
    for values in (VALUES, np.ones(8), MISSING, INFINITE, VALUES * MASK):
        for foreground in (FOREGROUND, NONE, ~NONE):
            for mask in (MASK, NONE, ~NONE, rng.random(8) < 0.5):
                if np.isnan(score.function(values, foreground, mask, *rest)):
                    seen += 1
                    assert why_undefined(score, values, foreground, mask) not in ("", u.OTHER)
    assert seen >= 15

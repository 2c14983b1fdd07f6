"""What every registered null states, and results made of drawn scores."""

import numpy as np
import pytest

from workbench.errors import UnknownNameError, UsageError
from workbench.scores.nulls import NULLS, NullResult, Scored, null
from workbench.scores.registry import SCORES, Score

GRID = (4, 4)
less = Score(lambda *_: 0.0, "values", 0, 0, 1)


def given(observed, scores):
    nothing = np.zeros(GRID)
    return Scored(nothing, nothing > 0, nothing == 0, np.ones((2, *GRID), bool), scores, observed)


def test_all_shifts_are_among_the_nulls():
    assert "toroidal" in NULLS.names()


def test_every_null_states_its_hypothesis_and_whether_it_is_drawn():
    for entry in NULLS:
        assert entry.summary
        assert entry.reference
        assert entry.details["hypothesis"]
        assert isinstance(entry.details["sampled"], bool)


def test_a_null_is_added_with_its_hypothesis():
    @null("none at all", hypothesis="nothing", sampled=True)
    def none_at_all(scored, *, draws, seed):
        """Nothing."""

    try:
        assert NULLS["none at all"].as_dict() == {
            "name": "none at all",
            "summary": "Nothing.",
            "reference": "",
            "hypothesis": "nothing",
            "sampled": True,
        }
    finally:
        NULLS.remove("none at all")
    with pytest.raises(UnknownNameError, match="none at all"):
        NULLS["none at all"]


def test_a_result_from_drawn_scores_by_hand():
    iou = SCORES["iou"].value
    scored = given({"iou": np.array([0.3, np.nan]), "less": np.array([0.1, 0.2])}, {"iou": iou, "less": less, "x": iou})
    drawn = {"iou": np.array([[0.3, 0.1], [0.2, np.nan], [0.4, np.nan]]), "less": np.array([[0.2, 0.2]] * 3)}
    found = NullResult.of(scored, drawn, enumerated=False)
    np.testing.assert_allclose(found.p["iou"], [3 / 4, np.nan])
    np.testing.assert_allclose(found.p["less"], [1 / 4, 1])
    np.testing.assert_allclose(found.mean["iou"], [0.3, 0.1])
    np.testing.assert_allclose(found.upper["iou"], [0.39, 0.1])
    assert np.isnan(found.p["x"]).all()
    assert list(found.reason) == ["x"]
    assert (found.draws, found.enumerated) == (3, False)
    np.testing.assert_allclose(NullResult.of(scored, drawn, enumerated=True).p["iou"], [2 / 3, np.nan])


def test_nothing_drawn_gives_no_p():
    found = NullResult.of(given({}, {"less": less}), {}, enumerated=True)
    assert found.draws == 0
    assert np.isnan(found.p["less"]).all()


def test_unequal_draws_are_refused():
    scored = given({"a": np.zeros(2), "b": np.zeros(2)}, {"a": less, "b": less})
    with pytest.raises(UsageError, match=r"\[1, 2\] draws"):
        NullResult.of(scored, {"a": np.zeros((1, 2)), "b": np.zeros((2, 2))}, enumerated=False)

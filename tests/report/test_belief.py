"""Sentences that a reader will trust: each follows from the numbers."""

from __future__ import annotations

import pytest

from workbench.report import belief
from workbench.report.manifest import plain, without_path
from workbench.report.recognition import Recognition


@pytest.mark.parametrize(
    ("people", "comparisons", "part"),
    [
        (1, 1, "no number on this page is significant"),
        (3, 24, "With 20 faces of three people no number on this page is significant (the smallest p"),
        (5, 1, "no number on this page is significant"),  # 2 / 2**5 = .0625
        (6, 1, "Intervals resample people"),  # 2 / 2**6 = .031
        (6, 24, "survives a correction for the 24 comparisons on this page (that takes at least 10 people)"),
        (9, 24, "no single number survives"),
        (10, 24, "Intervals resample people"),  # 24 · 2 / 2**10 = .047
        (None, 24, "no subject is named"),
    ],
)
def test_significance_depends_on_people_and_comparisons(people: int | None, comparisons: int, part: str) -> None:
    assert part in belief.significance(20, people, comparisons).text


def test_agreement_says_what_beats_the_maps(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    table["other_masks_iou"] = table["iou"] + 0.1
    table["centre_iou_equal_area"] = table["iou"] + 0.2
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert "less than the other expressions' masks" in said
    assert "A blob in the middle of the face does as well or better" in said
    table["other_masks_iou"] = table["iou"] - 0.1
    table["centre_iou_equal_area"] = table["iou"] - 0.2
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert "The own mask is .10 above the other masks: with these faces that cannot be told from chance" in said
    assert "blob in the middle" not in said
    assert "guessing among six masks would give about 5" in said  # 30 maps / 6


def test_recognition_fails_at_or_below_guessing() -> None:
    answer = Recognition("m", ("anger", "fear"), {"anger": 1, "fear": 3}, {"anger": 2, "fear": 4, "disgust": 1})
    assert answer.failed() == ["anger", "disgust"]  # .5 is guessing among two; disgust was never right
    assert answer.accuracy == pytest.approx(4 / 7)
    assert Recognition("m", ("anger",), {}, {}).accuracy != Recognition("m", ("anger",), {}, {}).accuracy  # NaN


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/data/users/x/face.jpg", "face.jpg"),
        ("C:\\Users\\x\\face.jpg", "face.jpg"),
        ("tile 03", "tile 03"),
        ("https://doi.org/10.1/x", "https://doi.org/10.1/x"),
        ("MIT / Apache", "MIT / Apache"),
        ("a/b.jpg", "a/b.jpg"),
    ],
)
def test_paths_are_cut_to_their_last_part(text: str, kept: str) -> None:
    assert without_path(text) == kept


def test_plain_values_are_json() -> None:
    import json

    import numpy as np

    value = plain({"a": np.float32("nan"), "b": np.arange(2), "c": (True, None), 3: np.int64(4)})
    assert json.dumps(value) == '{"a": null, "b": [0, 1], "c": [true, null], "3": 4}'

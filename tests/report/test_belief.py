"""Sentences that a reader will trust: each follows from the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.figures.theme import readable
from workbench.report import belief, nulls
from workbench.report.describe import network_facts, options_in_words, score_in_words, sentence, target_in_words
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
    assert "A blob in the middle of the face does better" in said
    table["other_masks_iou"] = table["iou"] - 0.01
    table["centre_iou_equal_area"] = table["iou"] + 0.01
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert "hardly more than the other expressions' masks" in said
    assert "By explainer the difference runs from .010" in said
    assert "A blob in the middle of the face does about as well" in said
    table["other_masks_iou"] = table["iou"] - 0.1
    table["centre_iou_equal_area"] = table["iou"] - 0.2
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert "The own mask is .10 above the other masks: with these faces that cannot be told from chance" in said
    assert "blob in the middle" not in said
    assert "guessing among six masks would give about 5" in said  # 30 maps / 6


def test_with_a_single_mask_nothing_is_said_of_others(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    table["other_masks_iou"] = table["iou"] * np.nan
    table = table.drop_vars([name for name in table if str(name).startswith("iou_with_") and name != "iou_with_anger"])
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert "placed by chance reach" in said
    assert not [word for word in ("other", "best match", "–") if word in said]


def test_what_the_null_models_leave_is_counted_from_the_table(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    cells = int(table["iou"].notnull().sum())
    said = [s.text for s in nulls.tests(table)]
    for name, words, rate in (("toroidal", "toroidal shifts", "25%"), ("field", "random fields", "40%")):
        below, kept = (int((table[f"{first}_{name}_iou"].values <= 0.05).sum()) for first in ("p", "bh"))
        assert (
            f"against {words} {below} of {cells} maps have p ≤ .05 and {kept} keep it when corrected for their number "
            f"(of unrelated central maps {rate} would pass uncorrected)"
        ) in said[0]
    assert said[1].startswith(f"In words, of the {cells} maps: {cells} cannot be told from chance.")
    first, second = (readable(str(x)) for x in table["explainer"].values)
    assert said[0].startswith("Chance, tested (of these maps as they are, not of maps of other faces): ")
    assert said[2] == (
        "Dealing the masks out to other expressions gives as high a mean IoU in 40% of all ways of doing so: as a "
        f"whole the maps of {first} are not shown to tell their own expression's mask from the others."
    )
    assert not any(second in text for text in said), "p = .01 is no caution"
    table["p_labels_iou"] = table["p_labels_iou"] * 0 + [0.4, 0.2]
    assert "in 20% to 40% of all ways of doing so, by explainer: as a whole the maps are not" in (
        nulls.tests(table)[2].text
    )
    assert nulls.tests(table.assign(iou=table["iou"] * np.nan)) == []


def test_the_mask_that_is_first_most_often_is_named(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    table["iou_with_sadness"] = table["iou"] * 0 + 0.99
    said = " ".join(s.text for s in belief.agreement(table, "drawn"))
    assert f"The sadness mask is first for {int(table['iou'].notnull().sum())} of them" in said


def test_what_nobody_can_check_is_said() -> None:
    good = Recognition("m", ("anger", "fear"), {"anger": 2}, {"anger": 2})
    (said,) = belief.unrecognised([good], ["anger", "fear", "disgust"])
    assert said.text.startswith("No face is labelled fear or disgust: whether the networks recognise these cannot")
    assert belief.unrecognised([good], ["anger"]) == []
    (said,) = belief.unrecognised([Recognition("m", ("anger",), {}, {})], ["anger"])
    assert said.text.startswith("No face carries a label")
    assert belief.unrecognised([], ["anger"]) == []  # aggregated elsewhere: nothing is known of answers


def test_a_control_with_blank_maps_says_in_how_many_cells_it_counts(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    cells = int(table["iou"].notnull().sum())
    assert "elsewhere their maps are blank" not in belief.controls(table)[0].text
    m, x, e = np.argwhere(table["iou"].notnull().values)[0]
    table["edge_map_iou"][m, x, e] = np.nan
    assert f"(in {cells - 1} of {cells} cells; elsewhere their maps are blank)" in belief.controls(table)[0].text


def test_without_any_cell_nothing_is_said_of_controls(drawn) -> None:  # type: ignore[no-untyped-def]
    table = drawn.table()
    table["iou"] = table["iou"] * np.nan
    assert belief.controls(table) == []
    (said,) = belief.agreement(table, "drawn")
    assert said.text.endswith("with the masks of drawn: none explains an expression that has a mask.")


def test_every_head_of_a_network_is_on_its_card() -> None:
    heads = {"expression": {"labels": ["fear"]}, "au": {"labels": ["4", "12"]}, "affect": {"labels": ["valence"]}}
    facts = network_facts({"name": "n", "labels": ["fear"], "heads": heads})["facts"]
    assert facts == [("answers", "fear"), ("action units", "AU4, AU12"), ("affect", "valence")]


def test_two_smoothed_explainers_have_two_names_on_a_page() -> None:
    names = (
        "smooth(saliency)",
        "smooth(saliency, n=5)",
        "smooth(grad_cam_pp,n=5,sigma=0.1)",
        "smooth(lime)@random_weights",
    )
    assert [readable(name) for name in names] == [
        "saliency, smoothed",
        "saliency, smoothed (n=5)",
        "Grad-CAM++, smoothed (n=5, sigma=0.1)",
        "LIME, smoothed, random weights",
    ]


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("labels were given by eye", "Labels were given by eye."),
        ("lime was computed on 8 faces.", "LIME was computed on 8 faces."),
        ("tile-2c1 is unlabelled", "tile-2c1 is unlabelled."),
        ("two faces in group.jpg: the largest was taken", "Two faces in group.jpg: the largest was taken."),
    ],
)
def test_notes_become_sentences_and_names_keep_their_case(note: str, shown: str) -> None:
    assert sentence(note, ["lime"]) == shown


def test_target_and_options_in_words() -> None:
    assert score_in_words("logit; probability for lime, rise, lime@random_weights") == (
        "the score before the softmax (logit); its probability for LIME and RISE"
    )
    assert score_in_words("logit") == "the score before the softmax (logit)"
    assert score_in_words(None) == ""
    assert target_in_words("expression:fear") == "fear, whatever the network answered"
    assert options_in_words({"samples": 1000, "keep": 0.5, "layer": "", "fill": "black"}) == (
        "filled with black, each place shown with probability 0.5, 1,000 samples"
    )


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

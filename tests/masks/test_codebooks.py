"""Codebooks: schema, weights by hand, and the maps that they make."""

import json

import numpy as np
import pytest

from workbench.errors import UnknownNameError, UsageError
from workbench.masks import by_expression, by_side, codebook_names, load_codebook, load_masks
from workbench.masks.codebooks import Unit, codebook
from workbench.vocabulary import BASIC_EXPRESSIONS

OWN = {
    "summary": "Two ways to smile.",
    "citation": "nobody",
    "expressions": {
        "happiness": [
            [6, {"au": 12, "min": "C"}],
            [12, {"au": 25, "optional": True, "share": 0.5}, {"au": 26, "optional": True}],
        ],
        "contempt": [[{"au": 14, "side": "L"}]],
    },
}


@pytest.fixture(scope="module")
def units():
    return load_masks("facs-au")


def test_the_books():
    assert codebook_names() == [
        "emfacs-circulated",
        "martinez-2017",
        "belharbi-2024-code",
        "ekman-friesen-1978",
        "du-2014",
        "ck-plus",
        "facs-2002-prototypes",
        "facs-2002-variants",
    ]


@pytest.mark.parametrize("name", codebook_names())
def test_every_book_has_the_six_expressions_and_all_its_masks(name):
    book = load_codebook(name)
    assert book.summary
    assert book.citation
    assert set(BASIC_EXPRESSIONS) <= set(book.expressions)
    for weights in ("max", "share"):
        assert load_masks("facs-au", codebook=name, weights=weights).names == list(BASIC_EXPRESSIONS)


def test_books_say_what_their_authors_list():
    assert load_codebook("martinez-2017").required("disgust") == [9, 10, 16, 17, 25, 26]
    assert load_codebook("belharbi-2024-code").required("disgust") == [5, 9, 16, 17, 25, 26]
    surprise = load_codebook("emfacs-circulated").expressions["surprise"]
    assert surprise == ((Unit(1), Unit(2), Unit(5, minimum="B", maximum="B"), Unit(26)),)
    assert [unit.name for unit in load_codebook("emfacs-circulated").expressions["contempt"][0]] == ["AU12R", "AU14R"]
    assert load_codebook("du-2014").weights("sadness", "share") == {
        "AU1": 0.6, "AU4": 1, "AU6": 0.5, "AU11": 0.26, "AU15": 1, "AU17": 0.67
    }  # fmt: skip
    assert load_codebook("du-2014").required("sadness") == [4, 15]
    prototypes, variants = load_codebook("facs-2002-prototypes"), load_codebook("facs-2002-variants")
    assert len(prototypes.expressions["anger"]) == 10
    for expression, ways in prototypes.expressions.items():
        assert variants.expressions[expression][: len(ways)] == ways
    assert variants.expressions["disgust"] == prototypes.expressions["disgust"]
    anger = {tuple(unit.au for unit in way) for way in variants.expressions["anger"]}
    assert {(5, 7, 24), (4, 7, 24), (4, 5, 24), (4, 5, 7, 22, 23, 25)} < anger
    assert (4, 5, 7) not in anger


def test_weights_by_hand():
    book = codebook("own", OWN)
    assert book.required("happiness") == [6, 12]
    assert book.weights("happiness") == {"AU6": 1, "AU12": 1}
    assert book.weights("happiness", "share") == {"AU6": 0.5, "AU12": 1, "AU25": 0.25}
    with pytest.raises(UsageError, match="weights is 'mean'"):
        book.weights("happiness", "mean")


def test_maps_are_the_maximum_or_the_weighted_mean(units):
    book = codebook("own", OWN)
    au = {name: units.maps.sel(au=name).values for name in units.names}
    largest = by_expression(units, book)
    assert largest.names == ["happiness"]  # of the basic six; others are asked for
    assert np.array_equal(largest.maps.values[0], np.maximum(au["AU6"], au["AU12"]))
    mean = by_expression(units, book, weights="share")
    assert np.allclose(mean.maps.values[0], (0.5 * au["AU6"] + au["AU12"] + 0.25 * au["AU25"]) / 1.75, atol=1e-6)
    assert json.loads(str(mean.attrs["weights"])) == {"happiness": {"AU6": 0.5, "AU12": 1, "AU25": 0.25}}
    assert "pixelwise maximum" in str(largest.attrs["policy"])
    assert "weighted by the share of people" in str(mean.attrs["policy"])
    assert "caveat" in mean.attrs


def test_the_default_is_said(units):
    masks = load_masks("facs-au", codebook="emfacs-circulated")
    assert masks.dimension == "expression"
    expected = units.maps.sel(au=["AU1", "AU4", "AU15"]).max("au").values
    assert np.array_equal(masks.maps.sel(expression="sadness").values, expected)
    assert json.loads(str(masks.attrs["action_units"]))["anger"] == ["AU4", "AU5", "AU7", "AU23"]
    assert masks.attrs["codebook"] == "emfacs-circulated"


def test_one_sided_units_are_drawn_on_their_side(units):
    contempt = load_masks("facs-au", codebook="emfacs-circulated", expressions=["contempt"])
    sides = by_side(units, "right")
    expected = sides.maps.sel(au=["AU12R", "AU14R"]).max("au").values
    assert np.array_equal(contempt.maps.values[0], expected)
    assert not contempt.maps.values[0][:, 112:].any()  # the subject's right is the image's left
    left = by_expression(units, codebook("own", OWN), expressions=["contempt"])
    assert not left.maps.values[0][:, :112].any()


@pytest.mark.parametrize(
    ("ways", "match"),
    [
        ([[{"au": 12, "strength": 3}]], "found 'strength'"),
        ([[99]], "99 is no action unit"),
        ([[True]], "True is no action unit"),
        ([[{"au": 12, "side": "left"}]], "AU12 has the side 'left'; write L or R"),
        ([[{"au": 12, "min": "F"}]], "AU12 has the intensity 'F'"),
        ([[{"au": 12, "share": 51}]], "AU12 has the share 51"),
        ([[{"au": 12, "optional": True}]], "an alternative without a required"),
        ([], "an alternative without a required"),
    ],
)
def test_errors_name_book_expression_and_unit(ways, match):
    with pytest.raises(UsageError, match=match) as caught:
        codebook("own", OWN | {"expressions": {"happiness": ways}})
    assert str(caught.value).startswith("own: happiness")


def test_what_cannot_be_combined_is_refused(units):
    with pytest.raises(UnknownNameError, match="did you mean martinez-2017"):
        load_codebook("martinez-2107")
    with pytest.raises(UsageError, match="own: citation is missing"):
        codebook("own", {"summary": "s", "expressions": {}})
    with pytest.raises(UsageError, match="'boredom' is no expression"):
        codebook("own", OWN | {"expressions": {"boredom": [[1]]}})
    with pytest.raises(UsageError, match="needs masks of AU5, AU16, which the mask set lacks"):
        load_masks("jaa-au", codebook="belharbi-2024-code", expressions=["disgust"])
    with pytest.raises(UsageError, match="says nothing of neutral"):
        load_masks("facs-au", codebook="martinez-2017", expressions=["neutral"])
    with pytest.raises(UsageError, match="which side it means"):
        load_masks("facs-au", codebook="martinez-2017", side="left")

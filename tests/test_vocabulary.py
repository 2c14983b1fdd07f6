import pytest

from workbench import vocabulary
from workbench.errors import UnknownNameError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("angry", "anger"),
        ("Happy", "happiness"),
        ("SAD", "sadness"),
        ("surprised", "surprise"),
        ("Fear", "fear"),
        (" disgusted ", "disgust"),
        ("neutral", "neutral"),
        ("contempt", "contempt"),
    ],
)
def test_synonyms_in_any_case(text, meant):
    assert vocabulary.expression(text) == meant


def test_an_unknown_label_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean happiness"):
        vocabulary.expression("happyness")


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("AlexNet_CV3_Fear_heatmap", ("AlexNet_CV3", "fear")),
        ("ResNet101V2_Happiness_heatmap", ("ResNet101V2", "happiness")),
        ("Anger_gt", ("", "anger")),
        ("my-net.happy", ("my-net", "happiness")),
        ("SadNet_surprise", ("SadNet", "surprise")),
        ("sad_net_surprise_2", ("sad_net", "surprise")),
        ("holiday", None),
    ],
)
def test_model_and_expression_of_a_file_name(stem, found):
    assert vocabulary.split_file_stem(stem) == found


def test_dimension_order_has_no_dimension_called_method():
    assert "method" not in vocabulary.DIMENSION_ORDER
    assert vocabulary.DIMENSION_ORDER.index("explainer") < vocabulary.DIMENSION_ORDER.index("image")

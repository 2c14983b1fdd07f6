"""Expressions, FACS action units by number, and dimension names: spelled once, here."""

from __future__ import annotations

import re
from typing import Final

from workbench.errors import UnknownNameError

BASIC_EXPRESSIONS: Final[tuple[str, ...]] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
EXPRESSIONS: Final[tuple[str, ...]] = (*BASIC_EXPRESSIONS, "neutral", "contempt")

_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "anger": ("angry", "an", "ang", "mad"),
    "disgust": ("disgusted", "di", "dis"),
    "fear": ("fearful", "afraid", "scared", "fe", "fea"),
    "happiness": ("happy", "joy", "joyful", "smile", "ha", "hap"),
    "sadness": ("sad", "sa"),
    "surprise": ("surprised", "su", "sur"),
    "neutral": ("neutrality", "ne", "neu", "calm"),
    "contempt": ("contemptuous", "disdain", "co", "con"),
}
_EXPRESSION_OF: Final[dict[str, str]] = {
    word: expression for expression, words in _SYNONYMS.items() for word in (expression, *words)
}
# Two- and three-letter codes are understood in labels and class lists, not inside file names, where they are words.
_WORDS_IN_FILE_NAMES: Final = {
    word: e
    for word, e in _EXPRESSION_OF.items()
    if len(word) > 2
    and word not in {"an", "ang", "dis", "fea", "hap", "sur", "neu", "con", "mad", "smile", "calm", "joy"}
} | {"joy": "happiness"}

# Dimension names. Never call a dimension `method`: DataArray.sel(method=…) is xarray's own keyword.
MODEL: Final = "model"
EXPLAINER: Final = "explainer"
LAYER: Final = "layer"
TARGET: Final = "target"
IMAGE: Final = "image"
EXPRESSION: Final = "expression"
AU: Final = "au"
REGION: Final = "region"
Y: Final = "y"
X: Final = "x"
DIMENSION_ORDER: Final = (MODEL, EXPLAINER, LAYER, TARGET, IMAGE, EXPRESSION, AU, REGION, Y, X)

# Controls that are maps: of the edges of a picture, and of a method on the same network with random weights.
EDGE_MAP: Final = "edge_map"
RANDOM_WEIGHTS: Final = "random_weights"
ON_RANDOM_WEIGHTS: Final = f"@{RANDOM_WEIGHTS}"  # suffix of the method's name

ACTION_UNITS: Final[dict[int, str]] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    8: "lips toward each other",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    13: "sharp lip puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    19: "tongue show",
    20: "lip stretcher",
    21: "neck tightener",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    38: "nostril dilator",
    39: "nostril compressor",
    41: "lid droop",
    42: "slit",
    43: "eyes closed",
    44: "squint",
    45: "blink",
    46: "wink",
}


def expression(text: str) -> str:
    """The expression that a label means, in any case and by its common synonyms (`"Happy"` → `"happiness"`).

    Raises UnknownNameError, with the nearest names, for anything else.
    """
    word = str(text).strip().lower()
    if word in _EXPRESSION_OF:
        return _EXPRESSION_OF[word]
    raise UnknownNameError("expression", text, [w for w in _EXPRESSION_OF if len(w) > 3])


def is_expression(text: str) -> bool:
    """Whether `expression(text)` would succeed."""
    return str(text).strip().lower() in _EXPRESSION_OF


def split_file_stem(stem: str) -> tuple[str, str] | None:
    """(model, expression) of a file stem such as `AlexNet_CV3_Fear_heatmap` → (`AlexNet_CV3`, `fear`).

    The last word that names an expression counts; what stands before it is the model ("" if nothing does).
    None if no word of the stem names an expression.
    """
    found = None
    for match in re.finditer(r"[A-Za-z]+", stem):
        if match.group().lower() in _WORDS_IN_FILE_NAMES:
            found = match
    if found is None:
        return None
    return stem[: found.start()].rstrip("_- ."), _WORDS_IN_FILE_NAMES[found.group().lower()]

"""Names in a `maskset.toml` become places, and lengths become pixels."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np

from workbench.canonical import IBUG, MEDIAPIPE, load_frame
from workbench.masks.carrying import spline_weights, triangle_weights
from workbench.masks.place import UPPER_RIM, Place, mirrored_indices

LENGTHS: Final = ("face", "width", "height", "pixels")  # shares of the face's unit, of the picture, or pixels
MEASURES: Final = ("dx", "dy", "distance", "extent", "of")  # between points; `times` multiplies them
HELPERS: Final = (
    {"between"},
    {"between", "share"},
    {"mean"},
    {"x", "y"},
    {"at", "shift"},
    {"at", "shift", "inside"},
)


class Points:
    """Points of a place by name: landmark numbers (mesh from 0, 68 landmarks from 1), the set's own [points], and
    [x, y] in pixels of the frame `drawn_on`. `topleft` and `topright` are the frame's upper corners.

    mirrored: every name means its counterpart on the other side of the face. turn: (2, 2), its rows are the axes of x
    and y: the upright face's, or with `axes = "picture"` the picture's. Raises KeyError for an unknown name.
    """

    def __init__(self, table: dict[str, Any], place: Place, mirrored: bool = False) -> None:
        self._table, self.place, self._mirrored = table, place, mirrored
        self.turn = np.eye(2) if table.get("axes") == "picture" else place.turn
        scheme = table["landmarks"]
        own = place.points[scheme]
        if mirrored:
            own = own[mirrored_indices(scheme)]
        self._first = 0 if scheme == MEDIAPIPE else 1
        self.whole = bool(table.get("whole_pixels"))
        self._landmarks = np.trunc(own) if self.whole else own
        self._helpers: dict[str, Any] = table.get("points", {})

    def __getitem__(self, name: int | str | list[float]) -> np.ndarray:
        if isinstance(name, list):
            return self._carried(name)
        text = str(name)
        if text in self._helpers:
            return self._helper(text)
        if text in ("topleft", "topright"):
            return self.place.corners[int((text == "topright") != self._mirrored)]
        index = int(text) - self._first if text.isascii() and text.isdigit() else -1
        if 0 <= index < len(self._landmarks):
            return np.asarray(self._landmarks[index])
        raise KeyError(text)

    def length(self, rule: Any) -> float:
        """Pixels of a length: a number (distances of the outer eye corners), a name of [lengths], or a table."""
        if isinstance(rule, str):
            if rule not in self._table.get("lengths", {}):
                raise KeyError(rule)
            return self.length(self._table["lengths"][rule])
        if not isinstance(rule, dict):
            return float(rule) * self.place.unit
        height, width = self.place.size
        shares = float(rule.get("width", 0)) * width + float(rule.get("height", 0)) * height
        measured = float(rule.get("times", 1)) * self._measured(rule)
        if self.whole:  # as the published code: shares of the picture are rounded, halved distances cut
            shares, measured = float(round(shares)), float(np.trunc(measured))
        total = float(rule.get("face", 0)) * self.place.unit + shares + float(rule.get("pixels", 0)) + measured
        return self.length(rule["instead"]) if "instead" in rule and total < 1 else total

    def _measured(self, rule: dict[str, Any]) -> float:
        kind = next((kind for kind in MEASURES if kind in rule), None)
        if kind is None:
            return 0.0
        if kind == "of":
            return self.length(rule["of"])
        upright = np.stack([self[name] for name in rule[kind]]) @ self.turn.T
        if kind == "extent":
            return float(np.ptp(upright, axis=0).max())
        step = upright[1] - upright[0]
        return float(np.linalg.norm(step)) if kind == "distance" else float(step[int(kind == "dy")])

    def _helper(self, name: str) -> np.ndarray:
        rule, turn = self._helpers[name], self.turn
        if "between" in rule:
            a, b = (self[end] for end in rule["between"])
            middle = a + float(rule.get("share", 0.5)) * (b - a)
            return np.trunc(middle) if self.whole else np.asarray(middle)
        if "mean" in rule:
            return np.asarray(np.mean([self[each] for each in rule["mean"]], axis=0))
        if "at" in rule:
            x, y = (self.length(part) for part in rule["shift"])
            found = self[rule["at"]] + np.array([-x if self._mirrored else x, y]) @ turn
            if rule.get("inside"):
                found = np.clip(found, 0, [self.place.size[1], self.place.size[0]])
            return np.asarray(found)
        x = (turn @ self[rule["x"]])[0]
        y = self._rim(x) if rule["y"] == "rim" else (turn @ self[rule["y"]])[1]
        return np.asarray(np.array([x, y]) @ turn)

    def _rim(self, x: float) -> float:
        """Height of the face's upper rim at x, both on the upright face's axes."""
        named = self._table.get("rim", {})
        if self.place.frame in named:
            rim = self.place.own[named[self.place.frame]]
        else:
            rim = self.place.points[MEDIAPIPE][list(named.get(MEDIAPIPE, UPPER_RIM))]
        rim = rim @ self.turn.T
        rim = rim[np.argsort(rim[:, 0])]
        return float(np.interp(x, rim[:, 0], rim[:, 1]))

    def _carried(self, at: list[float]) -> np.ndarray:
        frame = str(self._table.get("drawn_on", MEDIAPIPE))
        x, y = (float(value) for value in at)
        if self._mirrored:
            x = load_frame(frame).grid[1] - 1 - x
        if self.place.frame == frame:
            return np.array([x, y])
        scheme, weights = _carriers(frame, x, y)
        return np.asarray(weights @ self.place.points[scheme])


@cache
def _carriers(frame: str, x: float, y: float) -> tuple[str, np.ndarray]:
    """Scheme, and weights on its points, of the place (x, y) of a frame: piecewise affine on the mesh's triangles,
    else a thin-plate spline through the 68 landmarks."""
    face = load_frame(frame)
    if face.scheme == MEDIAPIPE:
        return MEDIAPIPE, triangle_weights(face.points, face.triangles, np.array([[x, y]]))[0]
    return IBUG, spline_weights(face.points[:68], np.array([[x, y]]))[0]


def check_length(rule: Any, lengths: dict[str, Any]) -> str:
    """What is wrong with a length, "" if nothing is."""
    if isinstance(rule, bool) or not isinstance(rule, int | float | str | dict):
        return f"{rule!r} is no length"
    if isinstance(rule, str):
        return "" if rule in lengths else f"there is no length {rule!r} in [lengths]"
    if isinstance(rule, dict):
        odd = sorted(set(rule) - {*LENGTHS, *MEASURES, "times", "instead"})
        if odd or not rule or sum(kind in rule for kind in MEASURES) > 1:
            return f"{rule!r} is no length; use {', '.join(LENGTHS)}, one of {', '.join(MEASURES)}, times, instead"
        return check_length(rule["instead"], lengths) if "instead" in rule else ""
    return "" if np.isfinite(rule) else f"{rule!r} is no length"


def check_helper(rule: Any, lengths: dict[str, Any]) -> str:
    """What is wrong with an entry of [points], "" if nothing is."""
    if not isinstance(rule, dict) or set(rule) not in HELPERS:
        return "write {x = a, y = b}, {between = [a, b]}, {mean = [a, …]} or {at = a, shift = [right, down]}"
    pair = rule.get("between", rule.get("shift", [0, 0]))
    if not isinstance(pair, list) or len(pair) != 2:
        return f"{pair!r} is no pair"
    problems = [check_length(part, lengths) for part in rule.get("shift", [])]
    return next(filter(None, problems), "")

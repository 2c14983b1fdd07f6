"""All scores of all maps of one network, face by face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from workbench.explainers.explainer import Job
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.asking import Network, lent
from workbench.faithfulness.references import OtherMaps, centre_map, edge_map, enlarged, random_maps
from workbench.faithfulness.registry import Answer, Design, FaithfulnessScore, Floats, Undefined
from workbench.faithfulness.stability import Unstable, changed_maps

TIE = 1e-9  # relative: scores this close are one score


@dataclass
class FaceScores:
    """One network's scores.

    maps: explainer → (image, y, x); order: all explainers of the call. draws: random maps a face, 0 for no references.
    """

    job: Job
    maps: Mapping[str, xr.DataArray]
    order: Sequence[str]
    chosen: Mapping[str, FaithfulnessScore]
    draws: int
    faces: FaceSet
    fill: str
    space: str
    steps: int

    def scored(self, count: int, advance: Callable[[int], object]) -> dict[str, np.ndarray]:
        """Name of a variable → values (explainer, image) of the first `count` faces; `random_…` (image)."""
        self.found = self._empty(count)
        with lent(self.job, self.fill, self.space, self.steps) as network:
            for index in range(count):
                usable = [name for name in self.order if self._usable(name, index)]
                if usable:
                    self._face(network, index, usable)
                advance(1)
        for name, score in self.chosen.items():
            if score.takes == "explainer":
                self._stability(name, score, count)
        return self.found

    @property
    def _asked(self) -> dict[str, FaithfulnessScore]:
        return {name: score for name, score in self.chosen.items() if score.takes != "explainer"}

    @cached_property
    def _others(self) -> dict[str, OtherMaps]:
        keys = [digest or name for digest, name in zip(self.faces.table["sha256"], self.faces.names, strict=True)]
        return {
            name: OtherMaps(maps.values, (maps["status"].values == "ok"), keys[: len(maps)])
            for name, maps in self.maps.items()
        }

    def _empty(self, count: int) -> dict[str, np.ndarray]:
        shape = (len(self.order), count)
        found: dict[str, np.ndarray] = {}
        for name, score in self.chosen.items():
            curve = () if score.axis is None else (len(score.axis[1](self.steps)),)
            found[name] = np.full(shape, np.nan)
            if self.draws:
                found[f"random_{name}"] = np.full(count, np.nan)
                for kind in ("p", "centre", "mean_map", "edge"):
                    found[f"{kind}_{name}"] = np.full(shape, np.nan)
            if curve:
                found[f"{name}_curve"] = np.full((*shape, *curve), np.nan)
                if self.draws:
                    found[f"random_{name}_curve"] = np.full((count, *curve), np.nan)
        found["reason"] = np.full(shape, "", object)
        return found

    def _usable(self, name: str, index: int) -> bool:
        reason = ""
        if name not in self.maps:
            reason = "this network has no maps of it"
        elif index >= self.maps[name].sizes["image"]:
            reason = "this face was not explained"
        elif not self.job.weights[index].any():
            reason = "the network has nothing to explain on this face"
        elif (status := str(self.maps[name]["status"].values[index])) != "ok":
            why = self.maps[name].attrs.get("reason", "")
            reason = f"the map is {status}" + (f": {why}" if why else "")
        self._say(name, index, reason)
        return not reason

    def _say(self, name: str, index: int, reason: str) -> None:
        place = self.order.index(name), index
        said = self.found["reason"][place]
        if reason and reason not in said:
            self.found["reason"][place] = f"{said}; {reason}" if said else reason

    def _face(self, network: Network, index: int, usable: list[str]) -> None:
        """Maps in order: explainers, their mean maps of other images, the centre, edges, random ones."""
        designs: list[Design] = list(dict.fromkeys(one for score in self._asked.values() for one in score.asks))
        if not designs:
            return
        inputs = self.job.inputs(slice(index, index + 1))
        size = (int(inputs.shape[2]), int(inputs.shape[3]))
        stack = [enlarged(self.maps[name].values[[index]], size)[0] for name in usable]
        means: dict[str, int] = {}
        if self.draws:
            for name in usable:
                mean = self._others[name].without(index)
                if mean is not None and np.ptp(mean) > 0:
                    means[name] = len(stack)
                    stack.append(enlarged(mean[None], size)[0])
            stack += [centre_map(size), edge_map(self.job.images[index], size)]
            stack += list(random_maps(self.job.stream(index, "random maps"), self.draws, size))
        answers = network.answers(index, network.sample(index, inputs, np.stack(stack)), designs)
        for name, score in self._asked.items():
            self._read(name, score, [answers[one] for one in score.asks], index, usable, means)

    def _read(
        self,
        name: str,
        score: FaithfulnessScore,
        answers: list[Answer],
        index: int,
        usable: list[str],
        means: Mapping[str, int],
    ) -> None:
        try:
            given = score.function(*answers)
        except Undefined as reason:
            for explainer in usable:
                self._say(explainer, index, f"{name}: {reason}")
            return
        values, curves = given if isinstance(given, tuple) else (given, None)
        for row, explainer in enumerate(usable):
            place = self.order.index(explainer), index
            self.found[name][place] = values[row]
            if not np.isfinite(values[row]):
                self._say(explainer, index, f"{name} is undefined for this map")
            if curves is not None and score.axis is not None:
                self.found[f"{name}_curve"][place] = curves[row]
            if self.draws:
                self._refer(name, score, values, place, means.get(explainer), len(usable) + len(means), row)
        if self.draws:
            drawn = slice(-self.draws, None)
            self.found[f"random_{name}"][index] = values[drawn].mean()
            if curves is not None and score.axis is not None:
                self.found[f"random_{name}_curve"][index] = curves[drawn].mean(0)

    def _refer(
        self,
        name: str,
        score: FaithfulnessScore,
        values: Floats,
        place: tuple[int, int],
        mean: int | None,
        first: int,
        row: int,
    ) -> None:
        self.found[f"centre_{name}"][place] = values[first]
        self.found[f"edge_{name}"][place] = values[first + 1]
        if mean is not None:
            self.found[f"mean_map_{name}"][place] = values[mean]
        drawn = values[-self.draws :]
        if np.isfinite(values[row]) and np.isfinite(drawn).all():
            slack = TIE * max(abs(values[row]), 1e-12)
            better = int((score.sign * drawn >= score.sign * values[row] - slack).sum())
            self.found[f"p_{name}"][place] = (1 + better) / (1 + self.draws)

    def _stability(self, name: str, score: FaithfulnessScore, count: int) -> None:
        """Scores of the methods themselves; a map that is the same for every face never changes."""
        for place, explainer in enumerate(self.order):
            wanted = [i for i in range(count) if explainer in self.maps and self._usable(explainer, i)]
            if not wanted:
                continue
            try:
                others = changed_maps(self.job, explainer, self.maps[explainer].attrs.get("options", "{}"), wanted)
            except Unstable as reason:
                for index in wanted:
                    self._say(explainer, index, f"{name}: {reason}")
                continue
            for row, index in enumerate(wanted):
                original = np.asarray(self.maps[explainer].values[index], np.float64)
                self.found[name][place, index] = score.function(original, others[:, row])
                if self.draws:
                    self.found[f"centre_{name}"][place, index] = self.found[f"mean_map_{name}"][place, index] = 0.0

"""What maps that have nothing to do with each other are worth to a similarity: the controls beside every result."""

from __future__ import annotations

import numpy as np

from workbench.explainers import NativeMaps
from workbench.faithfulness.sanity.maps import Maps, Question, good
from workbench.faithfulness.sanity.similarities import Floats, similarity

OTHERS = 5  # other images that each image is compared with
DRAWS = 100  # pairs of unrelated maps


def other_images(question: Question, maps: Maps) -> Floats:
    """Similarity of each image's map with the maps of at most five other images, their mean: (explainer, measure,
    image). High where an explainer gives every image much the same map."""
    return np.stack([_other_images(question, maps[name]) for name in question.names])


def _other_images(question: Question, maps: NativeMaps) -> Floats:
    there = np.flatnonzero(good(maps))
    found = np.full((len(question.measures), len(maps)), np.nan)
    steps = range(1, min(OTHERS, len(there) - 1) + 1)
    if not len(steps):
        return found
    values = question.read(maps)[there]
    for row, name in enumerate(question.measures):
        found[row, there] = np.mean([similarity(name, values, np.roll(values, -k, axis=0)) for k in steps], axis=0)
    return found


def unrelated(question: Question, maps: Maps) -> Floats:
    """Similarities (explainer, measure, draw) of two maps that are random but as smooth as the explainer's own.

    Each is a surrogate of an image's map: noise with the map's own power spectrum (so with its autocorrelation, on the
    torus), given the map's own values in the order of the noise. NaN where there is no map.

    Source: Theiler et al., Physica D 58, 1992 (amplitude adjusted surrogates).
    """
    return np.stack([_unrelated(question, maps[name]) for name in question.names])


def _unrelated(question: Question, maps: NativeMaps) -> Floats:
    there = np.flatnonzero(good(maps))
    if not len(there):
        return np.full((len(question.measures), DRAWS), np.nan)
    values, rng = question.read(maps)[there], np.random.default_rng(question.seed)
    which = rng.integers(0, len(there), (2, DRAWS))
    one, other = (np.stack([surrogate(values[i], rng) for i in row]) for row in which)
    return np.stack([similarity(name, one, other) for name in question.measures])


def surrogate(values: Floats, rng: np.random.Generator) -> Floats:
    """A random map (h, w) with the values of this one and nearly its autocorrelation."""
    spectrum = np.abs(np.fft.rfft2(values - values.mean()))
    noise = np.fft.rfft2(rng.standard_normal(values.shape))
    field = np.fft.irfft2(noise * spectrum, s=values.shape)
    found = np.empty(values.size)
    found[np.argsort(field, axis=None, kind="stable")] = np.sort(values, axis=None)
    return found.reshape(values.shape)

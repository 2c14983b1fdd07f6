"""Does a map change when the network forgets what it learnt? (Adebayo et al. 2018, section 3.1)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from workbench.classifiers.classifier import Classifier
from workbench.classifiers.randomise import partly_randomised
from workbench.classifiers.stages import Stage, Wanted, stages_of
from workbench.errors import UnknownNameError, UsageError
from workbench.explain.native import Options
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.maps import asked
from workbench.faithfulness.sanity.randomising import Run, dataset, randomise
from workbench.faithfulness.sanity.similarities import DEFAULT

MODES: Final = ("cascading", "independent", "bottom-up")
ALL: Final = "all"
SAME: Final = 0.99  # a similarity from here on is "the same map"


def parameter_randomisation(
    classifier: Classifier,
    faces: FaceSet,
    explainers: str | Sequence[str],
    *,
    mode: str = "cascading",
    stages: Wanted = None,
    target: str = "predicted",
    similarity: Sequence[str] = DEFAULT,
    absolute: bool = False,
    seeds: int = 3,
    seed: int = 0,
    options: Options | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Maps of the trained network beside those of the same network with fresh weights, block after block.

    mode: "cascading" starts the head anew, then the block before it too, down to the input; "bottom-up" goes the other
    way; "independent" one block at a time, and at last all. stages: see `stages_of`. target: as the trained network
    answers it, throughout. absolute: compare maps without their sign. seeds: random networks a stage. seed: of the
    explainers and of the first random network. The weights of the classifier are not touched.

    Returns `similarity` (explainer, stage, measure, image), native resolution, mean over the random networks, `spread`
    its standard deviation; `mean`, `low`, `high` over images with a 95 % interval over subjects (or images) and random
    networks. Beside it `floor_random`: maps of two networks that are random all through; `floor_images`: of the
    trained network on different images; `smooth_random_mean`, `_low`, `_high`: two unrelated smooth random maps and
    the middle 95 % of single pairs; `undefined`: how many of the random networks gave nothing to compare, `reason`
    why; and `verdict` (explainer, measure) in words.

    Raises UsageError or UnknownNameError for names and values that cannot be. Source: Adebayo et al., NeurIPS 2018.
    """
    if mode not in MODES:
        raise UnknownNameError("mode of randomisation", mode, MODES)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise UsageError(f"seeds={seeds!r} is no number of random networks; give 1 or more, 3 for an interval")
    question = asked(classifier, faces, explainers, target, similarity, absolute, options, seed, progress)
    blocks, whole = stages_of(classifier, stages), stages_of(classifier, 1)[0]
    plan = _plan(blocks, whole, mode)
    names = list(plan)
    run = randomise(
        question,
        names,
        range(seed, seed + seeds),
        lambda stage, number: partly_randomised(classifier, plan[names[stage]], number),
        "the randomised network",
    )
    run.extra["mode"] = mode
    table = dataset(run, _verdict, "parameter randomisation")
    sizes = dict(_sizes(classifier))
    shares = [sum(sizes[part] for part in plan[name]) / max(1, whole.parameters) for name in names]
    return table.assign_coords(randomised=("stage", np.array(shares)))


def _sizes(classifier: Classifier) -> list[tuple[str, int]]:
    modules = classifier.module.named_modules()
    return [(name, sum(p.numel() for p in part.parameters(recurse=False))) for name, part in modules]


def _plan(blocks: list[Stage], whole: Stage, mode: str) -> dict[str, tuple[str, ...]]:
    """Stage → the modules that are random in it; in the last one, all are."""
    if mode == "independent":
        plan = {block.name: block.parts for block in blocks}
    else:
        plan = {}
        random: list[str] = []
        for block in blocks if mode == "bottom-up" else reversed(blocks):
            random += block.parts
            plan[block.name] = tuple(random)
    if set(list(plan.values())[-1]) != set(whole.parts):
        plan[ALL] = whole.parts
    return plan


def _verdict(run: Run, explainer: int, measure: int) -> str:
    """The sentence: what the map owes to the weights, by its likeness once all of them are random.

    "Depends" needs a mean that is not above unrelated smooth maps, and an interval that stays nearer to these than to
    the unchanged map; "does not depend" an interval above .99.
    """
    name = run.question.measures[measure]
    mean, chance = run.mean(explainer, len(run.stages) - 1, measure), run.chance[explainer][measure]
    missing = int(run.missing[explainer, -1].sum())
    networks = run.found.shape[3] * run.found.shape[4]
    lost = f"; {missing} of {networks} maps could not be compared" if missing else ""
    what = f"{name} {mean}"
    if not mean.images:
        reasons = [text for text in run.why[explainer, -1] if text]
        return f"not testable: {reasons[0] if reasons else 'maps too small for ' + name}{lost}"
    if mean.reason:
        return f"not testable: {mean.reason}; {what} with all weights random{lost}"
    if 2 * missing > networks:
        return f"not testable: most maps could not be compared{lost}"
    if mean.low >= SAME:
        return f"does not depend on the weights: with all of them random the map stays the same ({what}){lost}"
    beside = f"unrelated smooth maps: {chance}"
    if mean.low > chance.mean:
        random, others = (_average(values[explainer, measure]) for values in (run.among, run.images))
        return (
            f"depends on the weights in part: with all of them random maps stay alike ({what}; {beside}; "
            f"two random networks: {random}; different images: {others}){lost}"
        )
    if mean.high > (1 + chance.mean) / 2:
        return f"undecided: with all weights random {what}, {beside}; more images or random networks are needed{lost}"
    if mean.high < min(chance.low, 0):
        return f"depends on the weights, whose loss turns the map round ({what}; {beside}); compare without signs{lost}"
    return (
        "depends on the weights: with all of them random maps cannot be told from unrelated ones, and are nearer to "
        f"these than to the unchanged map ({what}; {beside}){lost}"
    )


def _average(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.2f}" if len(known) else "unknown"

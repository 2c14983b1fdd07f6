"""The perturbation methods: each is a design and an estimator under the name of its paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.explainers.explainer import Explainer, add, options_of
from workbench.explainers.perturbation import designs, estimators


def perturbation_method(
    name: str,
    design: Callable[..., Any],
    estimator: Callable[..., Any],
    *,
    summary: str,
    reference: str,
    cost: str,
    space: str = "logit",
) -> None:
    """Register a design and an estimator as one explainer.

    Options are those of both, and two of the engine: `fill` ("black", as a preprocessed value, or "mean", the
    picture's mean colour) and `space` ("logit" or "probability"; the default is what the paper does). Methods with the
    same design, design options and fill share their forward passes.
    """
    shared = {**options_of(design), "fill": "black"}
    options = {**shared, **options_of(estimator), "space": space}
    explainer = Explainer(
        name, estimator, "perturbation", options=options, shared=tuple(shared), design=design, cost=cost
    )
    add(explainer, summary=summary, reference=reference)


perturbation_method(
    "occlusion",
    designs.windows,
    estimators.drop,
    summary="Fall of the score when a sliding window is blacked out, averaged over the windows on a pixel.",
    reference="Zeiler & Fergus, ECCV 2014, section 4.2",
    cost="about 170 forwards",
)
perturbation_method(
    "lime",
    designs.superpixels,
    estimators.ridge,
    summary="Weighted ridge regression of the score on which of some 30 superpixels are shown.",
    reference="Ribeiro et al., KDD 2016; 30 SLIC superpixels and 1,000 samples as in Gaya-Morey et al., MTAP 2024",
    cost="1,000 forwards",
    space="probability",
)
perturbation_method(
    "rise",
    designs.random_grids,
    estimators.mean,
    summary="Mean of random soft masks, each weighted by the score that it leaves.",
    reference="Petsiuk et al., BMVC 2018, eq. 6",
    cost="1,000 forwards",
    space="probability",
)

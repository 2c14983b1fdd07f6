"""The perturbation methods: each is a design and an estimator under the name of its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.explainers.explainer import Explainer, Family, add, checks_of, options_of
from workbench.explainers.perturbation.areas import areas
from workbench.explainers.perturbation.averages import drop, insertion, marginals, mean
from workbench.explainers.perturbation.channels import channel_weights, channels, noisy_channels, scaled_channels
from workbench.explainers.perturbation.fills import check_fill
from workbench.explainers.perturbation.grids import random_grids
from workbench.explainers.perturbation.hsic import binary_grids, hsic
from workbench.explainers.perturbation.regression import ridge
from workbench.explainers.perturbation.shapley import shapley_kernel, shapley_orders
from workbench.explainers.perturbation.sobol import sobol_grids, sobol_total
from workbench.explainers.perturbation.superpixels import superpixel_orders, superpixels, superpixels_in_turn
from workbench.explainers.perturbation.windows import openings, windows
from workbench.explainers.spaces import check_space


def perturbation_method(
    name: str,
    design: Callable[..., Any],
    estimator: Callable[..., Any],
    *,
    summary: str,
    reference: str,
    cost: str,
    space: str = "logit",
    expensive: bool = False,
    family: Family = "perturbation",
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Register a design and an estimator as one explainer.

    Options are those of both, and two of the engine: `fill` ("black", "zero", "mean", "blur", "noise" or
    "average_face", see `fills.fill`) and `space` ("logit" or "probability"; the default is what the paper does).
    Methods with the same design, design options and fill share their forward passes. defaults: other defaults than
    the design's and the engine's own.
    """
    together = {**options_of(design), "fill": "black"}
    options = {**together, **options_of(estimator), "space": space}
    unknown = set(defaults or {}) - set(options)
    if unknown:
        raise ValueError(f"{name!r} has no option {', '.join(sorted(unknown))}")
    explainer = Explainer(
        name,
        estimator,
        family,
        options={**options, **(defaults or {})},
        shared=(*together, "space"),
        together=tuple(together),
        design=design,
        engine="workbench.explainers.perturbation.engine",
        cost=cost,
        expensive=expensive,
        checks=(check_space, check_fill, *checks_of(design, estimator)),
    )
    add(explainer, summary=summary, reference=reference)


perturbation_method(
    "occlusion",
    windows,
    drop,
    summary="Fall of the score when a sliding window is blacked out, averaged over the windows on a pixel.",
    reference="Zeiler & Fergus, ECCV 2014, section 4.2",
    cost="about 170 forwards",
)
perturbation_method(
    "inclusion",
    openings,
    insertion,
    summary="Rise of the score when a sliding window is all that is shown, averaged over the windows on a pixel.",
    reference="Covert et al., JMLR 2021, include individual",
    cost="about 170 forwards",
)
perturbation_method(
    "feature_ablation",
    superpixels_in_turn,
    drop,
    summary="Fall of the score when one of some 30 superpixels is blacked out.",
    reference="captum, FeatureAblation; Covert et al., JMLR 2021, remove individual",
    cost="about 30 forwards",
)
perturbation_method(
    "lime",
    superpixels,
    ridge,
    summary="Weighted ridge regression of the score on which of some 30 superpixels are shown.",
    reference="Ribeiro et al., KDD 2016; 30 SLIC superpixels and 1,000 samples as in Gaya-Morey et al., MTAP 2024",
    cost="1,000 forwards",
    space="probability",
    expensive=True,
)
perturbation_method(
    "banzhaf",
    superpixels,
    marginals,
    summary="Banzhaf values of some 30 superpixels: mean score with each one shown minus mean score without.",
    reference="Banzhaf, Rutgers Law Review 1965; Wang & Jia, AISTATS 2023",
    cost="1,000 forwards, those of lime",
    expensive=True,
)
perturbation_method(
    "kernel_shap",
    superpixels,
    shapley_kernel,
    summary="Shapley values of some 30 superpixels by constrained regression on paired coalitions; "
    'draw="uniform" reweights the samples of lime instead and shares its forwards.',
    reference="Lundberg & Lee, NeurIPS 2017, theorem 2; Covert & Lee, AISTATS 2021",
    cost="1,000 forwards",
    expensive=True,
    defaults={"draw": "kernel"},
)
perturbation_method(
    "shapley_sampling",
    superpixel_orders,
    shapley_orders,
    summary="Shapley values of some 30 superpixels as mean gains along random orders and their reverses.",
    reference="Castro et al., Computers & Operations Research 2009; Mitchell et al., JMLR 2022",
    cost="1,000 forwards",
    expensive=True,
)
perturbation_method(
    "region_shap",
    areas,
    shapley_kernel,
    summary="Shapley values of named regions of the face (action units or face regions) and of the rest; "
    "exact for up to ten regions.",
    reference="Lundberg & Lee, NeurIPS 2017, theorem 2",
    cost="up to 2,048 forwards",
    expensive=True,
)
perturbation_method(
    "rise",
    random_grids,
    mean,
    summary="Mean of random soft masks, each weighted by the score that it leaves.",
    reference="Petsiuk et al., BMVC 2018, eq. 6",
    cost="1,000 forwards",
    space="probability",
    expensive=True,
)
perturbation_method(
    "sobol",
    sobol_grids,
    sobol_total,
    summary="Total Sobol index of each cell of a grid: its share in the score's variance; unsigned.",
    reference="Fel et al., NeurIPS 2021; Jansen, Computer Physics Communications 1999",
    cost="2,112 forwards",
    expensive=True,
)
perturbation_method(
    "hsic",
    binary_grids,
    hsic,
    summary="Dependence (HSIC) between the score and whether a cell of a grid is shown; unsigned.",
    reference="Novello et al., NeurIPS 2022",
    cost="1,000 forwards",
    expensive=True,
)
perturbation_method(
    "score_cam",
    channels,
    channel_weights,
    summary="Channels of a layer, weighted by the softmax of the score that each leaves as a mask.",
    reference="Wang et al., CVPR Workshops 2020, algorithm 1",
    cost="one forward a channel",
    expensive=True,
    family="cam",
    defaults={"fill": "zero"},
)
perturbation_method(
    "ss_cam",
    noisy_channels,
    channel_weights,
    summary="Score-CAM with each channel's score averaged over noisy copies of its mask.",
    reference="Wang et al., arXiv 2006.14255, 2020, SS-CAM(1)",
    cost="35 forwards a channel",
    expensive=True,
    family="cam",
    defaults={"fill": "zero"},
)
perturbation_method(
    "is_cam",
    scaled_channels,
    channel_weights,
    summary="Score-CAM with each channel's score averaged over ten strengths of its mask.",
    reference="Naidu et al., arXiv 2010.03023, 2020",
    cost="ten forwards a channel",
    expensive=True,
    family="cam",
    defaults={"fill": "zero"},
)

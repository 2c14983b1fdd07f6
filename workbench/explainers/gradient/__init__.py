"""Gradients with respect to the input: captum does the mathematics, this room fits it to `Classifier`."""

from workbench.explainers.gradient import paths, plain, rectified, relevance
from workbench.explainers.gradient.engine import gradient_method

__all__ = ["gradient_method", "paths", "plain", "rectified", "relevance"]

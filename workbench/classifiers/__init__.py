"""Networks under study: the type, the loader, the registry. Torch is imported only when something is loaded."""

from workbench.classifiers.classifier import Classifier, Preprocessing
from workbench.classifiers.heads import Head
from workbench.classifiers.layout import Layout
from workbench.classifiers.load import load_classifier
from workbench.classifiers.randomise import randomised
from workbench.classifiers.zoo import CLASSIFIERS

__all__ = ["CLASSIFIERS", "Classifier", "Head", "Layout", "Preprocessing", "load_classifier", "randomised"]

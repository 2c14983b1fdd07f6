"""Networks under study: the type, the loader, the registry. Torch is imported only when something is loaded."""

from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.classifiers.load import load_classifier
from workbench.classifiers.randomise import randomised
from workbench.classifiers.zoo import CLASSIFIERS

__all__ = ["CLASSIFIERS", "Classifier", "Head", "Preprocessing", "load_classifier", "randomised"]

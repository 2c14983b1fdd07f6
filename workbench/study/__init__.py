"""A study file → faces × classifiers × explainers, kept map by map so that a run can be resumed."""

from workbench.study.file import DEMO, Study, load_study
from workbench.study.run import StudyResult, assets_of, run_study
from workbench.study.store import MapStore

__all__ = ["DEMO", "MapStore", "Study", "StudyResult", "assets_of", "load_study", "run_study"]

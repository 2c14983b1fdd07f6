"""The drawn study, for every test of this folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def drawn() -> ModuleType:
    """The module `drawn_study` of tests/figures."""
    if "drawn_study" not in sys.modules:
        home = Path(__file__).parents[1] / "figures" / "drawn_study.py"
        spec = importlib.util.spec_from_file_location("drawn_study", home)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["drawn_study"] = module
        spec.loader.exec_module(module)
    return sys.modules["drawn_study"]

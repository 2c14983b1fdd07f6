"""The shim for a torchvision that was built for another torch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from workbench.classifiers import _torchvision


def test_timm_can_be_imported_here_whatever_torchvision_is() -> None:
    timm = _torchvision.import_timm()
    assert timm.is_model("resnet18")
    assert _torchvision.import_torchvision() is sys.modules["torchvision"]


def test_another_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise RuntimeError("something else")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="something else"):
        _torchvision.import_torchvision()


def test_a_whole_torchvision_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ModuleType("torchvision")
    monkeypatch.setattr(importlib, "import_module", lambda name: whole)
    before = list(_torchvision._keep_alive)
    assert _torchvision.import_torchvision() is whole
    assert before == _torchvision._keep_alive

import pytest

from workbench.errors import UnknownNameError, UsageError
from workbench.registry import Entry, Registry


def test_a_registered_name_is_found_with_its_summary_and_details():
    registry: Registry = Registry("thing")

    @registry.register("one", reference="Paper 2020", family="demo")
    def one():
        """First line.

        More.
        """

    assert registry["one"].value is one
    assert registry["one"].as_dict() == {
        "name": "one",
        "summary": "First line.",
        "reference": "Paper 2020",
        "family": "demo",
    }
    assert registry.names() == ["one"]
    assert "one" in registry
    assert "two" not in registry


def test_an_unknown_name_offers_the_nearest_ones_in_one_line():
    registry: Registry = Registry("explainer")
    for name in ("grad_cam", "layer_cam", "lime"):
        registry.add(name, object())
    with pytest.raises(UnknownNameError) as caught:
        registry["gradcam"]
    assert str(caught.value) == "there is no explainer 'gradcam'; did you mean grad_cam or layer_cam?"
    assert caught.value.exit_status == 2


def test_a_name_is_given_once_and_can_be_taken_back():
    registry: Registry = Registry("score")
    registry.add("iou", 1)
    with pytest.raises(UsageError, match="registered already"):
        registry.add("iou", 2)
    registry.remove("iou")
    registry.add("iou", 2)
    assert registry["iou"].value == 2


def test_homes_are_imported_at_the_first_lookup(tmp_path, monkeypatch):
    (tmp_path / "a_home_of_things.py").write_text("import workbench.registry\nLOADED = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    import sys

    registry: Registry = Registry("thing", homes=("a_home_of_things",))
    assert "a_home_of_things" not in sys.modules
    assert len(registry) == 0
    assert "a_home_of_things" in sys.modules


def test_derived_names_are_made_at_the_lookup_and_not_listed():
    registry: Registry = Registry("thing")
    registry.add("two", 2)

    def squared(name):
        if not name.endswith("²"):
            return None
        return Entry(name, registry[name[:-1]].value ** 2)

    registry.derived(squared)
    assert registry["two²"].value == 4
    assert registry["two²²"].value == 16
    assert registry.names() == ["two"]
    assert len(registry) == 1
    assert "two²" in registry
    assert "three²" not in registry
    with pytest.raises(UnknownNameError, match=r"there is no thing 'tow'; did you mean two\?"):
        registry["tow²"]
    with pytest.raises(UnknownNameError, match="no thing 'three'"):
        registry["three"]
    with pytest.raises(UnknownNameError, match="no thing"):
        registry.remove("two²")
    registry.remove("two")
    assert "two²" not in registry

import subprocess
import sys

import pytest

import workbench as wb

CONTRACT = [
    "load_classifier",
    "load_faces",
    "explain",
    "global_heatmaps",
    "load_masks",
    "evaluate",
    "cluster",
    "report",
    "ImageExplorer",
]


def test_the_door_is_light_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "import workbench; took = time.perf_counter() - start\n"
        "all_heavy = {'torch', 'timm', 'captum', 'mediapipe', 'matplotlib', 'xarray', 'scipy', 'pandas'}\n"
        "heavy = all_heavy & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert took < 0.5, took\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", CONTRACT)
def test_every_contract_name_comes_through_the_door(name):
    assert callable(getattr(wb, name))
    assert name in dir(wb)


def test_a_function_is_not_hidden_by_the_room_of_the_same_name():
    code = (
        "import workbench as wb\n"
        "import workbench.explain, workbench.report\n"
        "assert callable(wb.explain), wb.explain\n"
        "assert callable(wb.report), wb.report\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        _ = wb.explian

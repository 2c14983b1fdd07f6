import json

import pytest

from workbench.cli import main
from workbench.cli._common import plain
from workbench.cli.listing import KINDS


def test_no_verb_prints_the_help_and_is_a_usage_error(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "score" in captured.err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == "0.1.0"


@pytest.mark.parametrize("argv", [["lst"], ["list", "networks"], ["explain", "x.png"], ["list", "scores", "--jsn"]])
def test_usage_errors_end_with_status_2_and_leave_standard_output_empty(argv, capsys):
    assert main(argv) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", KINDS)
def test_list_prints_one_json_document(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)[kind]
    assert len(entries) >= 2
    assert all(entry["name"] and entry.get("summary", "-") for entry in entries)
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(entries) + 1


def test_an_unknown_study_file_is_a_usage_error_in_one_line(capsys, tmp_path):
    assert main(["report", str(tmp_path / "none.toml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "there is no study file" in captured.err


def test_an_unknown_explainer_is_refused_before_any_work_with_the_nearest_name(capsys, tmp_path):
    out = str(tmp_path / "o")
    assert main(["explain", "no.png", "--classifier", "facemood", "--explainer", "grad_cm", "--out", out]) == 2
    assert "did you mean grad_cam" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_json_never_holds_nan():
    import numpy as np

    document = {"a": float("nan"), "b": np.float32("inf"), "c": np.array([1.0, np.nan]), "d": (True, None, np.int64(3))}
    assert plain(document) == {"a": None, "b": None, "c": [1.0, None], "d": [True, None, 3]}

"""What a user gets wrong on the command line: one line, the right status, one JSON document, nothing left behind."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.cli import main
from workbench.cli._common import failure_line, out_folder
from workbench.errors import UsageError, WorkbenchError
from workbench.heatmaps import load

EXPLAIN = ["explain", "no.png", "--classifier", "facemood", "--explainer", "grad_cam"]


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["faces", "nowhere", "--out", "o"], 1, "no such file"),
        (["faces", "nowhere", "--out", "o", "--size", "1000000"], 2, "at most 4096 pixels"),
        (["explain", "x.png", "--out", "o"], 2, "required: --classifier, --explainer"),
        ([*EXPLAIN[:-1], "grad_cm", "--out", "o"], 2, "did you mean grad_cam"),
        (["score", "nowhere"], 2, "required: --masks"),
        (["score", "nowhere", "--masks", "friesen-ekman"], 2, "no folder nowhere"),
        (["cluster", "nowhere"], 2, "no folder nowhere"),
        (["list", "networks"], 2, "invalid choice"),
        (["fetch", "colage"], 2, "did you mean collage"),
    ],
)
def test_a_failure_is_one_line_and_under_json_one_document(argv, status, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if "--size" in argv:
        Image.new("RGB", (20, 20)).save("nowhere.png")
        argv = ["nowhere.png" if part == "nowhere" else part for part in argv]
    assert main(argv) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
    assert main([*argv, "--json"]) == status
    out, again = capsys.readouterr()
    assert again == err
    assert json.loads(out) == {"error": err.strip(), "exit_status": status}
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("verb", [["faces", "no.png"], EXPLAIN, ["report"]])
@pytest.mark.parametrize("out", ["file", "file/below", ""])
def test_an_out_folder_that_cannot_be_is_refused_before_any_work(verb, out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    assert main([*verb, "--out", out]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "name a folder" in err
    if verb == ["report"] and out:
        assert main([*verb, "--out", "free", "--store", out]) == 2
        assert capsys.readouterr().err.startswith(f"workbench report: --store {out}: ")


def test_an_out_folder_without_the_right_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.cli._common.os.access", lambda path, mode: False)
    with pytest.raises(WorkbenchError, match="no right to write") as caught:
        out_folder(tmp_path / "new")
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (OSError(28, "No space left on device", "x/y.nc"), "x/y.nc: No space left on device"),
        (MemoryError(), "the memory is used up"),
        (ZeroDivisionError("a\nb"), "unexpected ZeroDivisionError: a b"),
    ],
)
def test_what_nobody_foresaw_is_still_one_line(raised, words, monkeypatch, capsys):
    def broken(args):
        raise raised

    monkeypatch.setattr("workbench.cli.listing.run", broken)
    assert main(["list", "scores", "--json"]) == 1
    out, err = capsys.readouterr()
    assert words in err
    assert err.count("\n") == 1
    assert json.loads(out)["error"] == err.strip()
    with pytest.raises(type(raised)):
        main(["--debug", "list", "scores"])


def test_an_interrupt_is_said_in_one_line(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.cli.listing.run", interrupted)
    assert main(["list", "scores", "--json"]) == 130
    out, err = capsys.readouterr()
    assert "interrupted" in err
    assert err.count("\n") == 1
    assert json.loads(out)["exit_status"] == 130


def test_names_are_said_once():
    assert failure_line("a.png", "photos/a.png: no such file") == "photos/a.png: no such file"
    assert failure_line("a_fear.npy", "a_fear.npy holds text") == "a_fear.npy holds text"
    assert failure_line("a.png", "no face found in 3×3 pixels") == "a.png: no face found in 3×3 pixels"


def test_a_tree_of_maps_made_elsewhere_has_no_explainer_to_choose(tmp_path, capsys):
    for model in "ab":
        np.save(tmp_path / f"{model}_fear.npy", np.arange(12.0).reshape(3, 4))
    assert main(["cluster", str(tmp_path), "--explainer", "lime"]) == 2
    assert "no explainer is known (in these maps)" in capsys.readouterr().err


@pytest.mark.assets
def test_pictures_without_labels_cannot_be_explained_as_labelled_and_a_batch_goes_on(tmp_path, monkeypatch, capsys):
    from skimage import data

    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).save("ä 笑.png")
    Path("text.jpg").write_text("x")
    Image.new("RGB", (64, 64)).save("blue.png")
    verb = [
        "explain",
        "ä 笑.png",
        "text.jpg",
        "blue.png",
        "--classifier",
        "fer-mini-xception",
        "--explainer",
        "grad_cam",
    ]
    assert main([*verb, "--target", "labelled", "--out", "o"]) == 2
    assert "needs labels" in capsys.readouterr().err
    assert not Path("o").exists()
    assert main([*verb, "--out", "o", "--json"]) == 1
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [row["image"] for row in document["predictions"]] == ["ä 笑.png"]
    assert len(document["failures"]) == 2
    assert [line for line in err.splitlines() if line.startswith("failed: ")] == [
        f"failed: {entry}" for entry in document["failures"]
    ]
    assert sorted(path.name for path in Path("o").iterdir()) == ["maps.nc", "predictions.csv", "ä_笑.png"]
    assert main(["score", "o/maps.nc", "--masks", "friesen-ekman", "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert main(["faces", ".", "--out", "found"]) == 1  # text.jpg cannot be read


@pytest.mark.assets
def test_several_targets_give_one_overlay_each_and_slips_come_before_the_faces(tmp_path, monkeypatch, capsys):
    from skimage import data

    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).save("a.png")
    verb = ["explain", "a.png", "--classifier", "fer-mini-xception", "--explainer", "grad_cam", "--out", "o"]
    assert main([*verb, "--target", "expression:fear", "expression:happiness-vs-fear"]) == 0
    made = sorted(path.name for path in Path("o").iterdir())
    assert made == ["a-expression_fear.png", "a-expression_happiness-vs-fear.png", "maps.nc", "predictions.csv"]
    assert load(Path("o") / "maps.nc").target.values.tolist() == ["expression:fear", "expression:happiness-vs-fear"]
    capsys.readouterr()
    assert main([*verb, "--target", "au:12"]) == 2
    assert "nothing to explain: 'fer-mini-xception' has no head 'au'" in capsys.readouterr().err
    monkeypatch.setattr("workbench.faces.load_faces", lambda *_, **__: pytest.fail("faces were looked for"))
    assert main([*verb, "--target", "happiness"]) == 2
    assert "target 'happiness' is not understood" in capsys.readouterr().err


@pytest.mark.assets
def test_an_explain_that_breaks_off_while_writing_leaves_nothing(tmp_path, monkeypatch, capsys):
    from skimage import data

    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).save("a.png")

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.figures.overlay_grid", interrupted)
    argv = ["explain", "a.png", "--classifier", "fer-mini-xception", "--explainer", "grad_cam", "--out", "o"]
    assert main(argv) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_warnings_of_libraries_do_not_reach_the_user(monkeypatch, capsys, recwarn):
    import warnings

    def noisy(args):
        warnings.warn("glyph missing", stacklevel=1)
        return 0

    monkeypatch.setattr("workbench.cli.listing.run", noisy)
    assert main(["list", "scores"]) == 0
    assert not recwarn.list
    assert main(["--debug", "list", "scores"]) == 0
    assert [str(warning.message) for warning in recwarn.list] == ["glyph missing"]


def test_being_terminated_is_an_interrupt_and_the_old_handler_comes_back(monkeypatch, capsys):
    import os
    import signal
    import time

    def killed(args):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("workbench.cli.listing.run", killed)
    assert main(["list", "scores"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before

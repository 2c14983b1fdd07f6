"""`workbench faces` on a data set: layout, its options, known landmarks, JSON with action units."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.cli.main import main

GREY = " ".join(map(str, np.arange(64) * 3))


@pytest.fixture
def fer(tmp_path):
    file = tmp_path / "fer2013.csv"
    file.write_text(f"emotion,pixels,Usage\n3,{GREY},Training\n0,{GREY},PrivateTest\n")
    return file


def test_a_layout_with_an_option_and_the_template(fer, tmp_path, capsys):
    out = tmp_path / "out"
    read = ["--layout", "fer2013", "--set", "usage=PrivateTest", "--landmarks", "template", "--cropped"]
    status = main(["faces", str(fer), "--out", str(out), *read, "--size", "32", "--json"])
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert status == 0
    assert [face["label"] for face in document["faces"]] == ["anger"]
    assert document["action_units"] == []  # nothing was detected, so nothing was estimated
    assert "1 face →" in printed.err
    assert (out / "faces.csv").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "usage"], "--set 'usage' is no option; write KEY=VALUE"),
        (["--set", "size=3"], "--set 'size=3' is no option of a layout"),
        (["--set", "part=x"], "no option of layout 'fer2013' 'part'"),
        (["--layout", "fer"], "there is no layout 'fer'"),
    ],
)
def test_options_that_are_refused(fer, tmp_path, capsys, more, message):
    assert main(["faces", str(fer), "--out", str(tmp_path / "o"), "--layout", "fer2013", *more]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.assets
def test_units_that_cannot_be_measured_are_named(tmp_path, capsys):
    from PIL import Image
    from skimage import data

    Image.fromarray(data.astronaut()).save(tmp_path / "a.png")
    assert main(["faces", str(tmp_path / "a.png"), "--out", str(tmp_path / "o"), "--json"]) == 0
    printed = capsys.readouterr()
    units = {row["au"]: row for row in json.loads(printed.out)["action_units"]}
    assert units["AU9"]["status"] == "not measurable"
    assert units["AU9"]["estimates"] == {"a.png": None}
    assert units["AU12"]["estimates"]["a.png"] > 0.8
    assert "not measurable from blendshapes here: AU" in printed.err

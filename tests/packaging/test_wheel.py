import json
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from check_wheel import build, install, run

STUDY = """
name = "small"
[faces]
source = "demo"
collage = false
[[classifiers]]
name = "fer-mini-xception"
[explain]
explainers = ["grad_cam"]
[[masks]]
name = "friesen-ekman"
[[masks]]
name = "facs-au"
codebook = "martinez-2017"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_data_ship_inside_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "workbench/py.typed",
        "workbench/assets.toml",
        "workbench/study/demo.toml",
        "workbench/classifiers/zoo.toml",
        "workbench/widgets/mask_painter.js",
        "workbench/widgets/mask_painter.css",
        "workbench/_masks/friesen-ekman/maskset.toml",
        "workbench/_masks/codebooks.toml",
        "workbench/canonical/frames/mediapipe478_points.csv",
        "workbench/report/templates/index.html.j2",
    ):
        assert needed in names
    assert not [n for n in names if n.startswith(("tests/", "masks/", "notebooks/")) or n.endswith((".png", ".ipynb"))]


@pytest.mark.slow
@pytest.mark.assets
def test_the_wheel_writes_a_report_outside_the_checkout(wheel, tmp_path):
    binaries = install(wheel, tmp_path / "env", borrow=Path(sysconfig.get_path("purelib")))
    where = run([str(binaries / "python"), "-c", "import workbench; print(workbench.__file__)"], tmp_path)
    assert where.startswith(str(tmp_path))
    (tmp_path / "small.toml").write_text(STUDY)
    page = run([str(binaries / "workbench"), "report", "small.toml", "--out", "page", "--store", "kept"], tmp_path)
    assert (tmp_path / page).stat().st_size > 100_000
    manifest = json.loads((tmp_path / "page" / "manifest.json").read_text())
    assert manifest["contains_faces"] is True

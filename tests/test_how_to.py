"""Every how-to page is run as its reader would: files written as shown, then the Python blocks in order."""

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "how-to").glob("*.md"))
FENCE = re.compile(r"^```(?P<language>\w+)(?: file=(?P<file>\S+))?\n(?P<body>.*?)^```$", re.M | re.S)


def blocks(page: Path):
    return [match.groupdict() for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def test_there_is_a_page_for_everything_a_newcomer_adds():
    names = {page.stem for page in PAGES}
    things = ("a-classifier", "an-explainer", "a-score", "a-null-model", "a-faithfulness-score", "a-distance")
    assert names >= {f"add-{thing}" for thing in (*things, "a-mask-set", "an-asset")}


@pytest.mark.assets
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs_as_written(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks(page)
    for block in found:
        if block["file"]:
            path = tmp_path / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"], encoding="utf-8")
    code = [block["body"] for block in found if block["language"] == "python" and not block["file"]]
    assert code, f"{page.name} has no Python block that its reader could run"
    before = _registered()
    try:
        exec(compile("\n".join(code), page.name, "exec"), {"__name__": "how_to"})
    finally:
        for registry, names in before:
            for name in set(registry.names()) - names:
                registry.remove(name)


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem.startswith("add-")], ids=lambda page: page.stem)
def test_adding_takes_under_20_lines(page):
    first = blocks(page)[0]
    lines = [line for line in first["body"].splitlines() if line.strip()]
    assert len(lines) < 20, f"the first block of {page.name} has {len(lines)} lines"


def _registered():
    import workbench as wb
    from workbench.assets import ASSETS
    from workbench.comparison import DISTANCES
    from workbench.faithfulness import FAITHFULNESS
    from workbench.scores.nulls import NULLS

    door = (wb.CLASSIFIERS, wb.EXPLAINERS, wb.SCORES, wb.MASKS, wb.LAYOUTS)
    return [(registry, set(registry.names())) for registry in (*door, ASSETS, NULLS, FAITHFULNESS, DISTANCES)]

"""The page of explainers names what is registered, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.explainers import EXPLAINERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explainers.md"
SECTIONS = ("What there is", "On which networks", "Where the truth is known")


def section(title: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    _, _, rest = text.partition(f"## {title}\n")
    assert rest, f"docs/explainers.md has no section {title!r}; run tools/explainer_page.py"
    return re.split(r"^## ", rest, flags=re.MULTILINE)[0]


def rows(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)


def test_every_registered_explainer_stands_on_the_page_once_and_no_other() -> None:
    listed = rows(section("What there is"))
    assert sorted(listed) == sorted(EXPLAINERS.names()), "run tools/explainer_page.py again"


def test_the_page_names_every_option() -> None:
    text = section("What there is")
    for entry in EXPLAINERS:
        (line,) = re.findall(rf"^\| `{entry.name}` \|.*$", text, flags=re.MULTILINE)
        for option in entry.value.options:
            assert re.search(rf"`{option}(=[^`]*)?`", line), (entry.name, option)


def test_each_explainer_runs_everywhere_or_is_refused_somewhere_with_a_reason() -> None:
    text = section("On which networks")
    families = re.search(r"^Families: ([^.]*)\.$", text, flags=re.MULTILINE)
    assert families is not None
    count = len(families[1].split(","))
    everywhere = re.search(rf"^On all {count}: ([^.]*)\.$", text, flags=re.MULTILINE)
    assert everywhere is not None
    named = re.findall("`([^`]+)`", everywhere[1])
    for line in re.findall(r"^\| `.*$", text, flags=re.MULTILINE):
        _, names, runs, why, _ = re.split(r"(?<!\\)\|", line)
        named += re.findall("`([^`]+)`", names)
        reasons = [part.partition(": ") for part in why.strip().split("<br>")]
        assert all(reason for _, _, reason in reasons), names
        assert int(runs.partition(":")[0]) + sum(len(those.split(", ")) for those, _, _ in reasons) == count, names
    assert sorted(named) == sorted(EXPLAINERS.names())


def test_every_explainer_was_tried_on_the_drawn_mouths() -> None:
    assert sorted(rows(section("Where the truth is known"))) == sorted(EXPLAINERS.names())

"""The page in a real browser: text contrast in light and dark, no sideways scrolling on a phone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.report import report
from workbench.report.analysis import Analysis

pytestmark = pytest.mark.browser

# Contrast (WCAG 2) of every text with the ground behind it, SVG text included; text that stands on an SVG picture or
# patch (numbers in coloured cells) chooses its colour by its cell and is tested with the figures.
CONTRAST = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m[3] ?? 1}; };
  const lum = c => [c.r, c.g, c.b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.a > .99) return c; } return {r: 255, g: 255, b: 255, a: 1}; };
  const out = [];
  document.querySelectorAll('details').forEach(d => d.open = true);
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['SCRIPT', 'STYLE'].includes(e.tagName)) continue;
    const svg = e instanceof SVGElement, style = getComputedStyle(e), c = parse(svg ? style.fill : style.color);
    if (svg && /^rgb\\((255, 255, 255|20, 22, 26)\\)$/.test(style.fill)) continue;
    const [a, b] = [lum(c), lum(ground(e))].sort((x, y) => y - x);
    out.push({text: e.textContent.trim().slice(0, 40), svg, ratio: (a + .05) / (b + .05),
              size: parseFloat(style.fontSize), font: style.fontFamily});
  }
  return out;
}"""


@pytest.fixture(scope="module")
def page(drawn: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    faces = drawn.faces()
    maps = drawn.maps(faces)
    analysis = Analysis(drawn.heat(maps), {"drawn": drawn.table()})
    return report(maps, drawn.masks(), faces=faces, out=tmp_path_factory.mktemp("b") / "r", analysis=analysis)


@pytest.fixture
def browser(chromium: Any) -> Any:
    return chromium


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_text_is_legible_and_the_page_fits(browser: Any, page: Path, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    failed: list[str] = []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    tab.goto(page.as_uri())
    found = tab.evaluate(CONTRAST)
    assert sum(f["svg"] for f in found) > 100
    low = sorted({(round(f["ratio"], 2), f["text"]) for f in found if f["ratio"] < 4.5})
    # coloured support numbers and marks in figures are large-text class (3:1); everything else is 4.5:1
    assert [entry for entry in low if entry[0] < 3] == []
    assert [f for f in found if f["ratio"] < 4.5 and not f["svg"]] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert failed == []
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    context.close()


def test_the_page_reads_without_scripts(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.as_uri())
    assert "What can be believed" in tab.content()
    hidden = tab.locator("#heatmaps details").nth(1)
    assert not hidden.locator("svg").is_visible()
    hidden.locator("summary").click()
    assert hidden.locator("svg").is_visible()
    context.close()

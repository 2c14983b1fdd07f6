"""`ImageExplorer` in JupyterLab: every control reaches the kernel and changes the picture."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DRAWN = (Path(__file__).parent / "drawn.py").read_text(encoding="utf-8")
CELLS = [
    DRAWN,
    "import workbench as wb\n"
    "faces = drawn_faces()\n"
    "explorer = wb.ImageExplorer(synthetic_maps(faces), faces)\n"
    "explorer",
    "print('all cells have run')",
]
# Label of the control, its trait, how it is moved (an option to choose, or a key to press), the kernel's value then.
MOVES = [
    ("Face", "face", "drawn-2", "drawn-2"),
    ("Network", "model", "net-b", "net-b"),
    ("Explainer", "explainer", "integrated gradients", "integrated_gradients"),
    ("Beside it", "second_explainer", "LIME", "lime"),
    ("Drawn on", "view", "canonical face", "canonical face"),
    ("Scale", "scale", "raw values", "raw values"),
    ("Heat opacity", "opacity", "ArrowRight", "0.8"),
    ("Outline", "threshold", "ArrowLeft", "0.05"),
    ("Outline by", "threshold_by", "share of the scale", "share of the scale"),
]


def drawing(page, revision):
    """SHA-256 of the overlays (pictures and lines; no words, no bars) once that revision is on the page."""
    shown = page.locator(f".facs-explorer[data-revision='{revision}']")
    shown.wait_for()
    marks = shown.evaluate(
        """node => [...node.querySelectorAll('figure:not(:last-child) :is(image, path)')]
            .map(mark => mark.outerHTML).join('\\n')"""
    )
    assert marks.count("<image") >= 2  # the face and its colour bar
    return hashlib.sha256(marks.encode()).hexdigest()


def move(page, label, action):
    """Choose an option or press a key on the control of that label."""
    control = page.locator(".jupyter-widgets", has=page.locator(f".widget-label:text-is('{label}')")).last
    if action.startswith("Arrow"):
        control.get_by_role("slider").focus()
        page.keyboard.press(action)
    else:
        control.locator("select").select_option(label=action)


def photograph(page, name):
    """A screenshot of the widget, kept where WORKBENCH_SCREENSHOTS says."""
    if folder := os.environ.get("WORKBENCH_SCREENSHOTS"):
        page.locator(".jp-OutputArea-child", has=page.locator(".facs-explorer")).screenshot(path=f"{folder}/{name}.png")


def test_each_control_reaches_the_kernel_and_redraws(open_lab):
    lab = open_lab("explore.ipynb", CELLS)
    page = lab.page
    lab.run_all("all cells have run")
    before, revision = drawing(page, 1), 1
    for label, trait, action, value in MOVES:
        move(page, label, action)
        revision += 1
        after = drawing(page, revision)
        assert after != before, f"{label}: the picture has not changed"
        assert lab.ask(f"explorer.{trait}", f"<{trait}>") == value
        before = after
    assert lab.ask("explorer.revision", "<revision>") == str(revision)


def test_the_kernel_moves_the_controls_and_the_picture(open_lab):
    lab = open_lab("from_kernel.ipynb", CELLS)
    page = lab.page
    lab.run_all("all cells have run")
    before = drawing(page, 1)
    lab.ask("setattr(explorer, 'face', 'drawn-3')", "<set>")
    assert drawing(page, 2) != before
    shown = page.locator(".jupyter-widgets", has=page.locator(".widget-label:text-is('Face')")).last.locator("select")
    assert shown.evaluate("select => select.selectedOptions[0].label") == "drawn-3"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_legible_and_whole_in_both_themes_wide_and_narrow(open_lab, dark):
    lab = open_lab(f"look_{'dark' if dark else 'light'}.ipynb", CELLS)
    page = lab.page
    lab.theme(dark)
    lab.command("application:toggle-left-area")
    lab.run_all("all cells have run")
    drawing(page, 1)
    move(page, "Beside it", "LIME")
    drawing(page, 2)
    for width in (1280, 900, 480):
        page.set_viewport_size({"width": width, "height": 1400})
        page.wait_for_function("width => document.querySelector('.facs-explorer').clientWidth < width", arg=width)
        photograph(page, f"explorer-{'dark' if dark else 'light'}-{width}")
        cut = page.evaluate(
            """() => [...document.querySelectorAll(
                    '.jp-OutputArea-output .widget-label, .facs-explorer, .facs-explorer figure')]
                .filter(node => node.scrollWidth > node.clientWidth + 1)
                .map(node => node.textContent || node.className)"""
        )
        assert cut == [], f"cut off at {width} px"
    contrasts = page.evaluate(
        """() => {
            const rgb = text => text.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
                .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
            const ground = node => { for (; node; node = node.parentElement) {
                const colour = rgb(getComputedStyle(node).backgroundColor);
                if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
            return [...document.querySelectorAll('.facs-explorer text, .facs-explorer p')].map(node => {
                const style = getComputedStyle(node);
                const ink = light(rgb(node.tagName === 'P' ? style.color : style.fill)), page = light(ground(node));
                return (Math.max(ink, page) + .05) / (Math.min(ink, page) + .05); }); }"""
    )
    assert len(contrasts) > 10
    assert min(contrasts) >= 4.5

"""`MaskPainter` in JupyterLab: strokes, mirror, entries, erasing, undo, keys; every one checked in the kernel."""

from __future__ import annotations

import ast
import os

import numpy as np
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    "import numpy as np\nimport workbench as wb\n"
    "painter = wb.MaskPainter(['AU12', 'AU1', 'AU4'], brush=9, mirror=False)\n"
    "def rows(name):\n"
    "    return [(int(i), int(r.argmax()), int(r.sum())) for i, r in enumerate(painter.arrays[name]) if r.any()]\n"
    "painter",
    "print('all cells have run')",
]
HEIGHT, WIDTH = 256, 224


class Painter:
    """The widget on the page; places are pixels of the frame's grid."""

    def __init__(self, lab):
        self.lab, self.page = lab, lab.page
        self.root = self.page.locator(".facs-painter")
        self.canvas = self.root.locator("canvas")
        self.asked = 0

    def place(self, x, y):
        box = self.canvas.bounding_box()
        return box["x"] + (x + 0.5) / WIDTH * box["width"], box["y"] + (y + 0.5) / HEIGHT * box["height"]

    def stroke(self, *places):
        self.canvas.scroll_into_view_if_needed()
        self.page.mouse.move(*self.place(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.place(*place), steps=4)
        self.page.mouse.up()

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    def array(self, name):
        """What the kernel has: each row's first pixel and count; the strokes here have no gaps within a row."""
        self.asked += 1
        rows = ast.literal_eval(self.lab.ask(f"rows({name!r})", f"<{name} {self.asked}>"))
        array = np.zeros((HEIGHT, WIDTH), bool)
        for row, first, count in rows:
            array[row, first : first + count] = True
        return array


def expected(*places, radius=4.5):
    """Every pixel within `radius` of the line through the places."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    out = np.zeros((HEIGHT, WIDTH), bool)
    ends = places[1:] or places
    for (ax, ay), (bx, by) in zip(places, ends, strict=False):
        length = max((bx - ax) ** 2 + (by - ay) ** 2, 1)
        along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1)
        out |= np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)) <= radius
    return out


def photograph(painter, name):
    """A screenshot of the widget, kept where WORKBENCH_SCREENSHOTS says."""
    if folder := os.environ.get("WORKBENCH_SCREENSHOTS"):
        painter.page.locator(".jp-OutputArea-child", has=painter.root).screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def painter(open_lab, request):
    lab = open_lab(f"{request.node.name}.ipynb", CELLS)
    lab.run_all("all cells have run")
    widget = Painter(lab)
    widget.canvas.wait_for()
    return widget


def test_a_stroke_reaches_the_kernel_at_the_right_pixels(painter):
    painter.stroke((70, 180), (90, 180))
    array = painter.array("AU12")
    assert np.array_equal(array, expected((70, 180), (90, 180)))
    assert not painter.array("AU1").any()

    painter.button("Undo").click()
    assert not painter.array("AU12").any()
    assert painter.button("Undo").is_disabled()


def test_the_mirror_image_the_eraser_and_the_edge_of_the_face(painter):
    painter.root.get_by_label("Both sides (mirror)").check()
    painter.stroke((80, 90), (60, 90))
    both = ast.literal_eval(painter.lab.ask("[int(j) for j in np.flatnonzero(painter.arrays['AU12'][90])]", "<both>"))
    one = list(range(56, 85))
    assert both == one + [WIDTH - 1 - j for j in reversed(one)]

    painter.root.get_by_label("Both sides (mirror)").uncheck()
    painter.button("Erase").click()
    assert painter.button("Erase").get_attribute("aria-pressed") == "true"
    painter.stroke((WIDTH - 1 - 80, 90), (WIDTH - 1 - 60, 90))
    assert np.array_equal(painter.array("AU12"), expected((60, 90), (80, 90)))

    painter.button("Paint").click()
    painter.stroke((2, 2))  # outside the face
    assert np.array_equal(painter.array("AU12"), expected((60, 90), (80, 90)))


def test_entries_are_apart_and_undo_is_of_the_entry(painter):
    painter.stroke((100, 200))
    painter.root.get_by_label("Mask").select_option("AU4")
    painter.stroke((110, 80))
    painter.stroke((110, 100))
    painter.button("Undo").click()
    assert np.array_equal(painter.array("AU4"), expected((110, 80)))
    assert np.array_equal(painter.array("AU12"), expected((100, 200)))
    assert painter.lab.ask("painter.entry", "<entry>") == "AU4"
    labels = painter.root.get_by_label("Mask").locator("option").all_inner_texts()
    assert labels == ["AU12, lip corner puller ✓", "AU1, inner brow raiser", "AU4, brow lowerer ✓"]

    painter.button("Clear").click()
    assert not painter.array("AU4").any()
    painter.button("Undo").click()
    assert np.array_equal(painter.array("AU4"), expected((110, 80)))


def test_the_keyboard_paints_and_does_not_reach_the_notebook(painter):
    painter.canvas.focus()
    cells = painter.page.locator(".jp-Cell").count()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowDown", "Space", "d", "d"):
        painter.page.keyboard.press(key)
    assert np.array_equal(painter.array("AU12"), expected((108, 138)))
    assert painter.page.locator(".jp-Cell").count() == cells
    painter.canvas.focus()
    painter.page.keyboard.press("Control+z")
    assert not painter.array("AU12").any()


def test_the_kernel_paints_on_the_page(painter):
    painter.lab.ask("painter.set('AU1', np.arange(256)[:, None].repeat(224, 1) == 100)", "<set>")
    painter.lab.ask("setattr(painter, 'entry', 'AU1')", "<chosen>")
    row = (
        "canvas => canvas.getContext('2d').getImageData(0, 100, 224, 2).data.filter((v, i) => i % 4 === 3 && v).length"
    )
    painter.page.wait_for_function(f"() => ({row})(document.querySelector('.facs-painter canvas')) === 224")
    assert painter.root.locator(".status").inner_text().startswith("AU1 covers")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_legible_and_whole_in_both_themes_wide_and_narrow(open_lab, dark):
    lab = open_lab(f"painter_{'dark' if dark else 'light'}.ipynb", CELLS)
    lab.theme(dark)
    lab.command("application:toggle-left-area")
    lab.run_all("all cells have run")
    painter, page = Painter(lab), lab.page
    painter.canvas.wait_for()
    painter.root.get_by_label("Both sides (mirror)").check()
    painter.stroke((85, 178), (70, 168), (66, 160))
    painter.root.locator(".status", has_text="AU12 covers").wait_for()
    for width in (1280, 480):
        page.set_viewport_size({"width": width, "height": 1100})
        page.wait_for_function("width => document.querySelector('.facs-painter').clientWidth < width", arg=width)
        photograph(painter, f"painter-{'dark' if dark else 'light'}-{width}")
        cut = page.evaluate(
            """() => [...document.querySelectorAll('.facs-painter, .facs-painter *')]
                .filter(node => node.tagName !== 'OPTION' && node.className !== 'tip'
                    && node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0)
                .map(node => node.className || node.tagName)"""
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
            return [...document.querySelectorAll('.facs-painter :is(label, button, select, output, p, .sides span)')]
                .filter(node => !node.disabled).map(node => {
                    const ink = light(rgb(getComputedStyle(node).color)), page = light(ground(node));
                    return (Math.max(ink, page) + .05) / (Math.min(ink, page) + .05); }); }"""
    )
    assert len(contrasts) > 8
    assert min(contrasts) >= 4.5

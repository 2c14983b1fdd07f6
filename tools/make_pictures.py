"""Draw the README's pictures into docs/images from the folder of a demo report.

    workbench report --out reports/demo
    python tools/make_pictures.py reports/demo docs/images

`global-heatmaps.png`: one explainer's global heatmaps of every network on the canonical face, with the masks'
outlines, from `heatmaps.nc`. `overlays.png`: the astronaut under every explainer of one network, from `maps.nc`.
`report.png`: the top of the page, what can be believed and the table below it, by a headless Chromium (Playwright).
No photograph but the astronaut is in any of them: the collage's licence does not allow it, so the page is cut
before its section of faces.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from workbench import figures
from workbench.faces import demo_faces
from workbench.heatmaps import load
from workbench.heatmaps.predictions import class_probabilities
from workbench.masks import load_masks
from workbench.report.recognition import recognition

WIDTH = 1400
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def save(figure: Figure, path: Path) -> None:
    """The figure on white, WIDTH pixels wide, as a PNG of 256 colours."""
    stream = io.BytesIO()
    dots = WIDTH / float(figure.get_size_inches()[0])
    figure.savefig(stream, format="png", dpi=dots, facecolor="white", transparent=False)
    write(Image.open(stream), path)


def write(picture: Image.Image, path: Path) -> None:
    """A picture of 256 colours, dithered, with its size said."""
    picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path} {picture.width} × {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def screenshot(page: Path, path: Path) -> None:
    """The page from its title to the table of controls, in light colours, without any photograph."""
    from playwright.sync_api import sync_playwright

    browser_path = next((b for b in BROWSERS if Path(b).exists()), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1240, "height": 900}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        # Only the head and the first section stay, so that nothing else can be in the picture.
        tab.evaluate("document.querySelectorAll('section:not(#belief), footer').forEach(e => e.remove())")
        if tab.locator("img").count():
            sys.exit("a photograph is still on the page: no picture was made")
        shot = tab.screenshot(full_page=True)
        browser.close()
    write(Image.open(io.BytesIO(shot)), path)


def main() -> None:
    """Read the arguments, draw the three pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, help="folder of a demo report")
    parser.add_argument("out", type=Path)
    parser.add_argument("--explainer", default="occlusion")
    parser.add_argument("--network", default="fer-big-xception")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    heat, maps = load(args.report / "heatmaps.nc"), load(args.report / "maps.nc")
    marked = {(a.model, e) for a in recognition(maps, class_probabilities(maps)) for e in a.failed()}
    sheet = figures.global_heatmaps(heat, args.explainer, load_masks("friesen-ekman"), unrecognised=marked)
    save(sheet, args.out / "global-heatmaps.png")
    faces = demo_faces(collage=False, progress=False)
    status = maps["status"].sel(model=args.network, image="astronaut")
    there = [str(e) for e in maps["explainer"].values if str(status.sel(explainer=e).values) == "ok"]
    row = figures.overlay_grid(maps, faces, args.network, images=["astronaut"], explainers=there, tile=128)
    save(row, args.out / "overlays.png")
    screenshot(args.report / "index.html", args.out / "report.png")


if __name__ == "__main__":
    main()

"""Builds the wheel, installs it in an empty environment outside the checkout and runs `workbench report` there.

`make wheel-check` runs the whole demo with every package installed anew from the constraints (PIP_ARGS goes to pip).
`tests/packaging/test_wheel.py` runs a small study with the packages of the running environment.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    """The wheel, built from the checkout into `folder`; hatchling must be installed."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, borrow: Path | None = None) -> Path:
    """An environment in `folder` that holds the wheel; its `bin` folder.

    With `borrow`, the packages of that site-packages folder are used; `.pth` files inside it, such as an editable
    install's, do not act there.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", *shlex.split(os.environ.get("PIP_ARGS", ""))]
    if borrow is None:
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True, cwd=folder)
    else:
        subprocess.run([*pip, "--no-deps", str(wheel)], check=True, cwd=folder)
        site = next((folder / "lib").glob("python*")) / "site-packages"
        (site / "borrowed.pth").write_text(f"{borrow}\n")
    return folder / "bin"


def run(command: list[str], folder: Path) -> str:
    """Standard output of a command run in `folder` with nothing of the checkout in sight."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def main() -> int:
    """Build, install anew, run the demo; returns the exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        wheel = build(folder)
        binaries = install(wheel, folder / "env")
        where = run([str(binaries / "python"), "-c", "import workbench; print(workbench.__file__)"], folder)
        assert str(folder) in where, f"the checkout was imported, not the wheel: {where}"
        page = Path(run([str(binaries / "workbench"), "report", "--out", "page"], folder))
        size = (folder / page).stat().st_size
        print(f"{wheel.name} wrote a report of {size / 1e6:.1f} MB in an environment outside the checkout")
    return 0


if __name__ == "__main__":
    sys.exit(main())

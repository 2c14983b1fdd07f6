"""Builds the wheel, installs it in an empty environment outside the checkout and runs `workbench report` there.

Run by `make wheel-check`. The environment takes its packages from the same constraints; PIP_ARGS is passed to pip.
With `--here` the dependencies of the running environment are used (quick), and only the wheel itself is fresh.
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


def main() -> int:
    """Build, install, run; returns the exit status."""
    here = "--here" in sys.argv
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = lambda *command, **options: subprocess.run(command, check=True, cwd=folder, **options)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(ROOT))
        (wheel,) = (folder / "dist").glob("*.whl")
        venv.create(folder / "env", with_pip=True)
        python = str(folder / "env" / "bin" / "python")
        pip = [python, "-m", "pip", "install", "-q", *shlex.split(os.environ.get("PIP_ARGS", ""))]
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        if here:
            run(*pip, "--no-deps", str(wheel))
            site = next(p for p in sys.path if p.endswith("site-packages"))
            purelib = run(
                python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", capture_output=True, text=True
            ).stdout.strip()
            editable_free = folder / "borrowed"
            editable_free.mkdir()
            for item in Path(site).iterdir():
                if "facs_workbench" not in item.name and item.name != "workbench":
                    (editable_free / item.name).symlink_to(item)
            Path(purelib, "borrowed.pth").write_text(str(editable_free))
        else:
            run(*pip, "-c", str(ROOT / "constraints.txt"), str(wheel))
        where = run(
            python, "-c", "import workbench; print(workbench.__file__)", capture_output=True, text=True, env=environment
        ).stdout.strip()
        assert str(folder) in where, f"the checkout was imported, not the wheel: {where}"
        workbench = str(folder / "env" / "bin" / "workbench")
        run(workbench, "list", "masks", env=environment)
        run(workbench, "fetch", "--demo", env=environment)
        page = run(
            workbench, "report", "--out", str(folder / "page"), env=environment, stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        size = Path(folder, page).stat().st_size
        print(f"the wheel {wheel.name} wrote a report of {size / 1e6:.1f} MB in an environment outside the checkout")
    return 0


if __name__ == "__main__":
    sys.exit(main())

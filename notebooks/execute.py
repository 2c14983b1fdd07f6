"""Run the notebooks again and save them in place, so that only what they show can differ from the last time.

    python notebooks/execute.py [NAME.ipynb …]     all notebooks of this folder where none is named

Outputs are compared by nbval (`make notebooks-check`). What a machine, a clock or chance put into a notebook file
is taken out: timings, versions of the interpreter, ids of widgets and cells. A widget's picture and words stay, its
live view goes, since no viewer can revive it without its kernel.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def clean(notebook: Any) -> Any:
    """The notebook without anything that changes from run to run or from machine to machine; changed in place."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02d}"
        cell.metadata = nbformat.from_dict({"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def run(path: Path, timeout: int = 600) -> float:
    """Run one notebook in its own folder, save it in place, and return the seconds that it took."""
    notebook = nbformat.read(path, as_version=4)
    begun = time.monotonic()
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", store_widget_state=False,
                            resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    nbformat.write(clean(notebook), path)
    return time.monotonic() - begun


def main(argv: list[str] | None = None) -> int:
    """Run what the command line names and say how long each took."""
    parser = argparse.ArgumentParser(description="Run the notebooks again and save their outputs in place.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebook files; all of this folder without one")
    for path in parser.parse_args(argv).notebooks or sorted(HERE.glob("*.ipynb")):
        sys.stderr.write(f"{path.name}: {run(path.resolve()):.0f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What nbval does not see: cells never run, warnings, machine paths, live widgets, pictures that must not be shown."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Calls that draw photographs; in a committed output only of the astronaut.
DRAWS_FACES = re.compile(r"overlay|ImageExplorer|explorer\b|fromarray|\.images\b")


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def notebook(request):
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def execute():
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def pictures(cell):
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


def test_the_notebooks_are_here():
    assert [path.stem for path in NOTEBOOKS] == [
        "01-first-look",
        "02-expert-masks",
        "03-methods-targets-layers",
        "04-published-heatmaps",
        "05-action-unit-cosine",
    ]


def test_is_valid_and_was_run_from_top_to_bottom(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    assert sum(bool(cell.outputs) for cell in code_cells(notebook)) >= 5


def test_no_error_no_warning_nothing_on_standard_error(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert "Warning" not in json.dumps(output)


def test_outputs_name_no_machine_and_no_address(notebook):
    text = re.sub(
        r"data:image/png;base64,[A-Za-z0-9+/=]+",
        "",
        json.dumps(
            [
                {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")} or output.get("text")
                for output in outputs(notebook)
            ]
        ),
    )
    assert not re.search(r"(/(home|root|Users|tmp|work)/|[A-Z]:\\\\|site-packages|https?://\S*:\d+)", text)
    assert not re.search(r"0x[0-9a-f]{6,}", text)


def test_widgets_are_still_pictures(notebook, execute):
    assert "widgets" not in notebook.metadata
    assert not any(execute.WIDGET_VIEW in output.get("data", {}) for output in outputs(notebook))
    for cell in code_cells(notebook):
        if re.search(r"^explorer(\.static\(\))?$", cell.source, re.MULTILINE):
            (picture,) = pictures(cell)
            assert Image.open(io.BytesIO(base64.b64decode(picture))).width > 600


def test_metadata_hold_nothing_that_changes(notebook, execute):
    before = nbformat.writes(notebook)
    assert nbformat.writes(execute.clean(notebook)) == before


def test_photographs_shown_are_the_astronauts(notebook):
    for cell in code_cells(notebook):
        if pictures(cell) and DRAWS_FACES.search(cell.source):
            assert "astronaut" in cell.source or "explorer" in cell.source, cell.source
    sources = "\n".join(cell.source for cell in code_cells(notebook))
    for made in re.findall(r"ImageExplorer\(([^)]*)\)", sources):
        assert "astronaut" in made


def test_files_stay_small():
    assert all(path.stat().st_size < 1_500_000 for path in NOTEBOOKS)


def test_cleaning_takes_out_clocks_widgets_and_chance(execute):
    output = nbformat.v4.new_output("display_data", {execute.WIDGET_VIEW: {"model_id": "abc"}, "text/plain": "kept"})
    ran = {"execution": {"iopub.status.idle": "2026-01-01T00:00:00Z"}, "tags": ["a"]}
    cell = nbformat.v4.new_code_cell("1", outputs=[output], metadata=ran)
    language = {"name": "python", "version": "3.99"}
    book = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}, "language_info": language})
    cleaned = execute.clean(book)
    assert cleaned.cells[0].id == "cell-01"
    assert cleaned.cells[0].metadata == {"tags": ["a"]}
    assert cleaned.cells[0].outputs[0].data == {"text/plain": "kept"}
    assert cleaned.metadata == {"kernelspec": execute.KERNEL, "language_info": {"name": "python"}}

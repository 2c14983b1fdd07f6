"""A real JupyterLab in a real browser: fixtures `lab` (server) and `open_lab` (a page on a notebook).

Every wait is for an event that the action causes; nothing sleeps for a guessed time. Whatever leaves the loopback
address, and every error on the console, is kept and must be nothing at the end of the test.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PATIENCE = 90_000  # milliseconds that an event may take on a busy machine


class Lab:
    """One JupyterLab server with folders of its own, away from the user's settings."""

    def __init__(self, home: Path) -> None:
        self.home, self.token = home, secrets.token_hex(16)
        self.notebooks = home / "notebooks"
        self.notebooks.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        folders = {
            name: home / name.lower()
            for name in (
                "HOME",
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "JUPYTERLAB_SETTINGS_DIR",
                "JUPYTERLAB_WORKSPACES_DIR",
                "IPYTHONDIR",
                "MPLCONFIGDIR",
            )
        }
        for folder in folders.values():
            folder.mkdir()
        no_news = folders["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab" / "apputils-extension"
        no_news.mkdir(parents=True)
        (no_news / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
        )
        self.log_file = home / "server.log"
        options = [
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.notebooks}",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            "--ServerApp.terminals_enabled=False",
            "--LabApp.expose_app_in_browser=True",
        ]
        environment = {
            **os.environ,
            **{name: str(folder) for name, folder in folders.items()},
            "JUPYTER_TOKEN": self.token,
            "OMP_NUM_THREADS": "1",
        }
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.notebooks,
            )
        self.wait_until_up()

    def get(self, path: str) -> object:
        """A JSON answer of the server's API."""
        request = urllib.request.Request(f"{self.address}{path}", headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait_until_up(self) -> None:
        """Until the server answers; it has no event to offer before it listens, so this one wait must poll."""
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            assert self.process.poll() is None, f"JupyterLab ended at once:\n{self.log_file.read_text()}"
            assert time.monotonic() < deadline, f"JupyterLab does not answer:\n{self.log_file.read_text()}"
            try:
                self.get("/api/status")
                return
            except OSError:
                time.sleep(0.1)

    def stop(self) -> None:
        """End the server, kernels included."""
        self.process.terminate()
        self.process.wait(timeout=30)


class LabPage:
    """One notebook open in JupyterLab."""

    def __init__(self, lab: Lab, page: object) -> None:
        self.lab, self.page = lab, page
        self.left_loopback: list[str] = []
        self.console_errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", self._note_request)
        page.on("console", lambda m: self.console_errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.console_errors.append(str(e)))

    def _note_request(self, request: object) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("data", "blob") and where.hostname != "127.0.0.1":
            self.left_loopback.append(request.url)

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel is connected and idle."""
        from playwright.sync_api import expect

        self.page.goto(f"{self.lab.address}/lab/tree/{notebook}?reset&token={self.lab.token}")
        self.page.locator(".jp-NotebookPanel").wait_for()
        headers = f"{{headers: {{Authorization: 'token {self.lab.token}'}}}}"
        self.page.wait_for_function(
            f"""async () => (await (await fetch('/api/kernels', {headers})).json())
                .some(kernel => kernel.execution_state === 'idle' && kernel.connections > 0)"""
        )
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=PATIENCE)

    def command(self, name: str) -> None:
        """Run one of JupyterLab's own commands."""
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self, sentinel: str) -> None:
        """Run every cell; the last one prints `sentinel`."""
        from playwright.sync_api import expect

        self.command("notebook:run-all-cells")
        expect(self.page.locator(".jp-OutputArea-output").last).to_contain_text(sentinel, timeout=PATIENCE)

    def ask(self, code: str, marker: str) -> str:
        """What the kernel prints for `code`, run in the notebook's last cell; its output begins with `marker`."""
        self.page.evaluate(
            """code => { const content = window.jupyterapp.shell.currentWidget.content;
                         content.activeCellIndex = content.widgets.length - 1;
                         content.activeCell.model.sharedModel.setSource(code); }""",
            f"print({marker!r}, {code})",
        )
        self.command("notebook:run-cell")
        output = self.page.locator(".jp-OutputArea-output", has_text=marker)
        output.wait_for()
        return output.inner_text().strip().removeprefix(marker).strip()

    def theme(self, dark: bool) -> None:
        """JupyterLab's dark or light theme, through its own command, until the page has it."""
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        self.page.locator(f"body[data-jp-theme-light='{'false' if dark else 'true'}']").wait_for(state="attached")


@pytest.fixture(scope="session")
def lab(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab server for all browser tests."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture
def open_lab(lab: Lab, chromium: object) -> Iterator[Callable[[str, list[str]], LabPage]]:
    """`open_lab(name, cells)` writes a notebook of these code cells and opens it; at the end, nothing may have left
    the loopback address and the console must be free of errors."""
    import nbformat

    opened: list[tuple[LabPage, object]] = []

    def open_notebook(name: str, cells: list[str]) -> LabPage:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, lab.notebooks / name)
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        page = LabPage(lab, context.new_page())
        opened.append((page, context))
        page.open(name)
        return page

    yield open_notebook
    for page, context in opened:
        context.close()
        assert page.left_loopback == []
        assert page.console_errors == []

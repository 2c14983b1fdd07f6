"""Files of a report, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import UsageError, WorkbenchError

PAGE = "index.html"


@contextmanager
def all_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out`; on success its files are moved into `out`, the page last.

    On an error nothing of it stays and `out` is as before. Files of `out` that are not written anew are left alone.
    Raises UsageError where `out` is a file, WorkbenchError where it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder instead")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WorkbenchError(f"nothing can be written to {out} ({reason}); choose another folder") from None
    existed = out.exists()
    try:
        yield temporary
        out.mkdir(exist_ok=True)
        for file in sorted(temporary.iterdir(), key=lambda f: f.name == PAGE):
            file.replace(out / file.name)
    except BaseException:
        if not existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

"""Maps kept between runs, so that an interrupted study goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from workbench.explainers import NativeMaps


@cache
def _methods() -> str:
    """SHA-256 over the source text of the explainers."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].joinpath("explainers").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class MapStore:
    """Native maps on disk, one file per key; written whole or not at all.

    A key is any JSON-able description of what determines a map (weights, crops, explainer, options, targets, seed);
    the source text of the explainers is part of every key, so that a change of method never meets an old map.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder, self.fresh = folder, fresh

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps({**key, "methods": _methods()}, sort_keys=True, default=str)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"

    def get(self, key: Mapping[str, Any]) -> NativeMaps | None:
        """The maps kept under `key`, or None; a damaged file counts as absent."""
        from workbench.explainers import NativeMaps

        path = self._path(key)
        if self.fresh or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                meta = json.loads(str(kept["meta"]))
                parts = kept.get("parts")
                return NativeMaps(values=kept["values"], parts=parts, **meta)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def put(self, key: Mapping[str, Any], maps: NativeMaps) -> None:
        """Keep `maps` under `key`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(maps, name) for name in ("values", "parts") if getattr(maps, name) is not None}
        meta = {f.name: getattr(maps, f.name) for f in fields(maps) if f.name not in ("values", "parts")}
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, meta=np.array(json.dumps(meta, default=list)), **arrays)
            Path(temporary).replace(self._path(key))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

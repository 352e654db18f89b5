"""Installations for the tests: an installed program, keys, releases on a web server with ranges."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.update.place import Place

SIGNIFY = "signify-openbsd"
TARGET = "x86_64"


def program(version: str, run: str = "exit 0", padding: int = 300_000) -> bytes:
    """A stand-in of a version: it says which it is, takes any configuration, and runs as `run`."""
    text = f"""#!/bin/sh
case $1 in
--version) echo kwaainet {version};;
check-config) ;;
run) {run};;
esac
exit
"""
    return text.encode() + b"#" * padding


class Releases:
    """What a maker of releases has: a key, and a folder that is served."""

    def __init__(self, folder: Path, name: str = "release") -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.secret = folder / f"{name}.sec"
        self.public = folder / f"{name}.pub"
        subprocess.run([SIGNIFY, "-G", "-n", "-p", self.public, "-s", self.secret], check=True)

    def publish(self, version: str, data: bytes, digest: str = "") -> None:
        text = f"kwaainet {version}\n{TARGET} {len(data)} "
        text += f"{digest or hashlib.sha256(data).hexdigest()}\n"
        (self.folder / version).mkdir(exist_ok=True)
        (self.folder / version / f"kwaainet-{TARGET}").write_bytes(data)
        (self.folder / "releases.sig").write_bytes(self.signed(text.encode()))

    def signed(self, text: bytes) -> bytes:
        message, made = self.folder / "message", self.folder / "made"
        message.write_bytes(text)
        command = [SIGNIFY, "-S", "-e", "-s", self.secret, "-m", message, "-x", made]
        subprocess.run(command, check=True)
        return made.read_bytes()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """With ranges to the end. `server.cut`: bytes after which it hangs up; 0: never."""

    server: Web

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        self.server.asked.append((self.path, start))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut = self.server.cut or len(data)
        self.wfile.write(data[start : start + cut])
        self.close_connection = True


class Web(http.server.ThreadingHTTPServer):
    """On loopback. `asked`: paths, and where ranges began."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        self.asked: list[tuple[str, int]] = []
        self.cut = 0
        self.ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def served(folder: Path) -> Iterator[Web]:
    with Web(folder) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield web
        web.shutdown()


def install(folder: Path, releases: Releases, url: str, data: bytes) -> Place:
    (folder / "versions").mkdir(parents=True)
    (folder / "kwaainet").write_bytes(data)
    (folder / "kwaainet").chmod(0o755)
    (folder / "release.pub").write_bytes(releases.public.read_bytes())
    (folder / "release.url").write_text(f"{url}\n")
    return Place(os.fspath(folder))

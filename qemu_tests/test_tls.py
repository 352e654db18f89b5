"""https by the binary itself: mbedTLS as it is linked in, against a server of OpenSSL."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cross.targets import Target
from qemu_tests.emulated import command
from tests.http import authority

BODY = bytes(range(256)) * 2000
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Not told."""


class Origin:
    """An https server on a thread, with a certificate of `root`."""

    def __init__(self, folder: Path, version: str, kind: str) -> None:
        self.root = authority.root(kind=kind)
        self.bundle = folder / "roots.pem"
        # Its issuer among many, which have to be passed by.
        others = b"".join(authority.root(f"Other {count}").pem for count in range(100))
        self.bundle.write_bytes(others + self.root.pem)
        leaf = self.root.issue("Middle", kind, ca=True).issue("localhost", kind)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = VERSIONS[version]
        context.load_cert_chain(*leaf.files(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fetched(
        self, program: list[str], host: str = "localhost", bundle: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What `program` says when it has fetched the page."""
        environment = {**os.environ, "SSL_CERT_FILE": bundle or str(self.bundle)}
        return subprocess.run(
            [*program, "selftest", "--fetch", f"https://{host}:{self.port}/"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    made = Origin(tmp_path, *request.param)
    yield made
    made.close()


@pytest.mark.parametrize(
    "origin",
    [("1.2", "rsa"), ("1.3", "rsa"), ("1.2", "p256"), ("1.3", "p384")],
    ids=" ".join,
    indirect=True,
)
def test_a_page_is_fetched(target: Target, built: Path, origin: Origin) -> None:
    done = origin.fetched(command(target, built))
    assert done.stdout == f"https://localhost:{origin.port}/: 200, {len(BODY)} bytes\n", done.stderr


@pytest.mark.parametrize("origin", [("1.3", "p256")], ids=" ".join, indirect=True)
def test_what_is_wrong_is_told_in_a_line(
    target: Target, built: Path, origin: Origin, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(authority.root().pem)
    program = command(target, built)
    for done, text in (
        (origin.fetched(program, bundle=str(stranger)), f"nobody in {stranger} has signed"),
        (origin.fetched(program, bundle="/missing"), "no trusted certificates in /missing"),
        (origin.fetched(program, "127.0.0.1"), "its certificate is for another name"),
    ):
        assert done.returncode == 1
        assert text in done.stderr
        assert done.stderr.count("\n") == 1

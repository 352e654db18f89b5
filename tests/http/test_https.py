"""https with real servers: certificates that are right, and wrong in each way there is."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from edge.http import client as client_module
from edge.http.client import HttpClient
from edge.http.limits import ClientLimits
from edge.http.response import Response
from edge.http.tls import TlsError
from edge.url import Url
from tests.counterparts.base import asynchronous
from tests.http import authority
from tests.http.authority import Certified
from tests.http.origins import Talk, origin, says

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
BIG = os.urandom(3_000_000)
ROOT = authority.root()


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(ROOT.pem)
    return path


def serves(one: Certified, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*one.files(folder))
    return context


def certified(folder: Path, host: str = "hub.test", **terms: object) -> ssl.SSLContext:
    return serves(ROOT.issue(host, **terms), folder)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is that of this machine."""
    monkeypatch.setattr(client_module, "_getaddrinfo", lambda _: [b"\x7f\0\0\x01"])


def asking(roots: Path) -> HttpClient:
    loop = asyncio.get_running_loop()
    return HttpClient(loop, ClientLimits(), lambda *_: True, roots=str(roots))


async def whole(response: Response) -> bytes:
    found = bytearray()
    while part := await response.read(100_000):
        found += part
    return bytes(found)


async def fetched(
    server: ssl.SSLContext, roots: Path, host: str = "hub.test", talk: Talk | None = None
) -> tuple[bytes, bool]:
    """The body of an answer, and whether it ended well."""
    async with origin(talk or says(OK), server) as port:
        client = asking(roots)
        try:
            response = await client.request("GET", Url("https", host, port), "/")
            return await whole(response), response.ended_well
        finally:
            client.close()
            assert not client._links


@pytest.mark.parametrize("host", ["hub.test", "127.0.0.1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@asynchronous(60)
async def test_what_is_right(roots: Path, host: str, version: ssl.TLSVersion) -> None:
    server = certified(roots.parent, host)
    server.minimum_version = server.maximum_version = version
    assert await fetched(server, roots, host) == (b"hello", True)


@asynchronous(60)
async def test_a_large_body_in_records_of_any_size(roots: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BIG)
    parts = [head, *[BIG[at : at + 70_001] for at in range(0, len(BIG), 70_001)]]
    assert await fetched(certified(roots.parent, "a.test"), roots, "a.test", says(*parts)) == (
        BIG,
        True,
    )


@asynchronous(60)
async def test_a_connection_is_used_again(roots: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

    async with origin(talk, certified(roots.parent, "b.test")) as port:
        client = asking(roots)
        for _ in range(3):
            response = await client.request("GET", Url("https", "b.test", port), "/")
            assert await whole(response) == b"hello"
        assert client.counters == {"connections": 1, "reused": 2, "failed": 0}
        client.close()


@asynchronous(60)
async def test_a_body_until_the_end_is_whole_if_tls_says_so(roots: Path) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        sock = writer.get_extra_info("socket")
        os.dup2(os.open("/dev/null", os.O_RDONLY), sock.fileno())  # the socket alone is closed

    server = certified(roots.parent, "c.test")
    talk = says(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert await fetched(server, roots, "c.test", talk) == (b"hello", True)
    assert await fetched(server, roots, "c.test", cut) == (b"hello", False)


# --- what is wrong ---


async def refusal(server: ssl.SSLContext, roots: Path, host: str = "hub.test") -> TlsError:
    with pytest.raises(TlsError) as raised:
        await fetched(server, roots, host)
    assert "\n" not in str(raised.value)
    assert host in str(raised.value)
    return raised.value


@asynchronous(60)
async def test_the_wrong_name(roots: Path) -> None:
    for host in ("other.test", "127.0.0.1", "x.d.test"):
        error = await refusal(certified(roots.parent, "d.test" + "x" * len(host)), roots, host)
        assert (error.kind, "another name" in str(error)) == ("name", True)


@pytest.mark.parametrize(
    ("days", "kind", "says"),
    [((-20, -10), "expired", "has expired"), ((10, 20), "future", "not valid yet")],
)
@asynchronous(60)
async def test_the_wrong_time(roots: Path, days: tuple[int, int], kind: str, says: str) -> None:
    error = await refusal(certified(roots.parent, days=days), roots)
    assert error.kind == kind
    assert says in str(error) and "clock" in str(error)


@asynchronous(60)
async def test_a_clock_that_is_evidently_wrong(roots, monkeypatch) -> None:
    """A router that has just booted: the certificate is right, its own time is not."""
    from edge import clock

    server = certified(roots.parent, days=(10, 20))
    monkeypatch.setattr(clock, "now_if_plausible", lambda _: None)
    error = await refusal(server, roots)
    assert error.kind == "clock"
    assert "this machine's clock is wrong" in str(error)


@asynchronous(60)
async def test_an_issuer_that_nobody_knows(roots: Path, tmp_path: Path) -> None:
    stranger = authority.root("Stranger")
    error = await refusal(serves(stranger.issue("hub.test"), tmp_path), roots)
    assert error.kind == "issuer"
    assert str(roots) in str(error)


@asynchronous(60)
async def test_a_certificate_that_signed_itself(roots: Path, tmp_path: Path) -> None:
    alone = authority.root("hub.test", names=["hub.test"])
    alone.chain = (alone.certificate,)
    assert (await refusal(serves(alone, tmp_path), roots)).kind == "issuer"


@asynchronous(60)
async def test_an_intermediate_that_is_not_sent(roots: Path) -> None:
    one = ROOT.issue("Between", ca=True).issue("hub.test")
    assert (await fetched(serves(one, roots.parent), roots))[1]
    one.chain = one.chain[1:]
    assert (await refusal(serves(one, roots.parent), roots)).kind == "issuer"


@asynchronous(60)
async def test_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for roots in (tmp_path / "none", tmp_path / "empty"):
        error = await refusal(certified(roots.parent), roots)
        assert error.kind == "roots"
        assert str(roots) in str(error) and "ca-bundle" in str(error)


@asynchronous(60)
async def test_who_speaks_no_tls(roots: Path) -> None:
    async with origin(says(OK, first=OK)) as port:
        client = asking(roots)
        with pytest.raises(TlsError, match="does not speak TLS"):
            await client.request("GET", Url("https", "hub.test", port), "/")
        client.close()


@asynchronous(60)
async def test_old_tls(roots: Path) -> None:
    server = certified(roots.parent, "f.test")
    with pytest.warns(DeprecationWarning):
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    assert (await refusal(server, roots, "f.test")).kind in (
        "alert",
        "protocol",
        "truncated",
    )


def test_ssl_is_not_loaded_before_it_is_needed(roots: Path) -> None:
    """It takes 7 MB. And it can be loaded when asyncio already goes on without it."""
    script = f"""
import sys
from edge import slim
slim.trim(keep_ssl=False)
import asyncio
from edge.http import client, server
assert sys.modules["ssl"] is None
from edge.http.secure import session
session("hub.test", {str(roots)!r}).handshake()
assert sys.modules["ssl"] is not None
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_file_in_the_environment_is_honoured(roots: Path, monkeypatch) -> None:
    from edge.http.secure import session

    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: type("P", (), {"cafile": None}))
    with pytest.raises(TlsError, match=r"/nowhere\.pem"):
        session("hub.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    assert not session("hub.test").handshake()

"""Heads, with h11 and llhttp as oracles: what both take in the same way is taken, nothing else."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.http import heads
from edge.http.errors import RequestError
from edge.http.request import Request, parse
from tests.http.oracle import heard

CLIENT = ("192.0.2.1", 1234)

# --- whatever comes ---

_PARTS = [
    *(b"GET", b"POST", b"HEAD", b"get", b"G\x00T", b" ", b"  ", b"\t", b"/", b"/a", b"/a%20b?c=d"),
    *(b"http://a/", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.11", b"http/1.1"),
    *(b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\x0b", b"\x0c", b"\x85", b"\0"),
    *(b"Host: a", b"Host:", b"Host : a", b" Host: a", b"host:a", b"Host: a, b", b"X", b": ", b":"),
    *(b"Content-Length: 3", b"Content-Length: 3, 3", b"Content-Length: +3", b"Content-Length: 0x3"),
    *(b"Content-Length: 03", b"Content-Length: 4", b"Content-Length:", b"Content-Length: 3 "),
    *(b"Content-Length: 99999999999999999999999", b"Content_Length: 3", b"Content-Length\0: 3"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: x"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked", b"TE: trailers"),
    *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: gzip, chunked"),
    *(b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"Expect: 100-continue"),
    *(b"abc", b"0\r\n\r\n", b"3\r\nabc\r\n", b"3;x=\n\r\nabc\r\n", b"3 ;\r\n", b"\xff", b"\x7f"),
]
_HEAD = st.lists(st.sampled_from(_PARTS) | st.binary(max_size=3), max_size=14).map(b"".join)
_LINES = st.lists(st.sampled_from(_PARTS[32:]) | _HEAD, max_size=5).map(b"\r\n".join)
_REQUESTS = st.builds(
    lambda line, lines, body: b"%b\r\n%b\r\n\r\n%b" % (line, lines, body),
    st.sampled_from([b"GET / HTTP/1.1", b"POST /a HTTP/1.1", b"HEAD /x?y HTTP/1.0"]) | _HEAD,
    _LINES.map(lambda lines: b"Host: a\r\n" + lines) | _LINES,
    st.sampled_from([b"", b"abc", b"0\r\n\r\n", b"abcGET / HTTP/1.1\r\nHost: a\r\n\r\n"]),
)


def taken(data: bytes) -> tuple[Request, bytes] | None:
    """The request that the server hands on, and what it leaves; None if it refuses it."""
    end = heads.end(bytearray(data))
    if end < 0:
        return None
    try:
        request, _ = parse(data[:end], CLIENT, 64)
    except RequestError as error:
        assert 400 <= error.status < 506
        assert str(error).isprintable() and len(str(error)) < 100
        return None
    return request, data[end:]


@given(_REQUESTS)
@settings(max_examples=1000)
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
def test_what_is_taken_llhttp_takes_in_the_same_way(data: bytes) -> None:
    found = taken(data)
    if found is None:
        return
    request, rest = found
    if len(rest) < request.length:
        return
    theirs = heard(data)
    assert theirs is not None
    assert theirs.verb.decode() == request.method
    assert theirs.url.decode().endswith(request.target)
    assert [(str(n, "ascii"), str(v, "latin-1")) for n, v in theirs.fields] == list(request.headers)
    assert theirs.body == rest[: request.length]


@given(_REQUESTS)
@settings(max_examples=500)
def test_what_is_taken_h11_frames_in_the_same_way(data: bytes) -> None:
    found = taken(data)
    if found is None or len(found[1]) < found[0].length:
        return
    request, rest = found
    side = h11.Connection(h11.SERVER)
    side.receive_data(data)
    event, body = side.next_event(), b""
    assert isinstance(event, h11.Request)
    assert event.target.decode().endswith(request.target)
    while isinstance(event := side.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == rest[: request.length]
    assert side.trailing_data[0] == rest[request.length :]


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    taken(data + b"\r\n\r\n")


# --- smuggling: each of these two programs on the way could read in two ways ---

_TOP = b"POST /a HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (_TOP + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (_TOP + b"Transfer-Encoding: chunked\r\n\r\n", 411),
        (_TOP + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
        (_TOP + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        (_TOP + b"Transfer-Encoding : chunked\r\n\r\n", 400),
        (_TOP + b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400),
        (_TOP + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
        (_TOP + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (_TOP + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
        (_TOP + b"Content-Length: 3, 3\r\n\r\n", 400),
        (_TOP + b"Content-Length: +3\r\n\r\n", 400),
        (_TOP + b"Content-Length: -3\r\n\r\n", 400),
        (_TOP + b"Content-Length: \r\n\r\n", 400),
        (_TOP + b"Content-Length: 3 4\r\n\r\n", 400),
        (_TOP + b"Content-Length: 0x3\r\n\r\n", 400),
        (_TOP + b"Content-Length: 9223372036854775808\r\n\r\n", 400),
        (_TOP + b"Content-Length : 3\r\n\r\n", 400),
        (_TOP + b"Content-Length: 3\n\r\n\r\n", 400),
        (_TOP + b"X: y\nContent-Length: 3\r\n\r\n", 400),
        (_TOP + b"X: y\rContent-Length: 3\r\n\r\n", 400),
        (_TOP + b"X: y\0\r\n\r\n", 400),
        (_TOP + b"X\r\n\r\n", 400),
        (_TOP + b": y\r\n\r\n", 400),
        (_TOP + b"Host: b\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\n\r\n", 400),
        (b"POST  /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST\t/a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b" POST /a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /a HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        (b"POST /a HTTP/11\r\nHost: a\r\n\r\n", 505),
        (b"POST /a http/1.1\r\nHost: a\r\n\r\n", 400),
        (b"post /a HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
        (_TOP + b"Expect: something\r\n\r\n", 417),
        (_TOP + b"X: y\r\n" * 65 + b"\r\n", 431),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(RequestError) as refused:
        parse(head, CLIENT, 64)
    assert refused.value.status == status


# --- paths ---


def asked(target: str) -> Request:
    return parse(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), CLIENT, 64)[0]


@pytest.mark.parametrize(
    ("target", "path", "segments", "query"),
    [
        ("/", "/", [""], ""),
        ("/?a=b?c", "/", [""], "a=b?c"),
        ("/a/b.c", "/a/b.c", ["a", "b.c"], ""),
        ("/a/", "/a/", ["a", ""], ""),
        ("/%C3%A9%20x", "/é x", ["é x"], ""),
        ("/o/m/resolve/refs%2Fpr%2F1/f", "/o/m/resolve/refs/pr/1/f",
         ["o", "m", "resolve", "refs/pr/1", "f"], ""),
        ("/%252e%252e/x", "/%2e%2e/x", ["%2e%2e", "x"], ""),
        ("/...", "/...", ["..."], ""),
        ("/a?../..%00//", "/a", ["a"], "../..%00//"),
        ("http://a/x", "/x", ["x"], ""),
        ("HTTP://a/x", "/x", ["x"], ""),
    ],
)  # fmt: skip
def test_paths_are_decoded_once(target: str, path: str, segments: list[str], query: str) -> None:
    request = asked(target)
    assert (request.path, request.segments, request.query) == (path, segments, query)


@pytest.mark.parametrize(
    "target",
    [
        *("/..", "/a/../b", "/./a", "/a/.", "/%2e%2e/x", "/%2E./x", "/a%2F..%2Fb", "/a%2f%2fb"),
        *("//a", "/a//b", "/a/%2f", "/%00", "/a%0d%0ab", "/%7f", "/a\\b", "/%5c", "/%", "/%2"),
        "/%zz",
        *("/%ff", "/%c0%ae%c0%ae/", "/%ed%a0%80", "/a#b", "*", "a", "http://a", "https://a/x"),
        *("ftp://a/", "http:///x/../y", "/a%2", "/%+1"),
    ],
)  # fmt: skip
def test_paths_that_are_not_plain_are_refused(target: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(target)
    assert refused.value.status == 400


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_path_leads_nowhere_else(one: str, other: str) -> None:
    from urllib.parse import quote

    try:
        request = asked(f"/{quote(one)}/{quote(other, safe='')}?x")
    except RequestError:
        return
    assert request.path == f"/{one}/{other}"
    parts = request.path.split("/")
    assert not {".", ".."} & set(parts) and "" not in parts[1:-1]
    assert all(char.isprintable() or ord(char) > 127 for char in request.path)

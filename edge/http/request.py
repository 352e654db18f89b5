"""A request as the server's handlers see it: checked, its path decoded once.

Source: RFC 9112 section 3, RFC 3986 sections 2 and 3.3
"""

from __future__ import annotations

import socket

import h11

from edge.http import heads
from edge.http.errors import RequestError
from edge.http.heads import Headers

_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")


class Request:
    """`target`: as it was sent, from its slash on. `path`: decoded; `segments`: its parts, each
    decoded, so that one may have a slash in it. `query`: as sent, without its question mark.

    `host`: as in Host, "" if none was sent. `client`: IP address and port. `length`: of the body.
    """

    __slots__ = (
        "client",
        "expects",
        "headers",
        "host",
        "keep",
        "length",
        "method",
        "path",
        "query",
        "segments",
        "target",
        "version",
    )

    def __init__(self, event: h11.Request, client: tuple[str, int]) -> None:
        """Raises RequestError."""
        self.client = client
        self.method = str(event.method, "ascii")
        self.version = str(event.http_version, "ascii")
        self.headers = Headers.of(event)
        self.host = self.headers.get("host") or ""
        self.target = self._origin_form(str(event.target, "ascii"))
        raw, _, self.query = self.target.partition("?")
        self.segments = _segments(raw)
        self.path = "/" + "/".join(self.segments)
        self.length = heads.length(self.headers) or 0
        self.expects = self.version != "1.0" and self._expectation()
        self.keep = self.version != "1.0" and "close" not in self.headers.words("connection")

    def _origin_form(self, target: str) -> str:
        """The target without scheme and host, which count more than Host where they are sent."""
        if target[:7].lower() != "http://":
            return target
        self.host, slash, rest = target[7:].partition("/")
        return slash + rest

    def _expectation(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        words = [word for word in self.headers.words("expect") if word]
        if words not in ([], ["100-continue"]):
            raise RequestError(417, "only 100-continue is understood in Expect")
        return bool(words)


def parse(head: bytes, client: tuple[str, int], max_headers: int) -> tuple[Request, h11.Connection]:
    """The request with this whole head, and the side of h11 that answers it.

    Raises RequestError.
    """
    line = head[: head.index(b"\r\n")].split(b" ")
    if len(line) != 3 or not line[2].startswith(b"HTTP/"):
        raise RequestError(400, "that is not HTTP")
    if not line[2].startswith(b"HTTP/1."):
        raise RequestError(505, "only HTTP/1 is spoken here")
    if str(line[0], "latin-1") not in heads.METHODS:
        raise RequestError(501, "that method is not known here")
    wrong = heads.fault(head, max_headers)
    if wrong:
        raise RequestError(431 if "many" in wrong else 400, wrong)
    side = h11.Connection(h11.SERVER, len(head))
    side.receive_data(head)
    try:
        event = side.next_event()
    except h11.RemoteProtocolError as error:
        raise RequestError(error.error_status_hint, heads.why(error)) from None
    assert isinstance(event, h11.Request)
    if any(name == b"transfer-encoding" for name, _ in event.headers):
        raise RequestError(411, "a body needs a Content-Length here")
    return Request(event, client), side


def _segments(raw: str) -> list[str]:
    """The parts of a path, decoded once. Raises RequestError for all that is not plain."""
    if not raw.startswith("/") or "#" in raw or "%2e" in raw.lower():
        raise RequestError(400, "the path is not plain")
    found = [_decoded(part) for part in raw[1:].split("/")]
    parts = "/".join(found).split("/")
    if any(part in (".", "..") for part in parts) or "" in parts[:-1]:
        raise RequestError(400, "the path is not plain")
    return found


def _decoded(part: str) -> str:
    first, *rest = part.split("%")
    if any(len(each) < 2 or not _HEX.issuperset(each[:2]) for each in rest):
        raise RequestError(400, "the path is not plain")
    data = first.encode() + b"".join(
        [bytes([int(each[:2], 16)]) + each[2:].encode() for each in rest]
    )
    try:
        text = str(data, "utf-8")
    except UnicodeError:
        raise RequestError(400, "the path is not UTF-8") from None
    if "\\" in text or any(char < " " or char == "\x7f" for char in text):
        raise RequestError(400, "the path is not plain")
    return text


def is_named(host: str, names: frozenset[str]) -> bool:
    """Whether `host`, with a port or without, is an IP address, localhost or one of `names`.

    A page elsewhere can lead its own name here (DNS rebinding); the browser then says that name.
    """
    host = host.lower()
    if host.startswith("["):
        literal, _, port = host[1:].partition("]")
        return _is_port(port) and _is_ip(socket.AF_INET6, literal.partition("%")[0])
    if _is_ip(socket.AF_INET6, host):
        return True
    name, colon, port = host.partition(":")
    if not _is_port(colon + port):  # such as localhost:@a.example, which links would be made of
        return False
    name = name.removesuffix(".")
    return name in ("", "localhost") or name in names or _is_ip(socket.AF_INET, name)


def _is_port(text: str) -> bool:
    """Whether `text` is a colon and a port, or nothing."""
    return not text or (text[0] == ":" and _DIGITS.issuperset(text[1:]) and len(text) < 7)


def _is_ip(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: a zero byte
        return False
    return True

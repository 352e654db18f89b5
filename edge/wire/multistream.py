"""multistream-select 1.0: two peers agree on a protocol, one line each way.

Both sides are optimistic. A dialer sends its first proposal with the header, and may send the
protocol's first bytes with them (V1Lazy in go-libp2p); a listener answers header and protocol in
one write. `receive` therefore returns the length of the negotiation: the bytes after it belong to
the protocol. Protocol ids need no leading slash (hivemind's have none).

Source: https://github.com/multiformats/multistream-select
Portable: runs under CPython and MicroPython.
"""

from edge.wire import varint
from edge.wire.errors import LocalProtocolError, RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.wire.types import Buffer

VERSION = "/multistream/1.0.0"
MAX_LINE = 1024  # bytes of a line with its newline; go-libp2p's limit
MAX_PROPOSALS = 32  # lines that a dialer may send before a supported protocol
_NOT_AVAILABLE = "na"


class NegotiationError(RemoteProtocolError):
    """The peer supports none of the proposed protocols."""


def encode_line(text: str) -> bytes:
    """Encode `text` as a line: length, text, newline."""
    body = text.encode() + b"\n"
    if len(body) > MAX_LINE:
        raise LocalProtocolError("protocol id longer than a multistream line")
    return varint.encode(len(body)) + body


HEADER = encode_line(VERSION)
NA = encode_line(_NOT_AVAILABLE)


class _Lines:
    """Splits received bytes into lines; holds at most one line."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, data: "Buffer", pos: int) -> "tuple[str | None, int]":
        """The next line of the held bytes and `data[pos:]`, None if incomplete; and the new pos."""
        held = self._held
        end = len(data)
        if not held:
            head = _head(data, pos, end)
            if head is not None and head[0] + head[1] <= end:
                length, start = head
                return _text(bytes(data[start : start + length])), start + length
        while pos < end:
            room = 1 if len(held) < 2 else self._missing()
            chunk = data[pos : pos + room]
            held += chunk
            pos += len(chunk)
            if self._missing() == 0:
                body = bytes(held[self._body_start() :])
                self._held = bytearray()
                return _text(body), pos
        return None, pos

    def _body_start(self) -> int:
        return 1 if self._held[0] < 0x80 else 2

    def _missing(self) -> int:
        """The number of bytes missing from the held line (1 while its length is unknown)."""
        held = self._held
        head = _head(held, 0, len(held))
        return 1 if head is None else head[0] + head[1] - len(held)


def _head(data: "Buffer", pos: int, end: int) -> "tuple[int, int] | None":
    """The (length, start) of the line at `data[pos:end]`; None while its length is incomplete."""
    head = varint.decode(data, pos, end, 2)
    if head is not None and not 0 < head[0] <= MAX_LINE:
        raise RemoteProtocolError(f"multistream line of {head[0]} bytes")
    return head


def _text(body: bytes) -> str:
    if body[-1] != 0x0A:
        raise RemoteProtocolError("multistream line without newline")
    try:
        return str(body[:-1], "utf-8")
    except UnicodeError:
        raise RemoteProtocolError("multistream line is not UTF-8") from None


class _Side:
    """The common part of both sides; `protocol` is set once it is negotiated."""

    __slots__ = ("_greeted", "_lines", "protocol")

    def __init__(self) -> None:
        self._lines = _Lines()
        self._greeted = False
        self.protocol: str | None = None

    def receive(self, data: "Buffer", pos: int = 0) -> "tuple[bytes, int]":
        """Feed `data[pos:]`; return (bytes to send, position behind the negotiation's last byte).

        Raises RemoteProtocolError on malformed input; each side has further errors.
        """
        answer = b""
        while self.protocol is None:
            line, pos = self._lines.take(data, pos)
            if line is None:
                break
            answer += self._line(line)
        return answer, pos

    def _line(self, line: str) -> bytes:
        if self._greeted:
            return self._next_line(line)
        if line != VERSION:
            raise RemoteProtocolError("not a multistream-select 1.0 header")
        self._greeted = True
        return self._greeting()

    def _greeting(self) -> bytes:
        raise NotImplementedError

    def _next_line(self, line: str) -> bytes:
        raise NotImplementedError


class Listener(_Side):
    """The answering side. `supports` decides which protocol ids are accepted.

    Too many proposals are a RemoteProtocolError.
    """

    __slots__ = ("_proposals", "_supports")

    def __init__(self, supports: "Callable[[str], bool]") -> None:
        super().__init__()
        self._supports = supports
        self._proposals = 0

    def _greeting(self) -> bytes:
        return HEADER

    def _next_line(self, line: str) -> bytes:
        self._proposals += 1
        if self._proposals > MAX_PROPOSALS:
            raise RemoteProtocolError("too many multistream proposals")
        if line == "ls" or not self._supports(line):  # identify lists protocols
            return NA
        self.protocol = line
        return encode_line(line)


class Dialer(_Side):
    """The proposing side: `protocols` in order of preference, at least one.

    Send `hello` first. With a single protocol, its own bytes may follow at once. If the peer
    refuses every protocol, `receive` raises NegotiationError.
    """

    __slots__ = ("_next", "_protocols")

    def __init__(self, protocols: "Sequence[str]") -> None:
        super().__init__()
        self._protocols = protocols
        self._next = 1

    @property
    def hello(self) -> bytes:
        return HEADER + encode_line(self._protocols[0])

    def _greeting(self) -> bytes:
        return b""

    def _next_line(self, line: str) -> bytes:
        proposed = self._protocols[self._next - 1]
        if line == proposed:
            self.protocol = line
            return b""
        if line != _NOT_AVAILABLE:
            raise RemoteProtocolError("multistream answer to nothing proposed")
        if self._next >= len(self._protocols):
            raise NegotiationError(f"peer does not speak {proposed}")
        self._next += 1
        return encode_line(self._protocols[self._next - 1])

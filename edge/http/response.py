"""An origin's answer: its head, checked, and its body as it comes.

A body of known length is read past h11; of a chunked one, h11 takes the chunks apart. No other
coding is undone.

Source: RFC 9112 sections 4, 6 and 7; RFC 9110 section 15.2
"""

from __future__ import annotations

import h11

from edge.http import heads
from edge.http.errors import OriginError, RequestError
from edge.http.heads import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.http.limits import ClientLimits
    from edge.http.link import Link

_MAX_EARLY = 8  # answers of 1xx before the one that counts
_KNOWN, _CHUNKED, _UNTIL_CLOSED = range(3)


class Response:
    """`length`: as the head names it, of HEAD too; None if it is chunked or unknown.

    `ended_well`: whether the body has been read to where its framing ends it. One that ends with
    its connection has no such place, unless TLS says so.
    """

    __slots__ = (
        "_buffer",
        "_done",
        "_framing",
        "_keeps",
        "_left",
        "_link",
        "_seconds",
        "_side",
        "ended_well",
        "headers",
        "length",
        "status",
    )

    def __init__(
        self,
        link: Link,
        side: h11.Connection,
        event: h11.Response,
        rest: bytearray,
        bodiless: bool,
        seconds: float,
        done: Callable[[Link, bool], None],
    ) -> None:
        """`rest`: what came after the head. `bodiless`: whatever that says.

        `done`: told whether `link` can be used again. Raises RequestError.
        """
        self.status = event.status_code
        self.headers = Headers.of(event)
        self.length = heads.length(self.headers)
        self.ended_well = False
        self._link = link
        self._side = side
        self._buffer = rest
        self._seconds = seconds
        self._done: Callable[[Link, bool], None] | None = done
        self._keeps = event.http_version == b"1.1" and "close" not in self.headers.words(
            "connection"
        )
        self._left = self.length or 0
        coded = self.headers.get("transfer-encoding") is not None
        if coded and self.length is not None:
            raise RequestError(502, "both Content-Length and Transfer-Encoding")
        self._framing = _KNOWN
        if bodiless or self.length == 0:
            self._left = 0
            self._finish(True)
        elif coded:
            self._framing = _CHUNKED
            side.receive_data(bytes(rest))
            rest.clear()
        elif self.length is None:
            self._framing = _UNTIL_CLOSED

    async def read(self, most: int) -> bytes:
        """At most `most` bytes of the body, b"" at its end. Raises OriginError, TlsError."""
        if self._done is None:
            return b""
        try:
            if self._framing == _CHUNKED:
                return await self._chunk(most)
            return await self._plain(most)
        except Exception:
            self.close()
            raise

    async def read_into(self, room: memoryview) -> int:
        """As `read`, into `room`, without a copy where the length is known."""
        if self._done is None or self._framing != _KNOWN or self._buffer:
            data = await self.read(len(room))
            room[: len(data)] = data
            return len(data)
        try:
            count = await self._link.receive_into(room[: self._left], self._seconds)
        except Exception:
            self.close()
            raise
        self._count(count)
        return count

    def close(self) -> None:
        """Let go of the rest."""
        self._finish(False)

    async def _plain(self, most: int) -> bytes:
        if self._framing == _KNOWN:
            most = min(most, self._left)
        if self._buffer:
            data = bytes(self._buffer[:most])
            del self._buffer[:most]
        elif self._framing == _KNOWN:
            data = await self._link.receive(most, self._seconds)
        else:
            data = await self._to_the_end(most)
        if self._framing == _KNOWN:
            self._count(len(data))
        elif not data:
            self._finish(False)
        return data

    async def _to_the_end(self, most: int) -> bytes:
        from edge.http.tls import TlsError

        try:
            data = await self._link.receive(most, self._seconds)
        except TlsError:
            return b""  # cut short
        self.ended_well = not data and self._link.secured
        return data

    def _count(self, count: int) -> None:
        """So many bytes of a known length have come; 0: no more will."""
        self._left -= count
        if not self._left:
            self._finish(True)
        elif not count:
            self._finish(False)

    async def _chunk(self, most: int) -> bytes:
        """What is left of the last one, or the next."""
        while not self._buffer:
            try:
                event = self._side.next_event()
            except h11.RemoteProtocolError:
                raise OriginError(f"{self._link.name}: broken chunks") from None
            if event is h11.NEED_DATA:
                data = await self._link.receive(most, self._seconds)
                if not data:
                    self._finish(False)
                    return b""
                self._side.receive_data(data)
            elif isinstance(event, h11.Data):
                self._buffer += event.data
            else:
                self._keeps = self._keeps and not self._side.trailing_data[0]
                self._finish(True)
                return b""
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        return data

    def _finish(self, well: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            self.ended_well = self.ended_well or well
            done(self._link, well and self._keeps and not self._buffer)


async def answer(
    link: Link,
    side: h11.Connection,
    method: str,
    limits: ClientLimits,
    done: Callable[[Link, bool], None],
) -> Response:
    """The answer to what `side` has sent over `link`, a `method`. Raises OriginError, TlsError."""
    buffer = bytearray()
    for _ in range(_MAX_EARLY):
        head = await _head(link, buffer, limits)
        wrong = heads.fault(head, limits.max_headers)
        if wrong:
            raise OriginError(f"{link.name}: no answer in HTTP: {wrong}")
        side.receive_data(head)
        try:
            event = side.next_event()
            if isinstance(event, h11.Response) and event.http_version[:2] == b"1.":
                bodiless = method == "HEAD" or event.status_code in (204, 304)
                return Response(link, side, event, buffer, bodiless, limits.idle_timeout, done)
        except (h11.RemoteProtocolError, RequestError) as error:
            raise OriginError(f"{link.name}: no answer in HTTP: {heads.why(error)}") from None
        if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
            break
    raise OriginError(f"{link.name}: no answer in HTTP/1")


async def _head(link: Link, buffer: bytearray, limits: ClientLimits) -> bytes:
    """The next whole head; what came after it stays in `buffer`."""
    searched = 0
    while (end := heads.end(buffer, searched)) < 0:
        searched = len(buffer)
        if searched >= limits.max_head:
            raise OriginError(f"{link.name}: the answer's head is too long")
        data = await link.receive(limits.max_head - searched, limits.first_byte_timeout)
        if not data:
            raise OriginError(f"{link.name}: closed without an answer")
        buffer += data
    head = bytes(buffer[:end])
    del buffer[:end]
    link.measure()
    return head

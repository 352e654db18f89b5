"""One request and its answer: what a handler is given.

The answer's head is written by h11, so nothing that a header's value holds can add a line to it.
Bodies go past h11, straight to the socket: nothing of them is kept here, so a client that reads
slowly costs no more memory than one that does not.
"""

from __future__ import annotations

import h11

from edge.http import heads
from edge.http.errors import ClientGone, HttpError, RequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.http.inlet import Inlet
    from edge.http.outlet import Outlet
    from edge.http.request import Request

    Bytes = bytes | bytearray | memoryview

PLAIN = "text/plain; charset=utf-8"


class Exchange:
    """`on_gone`: called when the client has left while it was being answered. `more`: headers of
    the answer, beside those that `head` is given.

    `status`: of the answer, 0 until its head was written. `keep`: whether another request may
    follow. `reading`: whether the request's body is waited for.
    """

    __slots__ = (
        "_chunked",
        "_inlet",
        "_left",
        "_outlet",
        "_side",
        "_unread",
        "cut_short",
        "keep",
        "more",
        "on_gone",
        "reading",
        "request",
        "status",
    )

    def __init__(
        self, request: Request, side: h11.Connection, inlet: Inlet, outlet: Outlet
    ) -> None:
        self.request = request
        self.status = 0
        self.keep = request.keep
        self.cut_short = False
        self.reading = False
        self.more: list[tuple[str, str]] = []
        self.on_gone: Callable[[], None] | None = None
        self._side = side
        self._inlet = inlet
        self._outlet = outlet
        self._unread = request.length
        self._left: int | None = 0  # bytes of the body to come; None: unknown
        self._chunked = False

    @property
    def gone(self) -> bool:
        """Whether the client has left, or at least will send nothing more."""
        return self._inlet.ended

    @property
    def framed(self) -> bool:
        """Whether a client sees where the body ends, and that it is cut."""
        return self._left is not None or self._chunked

    @property
    def bodiless(self) -> bool:
        """Whether the answer has a head alone, whatever `length` that names."""
        return self.request.method == "HEAD" or self.status in (204, 304)

    async def body(self, limit: int) -> bytes:
        """The whole body of the request. Raises RequestError if it is larger than `limit`,
        ClientGone if it does not come.
        """
        if self.request.length > limit:
            raise RequestError(413, f"a body of more than {limit} bytes is not taken here")
        if self.request.expects and self._unread and not self._inlet.buffer:
            await self._outlet.data(b"HTTP/1.1 100 Continue\r\n\r\n")
        found = bytearray()
        while self._unread:
            if not self._inlet.buffer and not await self._arrived():
                raise ClientGone("the request's body ended early")
            data = self._inlet.take(self._unread)
            self._unread -= len(data)
            found += data
        return bytes(found)

    async def _arrived(self) -> bool:
        self.reading = True
        try:
            return await self._inlet.more()
        finally:
            self.reading = False

    async def head(
        self, status: int, headers: Sequence[tuple[str, str]], length: int | None
    ) -> None:
        """Send the answer's head. `length`: of its body; None: nobody knows.

        Raises ClientGone; HttpError if a header cannot be sent: the client is cut off then.
        """
        await self._outlet.data(self._head(status, headers, length))

    async def answer(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> None:
        """The whole answer at once. Raises as `head` does."""
        data = self._head(status, headers, len(body))
        self._left = 0
        await self._outlet.data(data if self.bodiless else data + body)

    async def refuse(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        """Answer with one line for people."""
        fields = [("Content-Type", PLAIN), ("Cache-Control", "no-store"), *headers]
        await self.answer(status, fields, text.encode() + b"\n")

    async def data(self, data: Bytes) -> None:
        """Send the next part of the body. Raises ClientGone."""
        size = memoryview(data).nbytes
        if not self._counts(size):
            return
        if self._chunked:
            data = b"".join((b"%x\r\n" % size, data, b"\r\n"))
        await self._outlet.data(data)

    async def file(self, fd: int, position: int, length: int) -> None:
        """Send the next part of the body out of a file, as many bytes as `length`.

        Raises ClientGone; OSError if the file cannot be read.
        """
        if not self._counts(length):
            return
        if self._chunked:
            await self._outlet.data(b"%x\r\n" % length)
        await self._outlet.file(fd, position, length)
        if self._chunked:
            await self._outlet.data(b"\r\n")

    def cut(self) -> None:
        """End the connection as soon as the handler returns, so that the client sees that the body
        is not whole.
        """
        self.keep = False
        self.cut_short = True

    async def finish(self) -> None:
        """The handler has returned: end the body, or have it cut if it is not whole."""
        if self._left or self.cut_short:
            self.cut()
        elif not self.status:
            await self.refuse(500, "there is no answer")
        elif self._chunked:
            await self._outlet.data(b"0\r\n\r\n")

    def _head(self, status: int, headers: Sequence[tuple[str, str]], length: int | None) -> bytes:
        assert not self.status, "one head for each answer"
        fields = [*headers, *self.more]
        if length is not None and status != 204:
            fields.append(("Content-Length", str(length)))
        if not self.keep or self._unread:
            self.keep = False
            fields.append(("Connection", "close"))
        reason = PHRASES.get(status, "").encode()
        try:
            event = h11.Response(status_code=status, headers=heads.encoded(fields), reason=reason)
            data = self._side.send(event)
        except (h11.LocalProtocolError, UnicodeError) as error:
            self.cut()
            raise HttpError(f"an answer that cannot be sent: {heads.why(error)}") from None
        assert data is not None
        self.status = status
        self._left = 0 if self.bodiless else length
        if length is None and not self.bodiless:
            self._chunked = self.request.version != "1.0"
        return data

    def _counts(self, size: int) -> bool:
        """Whether there is something to send, of `size` bytes."""
        assert self.status, "the head comes first"
        if self.bodiless or not size:
            return False
        if self._left is not None:
            if size > self._left:
                self.cut()
                raise HttpError("a body longer than its head has named")
            self._left -= size
        return True


PHRASES = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}

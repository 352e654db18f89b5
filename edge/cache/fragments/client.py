"""Asks one peer, by the fragment protocol. What it says is bounded, and proven where it can be."""

from __future__ import annotations

import asyncio

from edge.cache.fragments.errors import FragmentError, PeerLied, PeerRefused
from edge.swarm.errors import StreamEnded
from edge.wire import fragment, merkle
from edge.wire.errors import RemoteProtocolError
from edge.wire.fragment import (
    ATTESTATIONS,
    HAVE,
    MANIFEST,
    NOT_FOUND,
    RANGE,
    REFUSED,
    ROW,
    WINDOW,
    Attestations,
    Have,
    Manifest,
    Range,
    Refusal,
    Request,
    Row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Pool
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.fragment import Answer

_ANSWER_TIME = 15.0  # seconds for an answer to begin
_PATIENCE = 20.0  # seconds in which something more has to come
_CHUNK = 64 << 10


class Peer:
    """The peer on `connection`; `pool`: leases what is held of its answers.

    All that ask raise PeerRefused, PeerLied, FragmentError without memory, SwarmError, WireError or
    TimeoutError.
    """

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self.connection = connection
        self._pool = pool

    async def have(
        self, name: bytes, first: int = 0, count: int = WINDOW
    ) -> tuple[Have, list[tuple[int, int]]]:
        """What it has of a file, and which of `count` pieces from `first` on, as ranges."""
        stream, answer = await self.ask(Request(HAVE, name, first, count))
        assert isinstance(answer, Have)
        bits = await self._body(stream, answer.length)
        found = fragment.runs(bits, answer.count)
        return answer, [(first + start, first + end) for start, end in found]

    async def row(self, root: bytes, size: int, name: bytes, first: int) -> bytes:
        """The hashes of WINDOW pieces from `first` on, or up to the end of the file; proven."""
        stream, answer = await self.ask(Request(ROW, name, first, WINDOW))
        assert isinstance(answer, Row)
        body = await self._body(stream, answer.length)
        if not answer.proven(root, size, body):
            raise PeerLied("a row of hashes that is not of this file")
        return body

    async def range(self, root: bytes, size: int, request: Request) -> tuple[Stream, Range]:
        """The stream with the pieces asked for, and their hashes, proven; to be read by `fill`."""
        stream, answer = await self.ask(request)
        assert isinstance(answer, Range)
        if not answer.proven(root, size):
            stream.reset()
            raise PeerLied("pieces that are not of this file")
        return stream, answer

    async def size_of(self, root: bytes, name: bytes) -> int:
        """The size of the file, proven by its last piece, or where the peer does not have that, to
        the number of pieces, by its hash.
        """
        answer, _ = await self.have(name, 0, 1)
        size, last = answer.size, merkle.pieces(answer.size) - 1
        if answer.root != root or last < 0:
            raise PeerLied("another file than was asked for")
        try:
            stream, found = await self.range(root, size, Request(RANGE, name, last, 1))
        except PeerRefused as refused:
            if refused.refusal.error != NOT_FOUND:
                raise
            await self.row(root, size, name, last)
            return size
        data = await self._body(stream, found.length)
        if merkle.piece_hash(data, alone=last == 0) != found.hash_of(last):
            raise PeerLied("a last piece that is not of this file")
        return size

    async def manifest(self, name: bytes) -> bytes:
        """The manifest of a file, or that with this id; the caller checks it."""
        stream, answer = await self.ask(Request(MANIFEST, name))
        assert isinstance(answer, Manifest)
        return await self._body(stream, answer.length)

    async def attestations(self, name: bytes) -> list[bytes]:
        """What peers have said of a file; the caller checks their signatures."""
        stream, answer = await self.ask(Request(ATTESTATIONS, name))
        assert isinstance(answer, Attestations)
        stream.dismiss()
        return answer.items

    async def ask(self, request: Request) -> tuple[Stream, Answer]:
        """The answer to `request`; its body follows on the stream."""
        stream = self.connection.open_stream([fragment.PROTOCOL_ID])
        try:
            async with asyncio.timeout(_ANSWER_TIME):
                await stream.write(request.encode())
                data = await stream.read_message(fragment.MAX_ANSWER)
            answer = fragment.decode_answer(data, request)
        except RemoteProtocolError:
            stream.reset()
            if stream.protocol is not None:
                raise
            raise PeerRefused(Refusal(REFUSED, "it does not speak the protocol")) from None
        except BaseException:
            stream.reset()
            raise
        if isinstance(answer, Refusal):
            stream.dismiss()
            raise PeerRefused(answer)
        return stream, answer

    async def _body(self, stream: Stream, length: int) -> bytes:
        """All of a body, whose memory is leased as it comes, and given back at the end."""
        leased, body = 0, bytearray()
        try:
            while len(body) < length:
                async with asyncio.timeout(_PATIENCE):
                    data = await stream.read(min(length - len(body), _CHUNK))
                if not data:
                    raise StreamEnded("the peer finished the stream early")
                if not self._pool.take(2 * len(data)):
                    raise FragmentError("no memory for the answer of a peer")
                leased += 2 * len(data)
                body += data
            stream.dismiss()
            return bytes(body)
        except BaseException:
            stream.reset()
            raise
        finally:
            self._pool.give(leased)


class Body:
    """Takes the body of an answer off `stream`, into whatever memory it is given, by one copy."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._loop = stream.connection.loop
        self._room = memoryview(b"")
        self._came: asyncio.Future[None] | None = None
        self._over = ""
        stream.pause()
        stream.set_sink(self)

    async def fill(self, into: memoryview) -> None:
        """Take as many bytes as fit. Raises SwarmError, TimeoutError."""
        self._room = into
        while self._room:
            left = len(self._room)
            self._came = self._loop.create_future()
            self._stream.resume()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._came
            except TimeoutError:
                if len(self._room) == left:
                    raise
            finally:
                self._came = None
            if self._room and self._over:
                raise StreamEnded(f"the peer's answer ended early: {self._over}")

    def sink_data(self, data: memoryview) -> int:
        """What arrives, as far as there is room."""
        taken = min(len(data), len(self._room))
        self._room[:taken] = data[:taken]
        self._room = self._room[taken:]
        if not self._room:
            self._stream.pause()
            self._wake()
        return taken

    def sink_ended(self, reason: str) -> None:
        """No more will come."""
        self._over = reason
        self._wake()

    def sink_writable(self) -> None:
        """Nothing is written any more."""

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)

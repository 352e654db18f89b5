"""Gives peers pieces of the files that the cache shares: those that anybody may have.

Only a file whose root and whole row of hashes are known, and agree, is shared, so that each piece
can be proven; and never one that needed a right. To ask is control work, as anybody can do it. What
is admitted, a range of pieces, is bulk work: circuits go before it, for the processor (edge.swarm.
work) and for the rate (edge.cache.fragments.pace). Peers of the local network and those that the
owner has listed find room where others find none, and the rate, which is that of the line to the
internet, is not theirs.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Protocol

from edge.cache import names
from edge.cache.fragments.reading import read_into
from edge.cache.fragments.usage import Usages
from edge.cache.pace import Pace
from edge.swarm.cpu_share import Charged
from edge.swarm.places import LISTED, OWN
from edge.swarm.work import BULK
from edge.threads import in_thread
from edge.wire import fragment, ip, merkle
from edge.wire.errors import RemoteProtocolError
from edge.wire.fragment import (
    BAD_REQUEST,
    BUSY,
    MAX_PIECES,
    NOT_FOUND,
    REFUSED,
    TOO_LARGE,
    WINDOW,
    Refusal,
    Request,
)
from edge.wire.merkle import HASH, PIECE, piece_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge.budget import Pool
    from edge.cache.fragments.usage import Usage
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.peerid import PeerId

    Answer = Callable[[Stream, Request, Usage], Awaitable[None]]

MAX_TRANSFERS = 16  # ranges under way, in all
MAX_PER_PEER = 8  # requests of one peer under way
_TREES = 16  # of files that were asked for last
_TREE = 20 << 10  # bytes of one
_REQUEST_TIME = 10.0  # seconds for a request to come
_PATIENCE = 60.0  # seconds for a peer to take a piece, or another body
_RETRY = 2  # seconds after which one that is told BUSY may come again
_AT_ONCE = 64  # hashes that are worked out without a thread


class Library(Protocol):
    """What is known of files beside their bytes; `name`: of a file, or the id of a manifest."""

    async def manifest(self, name: bytes) -> tuple[bytes, bytes] | None:
        """The root of the file, and its manifest."""

    async def attestations(self, name: bytes) -> list[bytes]:
        """Those that there are of a file."""


class Refused(Exception):
    """The request is answered with this."""

    def __init__(self, error: str, text: str, retry_after: int = 0) -> None:
        super().__init__(text)
        self.refusal = Refusal(error, text, retry_after)


class Server:
    """Serves the protocol while `shares` is set. `pool`: leases what a transfer takes.

    `allow`, `deny`: peers that alone, or not, are given pieces; nobody in `allow`: everyone is.
    `pace`: how fast they leave. Counters: `fragments`, pieces sent; `bytes` of them, by "direct"
    and "relayed"; `refused`, by the error answered.
    """

    def __init__(self, host: Host, store: Store, library: Library, pool: Pool) -> None:
        self.shares = False
        self.allow: frozenset[PeerId] = frozenset()
        self.deny: frozenset[PeerId] = frozenset()
        self.fragments = 0
        self.bytes = {"direct": 0, "relayed": 0}
        self.refused = dict.fromkeys(fragment.ERRORS, 0)
        self._host = host
        self._store = store
        self._library = library
        self._pool = pool
        self._usages = Usages(pool)
        self.pace = Pace(host.allowance, host.swarm.loop, host.swarm.work)
        self._transfers: set[Stream] = set()
        self._trees: dict[bytes, merkle.Tree] = {}
        self._answers: dict[str, Answer] = {
            fragment.HAVE: self._have,
            fragment.ROW: self._row,
            fragment.RANGE: self._range,
            fragment.MANIFEST: self._manifest,
            fragment.ATTESTATIONS: self._attestations,
        }
        host.swarm.handle(fragment.PROTOCOL_ID, self._serve, self.offered)
        host.allowance.changed.append(self._follow_allowance)
        host.peer_reports.append(self._report_peer)
        self._follow_allowance()

    def offered(self, connection: Connection) -> bool:
        """Whether the peer on `connection` is given pieces."""
        peer = connection.peer
        listed = not self.allow or peer in self.allow
        return self.shares and listed and peer not in self.deny

    def enforce(self) -> None:
        """The rules are others: end what they no longer permit."""
        for stream in list(self._transfers):
            if not self.offered(stream.connection):
                stream.reset()

    def stop(self) -> None:
        """End all transfers, and be as if it had not been; the protocol is no longer offered."""
        self.shares = False
        self.enforce()
        self._host.allowance.changed.remove(self._follow_allowance)
        self._host.peer_reports.remove(self._report_peer)
        self._usages.clear()
        self._pool.give(_TREE * len(self._trees))
        self._trees.clear()

    def report(self) -> Status:
        """Pieces and bytes given, transfers under way, refusals."""
        return {
            "served": self.fragments,
            "bytes": dict(self.bytes),
            "transfers": len(self._transfers),
            "refused": {name.replace("-", "_"): count for name, count in self.refused.items()},
        }

    def _report_peer(self, peer: PeerId) -> tuple[int, Status]:
        usage = self._usages.get(peer)
        return (usage.bytes, usage.report()) if usage is not None else (0, {})

    def _follow_allowance(self) -> None:
        if self._host.allowance.paused:
            for stream in list(self._transfers):
                stream.reset()

    # --- requests ---

    async def _serve(self, stream: Stream) -> None:
        peer = stream.connection.peer
        assert peer is not None
        usage = self._usages.of(peer)
        if usage is None or usage.open >= MAX_PER_PEER:
            await self._refuse(stream, usage, Refusal(BUSY, "too many requests", _RETRY))
            return
        usage.open += 1
        try:
            async with asyncio.timeout(_REQUEST_TIME):
                data = await stream.read_message(fragment.MAX_REQUEST)
            request = Request.decode(data)
            await self._answers[request.operation](stream, request, usage)
            stream.dismiss()
        except Refused as refused:
            await self._refuse(stream, usage, refused.refusal)
        except RemoteProtocolError as error:
            await self._refuse(stream, usage, Refusal(BAD_REQUEST, str(error)))
        finally:
            usage.open -= 1

    async def _refuse(self, stream: Stream, usage: Usage | None, refusal: Refusal) -> None:
        self.refused[refusal.error] += 1
        if usage is not None:
            usage.refused += 1
        async with asyncio.timeout(_REQUEST_TIME):
            await stream.write(refusal.encode())
        stream.dismiss()

    async def _have(self, stream: Stream, request: Request, usage: Usage) -> None:
        file, root, _ = await self._shared(request)
        count = _within(file, request, WINDOW)
        start, end = request.first * PIECE, min((request.first + count) * PIECE, file.size)
        lacks = file.missing(start, end)
        whole = not file.missing(0, file.size)
        bits = fragment.bitmap(count, _kept(lacks, start, end))
        answer = fragment.Have(file.size, root, whole, request.first, count)
        await _send(stream, answer.encode() + bits)

    async def _row(self, stream: Stream, request: Request, usage: Usage) -> None:
        file, _, tree = await self._shared(request)
        count = _within(file, request, WINDOW)
        start, end = tree.span(request.first, request.first + count)
        with Lease(self._pool, 2 * (end - start) * HASH):
            hashes, proof = await self._proven(file, tree, request.first, count)
            answer = fragment.Row(file.size, request.first, count, proof)
            await _send(stream, answer.encode())
            await _send(stream, hashes)

    async def _manifest(self, stream: Stream, request: Request, usage: Usage) -> None:
        found = await self._library.manifest(request.name)
        if found is None or self._public(names.name(names.ROOT, found[0])) is None:
            raise Refused(NOT_FOUND, "no such manifest")
        text = found[1]
        if len(text) > fragment.MAX_MANIFEST:
            raise Refused(TOO_LARGE, "the manifest is too long")
        with Lease(self._pool, len(text)):
            await _send(stream, fragment.Manifest(len(text)).encode())
            await _send(stream, text)

    async def _attestations(self, stream: Stream, request: Request, usage: Usage) -> None:
        if self._public(request.name) is None:
            raise Refused(NOT_FOUND, "no such file")
        items = await self._library.attestations(request.name)
        short = [item for item in items if len(item) <= fragment.MAX_ATTESTATION]
        answer = fragment.Attestations(short[: fragment.MAX_ATTESTATIONS])
        await _send(stream, answer.encode())

    # --- ranges ---

    async def _range(self, stream: Stream, request: Request, usage: Usage) -> None:
        connection = stream.connection
        file, root, tree = await self._shared(request)
        count = _within(file, request, MAX_PIECES)
        start = request.first * PIECE
        lacks = file.missing(start, min(start + count * PIECE, file.size))
        if lacks:
            count = lacks[0][0] // PIECE - request.first
        if not count:
            raise Refused(NOT_FOUND, "these pieces are not kept")
        hashes, proof = await self._proven(file, tree, request.first, count)
        if len(self._transfers) >= self._room(connection):
            raise Refused(BUSY, "too many transfers", _RETRY)
        if not self._host.allowance.admits or not self.offered(connection):
            raise Refused(REFUSED, "nothing is shared now")
        answer = fragment.Range(file.size, request.first, hashes, proof)
        with Lease(self._pool, PIECE + len(hashes)):
            self._transfers.add(stream)
            connection.begin(BULK)
            stream.work = self._host.swarm.work[BULK]
            try:
                work = self._send_pieces(stream, root, answer, usage)
                await asyncio.ensure_future(Charged(stream.work.share, work))
            finally:
                connection.end(BULK)
                self._transfers.discard(stream)

    async def _send_pieces(
        self, stream: Stream, root: bytes, answer: fragment.Range, usage: Usage
    ) -> None:
        """What is no longer there, or no longer to be shared, ends the stream: it was promised."""
        await _send(stream, answer.encode())
        connection = stream.connection
        way = "direct" if connection.direct else "relayed"
        buffer = memoryview(bytearray(PIECE))
        for piece in range(answer.first, answer.first + answer.count):
            length = piece_length(answer.size, piece)
            await self._take_turn(connection, length)
            if not await self._read(root, piece, buffer[:length]):
                stream.reset()
                return
            await _send(stream, buffer[:length])
            self.fragments += 1
            usage.fragments += 1
            self.bytes[way] += length
            usage.bytes += length

    async def _take_turn(self, connection: Connection, length: int) -> None:
        """Wait until the next piece may leave: circuits go before."""
        share = self._host.swarm.work[BULK].share
        delay = share.wait()
        while delay:
            await asyncio.sleep(delay)
            delay = share.wait()
        if not _at_home(connection):
            await self.pace.take(connection.peer, length)

    async def _read(self, root: bytes, piece: int, into: memoryview) -> bool:
        """Read one piece, which was verified. False: it is not there any more."""
        file = self._public(names.name(names.ROOT, root))
        if file is None:
            return False
        extent = file.extent(piece * PIECE)
        if extent is None and await file.verified(piece * PIECE):
            extent = file.extent(piece * PIECE)
        if extent is None or extent.length < len(into):
            return False
        try:
            return await read_into(extent, into)
        except OSError:
            return False  # a disk that is gone: the store finds out for itself

    def _room(self, connection: Connection) -> int:
        """How many transfers there may be, for one more to the peer on `connection`."""
        favour = self._host.swarm.places.favour(connection)
        if favour == LISTED or _at_home(connection):
            return MAX_TRANSFERS
        return MAX_TRANSFERS * 3 // 4 if favour == OWN else MAX_TRANSFERS // 2

    # --- files ---

    def _public(self, name: bytes) -> File | None:
        file = self._store.find(name)
        return None if file is None or file.private else file

    async def _shared(self, request: Request) -> tuple[File, bytes, merkle.Tree]:
        """The file that is asked for, its root and tree. Raises Refused."""
        file = self._public(request.name)
        root = file.root if file is not None else None
        if file is None or root is None:
            raise Refused(NOT_FOUND, "no such file")
        tree = self._trees.pop(root, None) or await self._tree(file, root)
        self._trees[root] = tree  # as the newest
        return file, root, tree

    async def _tree(self, file: File, root: bytes) -> merkle.Tree:
        """The tree of `file`. Raises Refused if its row is not known, or is that of another."""
        with Lease(self._pool, _TREE) as lease:
            tree = merkle.Tree(merkle.pieces(file.size))
            for start in range(0, tree.count, tree.step):
                row = await file.row(start, min(tree.step, tree.count - start))
                if row is None:
                    raise Refused(NOT_FOUND, "no such file")
                if tree.step > _AT_ONCE:
                    await in_thread("fragment-tree", partial(tree.add, row))
                else:
                    tree.add(row)
            if tree.root != root:
                raise Refused(NOT_FOUND, "no such file")
            if root in self._trees:
                return self._trees.pop(root)  # somebody was faster
            lease.keep()
        if len(self._trees) >= _TREES:
            del self._trees[next(iter(self._trees))]
            self._pool.give(_TREE)
        return tree

    async def _proven(
        self, file: File, tree: merkle.Tree, first: int, count: int
    ) -> tuple[bytes, bytes]:
        """The hashes of these pieces, and the proof. Raises Refused."""
        start, end = tree.span(first, first + count)
        row = await file.row(start, end - start)
        if row is None:
            raise Refused(NOT_FOUND, "no such file")
        hashes = row[(first - start) * HASH : (first + count - start) * HASH]
        return hashes, tree.proof(row, first, first + count)


class Lease:
    """Bytes of `pool`, for a `with` block. Raises Refused at its begin if there are not as many."""

    def __init__(self, pool: Pool, size: int) -> None:
        self._pool = pool
        self._size = size

    def __enter__(self) -> Lease:
        if not self._pool.take(self._size):
            raise Refused(BUSY, "no memory for it now", _RETRY)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.give(self._size)

    def keep(self) -> None:
        """It lasts beyond the block."""
        self._size = 0


async def _send(stream: Stream, data: bytes | memoryview) -> None:
    async with asyncio.timeout(_PATIENCE):
        await stream.write(data)


def _within(file: File, request: Request, most: int) -> int:
    """How many of the pieces that are asked for the file has. Raises RemoteProtocolError."""
    count = min(request.count, most, merkle.pieces(file.size) - request.first)
    if count <= 0:
        raise RemoteProtocolError("the file has no such piece")
    return count


def _kept(lacks: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The pieces of [start, end), as ranges from the first one on, without those in `lacks`."""
    found, at = [], start
    for first, behind in [*lacks, (end, end)]:
        if at < first:
            found.append(((at - start) // PIECE, merkle.pieces(first - start)))
        at = behind
    return found


def _at_home(connection: Connection) -> bool:
    """Whether the peer is in a network of this node's own."""
    address = connection.remote.ip()
    return connection.direct and address is not None and ip.scope(address) in _HOME


_HOME = (ip.LOOPBACK, ip.LINK_LOCAL, ip.PRIVATE)

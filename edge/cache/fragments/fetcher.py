"""Fetches pieces of a file into the store, from several peers at once.

What is wanted is a root: every hash and every piece is checked against it before it is kept, so
that no peer has to be believed. One that sends something else is asked for nothing of this file any
more. Peers are those that are connected and speak the protocol, then those that others name as
providers. What was kept stays when a fetch fails: the next one asks for the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

from edge import log
from edge.cache import names
from edge.cache.fragments import client
from edge.cache.fragments.client import Peer
from edge.cache.fragments.errors import FragmentError, PeerLied, PeerRefused
from edge.cache.fragments.keys import provider_key
from edge.cache.fragments.schedule import Run, Schedule, merged
from edge.swarm.errors import DialError, SwarmError
from edge.threads import in_thread
from edge.wire import fragment, merkle
from edge.wire.errors import WireError
from edge.wire.fragment import BUSY, NOT_FOUND, RANGE, WINDOW, Request
from edge.wire.merkle import HASH, PIECE, piece_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from edge.budget import Pool
    from edge.cache.store.file import File, Writer
    from edge.cache.store.store import Store
    from edge.host import Host
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream
    from edge.wire.fragment import Range
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    Extents = Iterable[tuple[int, int]]  # offset, length
    Progress = Callable[[int, int], None]  # bytes that have come, bytes that were to come

MAX_PEERS = 8  # that are asked at once
_LANES = 2  # ranges that one is asked for at a time, so that its line is never idle
_LIARS = 256  # that are remembered, of all files
_FAILURES = 3  # in a row, after which a peer is asked no more
_BUSY = 10  # the same, of a peer that has no room for us
_MOST_RETRY = 30.0  # seconds until a peer that is busy is asked again, at most
_LOOK = 0.25  # seconds after which an idle lane looks for what it could take over
_MOST_WINDOWS = 64  # that a peer which has not all is asked about: of 256 GiB
_DIAL_TIME = 20.0
_FAILED = (FragmentError, SwarmError, WireError, TimeoutError)


class Roots(Protocol):
    """Who knows the roots of files."""

    async def root_of(self, sha256: bytes) -> tuple[bytes, int]:
        """The root and the size of the file with this hash. Raises FragmentError."""


class Fetcher:
    """`pool`: leases the memory of all fetches. `liars`: who sent wrong pieces, of which root.

    Counters: `fetched`, bytes that came and were kept; `wrong`, what was not of the file.
    """

    def __init__(self, host: Host, store: Store, roots: Roots, pool: Pool) -> None:
        self.fetched = 0
        self.wrong = 0
        self.liars: dict[tuple[bytes, PeerId], None] = {}
        self.host = host
        self.store = store
        self.pool = pool
        self._roots = roots

    async def fetch(
        self, name: bytes, extents: Extents | None = None, progress: Progress | None = None
    ) -> File:
        """The file called `name` (by SHA-256 or root), when all that `extents` cover (None: the
        whole) is kept. Raises FragmentError.
        """
        root, size = await self._root_of(name)
        by_root = names.name(names.ROOT, root)
        known = self.store.find(by_root)
        file = known if known is not None else self.store.file(by_root, size)
        if file.size != size:
            raise FragmentError("the file has another size here than peers say")
        wanted = _wanted(file, extents if extents is not None else [(0, size)])
        if wanted:
            await Fetch(self, file, root, wanted, progress).run()
            if any(file.missing(start * PIECE, min(end * PIECE, size)) for start, end in wanted):
                raise FragmentError("the cache has no room for all of it")
        if not file.missing(0, size):
            await self._settle(file, name)
        return file

    async def _settle(self, file: File, name: bytes) -> None:
        """All pieces are there: who told the root is put to the test by the hash of the whole."""
        right = await file.settle()
        if not right or not await self.store.named(file, name):
            raise FragmentError("the file is not the one with this hash: its root was a lie")

    async def _root_of(self, name: bytes) -> tuple[bytes, int]:
        if name[0] == names.SHA256:
            return await self._roots.root_of(name[1:])
        if name[0] != names.ROOT:
            raise FragmentError("peers know files by their SHA-256 or root alone")
        known = self.store.find(name)
        return name[1:], known.size if known is not None else await self._size_of(name)

    async def _size_of(self, name: bytes) -> int:
        """As the last piece proves that one of the peers gives."""
        root = name[1:]
        async for connection in self.connections(name):
            peer = connection.peer
            if peer is None or (root, peer) in self.liars:
                continue
            try:
                return await Peer(connection, self.pool).size_of(root, name)
            except _FAILED as error:
                self.failed(root, peer, error)
        raise FragmentError("no peer has this file")

    async def connections(self, name: bytes) -> AsyncIterator[Connection]:
        """To peers that may have the file, one after the other."""
        tried = set()
        for peer, addresses in self.connected():
            tried.add(peer)
            with suppress(*_FAILED):
                yield await self.reach(peer, addresses)
        for peer, addresses in (await self.providers(name)).items():
            if peer not in tried:
                with suppress(*_FAILED):
                    yield await self.reach(peer, addresses)

    def connected(self) -> list[tuple[PeerId, list[Multiaddr]]]:
        """Connected peers that speak the protocol."""
        return [
            (peer, [])
            for peer, links in self.host.swarm.connections.items()
            if any(link.info and fragment.PROTOCOL_ID in link.info.protocols for link in links)
        ]

    async def providers(self, name: bytes) -> dict[PeerId, list[Multiaddr]]:
        """Those that others name; none where nobody can be asked."""
        routing = self.host.content_routing
        if routing is None:
            return {}
        try:
            return await routing.providers(provider_key(name))
        except (SwarmError, WireError, TimeoutError) as error:
            log.debug("fragment-providers-unknown", error=error)
            return {}

    async def reach(self, peer: PeerId, addresses: list[Multiaddr]) -> Connection:
        """A connection to `peer` that can carry files. Raises SwarmError, TimeoutError."""
        async with asyncio.timeout(_DIAL_TIME):
            connection = await self._dial(peer, addresses)
        if self._is_slow(connection):
            raise DialError("it is reached only through a microcontroller's relay")
        return connection

    async def _dial(self, peer: PeerId, addresses: list[Multiaddr]) -> Connection:
        if addresses:
            with suppress(SwarmError):
                return await self.host.dialer.connect(peer, addresses)
        return await self.host.reach(peer)

    def _is_slow(self, connection: Connection) -> bool:
        """Whether it leads through a relay that is not for bulk."""
        relay = None if connection.direct else connection.remote.relay_part()
        peer = None if relay is None else relay.peer_id()
        links = self.host.swarm.connections.get(peer, ()) if peer is not None else ()
        return any(link.info is not None and link.info.is_slow_relay for link in links)

    def failed(self, root: bytes, peer: PeerId, error: Exception) -> None:
        """`peer` could not be asked, or did not say what it should: then it is asked for nothing
        of this file any more.
        """
        log.debug("fragment-peer-failed", peer=peer, error=str(error) or type(error).__name__)
        if not isinstance(error, PeerLied | WireError):
            return
        log.warning("fragment-peer-lied", peer=peer, root=root.hex(), error=error)
        self.wrong += 1
        self.liars.pop((root, peer), None)
        self.liars[root, peer] = None
        if len(self.liars) > _LIARS:
            del self.liars[next(iter(self.liars))]


class Fetch:
    """One fetch of the pieces `wanted` of `file`."""

    def __init__(
        self,
        fetcher: Fetcher,
        file: File,
        root: bytes,
        wanted: list[tuple[int, int]],
        progress: Progress | None,
    ) -> None:
        self.schedule = Schedule(wanted)
        self._fetcher = fetcher
        self._file = file
        self._root = root
        self._name = names.name(names.ROOT, root)
        self._progress = progress
        self._came = 0
        self._total = sum(
            min(end * PIECE, file.size) - start * PIECE for start, end in self.schedule.left
        )
        self._row_at = 0  # hashes of the row that the store has
        self._row_known = False
        self._row_lock = asyncio.Lock()
        self._streams: dict[Run, Stream] = {}
        self._changed = asyncio.Event()
        self._tried: set[PeerId] = set()
        self._waiting: deque[tuple[PeerId, list[Multiaddr]]] = deque()
        self._loop = fetcher.host.swarm.loop
        self._last = "no peer has this file"
        self._fatal: Exception | None = None

    async def run(self) -> None:
        """Raises FragmentError if no peer is left and something has not come."""
        self._look()
        workers: set[asyncio.Task[None]] = set()
        search = asyncio.ensure_future(self._search())
        try:
            while not self.schedule.done and self._fatal is None:
                while self._waiting and len(workers) < MAX_PEERS:
                    worker = self._ask(*self._waiting.popleft())
                    workers.add(asyncio.ensure_future(worker))
                under_way = workers if search.done() else {*workers, search}
                if not under_way:
                    raise FragmentError(f"{self.schedule.missing} pieces missing: {self._last}")
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                workers -= done
                for task in done:
                    task.result()  # what nobody expected is raised here
        finally:
            for task in (*workers, search):
                task.cancel()
            await asyncio.gather(*workers, search, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal

    # --- peers ---

    def _look(self) -> None:
        for peer, addresses in self._fetcher.connected():
            self._add(peer, addresses)

    def _add(self, peer: PeerId, addresses: list[Multiaddr]) -> None:
        lied = (self._root, peer) in self._fetcher.liars
        if not lied and peer not in self._tried and peer != self._fetcher.host.swarm.peer_id:
            self._tried.add(peer)
            self._waiting.append((peer, addresses))

    async def _search(self) -> None:
        """Who else provides the file; and who has connected meanwhile."""
        for peer, addresses in (await self._fetcher.providers(self._name)).items():
            self._add(peer, addresses)
        self._look()

    async def _ask(self, peer: PeerId, addresses: list[Multiaddr]) -> None:
        """Fetch from `peer` as long as there is something that it has."""
        try:
            connection = await self._fetcher.reach(peer, addresses)
            source = Peer(connection, self._fetcher.pool)
            has = await self._what(source)
            await self._know_row(source)
            self.schedule.join(peer, has)
            self._tell()
            await asyncio.gather(*[self._lane(source, peer) for _ in range(_LANES)])
        except _FAILED as error:
            self._failed(peer, error)
        finally:
            self._leave(peer)

    def _failed(self, peer: PeerId, error: Exception) -> None:
        self._last = str(error) or type(error).__name__
        self._fetcher.failed(self._root, peer, error)

    def _leave(self, peer: PeerId) -> None:
        for run in self.schedule.leave(peer):
            self._reset(run)
        self._tell()

    def _reset(self, run: Run) -> None:
        stream = self._streams.pop(run, None)
        if stream is not None:
            stream.reset()

    def _tell(self) -> None:
        """Something has changed for those that wait."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _what(self, source: Peer) -> list[tuple[int, int]]:
        """The ranges of pieces that the peer has, of those that are wanted."""
        answer, has = await source.have(self._name)
        if answer.root != self._root or answer.size != self._file.size:
            raise PeerLied("another file than was asked for")
        count = merkle.pieces(self._file.size)
        if answer.whole:
            return [(0, count)]
        windows = {
            at // WINDOW
            for start, end in self.schedule.left
            for at in (*range(start, end, WINDOW)[:_MOST_WINDOWS], end - 1)
        }
        for window in sorted(windows - {0})[:_MOST_WINDOWS]:
            _, more = await source.have(self._name, window * WINDOW)
            has = merged([*has, *more])
        return has

    async def _know_row(self, source: Peer) -> None:
        """Have the store know the hashes of all pieces: it checks what is written."""
        async with self._row_lock:
            first, end = (self.schedule.left or [(0, 0)])[0]
            part = min(end - first, WINDOW)
            if self._row_known or await self._file.row(first, part) is not None:
                self._row_known = True
                return
            count = merkle.pieces(self._file.size)
            while self._row_at < count:
                row = self._root
                if count > 1:
                    row = await source.row(self._root, self._file.size, self._name, self._row_at)
                if not await self._file.set_row(row, self._row_at):
                    self._fatal = self._no_room()
                    raise self._fatal
                self._row_at += len(row) // HASH
            self._row_known = True

    def _no_room(self) -> FragmentError:
        return FragmentError(self._fetcher.store.trouble or "no room in the cache")

    # --- pieces ---

    async def _lane(self, source: Peer, peer: PeerId) -> None:
        """One range after the other."""
        pool = self._fetcher.pool
        if not pool.take(PIECE):
            self._last = "no memory for a piece"
            return
        buffer = memoryview(bytearray(PIECE))
        busy = 0
        try:
            while self.schedule.useful(peer):
                found = self.schedule.next(peer, self._loop.time())
                if found is None:
                    await self._wait(_LOOK)
                    continue
                run, victim = found
                if victim is not None and victim.over:
                    self._reset(victim)
                retry = await self._fetch(source, peer, run, buffer)
                busy = busy + 1 if retry else 0
                if busy > _BUSY:
                    self._leave(peer)
                await asyncio.sleep(min(retry, _MOST_RETRY))
        finally:
            pool.give(PIECE)

    async def _wait(self, longest: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._changed.wait()

    async def _fetch(self, source: Peer, peer: PeerId, run: Run, buffer: memoryview) -> float:
        """Fetch `run`; returns seconds to wait, for a peer that is busy."""
        try:
            await self._transfer(source, run, buffer)
        except PeerRefused as refused:
            return self._refused(peer, run, refused)
        except (PeerLied, WireError) as error:
            self._failed(peer, error)
            self._leave(peer)
        except (SwarmError, TimeoutError) as error:
            if not run.over:
                self._last = str(error) or "the peer sends nothing"
                if self.schedule.failed(run) >= _FAILURES or source.connection.closed is not None:
                    self._leave(peer)
        except FragmentError as error:
            self._fatal = error  # whoever sends it, it cannot be kept
            self.schedule.failed(run)
            self._leave(peer)
        finally:
            self._reset(run)
            self._tell()
        return 0.0

    def _refused(self, peer: PeerId, run: Run, refused: PeerRefused) -> float:
        self._last = str(refused)
        refusal = refused.refusal
        if refusal.error == NOT_FOUND:
            self.schedule.lacks(run)
        elif refusal.error == BUSY:
            self.schedule.put_back(run)
            return max(refusal.retry_after, _LOOK)
        else:
            self._leave(peer)
        return 0.0

    async def _transfer(self, source: Peer, run: Run, buffer: memoryview) -> None:
        size, first = self._file.size, run.first
        request = Request(RANGE, self._name, first, run.end - first)
        stream, answer = await source.range(self._root, size, request)
        self._streams[run] = stream
        writer = self._file.writer(first * PIECE, min(run.end * PIECE, size))
        if writer is None:
            raise self._no_room()
        body = client.Body(stream)
        try:
            while not run.over and run.at < first + answer.count:
                length = piece_length(size, run.at)
                await body.fill(buffer[:length])
                if run.over:
                    return  # somebody else brings it
                await self._keep(writer, answer, run, buffer[:length])
        finally:
            writer.close()
        if not run.over:
            self.schedule.put_back(run)  # it had less than was asked for

    async def _keep(self, writer: Writer, answer: Range, run: Run, data: memoryview) -> None:
        piece = run.at
        if not await writer.piece(data):
            alone = merkle.pieces(self._file.size) == 1
            found = await in_thread("fragment-hash", lambda: merkle.piece_hash(data, alone))
            if found != answer.hash_of(piece):
                raise PeerLied(f"piece {piece} is not of this file")
            raise self._no_room()
        if run.over:
            return
        self.schedule.came(run, self._loop.time())
        self._fetcher.fetched += len(data)
        self._came += len(data)
        if self._progress is not None:
            self._progress(self._came, self._total)


def _wanted(file: File, extents: Extents) -> list[tuple[int, int]]:
    """The pieces that cover `extents` and are not kept, as ranges."""
    found = []
    for offset, length in extents:
        if not 0 <= offset <= offset + length <= file.size:
            raise FragmentError("an extent lies outside the file")
        lacks = file.missing(offset, offset + length) if length else []
        found += [(start // PIECE, merkle.pieces(end)) for start, end in lacks]
    return merged(found)

"""What the cache has to do with peers, as one part of its service: gives, fetches, announces."""

from __future__ import annotations

import asyncio

from edge.cache.fragments.announcer import Announcer
from edge.cache.fragments.fetcher import Fetcher
from edge.cache.fragments.server import Server
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Pool
    from edge.cache.fragments.fetcher import Roots
    from edge.cache.fragments.server import Library
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.config.schema import Cache
    from edge.host import Host, Status

_LOOK = 60.0  # seconds between two looks at what there is to share, times the slowdown
_AT_ONCE = 64  # files looked at in one turn of the loop


class Sharing:
    """`fetcher`: for those who want pieces of peers. `pool`: leases all memory."""

    def __init__(
        self, host: Host, store: Store, library: Library, roots: Roots, pool: Pool
    ) -> None:
        self.server = Server(host, store, library, pool)
        self.fetcher = Fetcher(host, store, roots, pool)
        self.announcer = Announcer(host)
        self._host = host
        self._store = store
        self._wanted = "auto"
        self._wake = asyncio.Event()

    @property
    def public(self) -> bool:
        """Whether anybody is given pieces."""
        return self.server.shares and not self.server.allow

    def configure(self, section: Cache) -> None:
        """Follow [cache]: whether pieces are shared, and with whom."""
        self._wanted = section.fragments
        self.server.allow = frozenset(map(PeerId.from_string, section.allow_peers))
        self.server.deny = frozenset(map(PeerId.from_string, section.deny_peers))
        if self._wanted == "no":
            self._share(False)
        self.server.enforce()
        self._host.identify.push_soon()
        self.look()

    def look(self) -> None:
        """What is kept has changed: see soon what of it is shared."""
        self._wake.set()

    async def run(self) -> None:
        """Keep what peers are told in line with what there is, for ever."""
        await asyncio.gather(self._follow(), self._announce())

    async def _announce(self) -> None:
        while True:
            await self.announcer.announce()
            await asyncio.sleep(_LOOK * self._host.swarm.slowdown)

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            await self._look_through()
            try:
                async with asyncio.timeout(_LOOK * self._host.swarm.slowdown):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Give nothing any more; `run` has ended."""
        self._share(False)
        self.announcer.follow([])
        self.server.stop()

    def report(self) -> Status:
        """The key `fragments` of `status --json`."""
        return {
            "shared": self.server.shares,
            "announced": len(self.announcer.told),
            "fetched": self.fetcher.fetched,
            "wrong": self.fetcher.wrong,
            **self.server.report(),
        }

    async def _look_through(self) -> None:
        some, whole = False, []
        for number, file in enumerate(self._store.files(), 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if _is_public(file):
                some = True
                if file.whole:
                    whole.append(file)
        self._share(self._wanted == "yes" or (self._wanted == "auto" and some))
        self.announcer.follow(whole if self.public else [])

    def _share(self, shares: bool) -> None:
        if shares != self.server.shares:
            self.server.shares = shares
            for tell in self._host.swarm.protocols_changed:
                tell()


def _is_public(file: File) -> bool:
    return file.root is not None and not file.private and file.kept > 0

"""Says in the DHT which files this node provides, and says it again before that is forgotten.

libp2p keeps such a record for 48 hours, and providers repeat it after 22. A file has two keys, of
its root and of its SHA-256: who has no root yet finds peers to ask for attestations. Only whole
files are told of, the largest first, as each is a search of the DHT; a file that is gone or needs a
right is withdrawn here, and not repeated.
"""

from __future__ import annotations

import asyncio

from edge import log
from edge.cache import names
from edge.cache.fragments.keys import provider_key
from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.cache.store.file import File
    from edge.host import ContentRouting, Host

MAX_FILES = 48  # that are told of: other nodes keep 128 records of a peer
INTERVAL = 22 * 3600.0  # seconds until it is said again
_NOBODY = 600.0  # the same, when nobody was there to tell


class Announcer:
    """For the files of one host. `told`: the keys, and at which loop time each is due again."""

    def __init__(self, host: Host) -> None:
        self.told: dict[bytes, float] = {}
        self._host = host

    def follow(self, files: list[File]) -> None:
        """`files` are shared, whole and public; no others are provided any more."""
        largest = sorted(files, key=lambda file: file.size, reverse=True)[:MAX_FILES]
        keys = [
            provider_key(name)
            for file in largest
            for name in sorted(file.names)
            if name[0] in (names.ROOT, names.SHA256)
        ]
        for key in [key for key in self.told if key not in keys]:
            del self.told[key]
            if self._host.content_routing is not None:
                self._host.content_routing.withdraw(key)
        for key in keys:
            self.told.setdefault(key, 0.0)

    async def announce(self) -> None:
        """Say again what is due, one after the other."""
        routing = self._host.content_routing
        now = self._host.swarm.loop.time()
        if routing is None:
            return
        for key in [key for key, due in self.told.items() if due <= now]:
            if self._host.allowance.paused:
                return
            if key in self.told:  # and was not withdrawn meanwhile
                await self._say(routing, key)

    async def _say(self, routing: ContentRouting, key: bytes) -> None:
        try:
            count = await routing.provide(key)
        except (SwarmError, WireError, TimeoutError) as error:
            log.debug("fragment-provide-failed", error=error)
            count = 0
        if key in self.told:
            self.told[key] = self._host.swarm.loop.time() + (INTERVAL if count else _NOBODY)
        else:
            routing.withdraw(key)
        await asyncio.sleep(0)

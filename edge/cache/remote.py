"""What peers have of files: whom to believe what a file is, its manifest, its pieces.

Where peers contradict each other only the whole file can tell who is right, and it does when it is
fetched: each root that is named is tried until the content has the SHA-256 that was asked for.
"""

from __future__ import annotations

from edge import log
from edge.cache import names
from edge.cache.attestations import Liars, Voices
from edge.cache.fragments.client import Peer
from edge.cache.fragments.errors import FragmentError
from edge.models.errors import ModelError
from edge.models.manifest import Manifest, id_of
from edge.swarm.errors import SwarmError
from edge.wire.attestation import open_attestation
from edge.wire.errors import RemoteProtocolError, WireError
from edge.wire.ip import PUBLIC, ip_network, scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import Protocol

    from edge.budget import Pool
    from edge.cache.attestations import Claim
    from edge.cache.catalog import Catalog
    from edge.cache.store.file import File
    from edge.cache.store.store import Store
    from edge.swarm.connection import Connection
    from edge.wire.peerid import PeerId

    Extents = Iterable[tuple[int, int]]
    Progress = Callable[[int, int], None]

    class Fetcher(Protocol):
        """Who has pieces of peers come (edge/cache/fragments/fetcher.py)."""

        async def fetch(
            self, name: bytes, extents: Extents | None = None, progress: Progress | None = None
        ) -> File:
            """Raises FragmentError."""

        def connections(self, name: bytes) -> AsyncIterator[Connection]:
            """To peers that may have the file."""


MAX_ASKED = 8  # peers that are asked what a file is
MAX_SIGNED = 4  # attestations that are looked at of what one of them sends
_FAILED = (FragmentError, SwarmError, WireError, TimeoutError)


class Remote:
    """`fetcher`: given when there is one; it asks this for roots. `trusted`: peers of the owner."""

    def __init__(self, store: Store, catalog: Catalog, pool: Pool) -> None:
        self.fetcher: Fetcher | None = None
        self.trusted: frozenset[PeerId] = frozenset()
        self._store = store
        self._catalog = catalog
        self._pool = pool
        self._liars = Liars(store.notes)

    async def root_of(self, sha256: bytes) -> tuple[bytes, int]:
        """The root and the size of the file with this hash. Raises FragmentError."""
        claim = self._believed(await self._voices(names.name(names.SHA256, sha256)))
        return claim.root, claim.size

    async def manifest(self, name: bytes) -> Manifest:
        """The manifest of a file, as those say that are believed. Raises FragmentError."""
        claim = self._believed(await self._voices(name))
        known = self._catalog.known_manifest(claim.root)
        if known is not None:
            return known
        if claim.manifest is None:
            raise FragmentError("no model, as far as peers agree")
        async for peer in self._peers(name):
            try:
                encoded = await peer.manifest(name)
                if id_of(encoded) == claim.manifest:
                    found = Manifest.decode(encoded)
                    self._catalog.keep_manifest(claim.root, encoded)
                    return found
            except (*_FAILED, ModelError) as error:
                log.debug("manifest-not-had", peer=peer.connection.peer, error=error)
        raise FragmentError("no peer gives the manifest of this model")

    async def fetch(
        self, name: bytes, extents: Extents | None = None, progress: Progress | None = None
    ) -> File:
        """The file, when all of `extents` (None: the whole) is kept. Raises FragmentError."""
        if self.fetcher is None:
            raise FragmentError("no peers are asked")
        if extents is not None or name[0] != names.SHA256:
            return await self.fetcher.fetch(name, extents, progress)
        voices = await self._voices(name)
        failure = FragmentError("no peer has this file")
        for claim in voices.candidates:
            try:
                file = await self._try(name, claim, progress)
            except FragmentError as error:
                failure = error  # another one may be had
                continue
            if file is not None:
                for liar in voices.settle(claim.root, claim.size):
                    log.warning("attestation-wrong", peer=liar, file=names.text(name))
                    self._liars.add(liar, name[1:])
                return file
        raise failure

    async def _try(self, name: bytes, claim: Claim, progress: Progress | None) -> File | None:
        """The whole file, if it is the one with this root; None: it has another hash.

        Until that is known, it is called by its root alone; and what was here before stays.
        """
        assert self.fetcher is not None
        by_root = names.name(names.ROOT, claim.root)
        known = self._store.find(by_root)
        if known is not None and known.size != claim.size:
            return None
        fresh = known is None or not known.kept
        file = known or self._store.file(by_root, claim.size)
        file = await self.fetcher.fetch(by_root, None, progress)
        if await self._store.named(file, name):
            return file
        if fresh and file.at >= 0:
            self._store.drop_file(file.at)
        return None

    def _believed(self, voices: Voices) -> Claim:
        claim = voices.believed
        if claim is None and voices.contradicted:
            raise FragmentError("peers contradict each other about this file: get the whole of it")
        if claim is None:
            raise FragmentError("neither a trusted peer nor two that agree tell what this file is")
        return claim

    async def _voices(self, name: bytes) -> Voices:
        voices = Voices(name, self.trusted, self._liars)
        asked = 0
        async for peer in self._peers(name):
            try:
                items = await peer.attestations(name)
            except _FAILED as error:
                log.debug("attestations-not-had", peer=peer.connection.peer, error=error)
                continue
            for item in items[:MAX_SIGNED]:
                _hear(voices, item, _network(peer.connection))
            asked += 1
            if voices.trusted or asked == MAX_ASKED:
                break
        return voices

    async def _peers(self, name: bytes) -> AsyncIterator[Peer]:
        if self.fetcher is not None:
            async for connection in self.fetcher.connections(name):
                yield Peer(connection, self._pool)


def _hear(voices: Voices, item: bytes, network: bytes) -> None:
    try:
        voices.hear(*open_attestation(item), network)
    except RemoteProtocolError as error:
        log.debug("attestation-wrong", error=error)


def _network(connection: Connection) -> bytes:
    """Of whoever sends it: the network where it is public, else the host, or the relay."""
    group = connection.group
    if len(group) == 4 and scope(group) != PUBLIC:
        return group
    return ip_network(group) if len(group) in (4, 8) else group

"""What peers say of a file, over real swarms: who is believed, and how a lie comes out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge import crypto
from edge.cache import names
from edge.cache.catalog import Catalog
from edge.cache.fragments.errors import FragmentError
from edge.cache.fragments.fetcher import Fetcher
from edge.cache.remote import Remote
from edge.wire.attestation import Attestation, seal
from edge.wire.merkle import PIECE
from edge.wire.multiaddr import Multiaddr
from tests.cache.fragments.hosts import Node, kept, nodes, prover
from tests.cache.store.stores import content, sha256
from tests.cache.test_verbs import model
from tests.models.files import manifest


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


class Vouching(Catalog):
    """A catalogue that says something else of a file when told to."""

    lie: Attestation | None = None

    async def attestations(self, name: bytes) -> list[bytes]:
        if self.lie is not None:
            return [seal(self._key, self.lie)]
        return await super().attestations(name)


class Peers:
    """The first node asks, the others have catalogues of their own, on addresses of their own."""

    def __init__(self, made: list[Node]) -> None:
        self.asking, *self.others = made
        self.catalogs = []
        for number, node in enumerate(made):
            catalog = Vouching(node.store, crypto.Ed25519Key.generate(), node.pool)
            node.server._library = catalog
            node.bound = node.swarm.listen(
                Multiaddr.from_string(f"/ip4/127.0.0.{number + 2}/tcp/0")
            )
            self.catalogs.append(catalog)
        self.remote = Remote(self.asking.store, self.catalogs[0], self.asking.pool)
        self.remote.fetcher = Fetcher(
            self.asking.host, self.asking.store, self.remote, self.asking.pool
        )

    async def connect(self) -> None:
        for other in self.others:
            await self.asking.connect(other)


@asynccontextmanager
async def peers(folder: Path, count: int) -> AsyncIterator[Peers]:
    async with nodes(folder, 1 + count) as made:
        found = Peers(made)
        yield found


def test_a_block_is_had_from_two_that_agree(tmp_path: Path) -> None:
    data = model(6)
    name = names.name(names.SHA256, hashlib.sha256(data).digest())

    async def test() -> None:
        async with peers(tmp_path, 2) as found:
            await found.others[0].add(data)
            await found.connect()
            with pytest.raises(FragmentError, match="two that agree"):
                await found.remote.root_of(name[1:])
            await found.others[1].add(data)
            read = await found.remote.manifest(name)
            assert read.encode() == manifest(data).encode()
            ((offset, length),) = read.extents(4)
            file = await found.remote.fetch(name, [(offset, length)])
            assert file.missing(offset, offset + length) == []
            assert file.kept <= length + 2 * PIECE
            whole = await found.remote.fetch(name)
            assert whole.whole
            assert await kept(whole) == data

    run(test())


def test_a_lie_comes_out_when_the_whole_is_fetched(tmp_path: Path) -> None:
    data, other = content(3 * PIECE + 7), content(3 * PIECE + 7, seed=2)
    digest = hashlib.sha256(data).digest()
    name = names.name(names.SHA256, digest)

    async def test() -> None:
        async with peers(tmp_path, 2) as found:
            honest, liar = found.others
            await honest.add(data)
            await liar.add(other)  # it offers these bytes under the name of the others
            known = liar.store.find(names.name(names.SHA256, hashlib.sha256(other).digest()))
            assert known is not None
            assert liar.store.alias(known, name)
            found.catalogs[2].lie = Attestation(
                sha256=digest, size=len(other), root=prover(other).root
            )
            await found.connect()
            with pytest.raises(FragmentError, match="contradict"):
                await found.remote.root_of(digest)
            file = await found.remote.fetch(name)
            assert file.whole
            assert await kept(file) == data
            assert len(found.asking.store.notes.keys(b"liar:")) == 1
            with pytest.raises(FragmentError, match="two that agree"):
                await found.remote.root_of(digest)  # the liar is heard no more

    run(test())


@pytest.mark.parametrize("more", [0, 1])
def test_a_lie_harms_no_other_file(tmp_path: Path, more: int) -> None:
    """One with the root of a file that is kept here, maybe of another size."""
    data = content(3 * PIECE + 7)
    wanted = names.name(names.SHA256, bytes(range(32)))

    async def test() -> None:
        async with peers(tmp_path, 1) as found:
            (liar,) = found.others
            for node in (found.asking, liar):
                await node.add(data)
            own, theirs = (node.store.find(sha256(data)) for node in (found.asking, liar))
            assert own is not None
            assert theirs is not None
            own.pinned = True
            assert liar.store.alias(theirs, wanted)
            assert own.root is not None
            found.catalogs[1].lie = Attestation(
                sha256=wanted[1:], size=len(data) + more, root=own.root
            )
            await found.connect()
            with pytest.raises(FragmentError, match="no peer has this file"):
                await found.remote.fetch(wanted)
            assert found.asking.store.find(wanted) is None
            assert own.whole
            assert await kept(own) == data

    run(test())


def test_a_lie_that_has_no_room_is_not_the_end(tmp_path: Path) -> None:
    data = content(3 * PIECE + 7)
    digest = hashlib.sha256(data).digest()

    async def test() -> None:
        async with peers(tmp_path, 2) as found:
            for node in found.others:
                await node.add(data)
            vast = Attestation(sha256=digest, size=1 << 49, root=bytes(range(32)))
            found.catalogs[1].lie = vast
            await found.connect()
            file = await found.remote.fetch(names.name(names.SHA256, digest))
            assert file.whole
            assert await kept(file) == data

    run(test())


def test_what_nobody_has_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with peers(tmp_path, 1) as found:
            await found.connect()
            with pytest.raises(FragmentError, match="no peer has this file"):
                await found.remote.fetch(names.name(names.SHA256, bytes(32)))
            found.remote.fetcher = None
            with pytest.raises(FragmentError, match="no peers are asked"):
                await found.remote.fetch(names.name(names.SHA256, bytes(32)))

    run(test())

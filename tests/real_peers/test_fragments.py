"""Pieces of a file through circuits of a real go-libp2p relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cache.fragments.errors import FragmentError
from edge.swarm.connection import Connection
from edge.wire.merkle import PIECE
from edge.wire.multiaddr import Multiaddr
from tests.cache.fragments.hosts import Node, kept, nodes
from tests.cache.store.stores import content
from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.go_libp2p import GoLibp2p
from tests.counterparts.go_peer import P2pd
from tests.relay.hosts import so


async def through(relay: str, giver: Node, taker: Node) -> Connection:
    """A circuit to `giver`, which has reserved on `relay`, a multiaddr with its peer id."""
    at = Multiaddr.from_string(relay)
    peer = at.peer_id()
    assert peer is not None
    giver.client.relays = {peer}  # type: ignore[misc]
    await giver.client.reserve(peer, [at], trusted=True)
    circuit = Multiaddr.from_string(f"{relay}/p2p-circuit/p2p/{giver.id}")
    connection = await taker.host.dialer.connect(giver.id, [circuit], trusted=True)
    assert not connection.direct
    await so(lambda: connection.info is not None)
    return connection


@asynchronous(120)
async def test_a_file_comes_through_a_relay_of_go_libp2p(tmp_path: Path) -> None:
    data = content(20 * PIECE + 5)
    setup = Setup(relay_service=True, limited=False)
    async with (
        GoLibp2p(setup, reachability="public") as relay,
        nodes(tmp_path, 2) as (giver, taker),
    ):
        name = await giver.add(data)
        await through(await relay.direct(), giver, taker)
        assert await kept(await taker.fetcher.fetch(name)) == data
        assert giver.server.bytes["direct"] == 0
        assert giver.server.bytes["relayed"] >= len(data)


@asynchronous(120)
async def test_a_circuit_that_ends_after_128_kib_passes_what_fits_and_blames_nobody(
    tmp_path: Path,
) -> None:
    small, large = content(60_000), content(3 * PIECE)
    async with P2pd(Setup(relay_service=True)) as relay, nodes(tmp_path, 2) as (giver, taker):
        first, second = await giver.add(small), await giver.add(large)
        connection = await through(await relay.direct(), giver, taker)
        assert connection.limited
        taker.store.file(first, len(small))
        assert await kept(await taker.fetcher.fetch(first)) == small
        taker.store.file(second, len(large))
        with pytest.raises(FragmentError):
            await taker.fetcher.fetch(second)
        assert not taker.fetcher.liars

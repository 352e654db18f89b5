"""What a node of the DHT answers, and whom it takes for a peer of it."""

from __future__ import annotations

from tests.counterparts.base import asynchronous
from tests.kad.hosts import PUBLIC, nodes


@asynchronous(30)
async def test_a_peer_that_is_only_reserved_is_found_through_this_node() -> None:
    async with nodes(3, [PUBLIC]) as (relay, listener, asker):
        await listener.reserve(relay)
        found = await asker.found(relay, listener.id.bytes)
        through = f"{PUBLIC}/p2p/{relay.id}/p2p-circuit/p2p/{listener.id}"
        assert next(iter(found)) == listener.id
        assert through in found[listener.id]

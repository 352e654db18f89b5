"""The host: what tells that the network answers again."""

from __future__ import annotations

from pathlib import Path

from edge.crypto import Ed25519Key
from edge.host import _OUTAGE
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.hosts import configured, host


@asynchronous(30)
async def test_the_first_that_answers_after_an_outage_ends_the_waits_of_others(
    tmp_path: Path,
) -> None:
    peer = Swarm(Ed25519Key.generate())
    at = peer.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
    async with host(configured(tmp_path)) as node:
        told: list[str] = []
        node.network_changed.append(lambda: told.append("anew"))

        async def connect() -> None:
            (await node.dialer.connect(peer.peer_id, [at])).close("test")

        node._alone_since = node.swarm.loop.time() - _OUTAGE - 1
        await connect()
        assert told == ["anew"]
        await connect()  # who closes each connection at once is no news
        assert told == ["anew"]
        node._alone_since -= _OUTAGE
        await connect()
        assert told == ["anew", "anew"]
    await peer.stop()

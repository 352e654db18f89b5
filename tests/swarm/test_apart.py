"""A connection beside those of the swarm: nobody is told, nothing is served, nothing is left."""

from __future__ import annotations

import pytest

from edge import crypto
from edge.swarm import ping
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError, LimitReached
from edge.swarm.pools import HANDSHAKE
from edge.swarm.swarm import Swarm
from edge.wire import ip
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, peer_id, so


@pytest.fixture
def _public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback counts as the internet does."""
    monkeypatch.setattr(ip, "scope", lambda _: ip.PUBLIC)


@pytest.mark.usefixtures("_public")
@asynchronous(20)
async def test_it_is_made_beside_the_connection_there_is() -> None:
    ours, theirs = Swarm(crypto.Ed25519Key.generate()), Swarm(crypto.Ed25519Key.generate())
    came: list[Connection] = []
    theirs.opened.append(came.append)
    ours.handle(ping.PROTOCOL_ID, ping.serve)
    dialer, address = Dialer(ours), theirs.listen(LOOPBACK)
    ordinary = await dialer.dial(address, theirs.peer_id)
    opened: list[Connection] = []
    ours.opened.append(opened.append)
    ours.closed.append(opened.append)
    apart = await dialer.dial_apart(address, theirs.peer_id)
    await so(lambda: len(came) == 2)
    assert (ours.all_connections(), ours.connection_to(theirs.peer_id)) == ([ordinary], ordinary)
    with pytest.raises(RemoteProtocolError):
        await ping.ping(came[1])
    apart.close("done")
    await so(lambda: came[1].closed is not None)
    assert (opened, ours.pools.handshakes.used) == ([], 0)
    await ours.stop()
    await theirs.stop()


@pytest.mark.usefixtures("_public")
@asynchronous(20)
async def test_another_peer_and_a_closed_port_are_no_such_connection() -> None:
    ours, theirs = Swarm(crypto.Ed25519Key.generate()), Swarm(crypto.Ed25519Key.generate())
    dialer, address = Dialer(ours), theirs.listen(LOOPBACK)
    with pytest.raises(DialError):
        await dialer.dial_apart(address, peer_id(1))
    theirs.close_listeners()
    with pytest.raises(ConnectionRefusedError):
        await dialer.dial_apart(address, theirs.peer_id)
    assert ours.pools.handshakes.used == 0
    await ours.stop()
    await theirs.stop()


@pytest.mark.usefixtures("_public")
@asynchronous(20)
async def test_without_memory_for_a_handshake_there_is_none() -> None:
    ours, theirs = Swarm(crypto.Ed25519Key.generate()), Swarm(crypto.Ed25519Key.generate())
    pool = ours.pools.handshakes
    assert pool.take(pool.ceiling - HANDSHAKE + 1)
    with pytest.raises(LimitReached):
        await Dialer(ours).dial_apart(theirs.listen(LOOPBACK), theirs.peer_id)
    await ours.stop()
    await theirs.stop()


@asynchronous(20)
async def test_only_what_is_public_and_not_ours_is_dialled() -> None:
    ours = Swarm(crypto.Ed25519Key.generate())
    dialer = Dialer(ours, lambda: [bytes((9, 9, 9, 9))])
    for address in ("/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.1/tcp/1", "/ip4/9.9.9.9/tcp/1"):
        with pytest.raises(DialError, match="only public"):
            await dialer.dial_apart(Multiaddr.from_string(address), peer_id(1))
    await ours.stop()

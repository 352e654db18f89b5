"""What peers are told of this node fits into what they read, whatever it has to tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import crypto, log
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.swarm import Swarm
from edge.wire.identify import MAX_OWN_MESSAGE, Identify, read_identify
from edge.wire.multiaddr import MAX_BYTES, Multiaddr, fitting
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, so


def named(count: int, length: int) -> list[Multiaddr]:
    """Addresses that start with names of `length` characters."""
    return [
        Multiaddr.from_string(f"/dns4/{str(n).rjust(length, 'x')}/tcp/4001") for n in range(count)
    ]


@given(st.lists(st.integers(1, 200)), st.integers(0, 400), st.integers(0, 8), st.integers(0, 5))
def test_addresses_are_taken_while_they_fit(
    lengths: list[int], room: int, overhead: int, most: int
) -> None:
    addresses = [Multiaddr(bytes(length)) for length in lengths]
    found = fitting(addresses, room, overhead, most)
    sizes = [len(address.bytes) + overhead for address in found]
    assert sum(sizes) <= room
    assert len(found) <= most
    left = [length + overhead for length in lengths]
    for size in sizes:
        left.remove(size)
    assert len(found) == most or all(size > room - sum(sizes) for size in left)


def test_one_that_is_too_long_keeps_none_behind_it() -> None:
    short = named(2, 3)
    assert fitting([*named(1, 200), *short], 100, 8, 16) == short


@pytest.mark.parametrize("length", [1, 60, 100, 150, 200, 253])
@pytest.mark.parametrize("count", [1, 10, 40])
@asynchronous(30)
async def test_however_many_and_long_the_addresses_a_peer_can_read_them(
    count: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(log, "warning", lambda event, **values: said.append((event, values)))
    server = Swarm(crypto.Ed25519Key.generate())
    external = named(count, length)
    service = IdentifyService(server, OwnAddresses(external, list, list))
    client = Swarm(crypto.Ed25519Key.generate())
    await Dialer(client).dial(server.listen(LOOPBACK), server.peer_id)
    await so(lambda: server.connection_count == 1)
    (connection,) = server.all_connections()
    longest = Multiaddr.from_string(f"/dns4/{'x' * 253}/dns4/{'x' * 250}/tcp/1")
    assert len(longest.bytes) == MAX_BYTES
    connection.remote = longest
    encoded = service.message(connection)
    assert len(encoded) <= MAX_OWN_MESSAGE
    service.message(connection)
    info = read_identify(Identify.decode(encoded), server.peer_id)
    assert info.seq > 0, "the record in it is whole"
    told = len(info.addresses)
    assert list(info.addresses) == external[:told]
    assert told >= min(count, 5)
    left_out = ("addresses-left-out", {"told": told, "known": count})
    assert said == ([left_out] if told < count else [])
    for each in (client, server):
        await each.stop()

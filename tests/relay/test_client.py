"""The client: whose circuits it accepts, how it dials through relays, what it makes of refusals."""

from __future__ import annotations

import pytest

from edge.relay.client import RelayRefused
from edge.swarm.errors import DialError
from edge.wire import circuit
from edge.wire.errors import RemoteProtocolError
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import asynchronous
from tests.relay.hosts import Peer, Relay, peers, relaying


async def offer(relay: Relay, peer: Peer, message: bytes) -> int | None:
    """What `peer` answers to `message` on a stop stream."""
    await peer.dial()
    (connection,) = relay.swarm.connections[peer.id]
    stream = connection.open_stream([circuit.STOP_ID])
    await stream.write(delimited(message))
    return circuit.StopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE)).status


def connect(source: Peer) -> bytes:
    peer = circuit.Peer(id=source.id.bytes)
    return circuit.StopMessage(type=circuit.StopMessage.CONNECT, peer=peer).encode()


@asynchronous(30)
async def test_circuits_are_accepted_from_relays_with_a_reservation_alone() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, other):
        assert await offer(relay, listener, connect(other)) == circuit.OK
        listener.client.relays = {other.id}
        assert await offer(relay, listener, connect(other)) == circuit.PERMISSION_DENIED


@asynchronous(30)
async def test_offers_that_make_no_sense_have_their_status() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, other):
        nobody = circuit.StopMessage(type=circuit.StopMessage.CONNECT).encode()
        assert await offer(relay, listener, nobody) == circuit.MALFORMED_MESSAGE
        assert await offer(relay, listener, b"\xff") == circuit.MALFORMED_MESSAGE
        status = circuit.StopMessage(
            type=circuit.StopMessage.STATUS, peer=circuit.Peer(id=other.id.bytes)
        )
        assert await offer(relay, listener, status.encode()) == circuit.UNEXPECTED_MESSAGE


@asynchronous(30)
async def test_a_full_listener_says_so() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, other):
        listener.swarm.limits.max_connections = 1
        assert await offer(relay, listener, connect(other)) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert listener.swarm.refusals == {"connections": 1}


@asynchronous(30)
async def test_a_connection_through_a_relay_names_it() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        at = relay.at.via_circuit(listener.id)
        connection = await dialer.dialer.connect(listener.id, [at], again=True, trusted=True)
        assert connection.peer == listener.id
        assert (connection.direct, connection.limited) == (False, False)
        (accepted,) = listener.swarm.connections[dialer.id]
        assert str(accepted.remote).endswith(
            f"/p2p/{relay.swarm.peer_id}/p2p-circuit/p2p/{dialer.id}"
        )


@asynchronous(30)
async def test_a_relay_that_refuses_is_quoted() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        with pytest.raises(RelayRefused, match="the relay answers NO_RESERVATION") as refused:
            await dialer.client.dial_circuit(await dialer.dial(), listener.id)
        assert refused.value.status == circuit.NO_RESERVATION
        relay.configure(private=True)
        with pytest.raises(RelayRefused, match="PERMISSION_DENIED"):
            await dialer.client.reserve(relay.swarm.peer_id, [relay.bound])


@asynchronous(30)
async def test_an_answer_that_is_none_resets_the_stream() -> None:
    async with relaying() as relay, peers(relay, 1) as (dialer,):

        async def echo(stream: object) -> None:
            request = await stream.read_message(circuit.MAX_MESSAGE)  # type: ignore[attr-defined]
            await stream.write(delimited(request))  # type: ignore[attr-defined]

        relay.swarm.handle(circuit.HOP_ID, echo)
        with pytest.raises(RemoteProtocolError, match="something else than a status"):
            await dialer.client.reserve(relay.swarm.peer_id, [relay.bound], trusted=True)
        (connection,) = dialer.swarm.all_connections()
        assert not connection.session.streams


@pytest.mark.parametrize("which", ["no peer id", "two relays"])
@asynchronous(30)
async def test_an_address_that_names_no_relay_is_not_dialled(which: str) -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        address = {
            "no peer id": Multiaddr.from_string(f"{relay.bound}/p2p-circuit"),
            "two relays": relay.at.via_circuit(listener.id).via_circuit(),
        }[which]
        with pytest.raises(DialError, match="names its relay"):
            await dialer.dialer.connect(listener.id, [address], trusted=True)
        assert not relay.swarm.connections


@asynchronous(30)
async def test_no_circuit_leads_to_its_own_relay() -> None:
    async with relaying() as relay, peers(relay, 1) as (dialer,):
        circle = relay.at.via_circuit(relay.swarm.peer_id)
        with pytest.raises(DialError, match="its own relay"):
            await dialer.dialer.connect(relay.swarm.peer_id, [circle], trusted=True)


@asynchronous(30)
async def test_a_circuit_that_others_name_takes_us_to_no_relay_on_the_lan() -> None:
    async with relaying() as relay, peers(relay, 2) as (listener, dialer):
        assert await listener.reserve() == circuit.OK
        port = relay.bound.host_port()[1]  # type: ignore[index]
        relays = [relay.at, *(at(f"/{n}/localhost/tcp/{port}", relay) for n in ("dns", "dns4"))]
        for through in [each.via_circuit(listener.id) for each in relays]:
            with pytest.raises(DialError, match=f"no address of {relay.swarm.peer_id}"):
                await dialer.dialer.connect(listener.id, [through])
        assert dialer.id not in relay.swarm.connections
        await dialer.dial()  # to a relay that it has by itself, the same address tells nothing new
        connection = await dialer.dialer.connect(listener.id, [relay.at.via_circuit()], again=True)
        assert connection.peer == listener.id


def at(text: str, relay: Relay) -> Multiaddr:
    return Multiaddr.from_string(text).with_peer(relay.swarm.peer_id)


def test_a_status_without_a_name_is_shown_as_a_number() -> None:
    assert str(RelayRefused(199)) == "the relay answers 199"
    assert str(RelayRefused(None)) == "the relay answers None"

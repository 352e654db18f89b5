"""Hosts and peers in this process, over the loopback, and without files: real swarms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from edge import crypto
from edge.budget import Budget
from edge.config.load import Config, load
from edge.relay.accounting import PEER_ENTRY
from edge.relay.autorelay import AutoRelay
from edge.relay.client import RelayClient
from edge.relay.service import RelayService
from edge.swarm.addresses import OwnAddresses
from edge.swarm.connection import Connection
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.units import MIB
from edge.wire import circuit, identify
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.protobuf import delimited
from tests.counterparts.base import until
from tests.hosts import host_around

LOOPBACK = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")


def config(**relay: object) -> Config:
    """The default configuration but for these options of [relay]."""
    flags = {f"relay-{name.replace('_', '-')}": _texts(value) for name, value in relay.items()}
    return load("/dev/null", {}, flags)


def _texts(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return [{True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)]


async def so(condition: Callable[[], bool]) -> None:
    """Wait until it is; what others do in this process has no event."""

    async def asked() -> bool:
        return condition()

    await until(asked, every=0.01)


def peer_id(number: int) -> PeerId:
    """Nobody's, and always the same."""
    key = crypto.Ed25519Key.from_seed(number.to_bytes(32, "big"))
    return PublicKey(type=1, data=key.public).peer_id()


class Relay:
    """A relay at a loopback address: `relaying` makes one."""

    def __init__(self, memory: int, **options: object) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate(), None, Budget(memory, 0))
        self.host = host_around(self.swarm)
        self.service = RelayService(self.host)
        self.bound = self.swarm.listen(LOOPBACK)
        self.host.addresses.refresh()
        self.configure(**options)

    @property
    def at(self) -> Multiaddr:
        return self.bound.with_peer(self.swarm.peer_id)

    def configure(self, **options: object) -> None:
        """As a reload does; options that are not named take their defaults."""
        self.service.configure(config(**{"service": "yes", **options}))

    async def stop(self) -> None:
        """All that was leased comes back, but for accounts, which are kept."""
        await self.service.stop()
        await self.swarm.stop()
        used = {pool.name: pool.used for pool in self.swarm.budget.pools.values() if pool.used}
        accounts = PEER_ENTRY * len(self.service.accounts)
        assert used == ({"tables": accounts} if accounts else {})


@asynccontextmanager
async def relaying(memory: int = 64 * MIB, **options: object) -> AsyncIterator[Relay]:
    """A relay with these options of [relay]."""
    relay = Relay(memory, **options)
    yield relay
    await relay.stop()


class Peer:
    """A peer that asks `relay`, and accepts circuits through it.

    `own`: it identifies itself as a peer of this network, else as a foreigner.
    """

    def __init__(self, relay: Relay, own: bool = False) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.dialer = Dialer(self.swarm)
        self.client = RelayClient(self.swarm, self.dialer)
        self.client.relays = {relay.swarm.peer_id}
        if own:
            IdentifyService(self.swarm, OwnAddresses([], list, list))
        else:
            self.swarm.handle(identify.PROTOCOL_ID, self._identify_as_foreigner)
        self._relay = relay

    async def _identify_as_foreigner(self, stream: Stream) -> None:
        key = self.swarm.identity.public_key.encode()
        message = identify.Identify(agent_version="foreigner/1.0", public_key=key)
        await stream.write(delimited(message.encode()))
        stream.dismiss()

    @property
    def id(self) -> PeerId:
        return self.swarm.peer_id

    @property
    def connected(self) -> bool:
        return bool(self.swarm.connections)

    async def dial(self) -> Connection:
        """A connection to the relay."""
        peer = self._relay.swarm.peer_id
        return await self.dialer.connect(peer, [self._relay.bound], again=True, trusted=True)

    async def ask(self, kind: int, target: PeerId | None = None) -> circuit.HopMessage:
        peer = circuit.Peer(id=target.bytes, addrs=[]) if target is not None else None
        return await self.say(circuit.HopMessage(type=kind, peer=peer).encode())

    async def say(self, message: bytes) -> circuit.HopMessage:
        """The answer to `message` on a hop stream of its own."""
        stream = (await self.dial()).open_stream([circuit.HOP_ID])
        await stream.write(delimited(message))
        return circuit.HopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE))

    async def reserve(self) -> int | None:
        return (await self.ask(circuit.HopMessage.RESERVE)).status

    async def connect(self, target: Peer) -> int | None:
        return (await self.ask(circuit.HopMessage.CONNECT, target.id)).status


@asynccontextmanager
async def peers(relay: Relay, count: int, own: bool = False) -> AsyncIterator[list[Peer]]:
    """So many peers of `relay`."""
    made = [Peer(relay, own) for _ in range(count)]
    yield made
    await asyncio.gather(*[peer.swarm.stop() for peer in made])


class Reserver:
    """A node that keeps a reservation on each of `relays`, as those behind NAT do."""

    def __init__(self, swarm: Swarm, relays: Sequence[Multiaddr]) -> None:
        self.swarm = swarm
        self.host = host_around(swarm)
        self.autorelay = AutoRelay(self.host)
        self.configure(relays)
        swarm.spawn(self.autorelay.run())

    def configure(self, relays: Sequence[Multiaddr]) -> None:
        self.autorelay.configure(
            config(client="yes", relays=relays, reservations=max(1, len(relays)))
        )

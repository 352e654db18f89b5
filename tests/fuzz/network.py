"""A relay with two peers in memory, which do whatever a string of bytes says.

The relay is the real one (swarm, identify, ping, hop, stop) on an event loop that nobody else
uses; only its sockets are replaced. The peers shake hands as is proper, then send what the program
has them send: frames of any kind, well made or not, on any stream. In the end both are gone, and
so must be everything they caused.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from unittest import mock

from edge import crypto, log
from edge.budget import Budget
from edge.relay.accounting import PEER_ENTRY
from edge.relay.autorelay import AutoRelay, OwnReservation
from edge.relay.service import RelayService
from edge.swarm import ping
from edge.swarm.connection import Connection
from edge.swarm.swarm import Swarm
from edge.swarm.transport import Receiver, SocketTransport
from edge.units import MIB
from edge.wire import circuit, identify, multistream, noise, yamux
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from edge.wire.upgrade import MUXERS, Upgrade
from tests.hosts import host_around

ADDRESS = Multiaddr.from_string("/ip4/5.1.1.10/tcp/4001")
PROTOCOLS = (
    identify.PROTOCOL_ID,
    identify.PUSH_ID,
    ping.PROTOCOL_ID,
    circuit.HOP_ID,
    circuit.STOP_ID,
    "/nobody/speaks/this",
)
KINDS = (yamux.DATA, yamux.WINDOW_UPDATE, yamux.PING, yamux.GO_AWAY)
IDENTITIES = [
    noise.Identity(crypto.Ed25519Key.from_seed(bytes([number]) * 32), MUXERS) for number in (1, 2)
]
_TURNS = 3


class MemoryTransport(SocketTransport):
    """Counts as a direct connection; what is written is kept, unless the peer has stopped reading.

    `reads`: whether the kernel takes what is written.
    """

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        self.written = bytearray()
        self.held = bytearray()
        self.reads = True
        self.paused = False

    def start(self, receiver: Receiver) -> None:
        self.receiver = receiver

    def write(self, data: memoryview) -> None:
        (self.written if self.reads else self.held).extend(data)

    @property
    def congested(self) -> bool:
        return bool(self.held)

    @property
    def backlog(self) -> int:
        return len(self.held)

    @property
    def waiting(self) -> int:
        return 0

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def look(self, most: int = 1) -> None:
        """Nothing comes but by `Peer.feed`."""

    def close(self) -> None:
        self.receiver = None
        self.held = bytearray()

    def read_on(self) -> None:
        self.reads = True
        if self.held:
            self.written += self.held
            self.held = bytearray()
            if self.receiver is not None:
                self.receiver.writable()


class Peer:
    """One peer and its connection to the relay."""

    def __init__(self, swarm: Swarm, number: int) -> None:
        self.id = IDENTITIES[number].peer_id
        self.transport = MemoryTransport()
        remote = Multiaddr.from_ip(bytes((5, 1, 2, number)), 1000)
        self.connection: Connection = swarm.upgrade(self.transport, False, remote)
        upgrade = Upgrade(IDENTITIES[number], True)
        self.feed(upgrade.start())
        self.feed(upgrade.receive(bytes(self.transport.written)))
        assert upgrade.done
        self._channel = upgrade.channel

    def feed(self, data: bytes) -> None:
        """Bytes arrive on the relay's socket."""
        while data and self.connection.closed is None:
            room = self.connection.get_buffer()
            length = min(len(room), len(data))
            room[:length] = data[:length]
            self.connection.buffer_updated(length)
            data = data[length:]

    def say(self, plain: bytes) -> None:
        """`plain` in one frame."""
        if self.connection.closed is None:
            out = bytearray(len(plain) + noise.FRAME_OVERHEAD)
            self._channel.seal_frame(memoryview(plain), 0, len(plain), memoryview(out), 0)
            self.feed(bytes(out))


class Program:
    """Numbers and bytes out of `data`; zeroes when it has come to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    def __bool__(self) -> bool:
        return self._pos < len(self._data)

    def number(self, below: int = 256) -> int:
        return self.bytes(1)[0] % below if self else 0

    def bytes(self, length: int) -> bytes:
        self._pos += length
        return self._data[self._pos - length : self._pos]


class Network:
    """The relay; `run` lets two peers do what a program says, and looks at what is left."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.failures: list[str] = []
        self.loop.run_until_complete(self._build())
        self._steps: list[Callable[[Peer, Program], None]] = [
            self._raw,
            self._open,
            self._data,
            self._frame,
            self._hop,
            self._answer,
            self._identify,
            self._ciphertext,
            self._reading,
        ]

    def _failed(self, event: str, **fields: object) -> None:
        self.failures.append(f"{event} {fields}")

    async def _build(self) -> None:
        self.swarm = swarm = Swarm(
            crypto.Ed25519Key.from_seed(bytes(32)), None, Budget(64 * MIB, 0)
        )
        host = host_around(swarm, [ADDRESS])
        swarm.handle(ping.PROTOCOL_ID, ping.serve)
        self.relay = RelayService(host)
        self.relay.configure(host.config)
        self.autorelay = AutoRelay(host)

    def run(self, data: bytes) -> None:
        """Play the program `data`; what is logged as an error meanwhile is a failure."""
        with (
            mock.patch.object(log, "error", self._failed),
            mock.patch.object(log, "info"),
            mock.patch.object(log, "warning"),
        ):
            self.loop.run_until_complete(self._play(data))

    async def _turn(self) -> None:
        """Let the loop go round."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _play(self, data: bytes) -> None:
        program = Program(data)
        peers = [Peer(self.swarm, number) for number in range(2)]
        for peer in peers:  # so that stop is served, too
            self.autorelay.reservations[peer.id] = OwnReservation(self.loop.time(), 1e9, [], None)
        while program:
            number = program.number()
            step = (number >> 1) % (len(self._steps) + 1)
            if step == len(self._steps):
                await self._turn()
            else:
                self._steps[step](peers[number & 1], program)
        await self._turn()
        for peer in peers:
            peer.connection.close("the program is over")
        for connection in self.swarm.all_connections():  # those inside circuits
            connection.close("the program is over")
        await self._look()

    async def _look(self) -> None:
        """Nothing is left of the two."""
        for _ in range(100):
            await self._turn()
            if not self.swarm._tasks and self.swarm._handlers.idle:
                break
        assert not self.swarm._tasks
        assert not self.failures, self.failures
        assert not self.swarm.connections and not self.swarm.pending
        assert not self.relay.circuits and not self.relay.reservations
        assert not self.relay.reservations._origins and not self.relay.circuits._origins
        assert not self.relay.circuits._callers
        assert not self.autorelay.reservations
        leased = {name: pool.used for name, pool in self.swarm.budget.pools.items() if pool.used}
        tables = leased.pop("tables", 0)
        assert not leased, leased
        assert tables == PEER_ENTRY * len(self.relay.accounts)

    # --- what a peer can do ---

    def _raw(self, peer: Peer, program: Program) -> None:
        peer.say(program.bytes(program.number()))

    def _open(self, peer: Peer, program: Program) -> None:
        protocol = PROTOCOLS[program.number(len(PROTOCOLS))]
        hello = multistream.HEADER + multistream.encode_line(protocol)
        peer.say(_frame(yamux.DATA, yamux.SYN, _stream(program), hello))

    def _data(self, peer: Peer, program: Program) -> None:
        stream, flags = _stream(program), program.number(16)
        peer.say(_frame(yamux.DATA, flags, stream, program.bytes(program.number())))

    def _frame(self, peer: Peer, program: Program) -> None:
        kind, flags, stream = KINDS[program.number(4)], program.number(16), _stream(program)
        value = int.from_bytes(program.bytes(4), "big")
        peer.say(struct.pack(">BBHII", 0, kind, flags, stream, value))

    def _hop(self, peer: Peer, program: Program) -> None:
        """A request to the relay, for the other peer or for whoever the program names."""
        kind, whom = program.number(4), program.number(4)
        target = IDENTITIES[whom].peer_id.bytes if whom < 2 else program.bytes(program.number(48))
        request = circuit.HopMessage(type=kind, peer=circuit.Peer(id=target))
        stream, flags = _stream(program), program.number(16)
        hello = multistream.HEADER + multistream.encode_line(circuit.HOP_ID)
        body = hello + delimited(request.encode()) + program.bytes(program.number(64))
        peer.say(_frame(yamux.DATA, flags, stream, body))

    def _answer(self, peer: Peer, program: Program) -> None:
        """What the target of a circuit says on a stop stream that the relay has opened."""
        status = (circuit.OK, circuit.RESOURCE_LIMIT_EXCEEDED)[program.number(2)]
        answer = circuit.StopMessage(type=circuit.StopMessage.STATUS, status=status)
        hello = multistream.HEADER + multistream.encode_line(circuit.STOP_ID)
        body = hello + delimited(answer.encode()) + program.bytes(program.number(64))
        peer.say(_frame(yamux.DATA, yamux.ACK, 2 * program.number(8), body))

    def _identify(self, peer: Peer, program: Program) -> None:
        said = identify.Identify(
            agent_version="kwaainet" if program.number(2) else "stranger",
            protocols=[PROTOCOLS[program.number(len(PROTOCOLS))]],
            listen_addrs=[program.bytes(program.number(16))],
            observed_addr=ADDRESS.bytes,
        )
        hello = multistream.HEADER + multistream.encode_line(identify.PUSH_ID)
        body = hello + delimited(said.encode())
        peer.say(_frame(yamux.DATA, yamux.SYN | yamux.FIN, _stream(program), body))

    def _ciphertext(self, peer: Peer, program: Program) -> None:
        peer.feed(program.bytes(program.number()))

    def _reading(self, peer: Peer, program: Program) -> None:
        """The peer stops reading, or goes on."""
        if program.number(2):
            peer.transport.read_on()
        else:
            peer.transport.reads = False


def _stream(program: Program) -> int:
    """Small numbers: odd ones are the peer's own, even ones the relay's."""
    return program.number(16)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">BBHII", 0, kind, flags, stream, len(body)) + body

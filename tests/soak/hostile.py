"""Strangers with bad intentions, one function for each kind, and a process that sends many.

    python -m tests.soak.hostile MULTIADDR KIND COUNT AT_ONCE SECONDS

So many come in all, AT_ONCE at a time, and more until the time is over. Every stranger comes from
an address and with a key of its own; where MULTIADDR leads through a relay, all come by that one.
It ends when the relay shuts the door, and after HOLD seconds at the latest. Prints how they ended,
in JSON. The handshakes are edge.wire's own, so that what follows them is the only thing wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge import crypto
from edge.relay.client import RelayClient
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.swarm import Swarm
from edge.wire import multistream, noise, varint, yamux
from edge.wire.circuit import HOP_ID, HopMessage
from edge.wire.envelope import PEER_RECORD_TYPE, Envelope, PeerRecord, seal_peer_record
from edge.wire.identify import Identify
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PublicKey
from edge.wire.protobuf import delimited
from edge.wire.upgrade import MUXERS, Upgrade

HOLD = 2.0  # seconds
_FLOODS = 200  # frames of 64 KiB at most that one stranger sends
_FRAME = 60 * 1024
_ADDRESSES = itertools.count()


def another_address() -> str:
    """A loopback address that nobody has come from for long, nor from the networks around it."""
    number = next(_ADDRESSES)
    return f"127.{1 + number % 250}.{number // 250 % 250}.{1 + number // 62500 % 250}"


class Stranger:
    """One connection to the relay at `where`, or to the peer to which `through` leads."""

    def __init__(self, where: tuple[str, int], through: Multiaddr | None = None) -> None:
        self.through = through
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._channel: noise.Channel | None = None

    async def connect(self, receive_buffer: int = 0) -> None:
        if receive_buffer:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._sock.bind((another_address(), 0))
        await self._loop.sock_connect(self._sock, self._where)

    def close(self) -> None:
        self._sock.close()

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    async def hear(self) -> bytes:
        data = await self._loop.sock_recv(self._sock, 65536)
        if not data:
            raise ConnectionResetError
        return data

    async def handshake(self, identity: noise.Identity | None = None) -> None:
        identity = identity or noise.Identity(crypto.Ed25519Key.generate(), MUXERS)
        upgrade = Upgrade(identity, True)
        await self.say(upgrade.start())
        while not upgrade.done:
            await self.say(upgrade.receive(await self.hear()))
        self._channel = upgrade.channel

    def sealed(self, plain: bytes) -> bytes:
        assert self._channel is not None
        out = bytearray(len(plain) + noise.FRAME_OVERHEAD)
        self._channel.seal_frame(memoryview(plain), 0, len(plain), memoryview(out), 0)
        return bytes(out)

    async def until_shut(self) -> None:
        while True:
            await self.hear()

    async def flood(self, make: Callable[[], bytes]) -> None:
        """Send what `make` makes, up to _FLOODS times, and read all that comes."""
        reading = asyncio.ensure_future(self.until_shut())
        try:
            for _ in range(_FLOODS):
                await self.say(self.sealed(make()))
            await reading
        finally:
            reading.cancel()


def frame(kind: int, flags: int, stream: int, value: int) -> bytes:
    return struct.pack(">BBHII", 0, kind, flags, stream, value)


def asked(protocol: str, stream: int) -> bytes:
    """A stream opened for `protocol`, in one frame."""
    hello = multistream.HEADER + multistream.encode_line(protocol)
    return frame(yamux.DATA, yamux.SYN, stream, len(hello)) + hello


# --- before there is a channel ---


async def nothing(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.until_shut()


async def garbage(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.say(os.urandom(4096))
    await stranger.until_shut()


async def half_handshake(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.say(Upgrade(noise.Identity(crypto.Ed25519Key.generate(), MUXERS), True).start())
    await stranger.until_shut()


async def oversize_handshake(stranger: Stranger) -> None:
    """A handshake message of 64 KiB."""
    await stranger.connect()
    hello = multistream.HEADER + multistream.encode_line(noise.PROTOCOL_ID)
    await stranger.say(hello + b"\xff\xff" + bytes(65535))
    await stranger.until_shut()


async def slow_loris(stranger: Stranger) -> None:
    """The right bytes, one at a time."""
    await stranger.connect()
    upgrade = Upgrade(noise.Identity(crypto.Ed25519Key.generate(), MUXERS), True)
    for byte in upgrade.start():
        await stranger.say(bytes((byte,)))
        await asyncio.sleep(0.02)
    await stranger.until_shut()


# --- behind a proper handshake ---


async def idle(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.handshake()
    await stranger.until_shut()


async def zero_frames(stranger: Stranger) -> None:
    """Noise messages of no bytes, too short for their tag."""
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(bytes(1000))
    await stranger.until_shut()


async def empty_frames(stranger: Stranger) -> None:
    """Noise messages that are valid and hold nothing."""
    await stranger.connect()
    await stranger.handshake()
    for _ in range(_FLOODS):
        await stranger.say(b"".join([stranger.sealed(b"") for _ in range(500)]))
    await stranger.until_shut()


async def forged_frame(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(b"\xff\xff" + os.urandom(65535))
    await stranger.until_shut()


async def held_frame(stranger: Stranger) -> None:
    """64 KiB of a noise message, but for the last byte."""
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(stranger.sealed(bytes(noise.MAX_PLAINTEXT))[:-1])
    await stranger.until_shut()


async def window_overflow(stranger: Stranger) -> None:
    """More data than the window has, and grants beyond what a window can be."""
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(stranger.sealed(frame(yamux.WINDOW_UPDATE, yamux.SYN, 1, 0)))
    await stranger.say(stranger.sealed(frame(yamux.WINDOW_UPDATE, 0, 1, (1 << 31) - (1 << 18))))
    await stranger.say(stranger.sealed(frame(yamux.DATA, 0, 1, 0xFFFFFFFF) + bytes(_FRAME)))
    await stranger.until_shut()


async def stream_flood(stranger: Stranger) -> None:
    """As many streams as fit, all opened and none used."""
    await stranger.connect()
    await stranger.handshake()
    ids = itertools.count(1, 2)

    def make() -> bytes:
        opened = [frame(yamux.WINDOW_UPDATE, yamux.SYN, next(ids), 0) for _ in range(_FRAME // 12)]
        return b"".join(opened)

    await stranger.flood(make)


async def ping_flood(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.handshake()
    pings = frame(yamux.PING, yamux.SYN, 0, 7) * (_FRAME // 12)
    await stranger.flood(lambda: pings)


async def rapid_reset(stranger: Stranger) -> None:
    """Streams opened for identify and reset at once."""
    await stranger.connect()
    await stranger.handshake()
    ids = itertools.count(1, 2)

    def make() -> bytes:
        out = bytearray()
        while len(out) < _FRAME:
            stream = next(ids)
            out += asked("/ipfs/id/1.0.0", stream)
            out += frame(yamux.WINDOW_UPDATE, yamux.RST, stream, 0)
        return bytes(out)

    await stranger.flood(make)


async def never_reads(stranger: Stranger) -> None:
    """Asks for identify and pings again and again, and reads no answer."""
    await stranger.connect(receive_buffer=4096)
    await stranger.handshake()
    await stranger.say(stranger.sealed(asked("/ipfs/ping/1.0.0", 1)))
    ping = frame(yamux.DATA, 0, 1, 32) + bytes(32)
    for stream in range(3, 403, 2):
        await stranger.say(stranger.sealed(asked("/ipfs/id/1.0.0", stream) + ping * 40))
    await asyncio.sleep(HOLD)


async def identify_flood(stranger: Stranger) -> None:
    """Asks for identify again and again, as is proper, and reads the answers."""
    await stranger.connect()
    await stranger.handshake()
    ids = itertools.count(1, 2)

    def make() -> bytes:
        out = bytearray()
        for _ in range(100):
            stream = next(ids)
            out += asked("/ipfs/id/1.0.0", stream) + frame(yamux.DATA, yamux.FIN, stream, 0)
        return bytes(out)

    await stranger.flood(make)


async def ping_streams(stranger: Stranger) -> None:
    """As many streams as it may have, all of them full of pings."""
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(
        stranger.sealed(b"".join([asked("/ipfs/ping/1.0.0", 2 * n + 1) for n in range(250)]))
    )
    ids = itertools.count(0)

    def make() -> bytes:
        streams = [next(ids) % 250 * 2 + 1 for _ in range(50)]
        return b"".join([frame(yamux.DATA, 0, one, 1024) + bytes(1024) for one in streams])

    await stranger.flood(make)


async def reserve_flood(stranger: Stranger) -> None:
    """Reserves again and again."""
    await stranger.connect()
    await stranger.handshake()
    ids = itertools.count(1, 2)
    request = delimited(HopMessage(type=HopMessage.RESERVE).encode())

    def make() -> bytes:
        out = bytearray()
        for _ in range(100):
            stream = next(ids)
            out += asked(HOP_ID, stream) + frame(yamux.DATA, yamux.FIN, stream, len(request))
            out += request
        return bytes(out)

    await stranger.flood(make)


async def half_messages(stranger: Stranger) -> None:
    """On as many streams as it may have, all but the end of an identify message."""
    await stranger.connect()
    await stranger.handshake()
    body = varint.encode(8000) + bytes(7999)
    for number in range(250):
        stream = 2 * number + 1
        opened = asked("/ipfs/id/push/1.0.0", stream)
        await stranger.say(stranger.sealed(opened + frame(yamux.DATA, 0, stream, len(body)) + body))
    await stranger.until_shut()


async def long_identify(stranger: Stranger) -> None:
    """Says as much of itself as it may, and more."""
    await stranger.connect()
    await stranger.handshake()
    said = Identify(
        agent_version="x" * 1000,
        protocols=[f"/{number:03}/{'p' * 50}" for number in range(128)],
    )
    message = delimited(said.encode()) + delimited(bytes((0x0A, 0)) * 4000)
    stream = asked("/ipfs/id/push/1.0.0", 1)
    await stranger.say(
        stranger.sealed(stream + frame(yamux.DATA, yamux.FIN, 1, len(message)) + message)
    )
    await stranger.until_shut()


async def useless_frames(stranger: Stranger) -> None:
    """Whatever yamux has that changes nothing."""
    await stranger.connect()
    await stranger.handshake()
    await stranger.say(stranger.sealed(asked("/ipfs/ping/1.0.0", 1)))
    await stranger.flood(lambda: USELESS * (_FRAME // len(USELESS)))


async def silent_streams(stranger: Stranger) -> None:
    """As many streams as it may have, on which nothing is agreed."""
    await stranger.connect()
    await stranger.handshake()
    hello = multistream.HEADER
    opened = [frame(yamux.DATA, yamux.SYN, 2 * n + 1, len(hello)) + hello for n in range(250)]
    await stranger.say(stranger.sealed(b"".join(opened)))
    await stranger.until_shut()


async def ghost(stranger: Stranger) -> None:
    """Says that it is of the network, asks for a reservation, and is gone."""
    await stranger.connect()
    await stranger.handshake()
    said = delimited(Identify(agent_version="kwaai").encode())
    request = delimited(HopMessage(type=HopMessage.RESERVE).encode())
    await stranger.say(
        stranger.sealed(asked(HOP_ID, 1) + frame(yamux.DATA, 0, 1, len(request)) + request)
    )
    await stranger.say(stranger.sealed(pushed(3, said)))


async def slow_verification(stranger: Stranger) -> None:
    """A P-256 key that signs wrong records of itself; in turn, records that others have signed."""
    await stranger.connect()
    identity = ecdsa_identity()
    await stranger.handshake(identity)
    peer = identity.peer_id
    record = PeerRecord(peer_id=peer.bytes, seq=1, addresses=[])
    wrong = Envelope(
        public_key=identity.public_key,
        payload_type=PEER_RECORD_TYPE,
        payload=record.encode(),
        signature=ec_signature(),
    ).encode()
    others = seal_peer_record(crypto.Ed25519Key.generate(), 1, [])
    said = [delimited(Identify(signed_peer_record=each).encode()) for each in (wrong, others)]
    ids = itertools.count(1, 2)
    await stranger.flood(lambda: b"".join([pushed(next(ids), each) for each in said * 25]))


async def liar(stranger: Stranger) -> None:
    """Sees the relay now here, now there, and says that it is everywhere itself."""
    await stranger.connect()
    await stranger.handshake()
    ids = itertools.count(1, 2)

    def make() -> bytes:
        out = bytearray()
        for _ in range(50):
            seen = Multiaddr.from_string(f"/ip4/8.8.{os.urandom(1)[0]}.8/tcp/{4001 + next(ids)}")
            said = Identify(observed_addr=seen.bytes, listen_addrs=[seen.bytes] * 20)
            out += pushed(next(ids), delimited(said.encode()))
        return bytes(out)

    await stranger.flood(make)


async def useless_frames_in_a_circuit(stranger: Stranger) -> None:
    """As `useless_frames`, on a connection through another relay."""
    assert stranger.through is not None
    peer = stranger.through.peer_id()
    assert peer is not None
    swarm = Swarm(crypto.Ed25519Key.generate())
    dialer = Dialer(swarm)
    RelayClient(swarm, dialer)
    try:
        connection = await dialer.connect(peer, [stranger.through], trusted=True)
        for _ in range(_FLOODS):
            if connection.closed is not None:
                raise ConnectionResetError
            if not connection.congested:
                connection.session.out += USELESS * (_FRAME // len(USELESS))
                connection.touch()
            await asyncio.sleep(0.01)
    except SwarmError as error:
        raise ConnectionResetError from error
    finally:
        await swarm.stop()


USELESS = b"".join(
    [
        frame(yamux.DATA, yamux.ACK, 1, 0),
        frame(yamux.WINDOW_UPDATE, yamux.ACK, 1, 0),
        frame(yamux.WINDOW_UPDATE, 0, 1, 1),
        frame(yamux.WINDOW_UPDATE, yamux.RST, 9999, 0),
        frame(yamux.PING, yamux.ACK, 0, 7),
        frame(yamux.GO_AWAY, 0, 0, 0),
    ]
)


def pushed(stream: int, message: bytes) -> bytes:
    """`message` as an identify push, on a stream of its own."""
    end = frame(yamux.DATA, yamux.FIN, stream, len(message))
    return asked("/ipfs/id/push/1.0.0", stream) + end + message


def ec_signature(key: ec.EllipticCurvePrivateKey | None = None, message: bytes = b"") -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def ecdsa_identity() -> noise.Identity:
    """Of a peer with a P-256 key, which we have none of ourselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    identity = noise.Identity(crypto.Ed25519Key.generate(), MUXERS)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    identity.public_key = PublicKey(type=crypto.ECDSA, data=der)
    identity.payload = noise.Payload(
        identity_key=identity.public_key.encode(),
        identity_sig=ec_signature(key, noise.SIGNATURE_PREFIX + identity.public),
        extensions=noise.Extensions(stream_muxers=list(MUXERS)),
    ).encode()
    return identity


KINDS: dict[str, Callable[[Stranger], Awaitable[None]]] = {
    kind.__name__.replace("_", "-"): kind
    for kind in (
        nothing,
        garbage,
        half_handshake,
        oversize_handshake,
        slow_loris,
        idle,
        zero_frames,
        empty_frames,
        forged_frame,
        held_frame,
        window_overflow,
        stream_flood,
        ping_flood,
        rapid_reset,
        never_reads,
        identify_flood,
        ping_streams,
        reserve_flood,
        half_messages,
        long_identify,
        useless_frames,
        silent_streams,
        ghost,
        slow_verification,
        liar,
        useless_frames_in_a_circuit,
    )
}
CIRCUIT = "useless-frames-in-a-circuit"  # the kind that comes through another relay


async def one(where: tuple[str, int], kind: str, through: Multiaddr | None = None) -> str:
    """How it ended."""
    stranger = Stranger(where, through)
    try:
        async with asyncio.timeout(HOLD):
            await KINDS[kind](stranger)
    except TimeoutError:
        return "stayed"
    except OSError:
        return "shut"
    finally:
        stranger.close()
    return "stayed"


async def many(
    where: tuple[str, int],
    kind: str,
    count: int,
    at_once: int,
    seconds: float,
    through: Multiaddr | None = None,
) -> Counter[str]:
    """`count` strangers of `kind`, or more if they come for less than `seconds`."""
    ends: Counter[str] = Counter()
    left = iter(range(count))
    until = time.monotonic() + seconds

    async def worker() -> None:
        while next(left, None) is not None or time.monotonic() < until:
            ends[await one(where, kind, through)] += 1

    await asyncio.gather(*[worker() for _ in range(at_once)])
    return ends


def main(relay: str, kind: str, count: str, at_once: str, seconds: str) -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # give way to everyone
    at = Multiaddr.from_string(relay)
    target = (at.relay_part() or at).host_port()
    assert target is not None
    through = at if at.is_circuit else None
    strangers = many(target[:2], kind, int(count), int(at_once), float(seconds), through)
    with contextlib.suppress(KeyboardInterrupt):
        ends = asyncio.run(strangers)
        print(json.dumps(ends))


if __name__ == "__main__":
    main(*sys.argv[1:])

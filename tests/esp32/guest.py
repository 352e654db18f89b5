"""A peer of the device's relay whose every frame of Noise is the test's to choose.

The upgrade, yamux and the messages are edge.wire's, over a socket of asyncio's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from types import TracebackType
from typing import Protocol, Self

from edge import crypto
from edge.wire import circuit, multistream, noise, yamux
from edge.wire.delimited import DelimitedReader
from edge.wire.errors import WireError
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited
from edge.wire.upgrade import MUXERS, Upgrade
from tests.counterparts.esp_relay import EspRelay
from tests.soak.hostile import one

STATUS_ID = "/kwaainet/status/1.0.0"
_BUFFER = 1 << 17


class GuestError(Exception):
    """The relay closed the connection, or reset the stream."""


class Relay(Protocol):
    """Where it is on the loopback."""

    port: int


class Guest:
    """`async with Guest(relay) as guest`: connected, and served in the background."""

    def __init__(self, relay: Relay, key: crypto.Ed25519Key | None = None) -> None:
        self.identity = noise.Identity(key or crypto.Ed25519Key.generate(), MUXERS)
        self.session = yamux.Session(True)
        self.ended = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.granted = 0  # times that the relay has granted credit
        self._relay = relay
        self._got: dict[int, bytearray] = {}
        self._over: set[int] = set()
        self._news = asyncio.Condition()
        self._plain = bytearray()
        self._cipher = b""
        self._offered: list[yamux.Stream] = []

    @property
    def peer_id(self) -> PeerId:
        return self.identity.peer_id

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._relay.port, limit=_BUFFER
        )
        try:
            await self._upgrade()
        except BaseException:
            self._writer.close()
            raise
        self._task = asyncio.create_task(self._serve())
        return self

    async def _upgrade(self) -> None:
        upgrade = Upgrade(self.identity, True)
        await self.raw(upgrade.start())
        while not upgrade.done:
            data = await self._reader.read(_BUFFER)
            if not data:
                raise GuestError("closed in the handshake")
            await self.raw(upgrade.receive(data))
        self._channel = upgrade.channel
        self._cipher, self._plain = upgrade.ciphertext, bytearray(upgrade.plaintext)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()

    # --- sending ---

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def sealed(self, plain: bytes) -> bytes:
        """`plain` as one frame of Noise, the next."""
        out = bytearray(len(plain) + noise.FRAME_OVERHEAD)
        self._channel.seal_frame(memoryview(plain), 0, len(plain), memoryview(out), 0)
        return bytes(out)

    async def say(self, plain: bytes) -> None:
        """What yamux has to say, and `plain`, in one frame."""
        out = bytes(self.session.out) + plain
        self.session.out = bytearray()
        if out:
            await self.raw(self.sealed(out))

    def open(self, protocol: str) -> yamux.Stream:
        stream = self.session.open_stream()
        self.session.send(stream, multistream.HEADER + multistream.encode_line(protocol))
        return stream

    def data(self, stream: yamux.Stream, body: bytes, flags: int = 0) -> bytes:
        """A frame of yamux, whatever the window."""
        stream.send_window -= len(body)
        return frame(yamux.DATA, flags, stream.id, len(body)) + body

    # --- receiving ---

    async def read(self, stream: yamux.Stream, size: int, grants: bool = True) -> bytes:
        """Exactly so many bytes. Raises GuestError if there are none to come.

        `grants`: whether the relay may send as many again.
        """
        got = self._got.setdefault(stream.id, bytearray())
        async with self._news:
            await self._news.wait_for(
                lambda: len(got) >= size or self.ended.is_set() or stream.id in self._over
            )
        if len(got) < size:
            raise GuestError(f"{len(got)} of {size} bytes")
        out = bytes(got[:size])
        del got[:size]
        if grants:
            self.session.consumed(stream, size, 0)
            await self.say(b"")
        return out

    async def over(self, stream: yamux.Stream) -> None:
        """Until the other side has reset or closed the stream, or the connection is over."""
        async with self._news:
            await self._news.wait_for(lambda: stream.id in self._over or self.ended.is_set())

    async def line(self, stream: yamux.Stream) -> str:
        """One of multistream-select."""
        [size] = await self.read(stream, 1)
        return (await self.read(stream, size)).decode().rstrip("\n")

    async def message(self, stream: yamux.Stream) -> bytes:
        reader = DelimitedReader(1 << 14)
        while True:
            body, _ = reader.feed(await self.read(stream, 1))
            if body is not None:
                return bytes(body)

    async def offered(self) -> yamux.Stream:
        """The next stream that the relay opens, stop agreed on and its request read."""
        async with self._news:
            await self._news.wait_for(lambda: self._offered or self.ended.is_set())
        stream = self._offered.pop(0)
        assert await self.line(stream) == multistream.VERSION
        assert await self.line(stream) == circuit.STOP_ID
        await self.message(stream)
        return stream

    async def accept(self, stop: yamux.Stream) -> None:
        """Take the circuit that `stop` offers."""
        self.session.send(stop, multistream.HEADER + multistream.encode_line(circuit.STOP_ID))
        answer = circuit.StopMessage(type=circuit.StopMessage.STATUS, status=circuit.OK)
        self.session.send(stop, delimited(answer.encode()))
        await self.say(b"")

    async def _serve(self) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while True:
                    await self.reads.wait()
                    await self._open_frames()
                    data = await self._reader.read(_BUFFER)
                    if not data:
                        break
                    self._cipher += data
        finally:  # of a fault of its own, too: who waits is not to wait for ever
            async with self._news:
                self.ended.set()
                self._news.notify_all()

    async def _open_frames(self) -> None:
        plain = bytearray(len(self._cipher) + 1)
        source = memoryview(self._cipher)
        used, end = self._channel.open_frames(source, 0, len(source), memoryview(plain), 0)
        self._cipher = self._cipher[used:]
        self._plain += plain[:end]
        events, rest = self.session.receive(self._plain, 0, len(self._plain))
        for kind, stream, first, last in events:
            if kind == yamux.STREAM_OPENED and stream is not None:
                self._offered.append(stream)
            elif kind == yamux.STREAM_DATA and stream is not None:
                self._got.setdefault(stream.id, bytearray()).extend(self._plain[first:last])
            elif kind in (yamux.STREAM_RESET, yamux.STREAM_FINISHED) and stream is not None:
                self._over.add(stream.id)
            elif kind == yamux.STREAM_WRITABLE:
                self.granted += 1
        del self._plain[:rest]
        await self.say(b"")
        async with self._news:
            self._news.notify_all()

    # --- hop ---

    async def ask(self, body: bytes) -> circuit.HopMessage:
        """The relay's answer to a message of hop, whatever it is; that was all, as peers say."""
        stream, answer = await self.hop(body)
        self.session.finish(stream)
        await self.say(b"")
        return answer

    async def hop(self, body: bytes) -> tuple[yamux.Stream, circuit.HopMessage]:
        stream = self.open(circuit.HOP_ID)
        self.session.send(stream, delimited(body))
        await self.say(b"")
        assert await self.line(stream) == multistream.VERSION
        assert await self.line(stream) == circuit.HOP_ID
        return stream, circuit.HopMessage.decode(await self.message(stream))

    async def reserve(self) -> circuit.HopMessage:
        return await self.ask(circuit.HopMessage(type=circuit.HopMessage.RESERVE).encode())

    async def status(self) -> dict[str, int]:
        """What the relay tells its owner."""
        stream = self.open(STATUS_ID)
        await self.say(b"")
        assert await self.line(stream) == multistream.VERSION
        assert await self.line(stream) == STATUS_ID
        await self.over(stream)
        text = (await self.read(stream, len(self._got[stream.id]))).decode()
        return {name: int(value) for name, value in map(str.split, text.splitlines())}

    def connect_to(self, peer: PeerId) -> bytes:
        """The message that asks for a circuit."""
        target = circuit.Peer(id=peer.bytes)
        return circuit.HopMessage(type=circuit.HopMessage.CONNECT, peer=target).encode()


def frame(kind: int, flags: int, stream: int, value: int) -> bytes:
    return struct.pack(">BBHII", 0, kind, flags, stream, value)


async def circuit_between(source: Guest, target: Guest) -> tuple[yamux.Stream, yamux.Stream]:
    """A circuit from `source` to `target`, which has a reservation: the stream of each."""
    asking = asyncio.create_task(source.hop(source.connect_to(target.peer_id)))
    stop = await target.offered()
    await target.accept(stop)
    stream, told = await asking
    assert told.status == circuit.OK
    return stream, stop


async def noticed(relay: Relay, target: Guest, bit: int) -> bool:
    """Whether a circuit to `target` is reset once a `bit` of its longest frame was another.

    Its source is waited for until it is closed.
    """
    async with Guest(relay) as source:
        there, here = await circuit_between(source, target)
        frame = bytearray(
            source.sealed(source.data(there, bytes(noise.MAX_PLAINTEXT - yamux.HEADER)))
        )
        frame[bit // 8] ^= 1 << bit % 8
        await source.raw(bytes(frame))
        await source.ended.wait()
        await target.over(here)
        return here.id not in target.session.streams and not target.ended.is_set()


def bits_of_a_frame(body: int, seed: int) -> dict[str, list[int]]:
    """The bits of the longest frame by part: so many of its body, by `seed`, and all others."""
    length = noise.FRAME_OVERHEAD - noise.TAG
    head, tag = length + yamux.HEADER, length + noise.MAX_PLAINTEXT
    return {
        "length": list(range(8 * length)),
        "header": list(range(8 * length, 8 * head)),
        "body": random.Random(seed).sample(range(8 * head, 8 * tag), body),
        "tag": list(range(8 * tag, 8 * (tag + noise.TAG))),
    }


async def stranger(relay: EspRelay, kind: str) -> str:
    """How one of tests.soak.hostile ended."""
    try:
        return await one(("127.0.0.1", relay.port), kind)
    except WireError:
        return "turned away"

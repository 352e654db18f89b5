"""What strangers may do to the device's relay, frame by frame, beside a circuit that goes on.

Kinds that the big relay is tried with as well come in test_relay_peers.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

import pytest

from edge import crypto
from edge.wire import circuit, multistream, varint
from edge.wire.circuit import HopMessage
from edge.wire.errors import WireError
from edge.wire.protobuf import delimited
from edge.wire.yamux import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE
from tests.counterparts import micropython
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.esp_relay import EspRelay
from tests.counterparts.netlab import ADDRESSES, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer
from tests.esp32.guest import Guest, circuit_between, frame

pytestmark = pytest.mark.peers  # builds MicroPython

KIB = 1 << 10
MOST = (1 << 32) - 1
SHORT = 1000  # bytes of a frame that is acted on at once; of a longer one little is held
Attack = Callable[[Guest], Awaitable[None]]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    micropython.micropython()


async def in_frames(guest: Guest, *frames: bytes) -> None:
    """Frames of yamux in as few of Noise's as are acted on at once, until the relay is fed up."""
    plain = b""
    for each in frames:
        if len(plain) + len(each) > SHORT:
            await guest.raw(guest.sealed(plain))
            plain = b""
        plain += each
        if guest.ended.is_set():
            return
    await guest.raw(guest.sealed(plain))


def single(*frames: bytes) -> Attack:
    return lambda guest: in_frames(guest, *frames)


def hello(protocol: str = circuit.HOP_ID) -> bytes:
    return multistream.HEADER + multistream.encode_line(protocol)


def stream_of(body: bytes, flags: int = SYN) -> bytes:
    """Stream 1, opened with `body`."""
    return frame(DATA, flags, 1, len(body)) + body


async def never_reads_its_pongs(guest: Guest) -> None:
    guest.reads.clear()
    await in_frames(guest, *[frame(PING, SYN, 0, number) for number in range(20_000)])


async def a_byte_a_frame(guest: Guest) -> None:
    """A reservation, each byte of yamux in a frame of Noise."""
    stream = guest.open(circuit.HOP_ID)
    guest.session.send(stream, delimited(HopMessage(type=HopMessage.RESERVE).encode()))
    plain, guest.session.out = bytes(guest.session.out), bytearray()
    await guest.raw(b"".join([guest.sealed(plain[at : at + 1]) for at in range(len(plain))]))
    await guest.line(stream)


async def fills_a_long_frame(guest: Guest) -> None:
    await guest.raw(guest.sealed(frame(PING, SYN, 0, 0) * 4000))


# Each ends its connection, or changes nothing.
ATTACKS: dict[str, Attack] = {
    "stream 0": single(frame(DATA, SYN, 0, 0)),
    "a stream of the relay's": single(frame(WINDOW_UPDATE, SYN, 2, 0)),
    "opened twice": single(frame(WINDOW_UPDATE, SYN, 1, 0), frame(WINDOW_UPDATE, SYN, 1, 0)),
    "opened again and again": single(
        *[frame(WINDOW_UPDATE, flags, 1, 0) for _ in range(2000) for flags in (SYN, RST)]
    ),
    "every stream there is": single(*[frame(DATA, SYN, 2 * n + 1, 0) for n in range(5000)]),
    "opened with all flags": single(frame(DATA, SYN | ACK | FIN | RST, 1, 0)),
    "another version": single(b"\1" + frame(DATA, SYN, 1, 0)[1:]),
    "an unknown type": single(frame(9, 0, 0, 0)),
    "a ping on a stream": single(frame(PING, SYN, 1, 0)),
    "pongs for nothing": single(*[frame(PING, ACK, 0, 1)] * 3000),
    "pings unread": never_reads_its_pongs,
    "pings in a frame of 48 KB": fills_a_long_frame,
    "goes away all the time": single(*[frame(GO_AWAY, 0, 0, 0)] * 5000),
    "goes away and opens": single(frame(GO_AWAY, 0, 0, 0), stream_of(hello())),
    "a window byte by byte": single(
        frame(WINDOW_UPDATE, SYN, 1, 0), *[frame(WINDOW_UPDATE, 0, 1, 1)] * 6000
    ),
    "a window too far": single(
        frame(WINDOW_UPDATE, SYN, 1, 0), *[frame(WINDOW_UPDATE, 0, 1, MOST)] * 2
    ),
    "grants for no stream": single(*[frame(WINDOW_UPDATE, 0, 7, 1 << 20)] * 3000),
    "data for no stream": single(*[frame(DATA, 0, 7, 64) + bytes(64)] * 2000),
    "a frame of 4 GiB": single(frame(DATA, 0, 7, MOST)),
    "a frame of 4 GiB that opens": single(frame(DATA, SYN, 1, MOST)),
    "data behind the end": single(stream_of(hello(), SYN | FIN), frame(DATA, 0, 1, 9) + bytes(9)),
    "ends without a word": single(*[frame(DATA, SYN | FIN, 2 * n + 1, 0) for n in range(3000)]),
    "a line too long": single(stream_of(varint.encode(1 << 20) + bytes(900))),
    "a length without an end": single(stream_of(b"\xff" * 200)),
    "a line without an end": single(stream_of(b"\x05abcde")),
    "proposals without an end": single(
        stream_of(multistream.HEADER),
        *[stream_of(multistream.encode_line(f"/no/{number}"), 0) for number in range(2000)],
    ),
    "a message of a gibibyte": single(stream_of(hello() + varint.encode(1 << 30) + bytes(900))),
    "a message without an end": single(stream_of(hello() + b"\xff" * 300)),
    "a target that is no peer": single(
        stream_of(
            hello()
            + delimited(
                HopMessage(type=HopMessage.CONNECT, peer=circuit.Peer(id=bytes(900))).encode()
            )
        )
    ),
    "two messages at once": single(
        stream_of(hello() + 2 * delimited(HopMessage(type=HopMessage.RESERVE).encode()))
    ),
    "speaks before it is answered": single(stream_of(hello("/ipfs/id/1.0.0") + bytes(700))),
    "a byte a frame": a_byte_a_frame,
    "nothing but empty frames": lambda guest: _many(guest, [b""] * 3000),
    "the header of a frame, and no more": single(frame(DATA, SYN, 1, 5)[:7]),
}


async def _many(guest: Guest, plains: list[bytes]) -> None:
    await guest.raw(b"".join(map(guest.sealed, plains)))


@asynchronous(120)
async def test_a_circuit_goes_on_beside_what_strangers_send() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        for name, attack in ATTACKS.items():
            coming = asyncio.create_task(_come(relay, attack))
            for body in (os.urandom(3000), os.urandom(30)):
                await source.say(source.data(there, body))
                assert await target.read(here, len(body)) == body, name
                await target.say(target.data(here, body))
                assert await source.read(there, len(body)) == body, name
            await coming
            report = await relay.report()
            counters = report["counters"]
            assert report["circuits"] == 1, name
            assert counters["faults"] == counters["memory_errors"] == 0, name
        await until(lambda: _alone(relay, 2))


async def _alone(relay: EspRelay, peers: int) -> bool:
    return bool((await relay.report())["peers"] == peers)


@asynchronous(120)
async def test_four_of_them_at_once_leave_nothing() -> None:
    """Two honest peers come and go meanwhile."""
    async with EspRelay() as relay:
        attacks = list(ATTACKS.values())
        before = 0
        for first in range(0, len(attacks), 4):
            await asyncio.gather(*[_come(relay, attack) for attack in attacks[first : first + 4]])
            async with Guest(relay) as source, Guest(relay) as target:
                assert (await target.reserve()).status == circuit.OK
                there, here = await circuit_between(source, target)
                await source.say(source.data(there, bytes(2000)))
                assert await target.read(here, 2000) == bytes(2000)
            await until(lambda: _alone(relay, 0))
            report = await relay.report()
            before = before or report["used"]
            assert report["counters"]["faults"] == report["counters"]["memory_errors"] == 0
        assert report["used"] <= before + KIB


async def _come(relay: EspRelay, attack: Attack) -> None:
    with contextlib.suppress(ConnectionError, WireError):  # it may be fed up itself
        async with Guest(relay) as guest:
            await attack(guest)
            await asyncio.sleep(0.05)  # for what it is answered


# --- in a circuit ---


@asynchronous(60)
async def test_credit_byte_by_byte_is_passed_on_as_it_is_used() -> None:
    """The slowest reader there can be: each byte is granted when it has come."""
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        while there.send_window > KIB:
            count = min(60_000, there.send_window - KIB)
            await source.say(source.data(there, bytes(count)))
            await target.read(here, count, grants=False)
        for number in range(500):
            await source.say(source.data(there, bytes([number % 256])))
            assert await target.read(here, 1, grants=False) == bytes([number % 256])
            await target.say(frame(WINDOW_UPDATE, 0, here.id, 1))
        assert not source.ended.is_set() and not target.ended.is_set()
        report = await relay.report()
        assert report["circuits"] == 1 and report["counters"]["memory_errors"] == 0


@asynchronous(60)
async def test_who_sends_beyond_its_window_loses_its_connection_alone() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        for _ in range(6):
            await in_frames(source, source.data(there, bytes(60_000)))
        await source.ended.wait()
        await target.over(here)
        assert not target.ended.is_set()
        assert (await target.reserve()).status == circuit.OK


@asynchronous(60)
async def test_two_connections_of_one_peer_share_a_reservation() -> None:
    """It is moved to the one that reserved last; the end of the other takes nothing with it."""
    key = crypto.Ed25519Key.generate()
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay, key) as second:
        async with Guest(relay, key) as first:
            await first.reserve()
            await second.reserve()
            assert (await relay.report())["held"] == 1
            _, here = await circuit_between(source, second)
        await until(lambda: _alone(relay, 2))
        assert (await relay.report())["held"] == 1
        await second.say(second.data(here, b"still here"))
        await circuit_between(source, second)
        assert (await relay.report())["circuits"] == 2


@asynchronous(60)
async def test_what_was_on_its_way_into_a_circuit_that_is_gone_costs_its_source_nothing() -> None:
    """A long frame of it, and one that opens a stream before and behind it."""
    async with EspRelay() as relay, Guest(relay) as source:
        await source.reserve()
        async with Guest(relay) as target:
            await target.reserve()
            there, _ = await circuit_between(source, target)
        await until(lambda: _alone(relay, 1))
        await source.raw(source.sealed(source.data(there, bytes(30_000))))
        streams = [source.open(circuit.HOP_ID)]
        await source.say(source.data(there, bytes(2000)))
        streams.append(source.open(circuit.HOP_ID))
        await source.say(b"")
        for stream in streams:
            assert await source.line(stream) == multistream.VERSION
            assert await source.line(stream) == circuit.HOP_ID
        assert (await source.reserve()).status == circuit.OK
        assert (await relay.report())["held"] == 1


# --- the line is gone ---


@pytest.mark.netns
@asynchronous(90)
async def test_the_line_is_gone_and_comes_back() -> None:
    """Its own link: the relay sees silence, its peers come again by themselves."""
    with NetLab() as lab:
        at = ADDRESSES[RELAY]
        async with (
            EspRelay(address=at, within=lab.within(RELAY)) as relay,
            OurPeer(Setup(listen=(), within=lab.within("dialer"))) as dialer,
            OurPeer(
                Setup(listen=(), relays=[await relay.direct()], within=lab.within("peer"))
            ) as listener,
        ):
            route = listener.circuit(await relay.direct())
            await dialer.transfer(route, 16 * KIB)
            await relay.speed(20)
            lab.run(RELAY, "ip", "link", "set", "wan", "down")
            await until(lambda: _alone(relay, 0))
            lab.run(RELAY, "ip", "link", "set", "wan", "up")
            await relay.speed(1)
            await until(lambda: _holds(relay))
            await dialer.transfer(route, 16 * KIB)
            counters = (await relay.report())["counters"]
            assert counters["faults"] == counters["memory_errors"] == 0


async def _holds(relay: EspRelay) -> bool:
    return bool((await relay.report())["held"] == 1)

"""The device's relay, under MicroPython with 100 KB of heap and ten sockets.

Its peers here are a test's own, down to the frame; real ones come in test_relay_peers.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random

import pytest

from edge import crypto
from edge.wire import circuit, multistream, yamux
from edge.wire.circuit import HopMessage
from edge.wire.errors import WireError
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.protobuf import delimited
from tests.counterparts import micropython
from tests.counterparts.base import asynchronous, until
from tests.counterparts.esp_relay import EspRelay
from tests.esp32.guest import (
    STATUS_ID,
    Guest,
    GuestError,
    bits_of_a_frame,
    circuit_between,
    frame,
    noticed,
)

LONG = 40_000  # bytes of a frame that passes through as it comes
pytestmark = pytest.mark.peers  # builds MicroPython

CUT = (GuestError, WireError, TimeoutError, OSError, IndexError, AssertionError)
SEED = 25519
QUICK = 20  # times as fast: a minute is three seconds


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    micropython.micropython()


def own_key() -> tuple[crypto.Ed25519Key, PeerId]:
    key = crypto.Ed25519Key.generate()
    return key, PublicKey(type=1, data=key.public).peer_id()


async def counter(relay: EspRelay, name: str) -> int:
    return int((await relay.report())["counters"].get(name, 0))


# --- hop ---


@asynchronous(20)
async def test_a_reservation_has_its_end_and_its_addresses() -> None:
    async with EspRelay(ttl=1800) as relay, Guest(relay) as guest:
        answer = await guest.reserve()
        assert answer.status == circuit.OK
        assert answer.reservation is not None and answer.reservation.expire is not None
        told = [str(Multiaddr.from_bytes(each)) for each in answer.reservation.addrs]
        assert told == [await relay.direct()]


@asynchronous(20)
async def test_refusals_have_the_codes_of_the_big_node() -> None:
    _, nobody = own_key()
    async with EspRelay() as relay, Guest(relay) as guest:
        assert (await guest.ask(guest.connect_to(nobody))).status == circuit.NO_RESERVATION
        assert (
            await guest.ask(guest.connect_to(guest.peer_id))
        ).status == circuit.PERMISSION_DENIED
        status = HopMessage(type=HopMessage.STATUS, status=circuit.OK)
        assert (await guest.ask(status.encode())).status == circuit.UNEXPECTED_MESSAGE
        assert (await guest.ask(b"\xff\xff")).status == circuit.MALFORMED_MESSAGE
        no_peer = HopMessage(type=HopMessage.CONNECT).encode()
        assert (await guest.ask(no_peer)).status == circuit.MALFORMED_MESSAGE


@asynchronous(20)
async def test_own_peers_have_a_reservation_whatever_others_hold() -> None:
    key, peer = own_key()
    async with (
        EspRelay(own=[str(peer)], others=1) as relay,
        Guest(relay) as first,
        Guest(relay) as second,
        Guest(relay, key) as mine,
    ):
        assert (await first.reserve()).status == circuit.OK
        assert (await second.reserve()).status == circuit.RESERVATION_REFUSED
        assert (await first.reserve()).status == circuit.OK  # renewed
        assert (await mine.reserve()).status == circuit.OK
        assert (await relay.report())["held"] == 2


@asynchronous(20)
async def test_a_target_that_refuses_or_is_silent_is_a_failed_connection() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        for answers in (True, False):
            asking = asyncio.create_task(source.ask(source.connect_to(target.peer_id)))
            stop = await target.offered()
            if answers:
                hello = multistream.HEADER + multistream.encode_line(circuit.STOP_ID)
                no = circuit.StopMessage(type=1, status=circuit.PERMISSION_DENIED)
                target.session.send(stop, hello + delimited(no.encode()))
                await target.say(b"")
            else:
                await relay.speed(20)
            assert (await asking).status == circuit.CONNECTION_FAILED


@asynchronous(20)
async def test_a_peer_has_so_many_circuits_and_no_more() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        for _ in range(4):
            await circuit_between(source, target)
        refused = await source.ask(source.connect_to(target.peer_id))
        assert refused.status == circuit.RESOURCE_LIMIT_EXCEEDED


@asynchronous(20)
async def test_the_ninth_peer_is_told_and_closed() -> None:
    async with EspRelay() as relay:
        guests = [Guest(relay) for _ in range(8)]
        for guest in guests:
            await guest.__aenter__()
            await guest.reserve()
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            writer.write(multistream.HEADER + multistream.encode_line("/noise"))
            assert await reader.read() == multistream.HEADER + multistream.NA
            writer.close()
        report = await relay.report()
        assert report["counters"]["turned_away"] == 3 and report["peers"] == 8
        await guests.pop().__aexit__(None, None, None)
        await until(lambda: _has_peers(relay, 7))
        async with Guest(relay) as late:
            assert (await late.reserve()).status == circuit.OK
        for guest in guests:
            await guest.__aexit__(None, None, None)


async def _has_peers(relay: EspRelay, count: int) -> bool:
    return bool((await relay.report())["peers"] == count)


@asynchronous(30)
async def test_strangers_leave_places_for_own_peers() -> None:
    key, peer = own_key()
    own = [str(peer), str(own_key()[1]), str(own_key()[1])]
    async with EspRelay(own=own) as relay, contextlib.AsyncExitStack() as guests:
        for _ in range(5):
            guest = await guests.enter_async_context(Guest(relay))
            await guest.reserve()
        for _ in range(3):
            sixth = await guests.enter_async_context(Guest(relay))
            await sixth.ended.wait()
        mine = await guests.enter_async_context(Guest(relay, key))
        assert (await mine.reserve()).status == circuit.OK
        assert "no place for strangers" in relay.log()
        assert (await relay.report())["peers"] == 6


@asynchronous(30)
async def test_who_does_nothing_gives_its_place_to_another() -> None:
    """Half of them have not even said who they are."""
    async with EspRelay() as relay, contextlib.AsyncExitStack() as guests:
        useless = [await guests.enter_async_context(Guest(relay)) for _ in range(4)]
        silent = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(4)]
        await until(lambda: _has_peers(relay, 8))
        late = await came(relay)
        guests.push_async_exit(late)
        assert (await late.reserve()).status == circuit.OK
        assert [guest.ended.is_set() for guest in useless] == [True, False, False, False]
        for _, writer in silent:
            writer.close()


async def came(relay: EspRelay) -> Guest:
    """A peer that calls until there is a place."""
    while True:
        guest = Guest(relay)
        with contextlib.suppress(*CUT):
            return await guest.__aenter__()


@asynchronous(20)
async def test_only_own_peers_read_its_status() -> None:
    key, peer = own_key()
    async with EspRelay(own=[str(peer)]) as relay, Guest(relay) as guest, Guest(relay, key) as mine:
        stream = guest.open(STATUS_ID)
        await guest.say(b"")
        assert await guest.line(stream) == multistream.VERSION
        assert await guest.line(stream) == "na"
        told = await mine.status()
        assert told["peers"] == 2 and told["free"] > 0 and told["handshakes"] == 2


# --- sleepers ---


@asynchronous(30)
async def test_a_caller_waits_for_the_sleeper_that_it_has_woken() -> None:
    key, peer = own_key()
    async with EspRelay(sleepers=[str(peer)]) as relay, Guest(relay) as source:
        calls = [asyncio.create_task(source.hop(source.connect_to(peer))) for _ in range(5)]
        await until(lambda: _has_sent_packets(relay))
        async with Guest(relay, key) as sleeper:
            await sleeper.reserve()
            for _ in range(4):
                await sleeper.accept(await sleeper.offered())
            answers = sorted([told.status for _, told in await asyncio.gather(*calls)])
            assert answers == [circuit.OK] * 4 + [circuit.RESOURCE_LIMIT_EXCEEDED]
            assert (await relay.report())["circuits"] == 4
        await until(lambda: _has_peers(relay, 1))
        assert (await source.ask(source.connect_to(peer))).status == circuit.NO_RESERVATION


@asynchronous(30)
async def test_a_caller_is_told_that_the_sleeper_has_not_come() -> None:
    _, peer = own_key()
    async with EspRelay(sleepers=[str(peer)]) as relay, Guest(relay) as source:
        await source.reserve()
        call = asyncio.create_task(source.ask(source.connect_to(peer)))
        await until(lambda: _has_sent_packets(relay))
        await relay.speed(QUICK)
        assert (await call).status == circuit.NO_RESERVATION
        assert (await relay.report())["packets"] > 5


@asynchronous(30)
async def test_a_caller_that_leaves_is_not_waited_for() -> None:
    key, peer = own_key()
    async with EspRelay(sleepers=[str(peer)]) as relay:
        async with Guest(relay) as source:
            call = asyncio.create_task(source.ask(source.connect_to(peer)))
            await until(lambda: _has_sent_packets(relay))
            call.cancel()
        async with Guest(relay, key) as sleeper:
            await sleeper.reserve()
            assert (await sleeper.reserve()).status == circuit.OK
            report = await relay.report()
            assert report["circuits"] == report["counters"]["faults"] == 0


async def _has_sent_packets(relay: EspRelay) -> bool:
    return bool((await relay.report())["packets"])


# --- circuits ---


@asynchronous(30)
async def test_circuits_that_are_being_opened_count() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        calls = [
            asyncio.create_task(source.hop(source.connect_to(target.peer_id))) for _ in range(6)
        ]
        for _ in range(4):
            await target.accept(await target.offered())
        answers = sorted([told.status for _, told in await asyncio.gather(*calls)])
        assert answers == [circuit.OK] * 4 + [circuit.RESOURCE_LIMIT_EXCEEDED] * 2


@asynchronous(60)
async def test_bytes_pass_in_frames_of_every_size() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        for size in (1, 11, 12, 1000, 1012, 1013, 1024, 1036, 1037, 16_384, 65_000):
            body = os.urandom(size)
            await source.say(source.data(there, body))
            assert await target.read(here, size) == body
            await target.say(target.data(here, body))
            assert await source.read(there, size) == body


@asynchronous(60)
async def test_frames_of_yamux_lie_across_those_of_noise() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        body = os.urandom(9000)
        plain = source.data(there, body[:3000]) + frame(yamux.PING, yamux.SYN, 0, 7)
        plain += source.data(there, body[3000:3001]) + source.data(there, body[3001:])
        for cut in (5, 12, 13, 1500, 3005, 3010, 3018, 3024, 3040, 8000):
            copy = bytes(plain)
            await source.say(copy[:cut])
            await source.say(copy[cut:])
            assert await target.read(here, len(body)) == body


@asynchronous(60)
async def test_a_half_closed_circuit_goes_on_the_other_way() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        body = os.urandom(5000)
        await source.say(source.data(there, body, yamux.FIN))
        assert await target.read(here, len(body)) == body
        await target.over(here)
        await target.say(target.data(here, body, yamux.FIN))
        assert await source.read(there, len(body)) == body
        await source.over(there)
        await until(lambda: _has_circuits(relay, 0))


@asynchronous(60)
async def test_an_end_before_the_answer_is_passed_on_behind_it() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        asking = asyncio.create_task(source.hop(source.connect_to(target.peer_id)))
        stop = await target.offered()
        [hop] = [stream for stream in source.session.streams.values() if not stream.remote_closed]
        source.session.finish(hop)
        await source.say(b"")
        await relay.report()
        await target.accept(stop)
        _, told = await asking
        assert told.status == circuit.OK
        await target.over(stop)
        await target.say(target.data(stop, b"answer"))
        assert await source.read(hop, 6) == b"answer"


async def _has_circuits(relay: EspRelay, count: int) -> bool:
    return bool((await relay.report())["circuits"] == count)


@asynchronous(60)
async def test_a_reset_is_passed_on() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        source.session.reset(there)
        await source.say(b"")
        await target.over(here)
        await until(lambda: _has_circuits(relay, 0))


@asynchronous(60)
async def test_the_source_gets_what_the_target_grants_and_no_more() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        sent = 0
        while there.send_window:
            count = min(60_000, there.send_window)
            await source.say(source.data(there, bytes(count)))
            sent += count
        granted = source.granted
        await until(lambda: _has_relayed(relay, sent))
        assert source.granted == granted  # the target has read nothing
        await target.read(here, sent // 2)
        await target.read(here, sent - sent // 2)  # the end of it had to wait for credit
        await source.ask(b"")  # an answer later everything before it has come
        assert source.granted > granted
        assert sent - 200 < there.send_window + target_unread(here) <= yamux.INITIAL_WINDOW
        last = os.urandom(60_000)
        await source.say(source.data(there, last))
        assert await target.read(here, len(last)) == last


def target_unread(stream: yamux.Stream) -> int:
    return stream._consumed


async def _has_relayed(relay: EspRelay, count: int) -> bool:
    return bool((await relay.report())["relayed"] == count)


# --- authentication ---


@asynchronous(60)
async def test_nothing_of_a_short_frame_is_done_before_its_tag() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        request = source.open(circuit.HOP_ID)
        reserve = HopMessage(type=HopMessage.RESERVE).encode()
        source.session.send(request, delimited(reserve))
        plain = bytes(source.session.out) + source.data(there, bytes(800))
        await source.raw(flipped(source.sealed(plain), -1))
        await source.ended.wait()
        await target.over(here)
        report = await relay.report()
        assert report["relayed"] == 0
        assert report["counters"]["reservations"] == 1 and report["counters"]["forged"] == 1


@asynchronous(60)
async def test_of_a_long_frame_only_circuits_see_anything_before_its_tag() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        request = source.open(circuit.HOP_ID)
        reserve = HopMessage(type=HopMessage.RESERVE).encode()
        source.session.send(request, delimited(reserve))
        plain = bytes(source.session.out) + source.data(there, bytes(LONG), yamux.FIN)
        await source.raw(flipped(source.sealed(plain), -1))
        await source.ended.wait()
        await target.over(here)
        assert here.id not in target.session.streams  # reset: the FIN was in the same frame
        report = await relay.report()
        assert report["counters"]["reservations"] == 1 and report["counters"]["forged"] == 1
        assert report["circuits"] == 0


@asynchronous(60)
async def test_what_is_held_of_a_long_frame_is_done_behind_its_tag() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        request = source.open(circuit.HOP_ID)
        source.session.send(request, delimited(HopMessage(type=HopMessage.RESERVE).encode()))
        body = os.urandom(LONG)
        plain = bytes(source.session.out) + source.data(there, body)
        source.session.out = bytearray()
        await source.raw(source.sealed(plain))
        assert await source.line(request) == multistream.VERSION
        assert await target.read(here, LONG) == body
        assert await counter(relay, "reservations") == 2


@asynchronous(60)
async def test_too_much_beside_circuits_in_a_long_frame_ends_the_connection() -> None:
    async with EspRelay() as relay, Guest(relay) as guest:
        stream = guest.open("/nothing")
        plain = bytes(guest.session.out) + guest.data(stream, bytes(LONG))
        await guest.raw(guest.sealed(plain))
        await guest.ended.wait()


@asynchronous(120)
async def test_flipped_bits_of_a_64_kib_frame_are_noticed() -> None:
    """A sample of each part, the same in each run; tests.esp32.soak has all but of the body."""
    chosen = random.Random(SEED)
    async with EspRelay() as relay, Guest(relay) as target:
        await target.reserve()
        for part, bits in bits_of_a_frame(200, SEED).items():
            for bit in chosen.sample(bits, 5):
                assert await noticed(relay, target, bit), (part, bit)
        report = await relay.report()
        assert report["circuits"] == 0 and report["peers"] == 1
        assert report["counters"]["faults"] == report["counters"]["memory_errors"] == 0


def flipped(data: bytes, at: int) -> bytes:
    """`data` with one bit another."""
    out = bytearray(data)
    out[at] ^= 1 << at % 8
    return bytes(out)


# --- hostile input ---


@asynchronous(20)
@pytest.mark.parametrize("length", (0, 1, 15))
async def test_a_frame_too_short_for_a_tag_ends_its_connection_alone(length: int) -> None:
    async with EspRelay() as relay, Guest(relay) as guest, Guest(relay) as other:
        await guest.raw(length.to_bytes(2, "big") + bytes(length))
        await guest.ended.wait()
        assert (await other.reserve()).status == circuit.OK
        assert f"noise message of {length} bytes" in relay.log()


@asynchronous(20)
async def test_a_message_of_the_handshake_is_bounded() -> None:
    """An RSA identity of 4096 bits sends one that is too long, and its end is said."""
    async with EspRelay() as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(multistream.HEADER + multistream.encode_line("/noise"))
        await reader.readexactly(len(multistream.HEADER) + 8)
        writer.write((1100).to_bytes(2, "big"))
        assert await reader.read() == b""
        writer.close()
        assert "handshake longer than 1024 bytes" in relay.log()


# --- time ---


@asynchronous(60)
async def test_who_says_nothing_or_does_nothing_is_closed() -> None:
    async with EspRelay() as relay, Guest(relay) as idle, Guest(relay) as reserved:
        await reserved.reserve()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await relay.speed(QUICK)
        assert await reader.read() == b""
        writer.close()
        await idle.ended.wait()
        assert not reserved.ended.is_set()
        assert "handshake" in relay.log() and "idle" in relay.log()


@asynchronous(60)
async def test_a_reservation_ends_with_its_time_unless_renewed() -> None:
    async with EspRelay(ttl=100) as relay, Guest(relay) as renews, Guest(relay) as forgets:
        await renews.reserve()
        await forgets.reserve()
        await relay.speed(QUICK)
        while (await relay.report())["held"] == 2:
            await renews.reserve()
        assert (await relay.report())["held"] == 1
        await renews.reserve()
        await forgets.ended.wait()


@asynchronous(60)
async def test_who_reads_nothing_holds_up_its_circuit_for_half_a_minute() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, _ = await circuit_between(source, target)
        there.send_window = 1 << 30
        target.reads.clear()
        sending = asyncio.create_task(_send_for_ever(source, there))
        await until(lambda: _is_pending(relay))
        await relay.speed(QUICK)
        await source.over(there)
        sending.cancel()
        assert "stalled" in relay.log() or "window exceeded" in relay.log()


async def _send_for_ever(guest: Guest, stream: yamux.Stream) -> None:
    while not guest.ended.is_set():
        await guest.say(guest.data(stream, bytes(60_000)))


async def _is_pending(relay: EspRelay) -> bool:
    return bool((await relay.report())["relayed"] > 100_000)


@asynchronous(60)
async def test_a_peer_that_vanishes_is_noticed() -> None:
    """Its socket is open, and nothing comes any more: as when a WAN line is gone."""
    async with EspRelay() as relay, Guest(relay) as guest:
        await guest.reserve()
        guest.reads.clear()
        await relay.speed(QUICK)
        await until(lambda: _has_peers(relay, 0))
        assert "silent" in relay.log()


# --- memory ---


@asynchronous(120)
async def test_peers_come_and_go_and_nothing_is_left() -> None:
    async with EspRelay() as relay:
        before = None
        for number in range(100):
            async with Guest(relay) as guest:
                assert (await guest.reserve()).status == circuit.OK
            if number == 10:
                await until(lambda: _has_peers(relay, 0))
                before = (await relay.report())["used"]
        await until(lambda: _has_peers(relay, 0))
        report = await relay.report()
        assert before is not None and report["used"] <= before + 1024
        assert report["counters"]["memory_errors"] == 0


@asynchronous(120)
async def test_the_loop_outlives_allocations_that_fail() -> None:
    async with EspRelay() as relay:
        await relay.fail_every(1000)
        for _ in range(20):
            with contextlib.suppress(*CUT):
                async with asyncio.timeout(5), Guest(relay) as source, Guest(relay) as target:
                    await target.reserve()
                    there, here = await circuit_between(source, target)
                    await source.say(source.data(there, bytes(20_000)))
                    await target.read(here, 20_000)
        assert await relay.fail_every(0) > 0
        await until(lambda: _has_peers(relay, 0))
        async with Guest(relay) as source, Guest(relay) as target:
            await target.reserve()
            there, here = await circuit_between(source, target)
            await source.say(source.data(there, bytes(20_000)))
            assert await target.read(here, 20_000) == bytes(20_000)
        assert await counter(relay, "faults") == 0

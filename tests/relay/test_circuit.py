"""One circuit between real streams: what passes, what waits, how it ends."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from edge.relay.accounting import Usage
from edge.relay.circuit import Circuit
from edge.relay.shaping import Shaper
from edge.swarm.errors import StreamReset
from edge.units import KIB, MIB
from tests.counterparts.base import asynchronous
from tests.relay.hosts import so
from tests.relay.spliced import Ends, Pair, ends

WINDOW = 256 * KIB


class Spliced:
    """A circuit over `pair`, and the reasons it gave for its end."""

    def __init__(self, at: Ends, pair: Pair, data: int = 0, shaper: Shaper | None = None) -> None:
        self.reasons: list[str] = []
        self.circuit = Circuit(
            pair.source,
            pair.destination,
            data,
            at.usages,
            shaper or Shaper(at.relay.loop),
            lambda _, reason: self.reasons.append(reason),
        )


async def is_reset(pair: Pair) -> None:
    """Both ends learn that the circuit is gone."""
    for end in (pair.near, pair.far):
        with pytest.raises(StreamReset):
            while True:
                await end.read(MIB)


@asynchronous(30)
async def test_what_comes_in_at_one_end_goes_out_at_the_other() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"early")
        one = Spliced(at, pair)
        assert await pair.far.read_exactly(5) == b"early"
        await pair.near.write(b"there")
        assert await pair.far.read_exactly(5) == b"there"
        await pair.far.write(b"and back")
        assert await pair.near.read_exactly(8) == b"and back"
        dialer, listener = at.usages
        assert (dialer.bytes_from, dialer.bytes_to) == (10, 8)
        assert (listener.bytes_from, listener.bytes_to) == (8, 10)
        assert one.circuit.source.received == 10
        assert one.circuit.destination.received == 8
        one.circuit.end("test")


@asynchronous(30)
async def test_a_half_that_ends_leaves_the_other_open() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"question")
        one = Spliced(at, pair)
        pair.near.finish()
        assert await pair.far.read_to_end(KIB) == b"question"
        assert one.circuit.ended is None
        await pair.far.write(b"answer")
        pair.far.finish()
        assert await pair.near.read_to_end(KIB) == b"answer"
        await so(lambda: one.reasons == ["closed"])


@asynchronous(30)
async def test_a_half_that_ended_before_the_circuit_stood_is_passed_on() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"all there is", finish=True)
        one = Spliced(at, pair)
        assert await pair.far.read_to_end(KIB) == b"all there is"
        assert one.circuit.ended is None
        pair.far.finish()
        await so(lambda: one.reasons == ["closed"])


@pytest.mark.parametrize("which", ["near", "far"])
@asynchronous(30)
async def test_a_reset_at_one_end_resets_the_other(which: str) -> None:
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        getattr(pair, which).reset()
        await so(lambda: one.reasons == ["reset by the peer"])
        await is_reset(pair)


@asynchronous(30)
async def test_a_connection_that_closes_takes_its_circuits_along() -> None:
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        pair.destination.connection.close("gone")
        assert one.reasons == ["gone"]
        await is_reset(pair)


@asynchronous(30)
async def test_a_circuit_ends_once() -> None:
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        one.circuit.end("first")
        one.circuit.end("second")
        one.circuit.half_closed()
        assert one.reasons == ["first"]
        assert one.circuit.ended == "first"


@asynchronous(30)
async def test_each_way_may_carry_the_limit_and_no_more() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"12345678")
        one = Spliced(at, pair, data=10)
        await pair.near.write(b"90")
        assert await pair.far.read_exactly(10) == b"1234567890"
        await pair.far.write(b"0123456789")
        assert await pair.near.read_exactly(10) == b"0123456789"
        assert not one.reasons
        await pair.near.write(b"!")
        await so(lambda: one.reasons == ["data-limit"])
        await is_reset(pair)


@asynchronous(30)
async def test_early_data_beyond_the_limit_ends_the_circuit_before_it_stands() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"too much")
        one = Spliced(at, pair, data=4)
        assert one.circuit.ended == "data-limit"
        await is_reset(pair)


@asynchronous(30)
async def test_a_slow_reader_costs_a_window_and_is_waited_for() -> None:
    """What the listener does not take waits with the relay, then with the dialer."""
    async with ends() as at:
        pair = await at.pair(early=b"0")
        one = Spliced(at, pair)
        whole = bytes(range(256)) * (8 * KIB)  # 2 MiB
        writing = asyncio.create_task(pair.near.write(whole))
        leg, buffers = one.circuit.destination, at.relay.pools.buffers
        await so(lambda: leg.blocked and len(leg.pending) > 0)
        assert not writing.done()
        assert len(leg.pending) <= WINDOW
        assert buffers.used >= len(leg.pending)
        arrived = b""
        while len(arrived) < 1 + len(whole):
            arrived += await pair.far.read(MIB)
        await writing
        assert arrived == b"0" + whole
        assert len(leg.pending) == 0
        pair.near.finish()
        pair.far.finish()
        await so(lambda: one.reasons == ["closed"])


@asynchronous(30)
async def test_the_end_waits_for_what_is_pending() -> None:
    async with ends() as at:
        pair = await at.pair(early=b"0")
        one = Spliced(at, pair)
        leg = one.circuit.destination
        filled = bytes(WINDOW + 64 * KIB)
        writing = asyncio.create_task(pair.near.write(filled))
        await so(lambda: len(leg.pending) > 0)
        pair.far.finish()
        arrived = 0
        await so(lambda: one.circuit.destination.ended)
        assert one.circuit.ended is None
        while arrived < 1 + len(filled):
            arrived += len(await pair.far.read(MIB))
        await writing
        pair.near.finish()
        assert await pair.far.read(1) == b""
        await so(lambda: one.reasons == ["closed"])


@asynchronous(30)
async def test_without_memory_for_what_is_pending_the_circuit_ends() -> None:
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        buffers = at.relay.pools.buffers
        buffers.reclaimers.clear()
        filler = buffers.ceiling - buffers.used
        assert buffers.take(filler)
        assert not one.circuit.destination.hold(memoryview(b"to wait"))
        assert one.reasons == ["memory"]
        assert buffers.used == filler
        buffers.give(filler)
        await is_reset(pair)


@asynchronous(30)
async def test_a_circuit_that_ends_to_make_room_for_itself_leaves_no_lease() -> None:
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        buffers = at.relay.pools.buffers

        def end() -> bool:
            buffers.give(filler)
            one.circuit.end("reclaimed")
            return True

        buffers.reclaimers[:] = [end]
        filler = buffers.ceiling - buffers.used
        assert buffers.take(filler)
        assert not one.circuit.destination.hold(memoryview(b"to wait"))
        assert one.reasons == ["reclaimed"]
        await is_reset(pair)


class Meter:
    """A shaper that lets pass what it is told to."""

    active = True

    def __init__(self) -> None:
        self.tokens = 0
        self.waiting: list[object] = []
        self.charged: list[tuple[Usage, Usage, int]] = []

    def allowed(self, source: Usage, target: Usage, length: int) -> int:
        length = min(length, self.tokens)
        self.tokens -= length
        if length:
            self.charged.append((source, target, length))
        return length

    def wait(self, leg: object) -> None:
        self.waiting.append(leg)

    def forget(self, leg: object) -> None:
        self.waiting = [each for each in self.waiting if each is not leg]


@asynchronous(30)
async def test_what_finds_no_tokens_waits_in_its_leg() -> None:
    async with ends() as at:
        meter = Meter()
        meter.tokens = 4
        pair = await at.pair(early=b"abcdefgh")
        one = Spliced(at, pair, shaper=cast("Shaper", meter))
        leg = one.circuit.destination
        assert await pair.far.read_exactly(4) == b"abcd"
        assert bytes(leg.pending) == b"efgh"
        assert leg in meter.waiting
        assert at.relay.pools.buffers.used >= 4
        assert leg.send_pending(KIB) == 0
        meter.tokens = 3
        assert leg.send_pending(2) == 2
        assert leg.send_pending(2) == 1
        assert await pair.far.read_exactly(3) == b"efg"
        dialer, listener = at.usages
        assert meter.charged == [
            (dialer, listener, 4),
            (dialer, listener, 2),
            (dialer, listener, 1),
        ]
        meter.tokens = 100
        assert leg.send_pending(KIB) == 1
        one.circuit.end("test")
        assert not meter.waiting


@asynchronous(30)
async def test_what_comes_behind_its_end_in_the_same_read_is_dropped() -> None:
    """Memory may run out at the first of two frames, and the target's connection close for it."""
    async with ends() as at:
        pair = await at.pair()
        one = Spliced(at, pair)
        pair.destination.connection.close("no memory left")
        assert one.reasons == ["no memory left"]
        before = one.circuit.source.received
        one.circuit.source.data_received(12, 24)
        assert one.circuit.source.received == before

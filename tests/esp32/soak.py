"""What takes too long for every run, of the device's relay: hours if you like.

    python -m tests.esp32.soak connects [COUNT]     peers that come, reserve and go: 1,000
    python -m tests.esp32.soak flips [COUNT [SEED]] so many bits of a body of 64 KiB, and all others
    python -m tests.esp32.soak failures [COUNT]     circuits while 1 in 1,000 allocations fails: 200
    python -m tests.esp32.soak strangers [ROUNDS]   all of tests.soak.hostile beside a circuit: 10
    python -m tests.esp32.soak day                  24 hours in 72 minutes: renewals, visits

Prints what it finds, and ends with 1 if that is not as it should be.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from edge.wire import yamux
from edge.wire.circuit import OK
from edge.wire.errors import WireError
from tests.counterparts.base import until
from tests.counterparts.esp_relay import EspRelay
from tests.esp32.guest import Guest, GuestError, bits_of_a_frame, circuit_between, noticed, stranger
from tests.soak.hostile import CIRCUIT, KINDS

CUT = (GuestError, WireError, TimeoutError, OSError, IndexError, AssertionError)
_SPEED = 20
_DAY = 24 * 3600 / _SPEED
_TTL = 3600
_GROWN = 1024  # bytes that count as none
_EVERY = 1000


async def connects(count: int = 1000) -> bool:
    async with EspRelay() as relay:
        before = 0
        for number in range(count):
            async with Guest(relay) as guest:
                assert (await guest.reserve()).status == OK
            if number == count // 10:
                before = await left(relay)
        after = await left(relay)
        counters = (await relay.report())["counters"]
    print(f"{count} peers; {before} bytes used early, {after} at the end; {counters}")
    return after <= before + _GROWN and not counters["memory_errors"] and not counters["faults"]


async def flips(count: int = 500, seed: int = 0) -> bool:
    """Of a frame with one bit another, no byte is passed on but before its connection closes."""
    wrong: list[int] = []
    parts = bits_of_a_frame(count, seed)
    async with EspRelay() as relay, Guest(relay) as target:
        await target.reserve()
        for bits in parts.values():
            for bit in bits:
                async with asyncio.timeout(60):
                    if not await noticed(relay, target, bit):
                        wrong.append(bit)
        report = await relay.report()
    counts = {part: len(bits) for part, bits in parts.items()}
    print(f"bits {counts}, of which not noticed {wrong}; {report}")
    return not wrong and report["circuits"] == 0 and report["counters"]["faults"] == 0


async def failures(count: int = 200) -> bool:
    served = failed = 0
    async with EspRelay() as relay:
        for _ in range(count):
            await relay.fail_every(_EVERY)
            with contextlib.suppress(*CUT):
                async with asyncio.timeout(10), Guest(relay) as source, Guest(relay) as target:
                    await exchange(source, target, 20_000)
                    served += 1
            failed += await relay.fail_every(0)
        used = await left(relay)
        async with Guest(relay) as source, Guest(relay) as target:
            await exchange(source, target, 20_000)
        counters = (await relay.report())["counters"]
    print(f"{failed} allocations failed; {served} of {count} served; {used} used; {counters}")
    return failed > 0 and counters["faults"] == 0


async def strangers(rounds: int = 10) -> bool:
    ends: Counter[str] = Counter()
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        for _ in range(rounds):
            for kind in KINDS:
                if kind == CIRCUIT:
                    continue
                came = [stranger(relay, kind) for _ in range(4)]
                body = os.urandom(20_000)
                await source.say(source.data(there, body))
                ends += Counter(await asyncio.gather(*came))
                assert await target.read(here, len(body)) == body
        report = await relay.report()
    print(f"strangers {dict(ends)}; {report}")
    return report["circuits"] == 1 and report["counters"]["faults"] == 0


async def day(_: int = 0) -> bool:
    """One peer renews all day; others come, open a circuit to it, and go."""
    visits, end = 0, time.monotonic() + _DAY
    async with EspRelay(ttl=_TTL) as relay, Guest(relay) as host:
        await host.reserve()
        await relay.speed(_SPEED)
        while time.monotonic() < end:
            assert (await host.reserve()).status == OK
            host.session.forgive(
                yamux.MAX_NUISANCES
            )  # as a node does: the end of each circuit is one
            for _ in range(10):
                async with Guest(relay) as visitor:
                    there, here = await circuit_between(visitor, host)
                    body = os.urandom(5000)
                    await visitor.say(visitor.data(there, body))
                    assert await host.read(here, len(body)) == body
                visits += 1
                await asyncio.sleep(1)
        report = await relay.report()
    print(f"{visits} visits; {report}")
    return report["held"] == 1 and report["counters"]["faults"] == 0


async def exchange(source: Guest, target: Guest, size: int) -> None:
    await target.reserve()
    there, here = await circuit_between(source, target)
    body = os.urandom(size)
    await source.say(source.data(there, body))
    assert await target.read(here, size) == body


async def left(relay: EspRelay) -> int:
    """The bytes used when all have gone."""

    async def alone() -> bool:
        return not (await relay.report())["peers"]

    await until(alone, every=0.1)
    return int((await relay.report())["used"])


PARTS: dict[str, Callable[..., Awaitable[bool]]] = {
    part.__name__: part for part in (connects, flips, failures, strangers, day)
}


async def main(words: list[str]) -> int:
    names = words[:1] or list(PARTS)
    if not set(names) <= set(PARTS):
        print(__doc__)
        return 2
    good = [await PARTS[name](*map(int, words[1:3])) for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

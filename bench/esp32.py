"""How the device's relay shares its turns, on MicroPython's port for i686.

    python -m bench.esp32

Prints the longest pause in a moving circuit while nobody else does anything, and while peers come
one after the other, so that there is always a handshake beside it; and what a circuit carries. This
machine is no ESP32: the pauses are those of the same steps, at its own speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from edge.wire import yamux
from tests.counterparts.esp_relay import EspRelay
from tests.esp32.guest import Guest, circuit_between

_SECONDS = 5.0
_SMALL = 256  # bytes of a frame whose arrival is watched
_PAUSE = 0.002  # seconds between two of them
_BULK = 60_000
_HANDSHAKES = 10.0  # a second, at most


async def main() -> None:
    async with EspRelay() as relay, Guest(relay) as source, Guest(relay) as target:
        await target.reserve()
        there, here = await circuit_between(source, target)
        alone, _ = await watched(source, target, there, here)
        coming = asyncio.create_task(_come_and_go(relay))
        beside, count = await watched(source, target, there, here)
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await coming
        rate = await carried(source, target, there, here)
        report = await relay.report()
    print(f"longest pause of a circuit: {alone * 1000:.0f} ms alone,", end=" ")
    print(f"{beside * 1000:.0f} ms beside {report['counters']['handshakes'] - 2} handshakes")
    print(f"{count} frames arrived meanwhile; a circuit carries {rate / 1e6:.2f} MB/s")
    print(f"allocations above 256 B: {report['large'][0]}, the largest {report['large'][1]}")


async def watched(
    source: Guest, target: Guest, there: yamux.Stream, here: yamux.Stream
) -> tuple[float, int]:
    """The longest pause between two arrivals, in seconds, and how many there were."""
    sending = asyncio.create_task(_send(source, there))
    longest, count = 0.0, 0
    last = end = time.monotonic()
    end += _SECONDS
    while last < end:
        await target.read(here, _SMALL)
        now = time.monotonic()
        longest, last, count = max(longest, now - last), now, count + 1
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    return longest, count


async def carried(source: Guest, target: Guest, there: yamux.Stream, here: yamux.Stream) -> float:
    """Bytes a second from `source` to `target`."""
    began, size = time.monotonic(), 0
    while time.monotonic() < began + _SECONDS:
        await source.say(source.data(there, bytes(_BULK)))
        await target.read(here, _BULK)
        size += _BULK
    return size / (time.monotonic() - began)


async def _send(source: Guest, stream: yamux.Stream) -> None:
    while True:
        if stream.send_window >= _SMALL:
            await source.say(source.data(stream, bytes(_SMALL)))
        await asyncio.sleep(_PAUSE)


async def _come_and_go(relay: EspRelay) -> None:
    while True:
        async with Guest(relay):
            await asyncio.sleep(1 / _HANDSHAKES)


if __name__ == "__main__":
    asyncio.run(main())

"""A day of peers coming and going, compressed: memory at its end as at its beginning.

    python -m tests.soak.coming_and_going [--minutes 60] [--visitors 120] [--memory-limit 64M]
                                          [--json FILE]

The day has 24 hours of MINUTES / 24 each, and the relay's times shrink alike. All through an hour
visitors come, each with a new key or an old one and an address of its own: they identify, reserve
and renew, open circuits to each other and check what comes back, and leave with a goodbye, with a
reset, or by falling silent. Some of tests.soak.hostile mix with them. At the end of an hour all
leave at once, and the relay's memory is looked at: 24 times in the same state. One circuit
between our listener and go-libp2p (p2pd 0.32) stands all day.

Prints a line an hour; ends with 1 unless the last hours' memory is that of the first ones after
the tables have filled, all leases of visitors have come back, the limit was kept, and the one
circuit was never cut.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge import crypto, log
from edge.relay.autorelay import AutoRelay
from edge.swarm.errors import SwarmError
from edge.swarm.limits import Limits
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.swarm.transport import SocketTransport
from edge.wire.errors import WireError
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts.base import Setup
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer
from tests.hosts import host_around
from tests.relay.hosts import config
from tests.soak.hostile import CIRCUIT, KINDS, another_address, one

KIB, MIB = 1 << 10, 1 << 20
HOURS = 24
_DAY = HOURS * 3600
_FILLED = 6  # hours after which every table of the relay is full
_COMPARED = 3  # hours whose mean is taken, at either end
_TOLERANCE = 1 * MIB
_BUFFER = 128 * KIB
_MOST = 256 * KIB  # bytes of an exchange
_SETTLE = 30.0  # seconds for the relay to notice that all have left
_STANDING = 2  # connections that stay: those of the one circuit
_OWN, _FOREIGN = "/kwaai/soak/1.0.0", "/soak/1.0.0"
_EXPECTED = (SwarmError, WireError, OSError, TimeoutError)


@dataclass
class Hour:
    """What the relay said when all had left, in bytes; `visitors`: who came, by how they left."""

    number: int
    visitors: dict[str, int]
    exchanges: int
    circuits: int
    rss: int
    anonymous: int
    peak: int  # of the RSS since the start
    left: int  # connections that should be gone
    leased: int  # bytes that should have come back


class Visitor:
    """One peer for one visit to `relay`."""

    def __init__(self, relay: Multiaddr, key: crypto.Ed25519Key, town: Town) -> None:
        limits = Limits()
        limits.buffer_size = _BUFFER
        self.swarm = Swarm(key, limits)
        self.holds_slot = False
        self._relay = relay
        self._town = town
        host = host_around(self.swarm)
        self._dialer = host.dialer
        self._autorelay = AutoRelay(host)
        self._sock = socket.socket()
        for protocol in (_FOREIGN, *random.sample([_OWN], random.randint(0, 1))):
            self.swarm.handle(protocol, _echo)

    async def stay(self, seconds: float) -> str:
        """Visit for about so long; returns how it left."""
        way = random.choice(("goodbye", "goodbye", "reset", "silence"))
        try:
            async with asyncio.timeout(seconds):
                await self._arrive()
                if random.random() < 0.6:
                    await self._listen()
                else:
                    await self._dial_others()
        except TimeoutError:
            if way == "silence":
                await self._fall_silent()
        except (SwarmError, WireError, OSError):
            way = "refused"
        finally:
            await self._leave(way)
        return way

    async def _fall_silent(self) -> None:
        """Read nothing more, and stay until the hour is over."""
        for connection in self.swarm.all_connections():
            if isinstance(connection.transport, SocketTransport):
                connection.transport.pause()
        await self._town.hour_over.wait()

    async def _leave(self, way: str) -> None:
        self._town.listening.discard(self)
        if way == "reset" and self._sock.fileno() >= 0:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.swarm.stop()

    async def _arrive(self) -> None:
        target = self._relay.host_port()
        assert target is not None
        self._sock.setblocking(False)
        self._sock.bind((another_address(), 0))
        await self.swarm.loop.sock_connect(self._sock, target[:2])
        transport = SocketTransport(self.swarm.loop, self._sock, self.swarm.traffic)
        at = self._relay.without_peer()
        connection = self.swarm.upgrade(transport, True, at, None, self._relay.peer_id())
        await connection.upgraded()

    async def _listen(self) -> None:
        self._autorelay.configure(config(client="yes", relays=[self._relay], reservations=1))
        self.swarm.spawn(self._autorelay.run())
        while True:
            known = self._town.listening
            (known.add if self._autorelay.reservations else known.discard)(self)
            await asyncio.sleep(0.2)

    async def _dial_others(self) -> None:
        while True:
            if self._town.listening:
                other = random.choice(list(self._town.listening)).swarm.peer_id
                try:
                    async with asyncio.timeout(5):
                        await self._exchange(other)
                except _EXPECTED as error:
                    self._town.failures[f"{type(error).__name__}: {error}"[:60]] += 1
                else:
                    self._town.exchanges += 1
            await asyncio.sleep(random.uniform(0.2, 2))

    async def _exchange(self, other: PeerId) -> None:
        circuit = self._relay.via_circuit(other)
        connection = await self._dialer.connect(other, [circuit], again=True, trusted=True)
        stream = connection.open_stream([_FOREIGN])
        text = random.randbytes(random.randint(1, _MOST))
        sending = asyncio.ensure_future(_send(stream, text))
        back = bytearray()
        while piece := await stream.read(64 * KIB):
            back += piece
        await sending
        if back != text:
            raise AssertionError("what came back is not what was sent")
        if random.random() < 0.5:
            connection.close("done")


async def _send(stream: Stream, text: bytes) -> None:
    await stream.write(text)
    stream.finish()


async def _echo(stream: Stream) -> None:
    while piece := await stream.read(64 * KIB):
        await stream.write(piece)
    stream.finish()


class Town:
    """Everyone but the one circuit: `visitors` at a time, each for a quarter of an hour or so."""

    def __init__(self, relay: Multiaddr, visitors: int, hour: float) -> None:
        self.listening: set[Visitor] = set()
        self.exchanges = 0
        self.failures: Counter[str] = Counter()
        self.hour_over = asyncio.Event()
        self._relay = relay
        self._visitors = visitors
        self._hour = hour
        self._keys = [crypto.Ed25519Key.generate() for _ in range(visitors)]

    async def hour(self) -> Counter[str]:
        """Let people come and go for an hour; how they left."""
        ways: Counter[str] = Counter()
        self.hour_over.clear()
        until = time.monotonic() + self._hour
        house = [self._house(ways, until) for _ in range(self._visitors)]
        await asyncio.gather(*house, self._strangers(until), self._ring(until))
        return ways

    async def _ring(self, until: float) -> None:
        await asyncio.sleep(until - time.monotonic())
        self.hour_over.set()

    async def _house(self, ways: Counter[str], until: float) -> None:
        """One visitor after the other."""
        while (left := until - time.monotonic()) > 0:
            known = random.random() < 0.1
            key = random.choice(self._keys) if known else crypto.Ed25519Key.generate()
            seconds = min(left, random.expovariate(4 / self._hour))
            ways[await Visitor(self._relay, key, self).stay(seconds)] += 1

    async def _strangers(self, until: float) -> None:
        where = self._relay.host_port()
        assert where is not None
        while time.monotonic() < until:
            await one(where[:2], random.choice([kind for kind in KINDS if kind != CIRCUIT]))


async def soak(options: argparse.Namespace) -> int:
    log.set_level("error")
    day = options.minutes * 60
    words = ["--memory-limit", options.memory_limit, "--relay-service", "yes"]
    words += ["--relay-reservation-ttl", compressed(3600, day, 5)]
    words += ["--idle-timeout", compressed(120, day, 5)]
    words += ["--keepalive-interval", compressed(30, day, 2)]
    hours: list[Hour] = []
    print(f"{options.visitors} visitors at a time, an hour has {day / HOURS:g} s")
    print("hour  came exchanges circuits   RSS  anon  peak  MiB; how they left")
    async with EdgeNode(options=words) as node:
        at = await node.direct()
        async with (
            OurPeer(Setup(listen=(), relays=[at])) as listener,
            P2pd(Setup(listen=())) as dialer,
        ):
            standing = listener.circuit(at)
            await dialer.transfer(standing, MIB)
            before = await node.status()
            town = Town(Multiaddr.from_string(at), options.visitors, day / HOURS)
            for number in range(1, HOURS + 1):
                ways = await town.hour()
                await dialer.transfer(standing, MIB)
                after = await settled(node, before)
                hours.append(looked_at(number, ways, town, before, after))
                print(line(hours[-1]), flush=True)
            open_now = (await node.status())["circuits"]["open"]
    failures = found_wrong(hours, after)
    if open_now != 1:
        failures.append(f"the standing circuit was cut ({open_now} open)")
    return conclude(hours, after, town, failures, options.json)


async def settled(node: EdgeNode, before: dict[str, Any]) -> dict[str, Any]:
    """The relay's report once everyone is gone, or time is up."""
    until = time.monotonic() + _SETTLE
    while True:
        report = await node.status()
        if time.monotonic() > until or rest(report, before) == (0, 0):
            return report
        await asyncio.sleep(0.5)


def rest(report: dict[str, Any], before: dict[str, Any]) -> tuple[int, int]:
    """Connections, and bytes leased but for tables, beyond those of the standing circuit."""
    connections = report["connections"]["open"] + report["connections"]["pending"] - _STANDING
    return connections, leased(report) - leased(before)


def leased(report: dict[str, Any]) -> int:
    rooms = report["memory"]["rooms"]
    return sum(room["used"] for name, room in rooms.items() if name != "tables")


def looked_at(
    number: int, ways: Counter[str], town: Town, before: dict[str, Any], after: dict[str, Any]
) -> Hour:
    memory = after["memory"]
    return Hour(
        number,
        dict(ways),
        town.exchanges,
        after["circuits"]["total"],
        memory["rss"],
        memory["anonymous"],
        memory["peak"],
        *rest(after, before),
    )


def line(hour: Hour) -> str:
    ways = ", ".join(f"{count} {way}" for way, count in sorted(hour.visitors.items()))
    behind = f"; LEFT {hour.left}, {hour.leased} bytes" if hour.left or hour.leased else ""
    return (
        f"{hour.number:4}{sum(hour.visitors.values()):6}{hour.exchanges:10}{hour.circuits:9}"
        f"{hour.rss / MIB:6.1f}{hour.anonymous / MIB:6.1f}{hour.peak / MIB:6.1f}  {ways}{behind}"
    )


def found_wrong(hours: list[Hour], report: dict[str, Any]) -> list[str]:
    wrong = [
        f"hour {hour.number}: {hour.left} connections and {hour.leased} leased bytes left behind"
        for hour in hours
        if hour.left or hour.leased
    ]
    first, last = mean(hours[_FILLED : _FILLED + _COMPARED]), mean(hours[-_COMPARED:])
    print(
        f"anonymous memory: {first / MIB:.2f} MiB in the first hours, {last / MIB:.2f} at the end"
    )
    if last > first + _TOLERANCE:
        wrong.append(f"memory grew by {(last - first) / MIB:.2f} MiB")
    if report["memory"]["peak"] > report["memory"]["limit"]:
        wrong.append(f"RSS peak {report['memory']['peak']} above the limit")
    return wrong


def mean(hours: list[Hour]) -> float:
    return sum(hour.anonymous for hour in hours) / len(hours)


def conclude(
    hours: list[Hour], report: dict[str, Any], town: Town, wrong: list[str], path: str | None
) -> int:
    print(f"exchanges that failed: {dict(town.failures) or 'none'}")
    print(f"refusals: {report['refusals']}")
    for failure in wrong:
        print(f"FAILED {failure}")
    if path:
        result = {"hours": [asdict(hour) for hour in hours], "wrong": wrong, "status": report}
        Path(path).write_text(json.dumps(result, indent=1) + "\n")
    return 1 if wrong else 0


def compressed(seconds: float, day: float, least: int) -> str:
    """`seconds` of a real day in one that has `day` of them; at least `least`."""
    return str(max(least, round(seconds * day / _DAY)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--visitors", type=int, default=120)
    parser.add_argument("--memory-limit", default="64M")
    parser.add_argument("--json")
    return asyncio.run(soak(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

"""Wake-on-LAN: brings a sleeping machine back when somebody calls for it.

A magic packet is six bytes of ff and the MAC address sixteen times, here in a UDP broadcast on the
interface at whose network the machine stands. The packet is repeated until the machine has
reserved again, or for as long as a caller may be held. A machine is woken inside its window only,
never while the time is unknown and it has a window, so often a day for one caller and for all, and
not again for a while, whether it came or not.

Source: AMD, Magic Packet Technology (publication 20213)
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from edge import log
from edge.config import schema
from edge.tiers.schedule import MINUTES, Window, minutes, zone
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    from edge.config.load import Config
    from edge.host import Host, Status

    class ReservationTable(Protocol):
        """Where a machine that sleeps keeps its reservation, and a caller asks for it."""

        # Wakes the first peer for the second, who may do that; True when it has come.
        wake: Callable[[PeerId, PeerId], Awaitable[bool]] | None
        # Told of every reservation that is made or renewed.
        reserved: list[Callable[[PeerId], None]]

        def keep_reservations(self, sleepers: frozenset[PeerId]) -> None:
            """Exactly these peers have reservations that outlast their connections."""


MAX_CALLERS = 16  # held at a time for one machine
_AGAIN = 3.0  # seconds between two packets
_REST = 60.0  # seconds after a call, in vain or not: nobody sleeps again so soon
_DAY = 86400.0  # seconds
MOST_A_DAY = 48  # times that one machine is woken,
MOST_A_DAY_FOR_ONE = 12  # and for one caller
_BROADCAST = "255.255.255.255"


class Sleeper:
    """A machine that may sleep. `window`: when it may be woken, None for always.

    `wait`: seconds that a caller is held at most. `calls`: of the last day: when, and for whom.
    """

    __slots__ = (
        "callers",
        "calls",
        "interface",
        "mac",
        "peer",
        "port",
        "rests_until",
        "wait",
        "window",
    )

    def __init__(
        self, peer: PeerId, mac: str, interface: str, port: int, window: Window | None, wait: float
    ) -> None:
        self.peer = peer
        self.mac = mac
        self.interface = interface
        self.port = port
        self.window = window
        self.wait = wait
        self.callers: set[asyncio.Future[None]] = set()
        self.calls: deque[tuple[float, PeerId]] = deque()
        self.rests_until = 0.0

    def goes_on(self, before: Sleeper) -> None:
        """It is the one that was configured `before`: what is under way and counted stays."""
        self.callers, self.calls = before.callers, before.calls
        self.rests_until = before.rests_until


class Waker:
    """Wakes the sleepers it is configured with, for those who ask `reservations` for them.

    `woken`: how many have come back.
    """

    def __init__(self, host: Host, reservations: ReservationTable) -> None:
        self.woken = 0
        self._utc = host.utc
        self._loop = asyncio.get_running_loop()
        self._sleepers: dict[PeerId, Sleeper] = {}
        self._zone = zone(host.config)
        self._reservations = reservations
        reservations.wake = self.wake
        reservations.reserved.append(self.returned)

    def configure(self, config: Config) -> None:
        """Other sleepers from now on. Callers that wait already go on waiting."""
        before = self._sleepers
        self._sleepers = {sleeper.peer: sleeper for sleeper in sleepers(config)}
        for peer, sleeper in self._sleepers.items():
            if peer in before:
                sleeper.goes_on(before[peer])
        self._zone = zone(config)
        self._reservations.keep_reservations(frozenset(self._sleepers))

    async def run(self) -> None:
        """A machine is woken when somebody calls; there is no regular work."""

    async def stop(self) -> None:
        """Nothing outlives the node."""

    def report(self) -> Status:
        return {}

    def returned(self, peer: PeerId) -> None:
        """`peer` has reserved: those who wait for it go on."""
        sleeper = self._sleepers.get(peer)
        if sleeper is None or not sleeper.callers:
            return
        self.woken += 1
        sleeper.rests_until = self._loop.time() + _REST
        log.info("woken", peer=peer, callers=len(sleeper.callers))
        for caller in sleeper.callers:
            if not caller.done():
                caller.set_result(None)

    async def wake(self, peer: PeerId, for_whom: PeerId) -> bool:
        """Wake `peer` and wait for it; whether it has come."""
        sleeper = self._sleepers.get(peer)
        refusal = "unknown" if sleeper is None else self._refusal(sleeper, for_whom)
        if sleeper is None or refusal is not None:
            log.info("not-woken", peer=peer, caller=for_whom, reason=refusal)
            return False
        caller: asyncio.Future[None] = self._loop.create_future()
        first = not sleeper.callers
        if first:
            sleeper.calls.append((self._loop.time(), for_whom))
        sleeper.callers.add(caller)
        try:
            async with asyncio.timeout(sleeper.wait):
                if first:
                    await self._call(sleeper, caller)
                else:
                    await caller
        except TimeoutError:
            sleeper.rests_until = self._loop.time() + _REST
            log.info("not-woken", peer=peer, caller=for_whom, reason="no answer")
            return False
        finally:
            sleeper.callers.discard(caller)
        return True

    def _refusal(self, sleeper: Sleeper, for_whom: PeerId) -> str | None:
        if sleeper.window is not None:
            now = self._utc()
            if now is None or not sleeper.window.covers(*self._zone.local(now)):
                return "outside its window"
        if sleeper.callers:
            return "too many callers" if len(sleeper.callers) >= MAX_CALLERS else None
        now = self._loop.time()
        if now < sleeper.rests_until:
            return "was called a moment ago"
        while sleeper.calls and sleeper.calls[0][0] <= now - _DAY:
            sleeper.calls.popleft()
        if len(sleeper.calls) >= MOST_A_DAY:
            return "called too often today"
        if sum(whom == for_whom for _, whom in sleeper.calls) >= MOST_A_DAY_FOR_ONE:
            return "called too often today by this peer"
        return None

    async def _call(self, sleeper: Sleeper, caller: asyncio.Future[None]) -> None:
        """Send a packet every so often until the machine is back."""
        log.info("waking", peer=sleeper.peer, mac=sleeper.mac, interface=sleeper.interface)
        while not caller.done():
            try:
                send(sleeper)
            except OSError as error:
                log.warning("magic-packet-not-sent", peer=sleeper.peer, error=error.strerror)
            await asyncio.wait([caller], timeout=_AGAIN)


def sleepers(config: Config) -> list[Sleeper]:
    """The machines that `config` names."""
    found = []
    for each in config.all(schema.Wake):
        start, end = minutes(each.start), minutes(each.end)
        always = not each.days and (start, end) == (0, MINUTES)
        window = None if always else Window(each.days, start, end)
        peer = PeerId.from_string(each.peer)
        found.append(Sleeper(peer, each.mac, each.interface, each.port, window, each.wait))
    return found


def magic_packet(mac: str) -> bytes:
    """`mac`: six bytes in hexadecimal with colons."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16


def send(sleeper: Sleeper) -> None:
    """One packet. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        name = sleeper.interface.encode("ascii")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        sock.sendto(magic_packet(sleeper.mac), (_BROADCAST, sleeper.port))

"""Wake-on-LAN: brings a sleeping machine back when somebody calls for it.

A magic packet is six bytes of ff and the MAC address sixteen times, here in a UDP broadcast on the
interface at whose network the machine stands. It is repeated until the machine has taken its slot
again, or for as long as a caller may be held. A machine is woken inside its window alone, never
while the time is not known and it has one, and not again for a while when it did not come.

Source: AMD, Magic Packet Technology (publication 20213)
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from edge import log
from edge.zone import UTC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.tiers.schedule import Window
    from edge.wire.peerid import PeerId
    from edge.zone import Zone

MAX_CALLERS = 16  # held at a time for one machine
_AGAIN = 3.0  # seconds between two packets
_REST = 60.0  # seconds after a call in vain
_BROADCAST = "255.255.255.255"


class Sleeper:
    """A machine that may sleep. `window`: when it may be woken, None for always.

    `wait`: seconds that a caller is held at most.
    """

    __slots__ = ("callers", "interface", "mac", "peer", "port", "rests_until", "wait", "window")

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
        self.rests_until = 0.0


class Waker:
    """Wakes the sleepers it is configured with. `utc`: tells the time, None while it is unknown.

    `woken`: how many have come back.
    """

    def __init__(self, utc: Callable[[], float | None]) -> None:
        self.woken = 0
        self._utc = utc
        self._loop = asyncio.get_running_loop()
        self._sleepers: dict[PeerId, Sleeper] = {}
        self._zone = UTC

    def configure(self, sleepers: Iterable[Sleeper], zone: Zone) -> None:
        """From now on these. Callers that wait already go on waiting."""
        self._sleepers = {sleeper.peer: sleeper for sleeper in sleepers}
        self._zone = zone

    def returned(self, peer: PeerId) -> None:
        """`peer` has taken its slot: whoever waits for it may go on."""
        sleeper = self._sleepers.get(peer)
        if sleeper is None or not sleeper.callers:
            return
        self.woken += 1
        log.info("woken", peer=peer, callers=len(sleeper.callers))
        for caller in sleeper.callers:
            if not caller.done():
                caller.set_result(None)

    async def wake(self, peer: PeerId) -> bool:
        """Wake `peer` and wait for it; whether it has come."""
        sleeper = self._sleepers.get(peer)
        refusal = "unknown" if sleeper is None else self._refusal(sleeper)
        if sleeper is None or refusal is not None:
            log.info("not-woken", peer=peer, reason=refusal)
            return False
        caller: asyncio.Future[None] = self._loop.create_future()
        first = not sleeper.callers
        sleeper.callers.add(caller)
        try:
            async with asyncio.timeout(sleeper.wait):
                if first:
                    await self._call(sleeper, caller)
                else:
                    await caller
        except TimeoutError:
            sleeper.rests_until = self._loop.time() + _REST
            log.info("not-woken", peer=peer, reason="no answer")
            return False
        finally:
            sleeper.callers.discard(caller)
        return True

    def _refusal(self, sleeper: Sleeper) -> str | None:
        if sleeper.window is not None:
            now = self._utc()
            if now is None or not sleeper.window.covers(*self._zone.local(now)):
                return "outside its window"
        if len(sleeper.callers) >= MAX_CALLERS:
            return "too many callers"
        if self._loop.time() < sleeper.rests_until:
            return "did not come a moment ago"
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

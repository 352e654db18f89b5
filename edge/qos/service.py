"""Watches the line once a second, limits the rate of all work for others, and calls the hooks.

Its own state is small: the line's counters a second ago, the least delay of the last minutes, what
`backoff.decide` said. Those who move bytes for others keep to the rate; this sets it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress

from edge import log
from edge.allowance import least
from edge.config.schema import Qos
from edge.qos import backoff, line
from edge.qos.hooks import Hooks, directory, facts
from edge.qos.marks import Marks
from edge.qos.probe import TIMEOUT, Probe
from edge.swarm import routes
from edge.swarm.transport import SocketTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.swarm.connection import Connection
    from edge.swarm.routes import Route

TICK = 1.0  # seconds, times the slowdown of the swarm
_GOODBYE = 2.0  # seconds for all hooks when the node stops
_BASE_LOOKS = 300  # ticks in which the least delay is looked for
_RECENT = 3  # a queue stands if none of so many probes was quick
_GIVE_UP = 5  # unanswered probes after which the delay counts as unmeasured


class QosService:
    """Marks the sockets of `host`, and limits its allowance by what the line has left."""

    def __init__(self, host: Host) -> None:
        settings = host.config[Qos]
        self._loop = asyncio.get_running_loop()
        self.marks = Marks(settings)
        self.hooks = Hooks(directory(settings))
        self.route: Route | None = None
        self._host = host
        self._settings = settings
        self._traffic = host.swarm.traffic
        self._probe = Probe(self._loop)
        self._state = backoff.START
        self._reading = backoff.Reading((0.0, 0.0), (0.0, 0.0), None)
        self._last: tuple[float, tuple[int, int], tuple[int, int]] | None = None
        self._delays: deque[float] = deque(maxlen=_BASE_LOOKS)
        self._unanswered = 0
        self._facts: dict[str, str] | None = None  # for hooks, while there is a WAN
        self._begun: dict[str, str] | None = None  # what their start was called with
        self._news = asyncio.Event()  # for hooks
        host.swarm.new_socket = self.marks.new_socket
        host.swarm.work_begun.append(self._mark_work)
        host.overviews.append(self._overview)
        host.gauges["line"] = self._percent

    def configure(self, config: Config) -> None:
        """Other settings from now on, for the sockets that there are as well."""
        self._settings = self.marks.settings = config[Qos]
        if not self._settings.backoff:
            self._state = backoff.START
        self._set_rate()
        if self.route is not None and self._facts != self._facts_of(self.route):
            self._facts = self._facts_of(self.route)  # hooks undo the old ones, and start anew
            self._news.set()
        swarm = self._host.swarm
        for connection in [*swarm.pending, *swarm.all_connections()]:
            if isinstance(connection.transport, SocketTransport):
                self.marks.again(connection.transport.sock)

    def _set_rate(self) -> None:
        """The least of both caps holds, as all that comes in goes out."""
        settings = self._settings
        rate = least(settings.rate_up, settings.rate_down, self._state.rate)
        self._host.allowance.limit("line", rate)

    def _mark_work(self, connection: Connection) -> None:
        if isinstance(connection.transport, SocketTransport):
            self.marks.carries_work(connection.transport.sock)

    @property
    def busy(self) -> float | None:
        """The share of the line that others use, of its busier direction; None: unknown.

        A capacity that is only learnt is believed while the line shows signs of being full.
        """
        settings, state = self._settings, self._state
        if not settings.backoff or self._last is None:
            return None
        shares = []
        for way, known in enumerate((settings.line_up, settings.line_down)):
            capacity = known or (state.seen[way] if state.reason != backoff.FREE else 0)
            if capacity:
                shares.append(min(self._reading.others[way] / capacity, 1.0))
        return max(shares, default=None)

    async def run(self) -> None:
        """Watch, until cancelled."""
        telling = asyncio.create_task(self._tell_hooks())
        try:
            while True:
                began = self._loop.time()
                await self._watch()
                await asyncio.sleep(
                    max(0.1, began + TICK * self._host.swarm.slowdown - self._loop.time())
                )
        finally:
            telling.cancel()

    async def stop(self) -> None:
        """Have the hooks undo what they did; `run` has ended."""
        self._facts = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._follow_the_wan()

    # --- once a second ---

    async def _watch(self) -> None:
        wanted = self._settings.wan
        route = routes.find("" if wanted == "auto" else wanted)
        if route != self.route:
            self._on_line(route)
        if route is None or not self._settings.backoff:
            return
        delay = await self._delay(route)
        reading = self._read(route.interface, delay)
        if reading is None:
            return
        self._reading = reading
        before = self._state
        settings = self._settings
        policy = backoff.Policy((settings.line_up, settings.line_down), settings.max_delay)
        self._state = backoff.decide(before, reading, policy)
        self._set_rate()
        if (before.reason == backoff.FREE) != (self._state.reason == backoff.FREE):
            event = "qos-backoff" if self._busy else "qos-free"
            log.info(event, reason=self._state.reason, rate=self._state.rate)
            self._news.set()

    def _on_line(self, route: Route | None) -> None:
        log.info("qos-line", wan=route.interface if route else "none")
        before, self.route = self.route, route
        self._last = None
        self._delays.clear()
        self._unanswered = 0
        self._state = backoff.START
        self._set_rate()
        if _interface(route) != _interface(before):  # to hooks, the gateway is nothing
            self._facts = None if route is None else self._facts_of(route)
            self._news.set()

    def _facts_of(self, route: Route) -> dict[str, str]:
        return facts(self._settings, route, self._ports(), os.geteuid(), self.marks.mark)

    @property
    def _busy(self) -> bool:
        return self._state.reason != backoff.FREE

    def _ports(self) -> list[int]:
        """The ports that the node listens on, or will as soon as it can."""
        swarm = self._host.swarm
        ends = [address.host_port() for address in [*swarm.listening, *swarm.missing]]
        return [end[1] for end in ends if end is not None and end[1]]

    async def _tell_hooks(self) -> None:
        """Beside the watch, which a slow hook must not hold up; it is told what is so by then."""
        busy = False
        while True:
            await self._news.wait()
            self._news.clear()
            if await self._follow_the_wan():
                busy = False
            if self._begun is not None and busy != self._busy:
                busy = self._busy
                now = {**self._begun, "QOS_RATE": str(self._host.allowance.rate)}
                await self.hooks.call("busy" if busy else "free", now)

    async def _follow_the_wan(self) -> bool:
        """Stop and start as it has become another one; whether it has."""
        if self._facts is self._begun:  # not ==: an interface made anew has lost what hooks did
            return False
        begun, self._begun = self._begun, self._facts
        if begun is not None:
            await self.hooks.call("stop", begun)
        if self._begun is not None:
            await self.hooks.call("start", self._begun)
        return True

    def _read(self, interface: str, delay: float | None) -> backoff.Reading | None:
        """Rates since the last time; None the first time, or without counters."""
        counted = line.counters(interface)
        own = self._traffic.sent, self._traffic.received
        now, last = self._loop.time(), self._last
        if counted is None:
            self._last = None
            return None
        self._last = now, counted, own
        if last is None or any(new < old for new, old in zip(counted, last[1], strict=True)):
            return None  # the interface was made anew, or a 32-bit counter has gone round
        passed = max(now - last[0], 0.001)
        total = (counted[0] - last[1][0]) / passed, (counted[1] - last[1][1]) / passed
        mine = (own[0] - last[2][0]) / passed, (own[1] - last[2][1]) / passed
        return backoff.Reading(mine, line.household(total, mine), delay)

    async def _delay(self, route: Route) -> float | None:
        """Milliseconds that the way to the gateway takes beyond its least, None if unmeasured."""
        if route.gateway is None:
            return None
        taken = await self._probe.measure(route.gateway, route.interface)
        if taken is None:
            self._unanswered += 1
            if not self._delays or self._unanswered >= _GIVE_UP:
                self._delays.clear()
                return None
            taken = TIMEOUT
        else:
            self._unanswered = 0
        self._delays.append(taken * 1000)
        recent = list(self._delays)[-_RECENT:]
        return min(recent) - min(self._delays) if len(recent) == _RECENT else 0.0

    # --- for status ---

    def _overview(self) -> Status:
        busy = self.busy
        return {"line": None if busy is None else round(busy, 2)}

    def _percent(self) -> int:
        """Of the line that others use; -1: unknown."""
        busy = self.busy
        return -1 if busy is None else round(100 * busy)

    def report(self) -> Status:
        """Rates are bytes a second."""
        settings, reading, state = self._settings, self._reading, self._state
        found: Status = {
            "dscp": {"relay": settings.dscp_relay, "control": settings.dscp_control},
            "priority": settings.priority,
            "mark": self.marks.mark,
            "refused": sorted(self.marks.refused),
            "rate": self._host.allowance.rate,
            "backoff": state.reason if settings.backoff else "off",
            "hooks": {"ran": self.hooks.ran, "failed": self.hooks.failed},
        }
        if self.route is not None:
            found["wan"] = {"interface": self.route.interface}
            if settings.backoff:
                found["wan"] |= {
                    "own_up": round(reading.own[line.UP]),
                    "own_down": round(reading.own[line.DOWN]),
                    "others_up": round(reading.others[line.UP]),
                    "others_down": round(reading.others[line.DOWN]),
                }
                if reading.delay is not None:
                    found["wan"] |= {"delay": round(reading.delay, 1), "probe": self._probe.method}
        return {"qos": found}


def _interface(route: Route | None) -> tuple[str, int] | None:
    return None if route is None else (route.interface, route.number)

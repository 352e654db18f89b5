"""Watches the line once a second, sets how fast the relay may relay, and tells the hooks.

Its own state is small: the line's counters a second ago, the least delay of the last minutes, what
`backoff.decide` said. The relay's shaper does the shaping; this hands it a rate.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edge import log
from edge.qos import backoff, line
from edge.qos.hooks import Hooks, directory, facts
from edge.qos.marks import Marks
from edge.qos.probe import TIMEOUT, Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.schema import Qos
    from edge.qos.line import Route
    from edge.swarm.transport import Traffic

TICK = 1.0  # seconds, times `slowdown`
_GOODBYE = 2.0  # seconds for all hooks when the node stops
_BASE_LOOKS = 300  # ticks in which the least delay is looked for
_RECENT = 3  # a queue stands if none of so many probes was quick
_GIVE_UP = 5  # unanswered probes after which the delay counts as unmeasured


class QosService:
    """`settings`: the configuration's section [qos]. `cap`: bytes a second that are configured
    for relaying, 0 for any number. `set_rate` is told what holds now. `ports`: listened on.
    """

    def __init__(
        self,
        settings: Qos,
        traffic: Traffic,
        set_rate: Callable[[int], None],
        ports: Callable[[], list[int]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.marks = Marks(settings)
        self.hooks = Hooks(directory(settings))
        self.route: Route | None = None
        self.slowdown = 1.0  # 1 but in a pause, when the line is looked at less often
        self._settings = settings
        self._cap = 0
        self._traffic = traffic
        self._set_rate = set_rate
        self._ports = ports
        self._probe = Probe(self._loop)
        self._state = backoff.START
        self._reading = backoff.Reading((0.0, 0.0), (0.0, 0.0), None)
        self._last: tuple[float, tuple[int, int], tuple[int, int]] | None = None
        self._delays: deque[float] = deque(maxlen=_BASE_LOOKS)
        self._unanswered = 0
        self._facts: dict[str, str] | None = None  # for hooks, while there is a WAN
        self._begun: dict[str, str] | None = None  # what their start was called with
        self._news = asyncio.Event()  # for hooks

    def configure(self, settings: Qos, cap: int) -> None:
        """New settings, from now on. `cap`: as the relay's own section has it."""
        self._settings = self.marks.settings = settings
        self._cap = least(cap, settings.rate_up, settings.rate_down)
        if not settings.backoff:
            self._state = backoff.START
        self._set_rate(self.rate)

    @property
    def rate(self) -> int:
        """Bytes a second that relaying may take now; 0: any number."""
        return least(self._cap, self._state.rate)

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
                await asyncio.sleep(max(0.1, began + TICK * self.slowdown - self._loop.time()))
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
        route = line.find("" if wanted == "auto" else wanted)
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
        self._set_rate(self.rate)
        if (before.reason == backoff.FREE) != (self._state.reason == backoff.FREE):
            event = "qos-backoff" if self._busy else "qos-free"
            log.info(event, reason=self._state.reason, rate=self._state.rate)
            self._news.set()

    def _on_line(self, route: Route | None) -> None:
        log.info("qos-line", wan=route.interface if route else "none")
        self.route = route
        self._last = None
        self._delays.clear()
        self._unanswered = 0
        self._state = backoff.START
        self._set_rate(self.rate)
        self._facts = None
        if route is not None:
            mark = self.marks.mark
            self._facts = facts(self._settings, route, self._ports(), os.geteuid(), mark)
        self._news.set()

    @property
    def _busy(self) -> bool:
        return self._state.reason != backoff.FREE

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
                now = {**self._begun, "QOS_RATE": str(self.rate)}
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

    def report(self) -> dict[str, Any]:
        """What `status` shows. Rates are bytes a second."""
        settings, reading, state = self._settings, self._reading, self._state
        found: dict[str, Any] = {
            "dscp": {"relay": settings.dscp_relay, "control": settings.dscp_control},
            "priority": settings.priority,
            "mark": self.marks.mark,
            "refused": sorted(self.marks.refused),
            "rate": self.rate,
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
        return found


def least(*rates: int) -> int:
    """The least of `rates`, of which 0 is any number."""
    return min([rate for rate in rates if rate], default=0)

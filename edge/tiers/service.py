"""Runs the mode controller: looks at the machine and the clock, decides, tells who must know.

The memory is looked at often enough to act on a shortage within two seconds; the rest every few
looks. While the node is paused there is little to lose, and it looks seldom.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from edge import log
from edge.tiers.controller import Controller, Decision, Hold, Readings, Settings
from edge.tiers.ledger import Counts
from edge.tiers.modes import FULL, PAUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.tiers.ledger import Ledger
    from edge.tiers.schedule import Schedule
    from edge.tiers.sensors import Sensors

TICK = 1.5  # seconds between two looks at the memory
_OTHERS = 4  # looks at the memory for one at the rest
PAUSED_TICK = 6.0
_SUSPENDED = 60.0  # seconds between two looks that were no service: the machine slept


class ModeService:
    """Decides again and again. `changed(decision)` is called when its step is another, or urgent.

    `best`: the most that the machine is good for. `utc`: tells the time, None while it is unknown.
    `wan`: the share of the WAN that others use. `counts`: what has been done for others since the
    start.
    """

    def __init__(
        self,
        best: Hold,
        schedule: Schedule,
        settings: Settings,
        sensors: Sensors,
        ledger: Ledger,
        utc: Callable[[], float | None],
        changed: Callable[[Decision], None],
    ) -> None:
        self.best = best
        self.schedule = schedule
        self.adaptive = True
        self.wan: Callable[[], float | None] = lambda: None
        self.counts: Callable[[], Counts] = Counts
        self.ledger = ledger
        self._readings = Readings()
        self._sensors = sensors
        self._utc = utc
        self._changed = changed
        self._looks = 0
        self._seen_at = time.monotonic()
        self._controller = Controller(settings, self._allowed(), self._seen_at)

    @property
    def decision(self) -> Decision:
        return self._controller.decision

    @property
    def measured(self) -> dict[str, float]:
        """The last readings, those that there are."""
        found = {name: getattr(self._readings, name) for name in Readings.__slots__}
        return {name: float(value) for name, value in found.items() if value is not None}

    def configure(self, schedule: Schedule, settings: Settings, adaptive: bool) -> None:
        """From now on; readings are judged anew."""
        if not adaptive:
            self._readings = Readings()
        self.schedule = schedule
        self.adaptive = adaptive
        self._controller.configure(settings)
        self._decide(time.monotonic())

    async def run(self) -> None:
        """For ever."""
        while True:
            self.look()
            await asyncio.sleep(PAUSED_TICK if self.decision.mode == PAUSED else TICK)

    def look(self) -> None:
        """Measure, keep account, decide: one round."""
        now = time.monotonic()
        if self.adaptive:
            self._sensors.memory(self._readings, now)
            if self._looks % _OTHERS == 0 or self.decision.mode == PAUSED:
                self._sensors.others(self._readings)
            self._readings.wan = self.wan()
        self._looks += 1
        elapsed = now - self._seen_at
        self._seen_at = now
        if elapsed < _SUSPENDED:
            self.ledger.add(self.decision.mode, elapsed, self.counts(), self._utc())
        self._decide(now)

    def _decide(self, now: float) -> None:
        before = self.decision
        decision = self._controller.decide(self._readings, self._allowed(), now)
        if decision.step == before.step and decision.urgent <= before.urgent:
            return
        log.info(
            "mode-changed",
            mode=decision.mode,
            before=before.mode,
            new_work=decision.admits,
            rate=decision.rate,
            reason=decision.reason,
        )
        self._changed(decision)

    def _allowed(self) -> list[Hold]:
        window = self.schedule.current(self._utc())
        if window is None:
            return [self.best]
        reason = f"the schedule's window from {window}"
        return [self.best, Hold("schedule", reason, window.mode or FULL, rate=window.rate)]

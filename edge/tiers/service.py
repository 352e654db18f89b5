"""Runs the mode controller: looks at the machine and the clock, decides, sets the allowance.

The memory is looked at often enough to act on a shortage within two seconds; the rest every few
looks. While the node is paused there is little to lose, and it looks seldom.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from edge import log
from edge.config.schema import Adapt, Node
from edge.machine import memory
from edge.text import shown
from edge.tiers.controller import SCHEDULE, Controller, Hold, Readings, Settings, Step
from edge.tiers.modes import FULL, PAUSED, RELAY
from edge.tiers.schedule import schedule
from edge.tiers.sensors import Sensors
from edge.tiers.timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.tiers.fitness import Fitness

TICK = 1.5  # seconds between two looks at the memory
_OTHERS = 4  # looks at the memory for one at the rest
PAUSED_TICK = 6.0
PAUSED_SLOWDOWN = 10.0  # how much longer all regular work waits during a pause
_REASONS, _TEXT = 6, 160  # of the overview: sentences about the machine, and characters of each
_SUSPENDED = 60.0  # seconds between two looks that were no service: the machine slept


class Line(Protocol):
    """Knows how the line to the internet is used."""

    @property
    def busy(self) -> float | None:
        """The share of it that others use, 0 to 1; None: unknown."""


class ModeService:
    """Decides again and again what the host may do for others.

    `fitness`: what the machine is fit for, None if nobody asked or could tell. `passed` are told
    of time that has gone by: the mode it was spent in, and seconds.
    """

    def __init__(self, host: Host, line: Line, fitness: Fitness | None = None) -> None:
        config = host.config
        self.passed: list[Callable[[str, float], None]] = []
        self._host = host
        self._line = line
        self._fitness = fitness
        self._best = Hold("machine", _reason(config[Node].mode, fitness), RELAY)
        self._schedule = schedule(config)
        self._adaptive = True
        self._drain = config[Adapt].drain
        self._readings = Readings()
        self._sensors = Sensors(memory())
        self._resting: asyncio.TimerHandle | None = None
        self._looks = 0
        self._seen_at = time.monotonic()
        self._controller = Controller(settings(config[Adapt]), self._allowed(), self._seen_at)
        self._timeline = Timeline(self.step.mode, self._seen_at)
        host.overviews.append(self._overview)

    @property
    def step(self) -> Step:
        """The step in force."""
        return self._controller.step

    @property
    def measured(self) -> dict[str, float]:
        """The last readings, those that there are."""
        found = {name: getattr(self._readings, name) for name in Readings.__slots__}
        return {name: float(value) for name, value in found.items() if value is not None}

    def configure(self, config: Config) -> None:
        """Follow `config` from now on; readings are judged anew."""
        adapt = config[Adapt]
        if not adapt.enabled:
            self._readings = Readings()
        self._schedule = schedule(config)
        self._controller.release(SCHEDULE)  # what still holds, holds on by the decision below
        self._adaptive = adapt.enabled
        self._drain = adapt.drain
        self._controller.configure(settings(adapt))
        if not self._decide(time.monotonic()):
            self._follow(self.step)

    async def run(self) -> None:
        """Look at the machine, for ever."""
        fit = self._fitness
        if fit is not None:
            log.info("tier", fit=fit.mode, tier=fit.tier, reason=fit.reasons[0])
        while True:
            self.look()
            await asyncio.sleep(PAUSED_TICK if self.step.mode == PAUSED else TICK)

    async def stop(self) -> None:
        """Nothing outlives the node."""
        if self._resting is not None:
            self._resting.cancel()

    def report(self) -> Status:
        step = self.step
        found: Status = {
            "mode": step.mode,
            "mode_reason": step.reason,
            "step": {
                "cause": step.cause,
                "new_work": step.admits,
                "rate": step.rate,
                "seconds": round(time.monotonic() - step.since),
            },
        }
        measured = self.measured
        if measured:
            found["machine"] = {name: round(value, 3) for name, value in measured.items()}
        if self._fitness is not None:
            found["decision"] = self._fitness._asdict()
        return found

    def _overview(self) -> Status:
        step, fit = self.step, self._fitness
        found: Status = {
            "mode": step.mode,
            "reason": shown(step.reason, _TEXT),
            "day": self._timeline.day(time.monotonic()),
            "rate": step.rate,
            "new_work": step.admits,
        }
        if fit is not None:
            why = [shown(reason, _TEXT) for reason in fit.reasons[:_REASONS]]
            found |= {"tier": fit.tier, "fit": fit.mode, "why": why}
        return found

    def look(self) -> None:
        """Measure, keep account, decide: one round."""
        now = time.monotonic()
        if self._adaptive:
            self._sensors.memory(self._readings, now)
            if self._looks % _OTHERS == 0 or self.step.mode == PAUSED:
                self._sensors.others(self._readings)
            self._readings.wan = self._line.busy
        self._looks += 1
        elapsed = now - self._seen_at
        self._seen_at = now
        if elapsed < _SUSPENDED:
            for tell in self.passed:
                tell(self.step.mode, elapsed)
        self._decide(now)

    def _decide(self, now: float) -> bool:
        """Whether the step is another one, or urgent, and was followed."""
        before = self.step
        step = self._controller.decide(self._readings, self._allowed(), now)
        if step.terms == before.terms and step.urgent <= before.urgent:
            return False
        self._timeline.enter(step.mode, now)
        log.info(
            "mode-changed",
            mode=step.mode,
            before=before.mode,
            new_work=step.admits,
            rate=step.rate,
            reason=step.reason,
        )
        self._follow(step)
        return True

    def _follow(self, step: Step) -> None:
        """Set the allowance; a pause begins when work under way has had time to finish."""
        host = self._host
        host.allowance.admits = step.admits
        host.allowance.limit("mode", step.rate)
        if step.mode != PAUSED:
            self._cancel_rest()
            self._rest(False)
        elif not host.allowance.paused and (step.urgent or self._resting is None):
            self._cancel_rest()
            at_once = step.urgent or not host.swarm.at_work
            wait = 0 if at_once else self._drain
            self._resting = host.swarm.loop.call_later(wait, self._rest, True)
        host.allowance.tell()

    def _rest(self, paused: bool) -> None:
        self._resting = None
        self._host.allowance.paused = paused
        self._host.swarm.slowdown = PAUSED_SLOWDOWN if paused else 1.0
        if paused:
            self._host.allowance.tell()

    def _cancel_rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _allowed(self) -> list[Hold]:
        window = self._schedule.current(self._host.utc())
        if window is None:
            return [self._best]
        reason = f"the schedule's window from {window}"
        return [self._best, Hold(SCHEDULE, reason, window.mode or FULL, rate=window.rate)]


def settings(adapt: Adapt) -> Settings:
    """The controller's settings, as the section has them."""
    found = Settings()
    found.stay = adapt.stay
    found.max_cpu = adapt.max_cpu / 100
    found.max_temperature = adapt.max_temperature
    found.max_wan = adapt.max_wan / 100
    found.reduced_rate = adapt.reduced_rate
    return found


def _reason(asked: str, fitness: Fitness | None) -> str:
    """Why the node does no more than it does."""
    if asked == "relay":
        return "configured"
    if asked != "auto":
        return f"{asked} was asked for, but this version only relays"
    if fitness is None:
        return "what else the machine is fit for is unknown"
    if fitness.mode != "relay":
        return f"fit for {fitness.mode}, but this version only relays"
    return fitness.reasons[0].rstrip(".")

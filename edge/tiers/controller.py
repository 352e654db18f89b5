"""Which mode the node is in and why: a pure state machine, without clock, files or tasks.

It is given what was measured and what the owner allows, and decides. Everything that speaks
against doing all there is to do is a `Hold`; the decision is what every hold lets pass. It steps
down as soon as a hold begins, and up only when it has not changed for `stay` seconds. A hold by a
reading begins when the reading has been over `enter` for the threshold's patience, and ends when
it has been under `leave` for half of `stay`; in between, nothing changes. A reading that cannot be
had holds nothing.
"""

from __future__ import annotations

from edge.tiers import power
from edge.tiers.modes import FULL, LIGHT, PAUSED, RELAY, lower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY_CRITICAL = "memory-critical"
SCHEDULE = "schedule"
_POWER = {  # at most this mode, and whether at the reduced rate
    power.BALANCED: (LIGHT, False),
    power.CONSERVATIVE: (RELAY, True),
    power.SUSPENDED: (PAUSED, True),
}


class Readings:
    """The last measurements; None for those that this machine lacks. Shares are 0 to 1.

    `memory_used`: so that nothing more can be had of it without swapping; of a machine with much,
    of the last gigabytes. `memory_stalled`: of the time, for want of
    memory, every task stood still. `cpu`, `wan`: what others than this process use of them.
    `temperature`: of the hottest part, in degrees Celsius. `battery`: its charge.
    """

    __slots__ = (
        "battery",
        "charging",
        "cpu",
        "memory_stalled",
        "memory_used",
        "temperature",
        "wan",
    )

    def __init__(self) -> None:
        self.memory_used: float | None = None
        self.memory_stalled: float | None = None
        self.cpu: float | None = None
        self.temperature: float | None = None
        self.wan: float | None = None
        self.battery: float | None = None
        self.charging: bool | None = None


class Settings:
    """The owner's settings: shares, `stay` in seconds, `reduced_rate` in bytes a second."""

    __slots__ = ("max_cpu", "max_temperature", "max_wan", "reduced_rate", "stay")

    def __init__(self) -> None:
        self.stay = 120.0
        self.max_cpu = 0.9
        self.max_temperature = 80.0
        self.max_wan = 0.5
        self.reduced_rate = 128 << 10

    @property
    def calm(self) -> float:
        """Seconds that a reading must be low again before its hold ends."""
        return self.stay / 2


class Hold:
    """The limits of one cause: at most `mode`, new work or none, `rate` bytes a second (0: any).

    `reason`: for people. `urgent`: there is no time to let running work finish.
    """

    __slots__ = ("admits", "cause", "mode", "rate", "reason", "urgent")

    def __init__(
        self,
        cause: str,
        reason: str,
        mode: str = FULL,
        admits: bool = True,
        rate: int = 0,
        urgent: bool = False,
    ) -> None:
        self.cause = cause
        self.reason = reason
        self.mode = mode
        self.admits = admits and mode != PAUSED
        self.rate = rate
        self.urgent = urgent

    @property
    def terms(self) -> tuple[str, bool, int]:
        """The limits alone, without the cause."""
        return self.mode, self.admits, self.rate

    def within(self, other: Hold) -> bool:
        """Whether it allows nothing that `other` does not."""
        return self.terms == _meet(self, other)


class Threshold:
    """A reading that can hold the node back. `reason`: with the reading put in."""

    __slots__ = ("cause", "enter", "leave", "patience", "reading", "reason", "reduced", "to")

    def __init__(
        self,
        cause: str,
        reading: str,
        enter: float,
        leave: float,
        patience: float,
        to: str,
        reduced: bool,
        reason: str,
    ) -> None:
        self.cause = cause
        self.reading = reading
        self.enter = enter
        self.leave = leave
        self.patience = patience
        self.to = to
        self.reduced = reduced
        self.reason = reason


# fmt: off
def thresholds(settings: Settings) -> tuple[Threshold, ...]:
    """All of them: cause, reading, enter, leave, patience in seconds, mode, reduced rate, words."""
    hot = settings.max_temperature
    cpu, wan = settings.max_cpu, settings.max_wan
    return (
        Threshold(MEMORY_CRITICAL, "memory_used", 0.97, 0.92, 0, PAUSED, True,
            "{:.0%} of the memory is in use"),
        Threshold(MEMORY_CRITICAL, "memory_stalled", 0.3, 0.05, 0, PAUSED, True,
            "everything stood still {:.0%} of the time for want of memory"),
        Threshold("memory", "memory_used", 0.92, 0.85, 5, RELAY, False,
            "{:.0%} of the memory is in use"),
        Threshold("memory", "memory_stalled", 0.1, 0.02, 5, RELAY, False,
            "everything stood still {:.0%} of the time for want of memory"),
        Threshold("cpu", "cpu", cpu, cpu * 0.7, 60, RELAY, True,
            "others use {:.0%} of the processor"),
        Threshold("heat", "temperature", hot, hot - 8, 10, RELAY, True,
            "it is {:.0f} degrees hot"),
        Threshold("heat", "temperature", hot + 15, hot + 5, 3, PAUSED, True,
            "it is {:.0f} degrees hot"),
        Threshold("wan", "wan", wan, wan * 0.5, 5, RELAY, True,
            "others use {:.0%} of the WAN"),
    )
# fmt: on


class Step(Hold):
    """The limits that all `holds` permit. The first is the best case, the others take from it.

    `holds`: those that decide, and whose reasons it gives. `since`: when its step was reached.
    """

    __slots__ = ("holds", "since")

    def __init__(self, holds: Sequence[Hold], now: float) -> None:
        best = holds[0]
        binding = [hold for hold in holds[1:] if not best.within(hold)] or [best]
        # Of a cause's holds that come to the same, the newest: its reason is today's.
        self.holds = list({(hold.cause, hold.terms): hold for hold in binding}.values())
        mode, admits, rate = best.terms
        for hold in self.holds:
            mode, admits, rate = _meet(Hold("", "", mode, admits, rate), hold)
        causes = dict.fromkeys(hold.cause for hold in self.holds)
        reasons = dict.fromkeys(hold.reason for hold in self.holds)
        urgent = any(hold.urgent for hold in self.holds)
        super().__init__(",".join(causes), "; ".join(reasons), mode, admits, rate, urgent)
        self.since = now


class _Watch:
    """One threshold's memory."""

    __slots__ = ("calm_since", "hold", "over_since", "threshold")

    def __init__(self, threshold: Threshold) -> None:
        self.threshold = threshold
        self.over_since: float | None = None
        self.calm_since: float | None = None
        self.hold: Hold | None = None

    def update(self, value: float | None, now: float, settings: Settings) -> Hold | None:
        """The hold at this reading, if there is one."""
        if self.hold is not None:
            self._see_whether_calm(value, now, settings.calm)
            return self.hold
        if value is None or value <= self.threshold.enter:
            self.over_since = None
            return None
        if self.over_since is None:
            self.over_since = now
        if now - self.over_since >= self.threshold.patience:
            rate = settings.reduced_rate if self.threshold.reduced else 0
            urgent = self.threshold.cause == MEMORY_CRITICAL
            reason = self.threshold.reason.format(value)
            self.hold = Hold(self.threshold.cause, reason, self.threshold.to, False, rate, urgent)
        return self.hold

    def _see_whether_calm(self, value: float | None, now: float, calm: float) -> None:
        if value is not None and value >= self.threshold.leave:
            self.calm_since = None
            return
        if self.calm_since is None:
            self.calm_since = now
        if now - self.calm_since >= calm:
            self.hold = self.over_since = self.calm_since = None


class Controller:
    """`decision`: the one in force; there is always one, and it always has a reason."""

    def __init__(self, settings: Settings, allowed: Sequence[Hold], now: float) -> None:
        self._power = power.Power()
        self.step = Step(allowed, now)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Judge by `settings` from now on."""
        self._settings = settings
        self._watches = [_Watch(threshold) for threshold in thresholds(settings)]

    def release(self, cause: str) -> None:
        """The owner has taken the limits of `cause` back: they need not last for `stay`."""
        self.step.holds = [hold for hold in self.step.holds if hold.cause != cause]

    def decide(self, readings: Readings, allowed: Sequence[Hold], now: float) -> Step:
        """The decision at `now`, in seconds on a clock that does not jump.

        `allowed`: at least one hold, the owner's and the machine's, which the decision is always
        within.
        """
        reached = Step([*allowed, *self._holds(readings, now)], now)
        current = self.step
        if reached.terms == current.terms:
            reached.since = current.since
        elif not reached.within(current) and now - current.since < self._settings.stay:
            reached = Step([allowed[0], *current.holds, *reached.holds], now)
            if reached.terms == current.terms:
                reached.since = current.since
        self.step = reached
        return reached

    def _holds(self, readings: Readings, now: float) -> list[Hold]:
        found = []
        for watch in self._watches:
            hold = watch.update(getattr(readings, watch.threshold.reading), now, self._settings)
            if hold is not None:
                found.append(hold)
        level = self._power.update(readings.battery, readings.charging)
        if level in _POWER:
            assert readings.battery is not None
            mode, slow = _POWER[level]
            reason = f"{level}: the battery is at {readings.battery:.0%}"
            rate = self._settings.reduced_rate if slow else 0
            found.append(Hold("battery", reason, mode, rate=rate))
        return found


def _meet(one: Hold, other: Hold) -> tuple[str, bool, int]:
    rates = [rate for rate in (one.rate, other.rate) if rate]
    return lower(one.mode, other.mode), one.admits and other.admits, min(rates, default=0)

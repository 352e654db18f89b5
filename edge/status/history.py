"""What the overview's graphs show: the last five minutes, in steps of five seconds."""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STEP = 5  # seconds
STEPS = 60
_LEAST = 1.0  # seconds over which a rate is taken: bytes are counted by the piece


class History:
    """`rates`: counters that only grow, of which the growth a second is kept; `gauges`: figures.

    It begins at `now`, in seconds on a clock that does not jump.
    """

    def __init__(
        self,
        rates: Mapping[str, Callable[[], int]],
        gauges: Mapping[str, Callable[[], int]],
        now: float,
    ) -> None:
        self._rates = rates
        self._gauges = gauges
        self._counts = {name: count() for name, count in rates.items()}
        self._counted_at = self._stepped_at = now
        self._samples = {name: array("q") for name in (*rates, *gauges)}

    def sample(self, now: float) -> None:
        """Keep the step that has ended by `now`, if one has.

        Several, if nobody came for long: each of them gets what they have in common.
        """
        steps = int((now - self._stepped_at) / STEP)
        passed = now - self._counted_at
        if steps < 1 or passed < _LEAST:
            return
        self._stepped_at += steps * STEP
        self._counted_at = now
        for name, counter in self._rates.items():
            before, self._counts[name] = self._counts[name], counter()
            self._keep(name, round((self._counts[name] - before) / passed), steps)
        for name, gauge in self._gauges.items():
            self._keep(name, gauge(), steps)

    def report(self) -> dict[str, list[int]]:
        """The samples by name, oldest first."""
        return {name: values.tolist() for name, values in self._samples.items()}

    def _keep(self, name: str, value: int, steps: int) -> None:
        values = self._samples[name]
        values.extend([value] * min(steps, STEPS))
        del values[:-STEPS]

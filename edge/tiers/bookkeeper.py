"""Keeps the ledger: enters what the services have done, and the time spent in each mode."""

from __future__ import annotations

from typing import Protocol

from edge.config.schema import Node
from edge.tiers.ledger import UNDATED, Counts, Ledger, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.load import Config
    from edge.host import Host, Status

_SHOWN_DAYS = 14


class Modes(Protocol):
    """Knows which mode the node is in."""

    # Told of time that has gone by: the mode it was spent in, and seconds.
    passed: list[Callable[[str, float], None]]


class Bookkeeper:
    """Counts by the tallies of `host`, in its data directory."""

    def __init__(self, host: Host, modes: Modes) -> None:
        self.ledger = Ledger(host.config[Node].data_dir)
        self._host = host
        modes.passed.append(self._passed)
        host.answers["ledger"] = self._answer
        host.overviews.append(self._overview)

    def configure(self, config: Config) -> None:
        """There is nothing to configure."""

    async def run(self) -> None:
        """Entries are made when the mode controller looks; there is no other regular work."""

    async def stop(self) -> None:
        """Write today's account."""
        self.ledger.save()

    def report(self) -> Status:
        return {}

    def _overview(self) -> Status:
        """The last days: bytes relayed, saved on the way here, and given to clients."""
        names = ("bytes_relayed", "wan_bytes_saved", "cache_bytes_served")
        dated = [day for day in self.ledger.days() if day[0] != UNDATED]
        return {
            "days": [
                [name, *[round(day.values[count]) for count in names]]
                for name, day in dated[-_SHOWN_DAYS:]
            ]
        }

    def _passed(self, mode: str, seconds: float) -> None:
        counts = Counts()
        for tally in self._host.tallies:
            for name, count in tally().items():
                counts.add(name, count)
        self.ledger.add(mode, seconds, counts, self._host.utc())

    async def _answer(self, _: Status) -> Status:
        return {"days": report(self.ledger)}

"""The overview: the node as a page or a screen shows it, for whoever asks every few seconds.

One line of JSON, of MAX_LINE bytes at most, made at most once a second whoever asks. The keys are
an interface (docs/status.md). What is not the host's, rooms add through `Host.overviews`; all of it
stands ready, so that no table is gone through.
"""

from __future__ import annotations

from math import inf

from edge.machine import resident
from edge.status.history import STEP, History
from edge.status.report import merged
from edge.swarm.addresses import PRIVATE, PUBLIC
from edge.text import shown
from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.host import Host, Status
    from edge.wire.multiaddr import Multiaddr

MAX_LINE = 4096  # bytes
FRESH = 1.0  # seconds that a line is given out
_ADDRESSES, _ADDRESS = 4, 120  # of each kind, and characters of one
_PORTS = {PUBLIC: "open", PRIVATE: "closed"}
# What is left of lists that are too long together, those that are missed least first.
_CUTS = {
    "why": slice(1),
    "advertised": slice(1),
    "listening": slice(1),
    "day": slice(-8, None),
    "samples": slice(-20, None),
}


class Overview:
    """Of `host`, when all services are made. `clock`: that of the loop."""

    def __init__(self, host: Host, clock: Callable[[], float]) -> None:
        self._host = host
        self._clock = clock
        self._peer_id = str(host.swarm.peer_id)  # which takes as long as all else
        self._history = History(host.rates, host.gauges, clock())
        self._line = b""
        self._made_at = -inf

    def sample(self) -> None:
        """To be called every few seconds."""
        self._history.sample(self._clock())

    def line(self) -> bytes:
        """The answer, with the end of its line."""
        now = self._clock()
        if now - self._made_at >= FRESH:
            self._history.sample(now)
            self._line = encoded(self._report(now))
            self._made_at = now
        return self._line

    def _report(self, now: float) -> Status:
        host, swarm = self._host, self._host.swarm
        utc, nat = host.utc(), host.addresses.nat
        found: Status = {
            "state": "running",  # beside those of LuCI's backend, for a node that does not answer
            "version": VERSION,
            "peer_id": self._peer_id,
            "time": None if utc is None else int(utc),
            "uptime": round(now - host.started_at, 1),
            "reachable": nat,
            "ports": _PORTS.get(nat, nat),
            "listening": _shown(swarm.listening),
            "advertised": _shown(host.addresses.advertised),
            "connections": {
                "open": swarm.connection_count,
                "peers": len(swarm.connections),
                "max": swarm.limits.max_connections,
            },
            "memory": {
                "rss": resident(),
                "limit": host.budget.limit,
                "short": host.budget.short,
            },
            "refused": {"connections": sum(swarm.refusals.values())},
            "samples": dict(self._history.report(), step=STEP),
        }
        return merged(found, host.overviews)


def encoded(answer: Status) -> bytes:
    """A line of at most MAX_LINE bytes: where that takes it, lists are cut, and no figure."""
    line = _line(answer)
    for name, left in _CUTS.items():
        if len(line) <= MAX_LINE:
            break
        if name in answer:
            line = _line(answer := {**answer, name: _cut(answer[name], left)})
    return line


def _cut(value: object, left: slice) -> object:
    if isinstance(value, dict):
        return {name: _cut(each, left) for name, each in value.items()}
    return value[left] if isinstance(value, list) else value


def _line(answer: Status) -> bytes:
    import json

    return json.dumps(answer, separators=(",", ":")).encode("ascii") + b"\n"


def _shown(addresses: Iterable[Multiaddr]) -> list[str]:
    return [shown(address, _ADDRESS) for address in list(addresses)[:_ADDRESSES]]

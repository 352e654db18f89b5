"""The circuits that the relay carries: their limits, their leases, what they add up to."""

from __future__ import annotations

from edge import log
from edge.relay.circuit import Circuit
from edge.relay.resources import CIRCUIT
from edge.swarm.crowd import Crowd, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.budget import Pool
    from edge.host import Status
    from edge.relay.accounting import Usage
    from edge.relay.resources import Resources
    from edge.relay.shaping import Shaper
    from edge.swarm.connection import Connection
    from edge.swarm.stream import Stream

    Ends = tuple[Usage, Usage]  # the accounts of who dials and of who is dialled

_PER_SOURCE = 4  # circuits of one source to one target, or a quarter of what the target may have
_STALLED = 3.0  # seconds without progress after which a circuit's memory may be taken back


class Circuits:
    """The open circuits, and the count of those being opened. `pool`: leases their memory.

    `clock`: loop time. `total`: since the start.
    """

    def __init__(
        self, limits: Resources, shaper: Shaper, pool: Pool, clock: Callable[[], float]
    ) -> None:
        self.total = 0
        self._limits = limits
        self._shaper = shaper
        self._pool = pool
        self._clock = clock
        self._open: set[Circuit] = set()
        self._opening = 0
        self._origins = Crowd()
        self._callers: dict[Usage, Crowd] = {}  # the origins of those of each target
        self._ended_bytes = (0, 0)  # as `relayed`

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Circuit]:
        return iter(list(self._open))

    @property
    def relayed(self) -> tuple[int, int]:
        """Bytes relayed since the start: to those who hold reservations, to those who dial."""
        to_listeners, to_dialers = self._ended_bytes
        for circuit in self._open:
            to_listeners += circuit.source.received
            to_dialers += circuit.destination.received
        return to_listeners, to_dialers

    def report(self) -> Status:
        """The keys `circuits` and `bytes` of `status --json`."""
        limits = self._limits
        to_listeners, to_dialers = self.relayed
        return {
            "circuits": {
                "open": len(self._open),
                "total": self.total,
                "max": limits.max_circuits,
                "max_duration": limits.duration,
                "max_data": limits.data,
            },
            "bytes": {
                "relayed": to_listeners + to_dialers,
                "to_listeners": to_listeners,
                "to_dialers": to_dialers,
            },
        }

    # --- opening ---

    def begin(self, usages: Ends, group: bytes) -> bool:
        """Count one that is to be dialled from `group`. False: a limit is reached, or no memory."""
        if not self._has_room(usages, group) or not self._pool.take(CIRCUIT):
            return False
        self._opening += 1
        self._origins.enter(group)
        self._callers.setdefault(usages[1], Crowd()).enter(group)
        for usage in usages:
            usage.circuits += 1
        return True

    def abandon(self, usages: Ends, group: bytes) -> None:
        """Take `begin` back: it could not be opened."""
        self._opening -= 1
        self._give(usages, group)

    def splice(self, source: Stream, destination: Stream, usages: Ends) -> None:
        """Open the circuit that `begin` has counted; what arrived early may end it at once."""
        self._opening -= 1
        self.total += 1
        circuit = Circuit(
            source, destination, self._limits.data, usages, self._shaper, self._on_end
        )
        if circuit.ended is None:
            self._open.add(circuit)

    def make_room(self, usages: Ends, group: bytes, yields: Callable[[Connection], bool]) -> bool:
        """End a circuit to the same target whose dialer `yields` to the one from `group`.

        Only where it is the target that has no room, for more in all or for more from a network
        around `group`: the other limits are not shared with those who dial it. False: none was
        ended.
        """
        limits, (source, target) = self._limits, usages
        crowded = self._crowded_at(target, group)
        if crowded is None and target.circuits < limits.max_circuits_per_peer:
            return False
        full = self._origins.full(group, limits.max_circuits_per_ip)
        if source.circuits >= limits.max_circuits_per_peer or (full is not None and not crowded):
            return False
        network = max(crowded or b"", full or b"", key=len)  # the narrowest is within all others
        found = [
            circuit
            for circuit in self._open
            if circuit.destination.usage is target
            and (not network or within(circuit.source.connection.group, network))
            and yields(circuit.source.connection)
        ]
        if not found:
            return False
        max(found, key=self._crowd).end("displaced")
        return True

    def _crowd(self, circuit: Circuit) -> tuple[int, float]:
        """How many of its source's are to its target, and how old it is."""
        callers = self._callers[circuit.destination.usage]
        return callers.size(circuit.source.connection.group), -circuit.opened_at

    def _crowded_at(self, target: Usage, group: bytes) -> bytes | None:
        """The network around `group` that has all the circuits to `target` that it may have.

        However wide it is, that is no more than half of what the target may have.
        """
        callers, most = self._callers.get(target), self._limits.max_circuits_per_peer
        if callers is None:
            return None
        one = max(_PER_SOURCE, most // 4)
        return callers.full(group, one, max(one, most // 2))

    def _has_room(self, usages: Ends, group: bytes) -> bool:
        limits = self._limits
        busiest = max(usage.circuits for usage in usages)
        return (
            len(self._open) + self._opening < limits.max_circuits
            and busiest < limits.max_circuits_per_peer
            and self._origins.full(group, limits.max_circuits_per_ip) is None
            and self._crowded_at(usages[1], group) is None
        )

    def _give(self, usages: Ends, group: bytes) -> None:
        self._pool.give(CIRCUIT)
        self._origins.leave(group)
        callers = self._callers[usages[1]]
        callers.leave(group)
        if not callers:
            del self._callers[usages[1]]
        for usage in usages:
            usage.circuits -= 1

    # --- ending ---

    def end_all(self, reason: str) -> None:
        """Reset all that are open."""
        for circuit in self:
            circuit.end(reason)

    def end_those_over_time(self) -> None:
        """Reset those that have lasted for `duration`."""
        longest, now = self._limits.duration, self._clock()
        for circuit in self:
            if longest and now - circuit.opened_at >= longest:
                circuit.end("duration-limit")

    def end_a_stalled_one(self) -> bool:
        """Reset the one whose reader has taken nothing for longest; whether there was one."""
        now = self._clock()
        legs = [leg for circuit in self._open for leg in (circuit.source, circuit.destination)]
        stalled = [leg for leg in legs if leg.pending and now - leg.stalled_since > _STALLED]
        if not stalled:
            return False
        min(stalled, key=lambda leg: leg.stalled_since).end("memory")
        return True

    def _on_end(self, circuit: Circuit, reason: str) -> None:
        self._open.discard(circuit)
        source, destination = circuit.source, circuit.destination
        usages = source.usage, destination.usage
        self._give(usages, source.connection.group)
        seconds = self._clock() - circuit.opened_at
        for usage in usages:
            usage.circuits_total += 1
            usage.seconds += seconds
        to_listeners, to_dialers = self._ended_bytes
        self._ended_bytes = to_listeners + source.received, to_dialers + destination.received
        log.info(
            "relay-circuit-ended",
            source=source.connection.peer,
            destination=destination.connection.peer,
            reason=reason,
            seconds=int(seconds),
            bytes=source.received + destination.received,
        )

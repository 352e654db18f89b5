"""Every limit of the relay in one place, under go-libp2p's names."""

from __future__ import annotations

from edge.budget import within
from edge.config.schema import Relay
from edge.swarm.limits import Limits
from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Budget

CIRCUIT = 6 * KIB  # bytes that one costs, measured by bench/ with 1000 of them and rounded up


class Resources:
    """Counts, seconds and bytes; 0 means no limit for `data`, `duration` and the rates.

    Named as the options of [relay], and with their defaults until configured.
    """

    __slots__ = (
        "data",
        "duration",
        "max_circuits",
        "max_circuits_per_ip",
        "max_circuits_per_peer",
        "max_reservations",
        "max_reservations_per_ip",
        "rate",
        "rate_per_peer",
        "reservation_ttl",
    )
    data: int  # bytes each way
    duration: int
    max_circuits: int
    max_circuits_per_ip: int
    max_circuits_per_peer: int
    max_reservations: int
    max_reservations_per_ip: int
    rate: int  # bytes a second in all
    rate_per_peer: int
    reservation_ttl: int

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, Relay.option(name).initial())

    @property
    def limited(self) -> bool:
        """Whether circuits have a limit of time or data."""
        return bool(self.duration or self.data)

    def fill_in(self, budget: Budget, limits: Limits) -> None:
        """Replace counts of 0 (auto) by what there is memory for. `limits`: of the swarm."""
        fit = limits.max_connections * 3 // 4
        self.max_reservations = self.max_reservations or within(8, fit, 2048)
        fit = budget.leasable // 4 // (CIRCUIT + 16 * KIB)
        self.max_circuits = self.max_circuits or within(8, fit, 2048)


def fitting_counts(budget: Budget) -> tuple[int, int]:
    """Reservations and circuits that a relay has memory for, where nothing is configured."""
    limits, resources = Limits(), Resources()
    limits.max_connections = resources.max_reservations = resources.max_circuits = 0
    limits.fill_in(budget)
    resources.fill_in(budget, limits)
    return resources.max_reservations, resources.max_circuits

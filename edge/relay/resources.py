"""Every limit of the relay in one place, under go-libp2p's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.budget import within
from edge.swarm.limits import Limits
from edge.units import KIB

if TYPE_CHECKING:
    from edge.budget import Budget

CIRCUIT = 6 * KIB  # bytes that one costs, measured by bench/ with 1000 of them and rounded up


class Resources:
    """Counts, seconds and bytes; a Duration, Data or rate of 0 is no limit.

    The node replaces the defaults by its configuration's values.
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

    def __init__(self) -> None:
        self.reservation_ttl = 3600
        self.max_reservations = 128
        self.max_reservations_per_ip = 16
        self.max_circuits = 256
        self.max_circuits_per_peer = 32
        self.max_circuits_per_ip = 64
        self.rate = 0  # bytes a second in all; 0 is no limit
        self.rate_per_peer = 0
        self.duration = 0
        self.data = 0

    @property
    def limited(self) -> bool:
        """Whether circuits end by themselves."""
        return bool(self.duration or self.data)

    def fill_in(self, budget: Budget, limits: Limits) -> None:
        """Counts that are 0 (auto) become what there is memory for. `limits`: of the swarm."""
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

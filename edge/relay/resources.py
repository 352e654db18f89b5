"""Every limit of the relay in one place, under go-libp2p's names."""

from __future__ import annotations


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
        self.max_reservations_per_ip = 8
        self.max_circuits = 256
        self.max_circuits_per_peer = 16
        self.max_circuits_per_ip = 64
        self.rate = 0  # bytes a second in all; 0 is no limit
        self.rate_per_peer = 0
        self.duration = 0
        self.data = 0

    @property
    def limited(self) -> bool:
        """Whether circuits end by themselves."""
        return bool(self.duration or self.data)

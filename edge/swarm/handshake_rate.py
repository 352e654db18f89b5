"""How often one source may begin a handshake: each costs signatures, before anybody is known.

A token bucket for each group of addresses that shares a limit per IP: twice as many handshakes as
it may have connections at once, and as many again each minute. Bounded: the group that has been
quiet for longest is forgotten for a new one. The machine itself is under no such limit: nobody
comes from its loopback interface but its own users, and what forwards to the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.wire.ip import LOOPBACK, ip_group, scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.swarm.limits import Limits

_MINUTE = 60.0  # seconds in which an empty bucket is full again
_PER_CONNECTION = 2  # handshakes for each connection that a source may have
_MAX_GROUPS = 256


class HandshakeRate:
    """`clock`: seconds, monotonic."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._full_at: dict[bytes, float] = {}  # by group: when its bucket is full again

    def take(self, ip: bytes) -> bool:
        """Whether `ip`, and its group, may begin one more now; if so it is counted."""
        if scope(ip) == LOOPBACK:
            return True
        group = ip_group(ip)
        now = self._clock()
        full_at = max(self._full_at.pop(group, now), now)
        cost = _MINUTE / (_PER_CONNECTION * self._limits.max_connections_per_ip)
        admitted = full_at + cost <= now + _MINUTE
        if len(self._full_at) >= _MAX_GROUPS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[group] = full_at + cost if admitted else full_at
        return admitted

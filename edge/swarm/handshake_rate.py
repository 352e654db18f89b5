"""How often one source may begin a handshake: each costs signatures, before anybody is known.

A token bucket for each address, for each network around it that has a limit, and for each relay:
twice as many handshakes as it may have connections at once, and as many again each minute. Bounded:
the one that has been quiet for longest is forgotten for a new one. The machine itself is under no
such limit: nobody comes from its loopback interface but its own users, and what forwards to the
node.
"""

from __future__ import annotations

from edge.swarm.crowd import networks
from edge.wire.ip import LOOPBACK, ip_group, scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.swarm.limits import Limits

_MINUTE = 60.0  # seconds in which an empty bucket is full again
_PER_CONNECTION = 2  # handshakes for each connection that a source may have
_MAX_NETWORKS = 512


class HandshakeRate:
    """`clock`: seconds, monotonic."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._full_at: dict[bytes, float] = {}  # by network: when its bucket is full again

    def take(self, ip: bytes, relay: bytes = b"") -> bool:
        """Whether `ip`, and the networks around it, may begin one more now; if so it is counted.

        `relay`: the peer id of the relay at `ip`, where it is one that brings it.
        """
        if scope(ip) == LOOPBACK:
            return True
        now = self._clock()
        one = _MINUTE / (_PER_CONNECTION * self._limits.max_connections_per_ip)
        buckets = []
        for network, times in networks(relay or ip_group(ip)):
            full_at = max(self._full_at.pop(network, now), now)
            buckets.append((network, full_at, full_at + one / times))
        admitted = all(after <= now + _MINUTE for _, _, after in buckets)
        for network, before, after in buckets:
            if len(self._full_at) >= _MAX_NETWORKS:
                del self._full_at[next(iter(self._full_at))]
            self._full_at[network] = after if admitted else before
        return admitted

"""How many there are of each origin: connections, reservations, circuits. A table without rules.

Where one address is free a whole network is, so that an origin is counted under every network
around it, and each has its part in a limit. Who comes through a relay is counted under the relay.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# The networks of a group, by its length, as (their bytes, how many times the limit of one address):
# IPv4's /32 and /24, and IPv6's /64, /56 and /48, of which the last two are given to households.
_WIDTHS = {0: (), 4: ((4, 1), (3, 4)), 8: ((8, 1), (7, 2), (6, 4))}


class Crowd:
    """Counts by group: edge.wire.ip.ip_group of an address, or a relay's peer id; b"" is none."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}  # by network

    def __bool__(self) -> bool:
        return bool(self._counts)

    def enter(self, group: bytes) -> None:
        """Count one more of `group`, until `leave`."""
        for network, _ in networks(group):
            self._counts[network] = self._counts.get(network, 0) + 1

    def leave(self, group: bytes) -> None:
        """Take `enter` back."""
        for network, _ in networks(group):
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]

    def full(
        self, group: bytes, limit: int, most: float = math.inf, without: bytes = b""
    ) -> bytes | None:
        """The narrowest network around `group` that has all it may have, itself included.

        `limit`: of one address; `most`: of a network, however wide. `without`: the group of one
        that is not to be counted.
        """
        left = [network for network, _ in networks(without)]
        for network, times in networks(group):
            count = self._counts.get(network, 0) - (network in left)
            if count >= min(limit * times, most):
                return network
        return None

    def size(self, group: bytes) -> int:
        """How many there are of the largest network around `group`, itself included."""
        return max([self._counts.get(one, 0) for one, _ in networks(group)], default=0)


def networks(group: bytes) -> Iterator[tuple[bytes, int]]:
    """`group` and the networks around it, narrowest first, each with its part in the limits.

    What differs in its length is of another width, family or kind.
    """
    for length, times in _WIDTHS.get(len(group), ((len(group), 1),)):
        yield group[:length], times


def within(group: bytes, network: bytes) -> bool:
    """Whether `network` is one of those around `group`."""
    return any(one == network for one, _ in networks(group))

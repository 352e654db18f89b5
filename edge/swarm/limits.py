"""Every limit of the swarm in one place, under the names the configuration uses."""

from __future__ import annotations

from edge.budget import within
from edge.swarm.pools import CONNECTION, STREAM
from edge.units import KIB, MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Budget

ROOMY = 128 * MIB  # of the memory limit, from which streams may have large windows

_OTHER_FILES = 40  # descriptors for all else: listeners, files, who asks for the status


class Limits:
    """Counts, seconds and bytes. The node replaces the defaults by its configuration's values."""

    __slots__ = (
        "buffer_size",
        "handshake_timeout",
        "idle_timeout",
        "keepalive_interval",
        "max_connections",
        "max_connections_per_ip",
        "max_connections_per_peer",
        "max_pending_handshakes",
        "max_streams_per_connection",
        "max_window",
        "negotiation_timeout",
        "socket_buffer",
    )

    def __init__(self) -> None:
        self.max_connections = 1024
        self.max_connections_per_peer = 8
        self.max_connections_per_ip = 32  # of an IPv6 /64 too; wider networks: edge.swarm.places
        self.max_pending_handshakes = 64
        self.max_streams_per_connection = 256
        self.max_window = MIB  # bytes a stream's receive window may grow to
        self.buffer_size = 256 * KIB  # bytes read at once
        self.socket_buffer = 0  # bytes the kernel holds for a socket, each way; 0: as it likes
        self.handshake_timeout = 10.0
        self.negotiation_timeout = 10.0  # for a stream to agree on its protocol
        self.idle_timeout = 120.0  # without streams in use, reservations or anyone who asked for it
        self.keepalive_interval = 30.0

    def fit_files(self, files: int) -> bool:
        """Whether there are descriptors for all connections, of `files`; else there are now.

        Handshakes need some beside them, and get a quarter where there are few.
        """
        wanted, room = self.max_connections, files - _OTHER_FILES
        self.max_pending_handshakes = min(self.max_pending_handshakes, max(1, room // 4))
        self.max_connections = min(wanted, max(1, room - self.max_pending_handshakes))
        return self.max_connections == wanted

    def fill_in(self, budget: Budget) -> None:
        """Counts that are 0 (auto) and the sizes of windows become what there is memory for."""
        fit = budget.leasable // 2 // (CONNECTION + 2 * STREAM)
        self.max_connections = self.max_connections or within(16, fit, 4096)
        self.max_window = MIB if budget.limit >= ROOMY else 256 * KIB
        if budget.sizing is not None:
            self.max_window = min(self.max_window, budget.sizing.max_window)
            self.socket_buffer = budget.sizing.socket_buffer


def fitting_buffer_size(budget: Budget) -> int:
    """Bytes to read at once."""
    size = 256 * KIB if budget.limit >= ROOMY // 2 else 128 * KIB
    return min(size, budget.sizing.buffer) if budget.sizing is not None else size

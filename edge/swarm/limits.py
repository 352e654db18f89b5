"""Every limit of the swarm in one place, under the names the configuration uses."""

from __future__ import annotations


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
        "socket_buffer",
    )

    def __init__(self) -> None:
        self.max_connections = 1024
        self.max_connections_per_peer = 8
        self.max_connections_per_ip = 32  # a /64 counts as one IPv6 address
        self.max_pending_handshakes = 64
        self.max_streams_per_connection = 256
        self.max_window = 1 << 20  # bytes a stream's receive window may grow to
        self.buffer_size = 256 * 1024  # bytes read at once
        self.socket_buffer = 0  # bytes the kernel holds for a socket, each way; 0: as it likes
        self.handshake_timeout = 10.0
        self.idle_timeout = 120.0  # without streams, reservations or anyone who asked for it
        self.keepalive_interval = 30.0

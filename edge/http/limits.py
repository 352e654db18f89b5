"""Every limit of the server and of the client in one place."""

from __future__ import annotations

from edge.units import KIB


class Limits:
    """Counts, seconds and bytes of the server."""

    __slots__ = (
        "ack_timeout",
        "body_timeout",
        "head_timeout",
        "idle_timeout",
        "least_speed",
        "max_clients",
        "max_clients_per_ip",
        "max_head",
        "max_headers",
        "speed_window",
    )

    def __init__(self) -> None:
        self.max_clients = 64
        self.max_clients_per_ip = 32
        self.max_head = 16 * KIB  # bytes of a request's head
        self.max_headers = 64
        self.head_timeout = 10.0  # for a request's head, from its first byte or the connection's
        self.body_timeout = 30.0  # for a request's body
        self.idle_timeout = 60.0  # between two requests
        self.ack_timeout = 0.0  # for a client's side to take what the kernel has; 0: the system's
        self.least_speed = KIB  # bytes/s that a client takes at least, while there are any,
        self.speed_window = 30.0  # of every so many seconds


class ClientLimits:
    """Counts, seconds and bytes of the client."""

    __slots__ = (
        "connect_timeout",
        "first_byte_timeout",
        "idle_timeout",
        "keep_time",
        "least_speed",
        "max_connections",
        "max_head",
        "max_headers",
        "max_kept",
        "resolve_timeout",
        "speed_window",
    )

    def __init__(self) -> None:
        self.max_connections = 64  # in use and kept, of all origins
        self.max_kept = 4  # of one origin, while nobody uses them
        self.keep_time = 15.0  # that they are kept
        self.max_head = 32 * KIB  # bytes of an answer's head
        self.max_headers = 100
        self.resolve_timeout = 5.0
        self.connect_timeout = 4.0  # for one address, with its handshake
        self.first_byte_timeout = 30.0  # from the request to the answer's head
        self.idle_timeout = 20.0  # without a byte of the body that was waited for
        self.least_speed = KIB  # bytes/s that an origin sends at least, while it is waited for,
        self.speed_window = 30.0  # of every so many seconds

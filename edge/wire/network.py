"""IP ranges, as the configuration has them."""

from __future__ import annotations

from edge.wire.ip import parse_ip4, parse_ip6, unmapped


class Network:
    """An IP range, such as 192.0.2.0/24. `prefix`: bits that count."""

    __slots__ = ("_length", "_number", "_shift")

    def __init__(self, ip: bytes, prefix: int) -> None:
        self._length = len(ip)
        self._shift = len(ip) * 8 - prefix
        self._number = int.from_bytes(ip, "big") >> self._shift

    @classmethod
    def from_string(cls, text: str) -> Network:
        """`text` has been checked by the configuration: an address, a slash, a prefix length."""
        address, _, prefix = text.partition("/")
        ip = parse_ip6(address) if ":" in address else parse_ip4(address)
        return cls(ip, int(prefix))

    def __contains__(self, ip: bytes) -> bool:
        ip = unmapped(ip)
        return len(ip) == self._length and int.from_bytes(ip, "big") >> self._shift == self._number

"""IP addresses as 4 or 16 bytes: text, scope, and the group that shares a per-IP limit.

Sources: RFC 4291 and RFC 5952 (IPv6 text), the IANA IPv4 and IPv6 special-purpose registries.
Portable: runs under CPython and MicroPython, which has no ipaddress module.
"""

from edge.wire.errors import AddressError

LOOPBACK = "loopback"
LINK_LOCAL = "link-local"
PRIVATE = "private"
CGNAT = "cgnat"
PUBLIC = "public"
RESERVED = "reserved"  # documentation, benchmarking, multicast, unassigned: not usable by a peer

_V4_MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:0:0/96
_NAT64 = b"\0\x64\xff\x9b" + b"\0" * 8  # 64:ff9b::/96
_6TO4 = b"\x20\x02"  # 2002::/16

# (prefix, its bits, scope); the first match counts. Documentation: RFC 5737, 3849 and 9637.
_DOCUMENTATION4 = (
    (b"\xc0\x00\x02", 24, RESERVED),
    (b"\xc6\x33\x64", 24, RESERVED),
    (b"\xcb\x00\x71", 24, RESERVED),
)
_DOCUMENTATION6 = (
    (b"\x20\x01\x0d\xb8", 32, RESERVED),
    (b"\x3f\xff\x00", 20, RESERVED),
)
_SCOPES4 = _DOCUMENTATION4 + (  # noqa: RUF005 - MicroPython does not unpack in displays
    (b"\x00", 8, RESERVED),
    (b"\x0a", 8, PRIVATE),
    (b"\x64\x40", 10, CGNAT),
    (b"\x7f", 8, LOOPBACK),
    (b"\xa9\xfe", 16, LINK_LOCAL),
    (b"\xac\x10", 12, PRIVATE),
    (b"\xc0\x00\x00", 24, RESERVED),
    (b"\xc0\x58\x63", 24, RESERVED),
    (b"\xc0\xa8", 16, PRIVATE),
    (b"\xc6\x12", 15, RESERVED),
    (b"\xe0", 3, RESERVED),
)
_SCOPES6 = _DOCUMENTATION6 + (  # noqa: RUF005
    (b"\0" * 15 + b"\x01", 128, LOOPBACK),
    (b"\x20\x01\x00", 23, RESERVED),  # Teredo, benchmarking, ORCHID
    (b"\x20", 3, PUBLIC),
    (b"\xfc", 7, PRIVATE),
    (b"\xfe\x80", 10, LINK_LOCAL),
    (b"\x00\x64\xff\x9b\x00\x01", 48, PRIVATE),  # a site's own NAT64
)


def scope(ip: bytes) -> str:
    """The scope of `ip` (4 or 16 bytes): one of the constants above.

    A v4-mapped address has the scope of its IPv4 address. NAT64's well-known prefix and 6to4 are
    public if their IPv4 address is, else reserved: they must not carry any other.
    """
    if len(ip) == 4:
        return _look_up(ip, _SCOPES4, PUBLIC)
    if ip.startswith(_V4_MAPPED):
        return scope(ip[12:])
    if ip.startswith(_NAT64):
        return PUBLIC if scope(ip[12:]) == PUBLIC else RESERVED
    if ip.startswith(_6TO4):
        return PUBLIC if scope(ip[2:6]) == PUBLIC else RESERVED
    return _look_up(ip, _SCOPES6, RESERVED)


def is_documentation(ip: bytes) -> bool:
    """Whether `ip` (4 or 16 bytes) is set aside for examples."""
    return bool(_look_up(ip, _DOCUMENTATION4 if len(ip) == 4 else _DOCUMENTATION6, ""))


def unmapped(ip: bytes) -> bytes:
    """`ip` (4 or 16 bytes), but the 4 bytes of an IPv4 address that has the form of an IPv6 one."""
    return ip[12:] if ip.startswith(_V4_MAPPED) else ip


def ip_group(ip: bytes) -> bytes:
    """The group of `ip` (4 or 16 bytes) for per-IP limits: an IPv4 address, or an IPv6 /64."""
    return unmapped(ip)[:8]


def ip_network(ip: bytes) -> bytes:
    """The network of `ip` for asking independent witnesses: an IPv4 /16, or an IPv6 /32."""
    plain = unmapped(ip)
    return plain[:2] if len(plain) == 4 else plain[:4]


def parse_ip4(text: str) -> bytes:
    """Parse dotted decimal `text`. Raises AddressError, also on leading zeros (ambiguous)."""
    parts = text.split(".") if len(text) <= 15 else []
    if len(parts) != 4:
        raise AddressError(f"not an IPv4 address: {text[:40]!r}")
    out = bytearray()
    for part in parts:
        value = decimal(part)
        if not 0 <= value <= 255:
            raise AddressError(f"not an IPv4 address: {text!r}")
        out.append(value)
    return bytes(out)


def format_ip4(ip: bytes) -> str:
    return ".".join([str(byte) for byte in ip])


def parse_ip6(text: str) -> bytes:
    """Parse `text` in any form of RFC 4291, without a zone. Raises AddressError."""
    head, gap, tail = text.partition("::")
    if len(text) > 45 or "::" in tail:
        raise AddressError(f"not an IPv6 address: {text[:50]!r}")
    before = _groups(head, text, last=not gap)
    after = _groups(tail, text, last=True)
    missing = 16 - len(before) - len(after)
    if missing < 2 if gap else missing:
        raise AddressError(f"not an IPv6 address: {text!r}")
    return before + b"\0" * missing + after


def format_ip6(ip: bytes) -> str:
    """Format by RFC 5952: lower case, longest run of zeros as ::, v4-mapped in dotted decimal."""
    if ip.startswith(_V4_MAPPED):
        return "::ffff:" + format_ip4(ip[12:])
    groups = [f"{ip[i] << 8 | ip[i + 1]:x}" for i in range(0, 16, 2)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def decimal(text: str) -> int:
    """Parse at most 20 plain decimal digits; -1 on anything else (int() also takes " +1_0")."""
    if not 0 < len(text) <= 20 or (text[0] == "0" and len(text) > 1):
        return -1
    for char in text:
        if char not in "0123456789":
            return -1
    return int(text)


def _look_up(ip: bytes, table: "tuple[tuple[bytes, int, str], ...]", default: str) -> str:
    for prefix, bits, found in table:
        whole, rest = divmod(bits, 8)
        if ip[:whole] != prefix[:whole]:
            continue
        if not rest or (ip[whole] ^ prefix[whole]) >> 8 - rest == 0:
            return found
    return default


def _groups(half: str, text: str, last: bool) -> bytes:
    """Parse the groups in `half`; an IPv4 address may replace the last two of the address."""
    if not half:
        return b""
    out = bytearray()
    parts = half.split(":")
    for i, part in enumerate(parts):
        if last and i == len(parts) - 1 and "." in part:
            out += parse_ip4(part)
            continue
        value = 0
        for char in part.lower():
            value = value << 4 | "0123456789abcdef".find(char)
        if not 0 < len(part) <= 4 or value < 0:
            raise AddressError(f"not an IPv6 address: {text!r}")
        out += value.to_bytes(2, "big")
    return bytes(out)


def _longest_zeros(groups: "list[str]") -> "tuple[int, int]":
    """The (start, length) of the first longest run of zero groups."""
    best = (0, 0)
    start = 0
    for i, group in enumerate(groups):
        if group != "0":
            start = i + 1
        elif i + 1 - start > best[1]:
            best = (start, i + 1 - start)
    return best

"""Multiaddrs: addresses as a sequence of protocols, in binary on the wire and in text for people.

Transports that this node lacks are parsed as well, so that one such address does not invalidate a
peer's list. Unused values (certhash, onion3, unix, ...) are kept as bytes and written in multibase
base64url, the text form of certhash.

Sources: https://github.com/multiformats/multiaddr (protocols.csv),
https://github.com/libp2p/specs/blob/master/addressing/README.md
Portable: runs under CPython and MicroPython.
"""

from edge.wire import ip as ip_text
from edge.wire import multibase, varint
from edge.wire.errors import AddressError, RemoteProtocolError, WireError
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.wire.types import Buffer

MAX_BYTES = 512  # a relayed WebTransport address with two certhashes has about 200
MAX_TEXT = 1024
MAX_COMPONENTS = 16
MAX_NAME = 253  # of the DNS

IP4 = 4
TCP = 6
IP6 = 41
IP6ZONE = 42
DNS = 53
DNS4 = 54
DNS6 = 55
DNSADDR = 56
CIRCUIT = 290
P2P = 421

_VARIABLE = -1  # a size: length-prefixed by a varint

_AS_NOTHING, _AS_IP4, _AS_IP6, _AS_PORT, _AS_NAME, _AS_PEER, _AS_BYTES = range(7)

# code: (name, bytes of the value, text form of the value)
_PROTOCOLS = {
    IP4: ("ip4", 4, _AS_IP4),
    TCP: ("tcp", 2, _AS_PORT),
    33: ("dccp", 2, _AS_PORT),
    IP6: ("ip6", 16, _AS_IP6),
    IP6ZONE: ("ip6zone", _VARIABLE, _AS_NAME),
    43: ("ipcidr", 1, _AS_BYTES),
    DNS: ("dns", _VARIABLE, _AS_NAME),
    DNS4: ("dns4", _VARIABLE, _AS_NAME),
    DNS6: ("dns6", _VARIABLE, _AS_NAME),
    DNSADDR: ("dnsaddr", _VARIABLE, _AS_NAME),
    132: ("sctp", 2, _AS_PORT),
    273: ("udp", 2, _AS_PORT),
    275: ("p2p-webrtc-star", 0, _AS_NOTHING),
    276: ("p2p-webrtc-direct", 0, _AS_NOTHING),
    277: ("p2p-stardust", 0, _AS_NOTHING),
    280: ("webrtc-direct", 0, _AS_NOTHING),
    281: ("webrtc", 0, _AS_NOTHING),
    CIRCUIT: ("p2p-circuit", 0, _AS_NOTHING),
    301: ("udt", 0, _AS_NOTHING),
    302: ("utp", 0, _AS_NOTHING),
    400: ("unix", _VARIABLE, _AS_BYTES),
    P2P: ("p2p", _VARIABLE, _AS_PEER),
    443: ("https", 0, _AS_NOTHING),
    444: ("onion", 12, _AS_BYTES),
    445: ("onion3", 37, _AS_BYTES),
    446: ("garlic64", _VARIABLE, _AS_BYTES),
    447: ("garlic32", _VARIABLE, _AS_BYTES),
    448: ("tls", 0, _AS_NOTHING),
    449: ("sni", _VARIABLE, _AS_NAME),
    454: ("noise", 0, _AS_NOTHING),
    460: ("quic", 0, _AS_NOTHING),
    461: ("quic-v1", 0, _AS_NOTHING),
    465: ("webtransport", 0, _AS_NOTHING),
    466: ("certhash", _VARIABLE, _AS_BYTES),
    477: ("ws", 0, _AS_NOTHING),
    478: ("wss", 0, _AS_NOTHING),
    479: ("p2p-websocket-star", 0, _AS_NOTHING),
    480: ("http", 0, _AS_NOTHING),
    481: ("http-path", _VARIABLE, _AS_BYTES),
    777: ("memory", 8, _AS_BYTES),
}
_CODES = {name: code for code, (name, _, _) in _PROTOCOLS.items()}
_CODES["ipfs"] = P2P  # the former name

_FAMILIES = {IP4: 4, IP6: 6, DNS: 0, DNS4: 4, DNS6: 6}


class Multiaddr:
    """An address, compared and hashed by its canonical bytes. Immutable and small: thousands exist.

    `Multiaddr(data)` does not validate; use from_bytes() and from_string() for external input.
    """

    __slots__ = ("bytes",)

    def __init__(self, data: bytes) -> None:
        self.bytes = data

    @classmethod
    def from_bytes(cls, data: "Buffer") -> "Multiaddr":
        """Parse `data`. Raises RemoteProtocolError if it is malformed or has unknown protocols."""
        if not 0 < len(data) <= MAX_BYTES:
            raise RemoteProtocolError(f"multiaddr of {len(data)} bytes, not 1 to {MAX_BYTES}")
        canonical = bytes(data)
        components = _split(canonical)
        if len(components) > MAX_COMPONENTS:
            raise RemoteProtocolError(f"multiaddr of more than {MAX_COMPONENTS} components")
        for code, value in components:
            _check(code, value)
        return cls(canonical)

    @classmethod
    def from_string(cls, text: str) -> "Multiaddr":
        """Parse `text`. Raises AddressError, which names the mistake."""
        if len(text) > MAX_TEXT:
            raise AddressError(f"address longer than {MAX_TEXT} characters: {text[:40]!r}...")
        if text[:1] != "/":
            raise AddressError(f"not an address: {text!r}: it does not start with /")
        try:
            return cls.from_bytes(_parse(text.rstrip("/").split("/")[1:]))
        except WireError as error:
            raise AddressError(f"not an address: {text!r}: {error}") from None

    @classmethod
    def from_ip(cls, ip: bytes, port: int) -> "Multiaddr":
        """The address /ip4/<ip>/tcp/<port>, or ip6; `ip` has 4 or 16 bytes."""
        head = varint.encode(IP4 if len(ip) == 4 else IP6) + ip
        return cls(head + varint.encode(TCP) + port.to_bytes(2, "big"))

    @property
    def protocols(self) -> "list[tuple[int, bytes]]":
        """The (code, value) of every component, the value without its length."""
        return _split(self.bytes)

    def encapsulate(self, inner: "Multiaddr") -> "Multiaddr":
        """Append `inner`. Raises RemoteProtocolError if the result is too long."""
        return Multiaddr.from_bytes(self.bytes + inner.bytes)

    def with_peer(self, peer: PeerId) -> "Multiaddr":
        """The address with the final /p2p/<peer>, which replaces another peer id."""
        return self.without_peer().encapsulate(_p2p(peer))

    def without_peer(self) -> "Multiaddr":
        """The address without a final /p2p, unless that is its only component."""
        code, value = self.protocols[-1]
        if code != P2P:
            return self
        rest = self.bytes[: -len(_component(code, value))]
        return Multiaddr(rest) if rest else self

    def peer_id(self) -> "PeerId | None":
        """The peer id of the address: its last component, if that is p2p."""
        code, value = self.protocols[-1]
        return PeerId(value) if code == P2P else None

    @property
    def is_circuit(self) -> bool:
        """Whether this address leads through a relay."""
        return any(code == CIRCUIT for code, _ in self.protocols)

    def relay_part(self) -> "Multiaddr | None":
        """The relay's address, up to the last p2p-circuit; None if there is none."""
        protocols = self.protocols
        for i in range(len(protocols) - 1, 0, -1):
            if protocols[i][0] == CIRCUIT:
                return Multiaddr(b"".join([_component(c, v) for c, v in protocols[:i]]))
        return None

    def via_circuit(self, target: "PeerId | None" = None) -> "Multiaddr":
        """The circuit address through the relay at this address, of `target` if given."""
        circuit = self.encapsulate(Multiaddr(varint.encode(CIRCUIT)))
        return circuit if target is None else circuit.encapsulate(_p2p(target))

    def host_port(self) -> "tuple[str, int, int] | None":
        """The (host, port, family) of a plain TCP address, else None.

        Its form is [/ip6zone](/ip4 | /ip6 | /dns | /dns4 | /dns6)/tcp[/p2p]. The family is 4, 6 or,
        for /dns, 0; the host is in the text form of getaddrinfo(), with %zone if present.
        """
        parts = self.protocols
        zone = ""
        if parts[0][0] == IP6ZONE and parts[1:2] and parts[1][0] == IP6:
            zone = "%" + str(parts[0][1], "utf-8")
            parts = parts[1:]
        if [code for code, _ in parts[1:]] not in ([TCP], [TCP, P2P]):
            return None
        code, value = parts[0]
        if code not in _FAMILIES:
            return None
        return _format(code, value) + zone, int.from_bytes(parts[1][1], "big"), _FAMILIES[code]

    def ip(self) -> "bytes | None":
        """The 4 or 16 bytes of the leading IP address, None if the address starts with a name."""
        for code, value in self.protocols[:2]:
            if code in (IP4, IP6):
                return value
            if code != IP6ZONE:
                break
        return None

    def scope(self) -> "str | None":
        """The scope of ip(), see edge.wire.ip.scope(); None if the address starts with a name."""
        found = self.ip()
        return None if found is None else ip_text.scope(found)

    def __str__(self) -> str:
        out = []
        for code, value in self.protocols:
            name, size, _ = _PROTOCOLS[code]
            out.append(f"/{name}/{_format(code, value)}" if size else f"/{name}")
        return "".join(out)

    def __repr__(self) -> str:
        return f"Multiaddr({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Multiaddr) and self.bytes == other.bytes

    def __lt__(self, other: "Multiaddr") -> bool:
        return self.bytes < other.bytes

    def __hash__(self) -> int:
        return hash(self.bytes)


def parse_many(items: "Iterable[bytes]", limit: int) -> "list[Multiaddr]":
    """The first `limit` valid addresses of `items`, without duplicates; the rest is ignored."""
    found: list[Multiaddr] = []
    for item in items:
        if len(found) >= limit:
            break
        try:
            address = Multiaddr.from_bytes(item)
        except RemoteProtocolError:
            continue
        if address not in found:
            found.append(address)
    return found


def by_peer(addresses: "Iterable[Multiaddr]") -> "dict[PeerId, list[Multiaddr]]":
    """Addresses that end in a peer id, as the configuration has checked, by that."""
    found: dict[PeerId, list[Multiaddr]] = {}
    for address in addresses:
        peer = address.peer_id()
        assert peer is not None
        found.setdefault(peer, []).append(address)
    return found


def fitting(
    addresses: "Iterable[Multiaddr]", room: int, overhead: int, most: int
) -> "list[Multiaddr]":
    """The first of `addresses` that `room` bytes hold, `most` at most.

    Each takes `overhead` bytes beside its own. One that is too long does not keep those behind it.
    """
    found: list[Multiaddr] = []
    for address in addresses:
        size = len(address.bytes) + overhead
        if size <= room and len(found) < most:
            room -= size
            found.append(address)
    return found


def _split(data: bytes) -> "list[tuple[int, bytes]]":
    components = []
    pos, end = 0, len(data)
    while pos < end:
        code, pos = _varint(data, pos)
        if code not in _PROTOCOLS:
            raise RemoteProtocolError(f"multiaddr with unknown protocol {code}")
        size = _PROTOCOLS[code][1]
        if size == _VARIABLE:
            size, pos = _varint(data, pos)
        if size > end - pos:
            raise RemoteProtocolError("multiaddr cut short")
        components.append((code, data[pos : pos + size]))
        pos += size
    return components


def _varint(data: bytes, pos: int) -> "tuple[int, int]":
    found = varint.decode(data, pos)
    if found is None:
        raise RemoteProtocolError("multiaddr cut short")
    return found


def _component(code: int, value: bytes) -> bytes:
    size = _PROTOCOLS[code][1]
    length = varint.encode(len(value)) if size == _VARIABLE else b""
    return varint.encode(code) + length + value


def _p2p(peer: PeerId) -> Multiaddr:
    return Multiaddr(_component(P2P, peer.bytes))


def _check(code: int, value: bytes) -> None:
    name, size, kind = _PROTOCOLS[code]
    if size == _VARIABLE and not value:
        raise RemoteProtocolError(f"{name} without a value")
    if kind == _AS_PEER:
        PeerId.from_bytes(value)
    elif kind == _AS_NAME and not _is_name(value):
        raise RemoteProtocolError(f"{name} is not a name: {value[:40]!r}")


def _is_name(value: bytes) -> bool:
    # Names are logged and passed to the resolver: visible ASCII only, and no slash.
    return len(value) <= MAX_NAME and all(33 <= char <= 126 and char != 47 for char in value)


def _format(code: int, value: bytes) -> str:
    kind = _PROTOCOLS[code][2]
    if kind == _AS_IP4:
        return ip_text.format_ip4(value)
    if kind == _AS_IP6:
        return ip_text.format_ip6(value)
    if kind == _AS_PORT:
        return str(int.from_bytes(value, "big"))
    if kind == _AS_NAME:
        return str(value, "utf-8")
    if kind == _AS_PEER:
        return str(PeerId(value))
    return "u" + multibase.encode(value, multibase.BASE64URL)


def _parse(words: "list[str]") -> bytes:
    out = bytearray()
    pos = 0
    while pos < len(words):
        name = words[pos]
        pos += 1
        code = _CODES.get(name)
        if code is None:
            raise AddressError(f"unknown protocol {name[:40]!r}")
        value = b""
        if _PROTOCOLS[code][1]:
            if pos == len(words):
                raise AddressError(f"{name} needs a value")
            value = _value(code, words[pos])
            pos += 1
        out += _component(code, value)
    return bytes(out)


def _value(code: int, text: str) -> bytes:
    name, size, kind = _PROTOCOLS[code]
    if kind == _AS_IP4:
        return ip_text.parse_ip4(text)
    if kind == _AS_IP6:
        return ip_text.parse_ip6(text)
    if kind == _AS_PORT:
        port = ip_text.decimal(text)
        if not 0 <= port <= 65535:
            raise AddressError(f"{name} needs a port from 0 to 65535, not {text[:40]!r}")
        return port.to_bytes(2, "big")
    if kind == _AS_NAME:
        return text.encode("utf-8")
    if kind == _AS_PEER:
        return PeerId.from_string(text).bytes
    if text[:1] != "u":
        raise AddressError(f"{name} is read in base64url only, as u...")
    value = multibase.decode(text[1:], multibase.BASE64URL)
    if size not in (_VARIABLE, len(value)):
        raise AddressError(f"{name} needs {size} bytes, not {len(value)}")
    return value

"""PCP and NAT-PMP: how a host asks its gateway for a TCP port. Encodes requests, decodes answers.

Both are datagrams to one UDP port, and a server of the older one tells the newer one's clients so:
by the first byte, the version, an answer is read as what it is. Which address it came from, whether
it answers what was asked and when it came is the caller's to compare. Options of PCP are not used,
and skipped in answers.

Sources: RFC 6887 (PCP), RFC 6886 (NAT-PMP)
"""

import struct

from edge.wire.errors import LocalProtocolError, RemoteProtocolError

PORT = 5351  # of the server
ANNOUNCEMENTS = 5350  # of its clients, where it announces itself by multicast
MAX_MESSAGE = 1100  # bytes; RFC 6887 section 7
NONCE = 12  # bytes

PCP, NAT_PMP = 2, 0  # versions
ANNOUNCE, MAP = 0, 1  # opcodes of PCP
ADDRESS, MAP_TCP = 0, 2  # opcodes of NAT-PMP
OK, UNSUPP_VERSION = 0, 1  # results, of both

_ANSWER = 0x80  # in the opcode
_TCP = 6
_V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_REQUEST = struct.Struct(">BBxxI16s")  # version, opcode, lifetime, client's IP
_MAP = struct.Struct(">12sBxxxHH16s")  # nonce, protocol, internal and external port, external IP
_HEADER = struct.Struct(">BBxBII12x")  # version, opcode, result, lifetime, epoch
_MAP_TCP = struct.Struct(">BBxxHHI")  # version, opcode, internal and external port, lifetime
_HEADER_0 = struct.Struct(">BBHI")  # version, opcode, result, epoch
_MAPPED_0 = struct.Struct(">HHI")  # internal and external port, lifetime
_RESULTS = (
    "success, for nothing that was asked",
    "it has no such version",
    "not authorized",
    "malformed request",
    "it has no such opcode",
    "it has no such option",
    "malformed option",
    "it has no network itself",
    "no resources",
    "it does not map TCP",
    "too many mappings for this host",
    "it cannot provide the external address",
    "another NAT lies between",
    "too many remote peers",
)
_RESULTS_0 = (*_RESULTS[:3], _RESULTS[7], _RESULTS[8], _RESULTS[4])


class Answer:
    """What a gateway says. What its kind of message does not have is 0 or empty.

    `lifetime`: seconds of the mapping, or for which a refusal of PCP stands. `epoch`: seconds of
    the gateway's clock. `external_ip`: 4 or 16 bytes; NAT-PMP has it in an answer of its own.
    """

    __slots__ = (
        "epoch",
        "external_ip",
        "external_port",
        "internal_port",
        "lifetime",
        "nonce",
        "opcode",
        "result",
        "version",
    )

    def __init__(self, version: int, opcode: int, result: int, epoch: int) -> None:
        self.version = version
        self.opcode = opcode
        self.result = result
        self.epoch = epoch
        self.lifetime = 0
        self.nonce = b""
        self.internal_port = 0
        self.external_port = 0
        self.external_ip = b""

    @property
    def meaning(self) -> str:
        """The result in words."""
        known = _RESULTS if self.version == PCP else _RESULTS_0
        return known[self.result] if self.result < len(known) else f"result {self.result}"


class Epoch:
    """The clock of a gateway, which starts anew when its mappings are lost.

    Source: RFC 6887 section 8.5; NAT-PMP's gateways keep to the same
    """

    __slots__ = ("_ours", "_theirs")

    def __init__(self) -> None:
        self._theirs = -1
        self._ours = 0.0

    def heard(self, epoch: int, now: float) -> None:
        """An answer had this `epoch` at `now`, in seconds of a monotonic clock."""
        self._theirs, self._ours = epoch, now

    def restarted(self, epoch: int, now: float) -> bool:
        """Whether the clock has started anew between what was heard last and this `epoch`."""
        if self._theirs < 0:
            return False
        theirs, ours = epoch - self._theirs, now - self._ours
        return theirs < -1 or ours + 2 < theirs - theirs / 16 or theirs + 2 < ours - ours / 16


def map_request(
    nonce: bytes,
    client: bytes,
    port: int,
    lifetime: int,
    external_port: int = 0,
    external_ip: bytes = b"\0" * 4,
) -> bytes:
    """PCP: forward TCP from the outside to `port` of `client` for `lifetime` seconds; 0: no more.

    `nonce`: whoever has it may change the mapping. The external port and IP are wishes. The IPs
    have 4 bytes or 16.
    """
    if len(nonce) != NONCE:
        raise LocalProtocolError(f"a nonce has {NONCE} bytes")
    header = _REQUEST.pack(PCP, MAP, lifetime, _wide(client))
    return header + _MAP.pack(nonce, _TCP, port, external_port, _wide(external_ip))


def address_request() -> bytes:
    """NAT-PMP: the external IP."""
    return bytes((NAT_PMP, ADDRESS))


def map_tcp_request(port: int, lifetime: int, external_port: int = 0) -> bytes:
    """NAT-PMP: forward TCP to `port` of the sender for `lifetime` seconds; 0: no more."""
    return _MAP_TCP.pack(NAT_PMP, MAP_TCP, port, external_port, lifetime)


def parse(data: bytes) -> Answer:
    """The answer or announcement in a datagram. Raises RemoteProtocolError if it is none."""
    if not 2 <= len(data) <= MAX_MESSAGE or not data[1] & _ANSWER:
        raise RemoteProtocolError("no answer of a gateway")
    if data[0] == NAT_PMP:
        return _nat_pmp(data)
    if data[0] == PCP:
        return _pcp(data)
    raise RemoteProtocolError(f"answer of version {data[0]}")


def _pcp(data: bytes) -> Answer:
    if len(data) < _HEADER.size or len(data) % 4:
        raise RemoteProtocolError("PCP answer cut short")
    version, opcode, result, lifetime, epoch = _HEADER.unpack_from(data)
    answer = Answer(version, opcode & ~_ANSWER, result, epoch)
    answer.lifetime = lifetime
    if answer.opcode != MAP or (result and len(data) < _HEADER.size + _MAP.size):
        return answer
    if len(data) < _HEADER.size + _MAP.size:
        raise RemoteProtocolError("PCP answer cut short")
    nonce, protocol, internal, external, ip = _MAP.unpack_from(data, _HEADER.size)
    if protocol != _TCP:
        raise RemoteProtocolError(f"PCP answer of protocol {protocol}")
    answer.nonce, answer.internal_port, answer.external_port = nonce, internal, external
    answer.external_ip = ip[12:] if ip.startswith(_V4_MAPPED) else ip
    return answer


def _nat_pmp(data: bytes) -> Answer:
    if len(data) < _HEADER_0.size:
        raise RemoteProtocolError("NAT-PMP answer cut short")
    version, opcode, result, epoch = _HEADER_0.unpack_from(data)
    answer = Answer(version, opcode & ~_ANSWER, result, epoch)
    body = data[_HEADER_0.size :]
    if result:
        return answer
    if answer.opcode == ADDRESS and len(body) == 4:
        answer.external_ip = body
    elif answer.opcode == MAP_TCP and len(body) == _MAPPED_0.size:
        answer.internal_port, answer.external_port, answer.lifetime = _MAPPED_0.unpack(body)
    else:
        raise RemoteProtocolError("NAT-PMP answer of another kind or length")
    return answer


def _wide(ip: bytes) -> bytes:
    return _V4_MAPPED + ip if len(ip) == 4 else ip

"""Messages of multicast DNS, and the records by which libp2p's peers find each other.

A peer has a random name under `_p2p._udp.local`; its TXT record lists `dnsaddr=` multiaddrs, each
with the peer's id. SRV, A and AAAA are for the browsers of services that administrators use.

Bounds: a message has at most 9000 bytes, of which 16 questions and 128 records are looked at, and
32 addresses. A name has 255 bytes, and at most 8 pointers, each of which leads backwards.

Sources: RFC 6762 (multicast DNS), RFC 6763 (services); libp2p/specs discovery/mdns.md
"""

import struct

from edge.wire.dns import HEADER, IN, MAX_NAME, RECORD, TXT, after_name, encode_name, strings
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.multiaddr import P2P, TCP, Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge.wire.peerid import PeerId

PORT = 5353
GROUP4, GROUP6 = "224.0.0.251", "ff02::fb"
MAX_MESSAGE = 9000  # RFC 6762 section 17
MAX_OWN_MESSAGE = 1400  # bytes that fit into a frame of Ethernet
TTL = 4500  # seconds, RFC 6762 section 10: of what does not name a host
HOST_TTL = 120  # of what does
SERVICE = encode_name("_p2p._udp.local")
META = encode_name("_services._dns-sd._udp.local")
A, PTR, AAAA, SRV, ANY = 1, 12, 28, 33, 255

_HOSTS = encode_name("p2p.local")
_PREFIX = b"dnsaddr="
_MAX_STRING = 255
_MAX_QUESTIONS = 16
_MAX_RECORDS = 128
_MAX_ADDRESSES = 32  # of one message; further ones are left out
_MAX_JUMPS = 8
_POINTER = 0xC0
_FLUSH = 0x8000  # of a record: it replaces what was known; of a question: answer by unicast
_RESPONSE, _TRUNCATED, _AUTHORITATIVE, _OPCODE = 0x8000, 0x0200, 0x0400, 0x7800
_QUESTION = struct.Struct(">HH")  # behind a name: type, class


class Record:
    """A record of class IN. `data`: as in DNS, but the name of a PTR is whole and in lower case.

    `name`: in DNS' encoding, in lower case. `unique`: nobody else has a record of this name.
    """

    __slots__ = ("data", "kind", "name", "ttl", "unique")

    def __init__(self, name: bytes, kind: int, data: bytes, ttl: int, unique: bool = False) -> None:
        self.name = name
        self.kind = kind
        self.data = data
        self.ttl = ttl
        self.unique = unique


class Message:
    """A query or a response. `questions`: (name, type). `records`: PTR and TXT alone.

    `truncated`: more known answers follow. `probe`: asks whether a name is free.
    """

    __slots__ = ("probe", "questions", "records", "response", "truncated")

    def __init__(self, response: bool, truncated: bool, probe: bool) -> None:
        self.response = response
        self.truncated = truncated
        self.probe = probe
        self.questions: list[tuple[bytes, int]] = []
        self.records: list[Record] = []


class Entry:
    """What a response says of one name: a peer and where it listens, for `ttl` seconds.

    With a TTL of 0 it is gone. `peer` is None where no address is named.
    """

    __slots__ = ("addresses", "instance", "peer", "ttl")

    def __init__(
        self, instance: bytes, peer: "PeerId | None", addresses: "list[Multiaddr]", ttl: int
    ) -> None:
        self.instance = instance
        self.peer = peer
        self.addresses = addresses
        self.ttl = ttl


# --- reading ---


def decode(data: bytes) -> Message:
    """Raises RemoteProtocolError if `data` is malformed or no message of multicast DNS."""
    if not HEADER.size <= len(data) <= MAX_MESSAGE:
        raise RemoteProtocolError(f"mDNS message of {len(data)} bytes")
    _, flags, questions, *counts = HEADER.unpack_from(data)
    if flags & _OPCODE:
        raise RemoteProtocolError("mDNS message that is neither query nor response")
    message = Message(bool(flags & _RESPONSE), bool(flags & _TRUNCATED), bool(counts[1]))
    if questions > _MAX_QUESTIONS:
        raise RemoteProtocolError(f"mDNS message with {questions} questions")
    pos = HEADER.size
    for _ in range(questions):
        pos = _read_question(data, pos, message)
    for _ in range(min(sum(counts), _MAX_RECORDS)):
        pos = _read_record(data, pos, message)
    return message


def _read_question(data: bytes, start: int, message: Message) -> int:
    pos = after_name(data, start)
    if pos + _QUESTION.size > len(data):
        raise RemoteProtocolError("mDNS message cut short")
    kind, group = _QUESTION.unpack_from(data, pos)
    if group & ~_FLUSH == IN:
        message.questions.append((_name(data, start), kind))
    return pos + _QUESTION.size


def _read_record(data: bytes, start: int, message: Message) -> int:
    pos = after_name(data, start)
    if pos + RECORD.size > len(data):
        raise RemoteProtocolError("mDNS message cut short")
    kind, group, ttl, length = RECORD.unpack_from(data, pos)
    pos += RECORD.size
    end: int = pos + length
    if end > len(data):
        raise RemoteProtocolError("mDNS message cut short")
    if group & ~_FLUSH == IN and kind in (PTR, TXT):
        value = _name(data, pos) if kind == PTR else data[pos:end]
        unique = bool(group & _FLUSH)
        message.records.append(Record(_name(data, start), kind, value, ttl, unique))
    return end


def _name(data: bytes, pos: int) -> bytes:
    """The name at `pos` without pointers, in lower case: lengths are below the letters."""
    found = bytearray()
    jumps = 0
    while pos < len(data) and data[pos]:
        length = data[pos]
        if length >= _POINTER:
            target = int.from_bytes(data[pos : pos + 2], "big") & 0x3FFF
            jumps += 1
            if target >= pos or jumps > _MAX_JUMPS:
                raise RemoteProtocolError("mDNS message with pointers in a circle")
            pos = target
            continue
        found += data[pos : pos + 1 + length]
        pos += 1 + length
        if length >= 0x40 or len(found) >= MAX_NAME:
            raise RemoteProtocolError("mDNS message with a malformed name")
    if pos >= len(data):
        raise RemoteProtocolError("mDNS message cut short")
    return bytes(found).lower() + b"\0"


def entries(message: Message) -> "Iterator[Entry]":
    """The peers that a response tells of. What else is in it, malformed or not, is passed over."""
    lives = {r.data: r.ttl for r in message.records if r.kind == PTR and r.name == SERVICE}
    texts: dict[bytes, list[bytes]] = {}
    for record in message.records:
        if record.kind == TXT and record.name.endswith(SERVICE) and record.name != SERVICE:
            lives[record.name] = min(record.ttl, lives.get(record.name, record.ttl))
            texts.setdefault(record.name, []).append(record.data)
    left = _MAX_ADDRESSES
    for instance, ttl in lives.items():
        values = _values(texts.get(instance, ()))[:left]
        left -= len(values)
        yield Entry(instance, *_listed(values), ttl)


def _values(texts: "Iterable[bytes]") -> list[bytes]:
    """Those of the attributes in TXT records that are addresses."""
    found: list[bytes] = []
    for text in texts:
        try:
            found += [each for each in strings(text) if each.startswith(_PREFIX)]
        except RemoteProtocolError:
            continue
    return found


def _listed(values: "Iterable[bytes]") -> "tuple[PeerId | None, list[Multiaddr]]":
    """The peer that the first address names, and its addresses that TCP reaches by an IP."""
    parsed = [address for value in values if (address := _address(value)) is not None]
    peer = parsed[0].peer_id() if parsed else None
    return peer, [address for address in parsed if address.peer_id() == peer]


def _address(value: bytes) -> "Multiaddr | None":
    try:
        address = Multiaddr.from_string(str(value[len(_PREFIX) :], "utf-8"))
    except (AddressError, UnicodeError):
        return None
    codes = [code for code, _ in address.protocols]
    return address if address.ip() is not None and codes[1:] == [TCP, P2P] else None


# --- writing ---


def own_records(name: str, addresses: "Sequence[Multiaddr]") -> list[Record]:
    """The records of the peer called `name` that listens at `addresses`, each with its peer id."""
    label = bytes((len(name),)) + name.encode()
    instance, host = label + SERVICE, label + _HOSTS
    texts = [_PREFIX + str(address).encode() for address in addresses]
    text = b"".join([bytes((len(each),)) + each for each in texts if len(each) <= _MAX_STRING])
    ends = [end for address in addresses if (end := address.host_port()) is not None]
    ips = dict.fromkeys([ip for address in addresses if (ip := address.ip()) is not None])
    found = [Record(SERVICE, PTR, instance, TTL), Record(instance, TXT, text, TTL, True)]
    ports = [struct.pack(">HHH", 0, 0, port) for port in dict.fromkeys([end[1] for end in ends])]
    found += [Record(instance, SRV, port + host, HOST_TTL, True) for port in ports]
    found += [Record(host, A if len(ip) == 4 else AAAA, ip, HOST_TTL, True) for ip in ips]
    return found


def query(name: bytes, known: "Iterable[tuple[bytes, int]]" = ()) -> bytes:
    """Asks for PTR records of `name`, but not those whose (target, TTL) is `known`.

    Those of them that fit are told.
    """
    out = bytearray(HEADER.size)
    seen: dict[bytes, int] = {}
    _put_name(out, name, seen)
    out += _QUESTION.pack(PTR, IN)
    count = 0
    for target, ttl in known:
        if len(out) + RECORD.size + 2 + len(target) > MAX_OWN_MESSAGE:
            break
        _put_record(out, Record(name, PTR, target, ttl), seen)
        count += 1
    HEADER.pack_into(out, 0, 0, 0, 1, count, 0, 0)
    return bytes(out)


def response(answers: "Sequence[Record]", additional: "Sequence[Record]" = ()) -> bytes:
    """Tells `answers`, and what whoever asked will ask next."""
    out = bytearray(HEADER.size)
    seen: dict[bytes, int] = {}
    for record in (*answers, *additional):
        _put_record(out, record, seen)
    flags = _RESPONSE | _AUTHORITATIVE
    HEADER.pack_into(out, 0, 0, flags, 0, len(answers), 0, len(additional))
    return bytes(out)


def _put_record(out: bytearray, record: Record, seen: "dict[bytes, int]") -> None:
    _put_name(out, record.name, seen)
    start = len(out) + RECORD.size
    out += bytes(RECORD.size)
    if record.kind == PTR:
        _put_name(out, record.data, seen)
    else:
        out += record.data
    group = IN | _FLUSH if record.unique else IN
    RECORD.pack_into(out, start - RECORD.size, record.kind, group, record.ttl, len(out) - start)


def _put_name(out: bytearray, name: bytes, seen: "dict[bytes, int]") -> None:
    """Append `name`, from the longest part on that was `seen` already as a pointer to that."""
    while name != b"\0":
        if name in seen:
            out += (_POINTER << 8 | seen[name]).to_bytes(2, "big")
            return
        seen[name] = len(out)
        out += name[: 1 + name[0]]
        name = name[1 + name[0] :]
    out.append(0)

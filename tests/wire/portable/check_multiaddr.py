from raises import raises

from edge.wire import multiaddr
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.multiaddr import CIRCUIT, IP4, P2P, TCP, Multiaddr, parse_many
from edge.wire.peerid import PeerId

RELAY = "QmdPU7PfRyKehdrP5A3WqmjyD6bhVpU1mLGKppa2FjGDjZ"
TARGET = "QmVT6GYwjeeAF5TR485Yc58S3xRF5EFsZ5YAF4VcP3URHt"
OURS = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
RELAY_HEX = "1220" + PeerId.from_string(RELAY).bytes[2:].hex()

VECTORS = (
    ("/ip4/127.0.0.1/tcp/4001", "047f000001060fa1"),
    ("/ip4/1.2.3.4/tcp/65535", "040102030406ffff"),
    ("/ip6/::1/tcp/0", "2900000000000000000000000000000001060000"),
    ("/ip6zone/x/ip6/fe80::1", "2a017829fe800000000000000000000000000001"),
    ("/dns/a.b/tcp/1", "3503612e62060001"),
    ("/dns4/a.b/tcp/1", "3603612e62060001"),
    ("/dns6/a.b/tcp/1", "3703612e62060001"),
    ("/dnsaddr/a.b", "3803612e62"),
    ("/p2p/" + RELAY, "a50322" + RELAY_HEX),
    ("/p2p-circuit", "a202"),
    ("/ip4/127.0.0.1/udp/1234/quic-v1", "047f000001910204d2cd03"),
    ("/ip4/1.2.3.4/tcp/80/ws", "0401020304060050dd03"),
    ("/ip4/1.2.3.4/tcp/443/tls/sni/a.b/ws", "04010203040601bbc003c10303612e62dd03"),
    ("/ip4/1.2.3.4/udp/9/quic-v1/webtransport", "040102030491020009cd03d103"),
    ("/ip4/1.2.3.4/udp/9/webrtc-direct/certhash/uEgJhYg", "0401020304910200099802d2030412026162"),
)
for text, data in VECTORS:
    address = Multiaddr.from_string(text)
    assert address.bytes.hex() == data, (text, address.bytes.hex())
    assert Multiaddr.from_bytes(bytes.fromhex(data)) == address
    assert str(address) == text

# Other spellings of the same address
SAME = (
    ("/ipfs/" + RELAY, "/p2p/" + RELAY),
    ("/ip4/1.2.3.4/tcp/80/", "/ip4/1.2.3.4/tcp/80"),
    ("/ip6/0:0::0:1", "/ip6/::1"),
)
for text, canonical in SAME:
    assert str(Multiaddr.from_string(text)) == canonical

# Protocols which are only carried along: they survive a trip through text.
for data in ("bd03" + "ab" * 37, "bc03" + "cd" * 12, "be0303010203", "bf0301ff", "9003022f61"):
    address = Multiaddr.from_bytes(bytes.fromhex(data))
    assert Multiaddr.from_string(str(address)) == address

direct = Multiaddr.from_string("/ip4/198.51.100.1/tcp/4001")
assert direct.protocols == [(IP4, bytes((198, 51, 100, 1))), (TCP, b"\x0f\xa1")]
assert direct == Multiaddr.from_ip(bytes((198, 51, 100, 1)), 4001)
assert Multiaddr.from_ip(bytes(16), 1) == Multiaddr.from_string("/ip6/::/tcp/1")
assert {direct: 1}[Multiaddr.from_bytes(direct.bytes)] == 1
assert repr(direct) == "Multiaddr(/ip4/198.51.100.1/tcp/4001)"
assert direct < Multiaddr.from_string("/ip6/::1") and direct != "x"

# Peer ids and circuits
relay = direct.with_peer(PeerId.from_string(RELAY))
assert str(relay) == "/ip4/198.51.100.1/tcp/4001/p2p/" + RELAY
assert str(relay.peer_id()) == RELAY and direct.peer_id() is None
assert relay.without_peer() == direct and direct.without_peer() == direct
assert str(relay.with_peer(PeerId.from_string(OURS)).peer_id()) == OURS
only = Multiaddr.from_string("/p2p/" + RELAY)
assert only.without_peer() == only

circuit = relay.via_circuit(PeerId.from_string(TARGET))
assert str(circuit) == f"/ip4/198.51.100.1/tcp/4001/p2p/{RELAY}/p2p-circuit/p2p/{TARGET}"
assert circuit.is_circuit and not relay.is_circuit
assert circuit.relay_part() == relay and relay.relay_part() is None
assert str(circuit.peer_id()) == TARGET
assert [code for code, _ in circuit.protocols] == [IP4, TCP, P2P, CIRCUIT, P2P]
open_circuit = relay.via_circuit()
assert open_circuit.is_circuit and open_circuit.peer_id() is None
assert open_circuit.relay_part() == relay
assert Multiaddr.from_string("/p2p-circuit").relay_part() is None

# What TCP alone reaches
HOSTS = (
    ("/ip4/1.2.3.4/tcp/80", ("1.2.3.4", 80, 4)),
    ("/ip4/1.2.3.4/tcp/80/p2p/" + RELAY, ("1.2.3.4", 80, 4)),
    ("/ip6/2001:db8::1/tcp/80", ("2001:db8::1", 80, 6)),
    ("/ip6zone/eth0/ip6/fe80::1/tcp/80", ("fe80::1%eth0", 80, 6)),
    ("/dns/example.org/tcp/80", ("example.org", 80, 0)),
    ("/dns4/example.org/tcp/80", ("example.org", 80, 4)),
    ("/dns6/example.org/tcp/80", ("example.org", 80, 6)),
    ("/dnsaddr/example.org/tcp/80", None),
    ("/ip4/1.2.3.4/udp/80", None),
    ("/ip4/1.2.3.4", None),
    ("/ip6zone/eth0", None),
    ("/ip6zone/eth0/ip4/1.2.3.4/tcp/80", None),
    ("/tcp/80", None),
    ("/ip4/1.2.3.4/tcp/80/ws", None),
    ("/p2p/" + RELAY, None),
    (str(circuit), None),
)
for text, expected in HOSTS:
    assert Multiaddr.from_string(text).host_port() == expected, text

assert Multiaddr.from_string("/ip4/10.1.2.3/udp/1").scope() == "private"
assert Multiaddr.from_string("/ip6zone/eth0/ip6/fe80::1/tcp/1").scope() == "link-local"
assert Multiaddr.from_string("/dns4/localhost/tcp/1").scope() is None
assert Multiaddr.from_string("/dns4/localhost/tcp/1").ip() is None
assert circuit.ip() == bytes((198, 51, 100, 1))

BAD_TEXT = (
    "",
    "/",
    "//",
    "ip4/1.2.3.4",
    "/ip4",
    "/ip4/",
    "/ip4/1.2.3",
    "/ip4/1.2.3.4/tcp",
    "/ip4/1.2.3.4/tcp/65536",
    "/ip4/1.2.3.4/tcp/-1",
    "/ip4/1.2.3.4/tcp/http",
    "/ip4/1.2.3.4//tcp/1",
    "/ip4/1.2.3.4/4001",
    "/ip6/1.2.3.4",
    "/p2p/Qmfoo",
    "/dns/",
    "/dns/a b",
    "/dns/a\n",
    "/dns/\u00e9",
    "/dns/" + "a" * 254,
    "/unix/tmp",
    "/onion3/uAA",
    "/nonsense/1",
    "/p2p-circuit" * 17,
    "/dns/" + "a" * 2000,
)
for text in BAD_TEXT:
    message = raises(AddressError, Multiaddr.from_string, text)
    assert len(message) < 400 or len(text) > 200, message

BAD_BYTES = (
    "",
    "04",
    "04010203",
    "06",
    "060f",
    "00",
    "7f",  # no such protocol
    "8400ff",  # a varint that is not minimal
    "3500",
    "35",
    "350561",
    "35036100ff",
    "35022f61",
    "350161ff",
    "a50300",
    "a503021220",
    "a5032212" + "00" * 33,
    "35ffffffffffffffff7f",
    "a202" * 17,
    "38fd01" + "61" * 253 + "38fd01" + "61" * 253 + "3501610401020304",
)
for data in BAD_BYTES:
    raises(RemoteProtocolError, Multiaddr.from_bytes, bytes.fromhex(data))
long = Multiaddr.from_string("/dns/" + "a" * 253)
raises(RemoteProtocolError, long.encapsulate(long).encapsulate, direct)

many = parse_many([b"", direct.bytes, b"\xff", relay.bytes, direct.bytes, circuit.bytes], 2)
assert many == [direct, relay]
assert parse_many([], 3) == [] and parse_many([direct.bytes], 0) == []
assert multiaddr.MAX_COMPONENTS == 16

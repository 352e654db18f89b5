"""Multiaddrs against py-multiaddr, an implementation not ours. The vectors are in portable/."""

import string

import multiaddr as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr.protocols import PROTOCOLS as ORACLE_PROTOCOLS

from edge.wire import multiaddr
from edge.wire.errors import AddressError, RemoteProtocolError
from edge.wire.multiaddr import Multiaddr, parse_many
from edge.wire.peerid import PeerId

QM = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
KOO = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

# Addresses as the field's nodes advertise them.
ADDRESSES = (
    "/ip4/147.75.87.27/tcp/4001/p2p/" + QM,
    "/ip4/147.75.87.27/udp/4001/quic-v1/p2p/" + QM,
    "/ip6/2604:1380:4602:5c00::3/tcp/4001/p2p/" + QM,
    "/dns6/am6.bootstrap.libp2p.io/tcp/443/wss/p2p/" + QM,
    "/dns4/example.com/tcp/443/tls/sni/example.com/http/ws",
    "/dns/localhost/tcp/0",
    "/dnsaddr/bootstrap.libp2p.io/p2p/" + KOO,
    "/ip6zone/eth0/ip6/fe80::1/tcp/4001",
    f"/ip4/192.0.2.0/tcp/5002/p2p/{QM}/p2p-circuit/p2p/{KOO}",
    "/ip4/1.2.3.4/udp/4001/quic-v1/webtransport"
    "/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ"
    "/certhash/uEiAfbgiymPP2_nX7Dgir8B4QkksjHp2lVuJZz0F79Be9JA/p2p/" + KOO,
    "/ip4/1.2.3.4/udp/4001/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ",
    f"/ip4/1.2.3.4/tcp/1/p2p/{QM}/p2p-circuit/webrtc/p2p/{KOO}",
)
# Their text is of their own kind, here they are only carried.
CARRIED = (
    "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234",
    "/unix/tmp/p2p.sock",
    "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq",
    "/ip4/1.2.3.4/ipcidr/24",
    "/memory/4",
    "/ip4/1.2.3.4/tcp/443/tls/http/http-path/a",
)


@pytest.mark.parametrize("text", ADDRESSES)
def test_text_and_bytes_are_those_of_py_multiaddr(text: str) -> None:
    theirs = oracle.Multiaddr(text)
    ours = Multiaddr.from_string(text)
    assert ours.bytes == theirs.to_bytes()
    assert str(ours) == str(theirs) == text


@pytest.mark.parametrize("text", CARRIED)
def test_bytes_of_py_multiaddr_are_carried(text: str) -> None:
    theirs = oracle.Multiaddr(text)
    ours = Multiaddr.from_bytes(theirs.to_bytes())
    assert [code for code, _ in ours.protocols] == [p.code for p in theirs.protocols()]
    assert Multiaddr.from_string(str(ours)) == ours
    assert ours.host_port() is None


def test_every_protocol_of_py_multiaddr_is_known_by_the_same_name() -> None:
    assert {p.code: p.name for p in ORACLE_PROTOCOLS} == {
        code: name
        for code, (name, _, _) in multiaddr._PROTOCOLS.items()
        if name != "p2p-stardust"  # go-multiaddr has it, py-multiaddr not
    }


def test_a_multiaddr_takes_no_new_attributes() -> None:
    with pytest.raises(AttributeError):
        Multiaddr(b"").name = "x"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ip4/1.2.3.4", "does not start with /"),
        ("/ip4/1.2.3.400/tcp/1", "not an IPv4 address: '1.2.3.400'"),
        ("/ip4/1.2.3.4/tcp/99999", "tcp needs a port from 0 to 65535, not '99999'"),
        ("/ip4/1.2.3.4/tcp", "tcp needs a value"),
        ("/ip4/1.2.3.4/tpc/1", "unknown protocol 'tpc'"),
        ("/p2p/12D3Koo", "not a peer id: '12D3Koo'"),
        ("/unix/tmp/x", "unix is read in base64url only"),
    ],
)
def test_an_error_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(AddressError) as error:
        Multiaddr.from_string(text)
    assert repr(text) in str(error.value)
    assert why in str(error.value)


ports = st.integers(0, 65535)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
ip4 = st.ip_addresses(v=4).map(lambda address: f"/ip4/{address}")
ip6 = st.ip_addresses(v=6).map(lambda address: f"/ip6/{address}")
names = st.builds("/{}/{}.example".format, st.sampled_from(["dns", "dns4", "dns6"]), labels)
peers = st.binary(min_size=32, max_size=32).map(lambda hash: PeerId(b"\x12\x20" + hash))
texts = st.builds(
    "{}/{}/{}{}".format,
    ip4 | ip6 | names,
    st.sampled_from(["tcp", "udp"]),
    ports,
    st.sampled_from(["", "/quic-v1", "/ws", "/p2p-circuit", f"/p2p/{KOO}/p2p-circuit/p2p/{QM}"]),
)


@given(texts)
def test_any_address_is_what_py_multiaddr_makes_of_it(text: str) -> None:
    ours = Multiaddr.from_string(text)
    assert ours.bytes == oracle.Multiaddr(text).to_bytes()
    assert Multiaddr.from_string(str(ours)) == ours
    assert Multiaddr.from_bytes(ours.bytes) == ours


@given(st.ip_addresses(), ports, peers, peers)
def test_what_is_put_together_comes_apart(
    address: object, port: int, relay: PeerId, target: PeerId
) -> None:
    direct = Multiaddr.from_ip(address.packed, port)
    circuit = direct.with_peer(relay).via_circuit(target)
    assert Multiaddr.from_bytes(circuit.bytes) == circuit
    assert circuit.peer_id() == target
    assert circuit.relay_part() == direct.with_peer(relay)
    assert direct.with_peer(relay).without_peer() == direct
    host, found, _ = direct.host_port() or ("", -1, 0)
    assert found == port
    assert Multiaddr.from_string(f"/ip{address.version}/{host}/tcp/{port}") == direct


components = st.sampled_from(list(multiaddr._PROTOCOLS)).flatmap(
    lambda code: st.binary(max_size=40).map(lambda value: multiaddr._component(code, value))
)


@given(st.binary(max_size=600) | st.lists(components, max_size=18).map(b"".join))
def test_any_bytes_are_an_address_or_refused(data: bytes) -> None:
    try:
        address = Multiaddr.from_bytes(data)
    except RemoteProtocolError:
        assert parse_many([data], 1) == []
        return
    assert parse_many([data], 1) == [address]
    assert address.bytes == data
    assert b"".join(multiaddr._component(*part) for part in address.protocols) == data
    assert Multiaddr.from_string(str(address)) == address
    assert str(address).isprintable()
    (
        address.peer_id(),
        address.host_port(),
        address.scope(),
        address.relay_part(),
        address.is_circuit,
    )


@given(st.text() | st.lists(st.sampled_from(["ip4", "tcp", "p2p", "1", "::", ""])).map("/".join))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Multiaddr.from_string(text)
    except AddressError:
        return
    assert Multiaddr.from_bytes(address.bytes) == address

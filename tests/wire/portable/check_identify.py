from raises import raises

from edge.wire.errors import RemoteProtocolError
from edge.wire.identify import MAX_MESSAGE, Identify, IdentifyReader, read_identify
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from edge.wire.protobuf import delimited

PEER = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
OTHER = PeerId.from_string("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
LISTEN = Multiaddr.from_string("/ip4/1.2.3.4/tcp/4001")
OBSERVED = Multiaddr.from_string("/ip4/5.6.7.8/tcp/50000")


def read(*chunks):
    reader = IdentifyReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.finish()


# Fields by the numbers of https://github.com/libp2p/specs/blob/master/identify/README.md
message = Identify(
    public_key=b"k",
    listen_addrs=[b"l", b"m"],
    protocols=["/p"],
    observed_addr=b"o",
    protocol_version="v",
    agent_version="a",
    signed_peer_record=b"s",
)
data = bytes.fromhex("0a016b12016c12016d1a022f7022016f2a0176320161420173")
assert message.encode() == data
assert Identify.decode(data) == message

# Whole, in pieces, and as several messages, which merge.
assert read(delimited(data)) == message
assert read(b"\x19", data[:7], data[7:]) == message
first = Identify(protocols=["/p"], agent_version="old", listen_addrs=[b"l"])
second = Identify(protocols=["/q"], agent_version="new", signed_peer_record=b"s")
merged = read(delimited(first.encode()) + delimited(second.encode()))
assert merged.protocols == ["/p", "/q"]
assert (merged.agent_version, merged.signed_peer_record) == ("new", b"s")
assert merged.listen_addrs == [b"l"]

raises(RemoteProtocolError, read)
raises(RemoteProtocolError, read, b"\x19" + data[:7])
raises(RemoteProtocolError, read, delimited(b"a" * (MAX_MESSAGE + 1)))
raises(RemoteProtocolError, read, delimited(b"\x08\x00" * (MAX_MESSAGE // 2)) * 3)
raises(RemoteProtocolError, read, delimited(b"\x0a"))

# What is believed of it
message = Identify(
    public_key=PEER.public_key().encode(),
    listen_addrs=[b"\xff", LISTEN.bytes, LISTEN.bytes],
    protocols=["/ipfs/id/1.0.0", "bare"],
    observed_addr=OBSERVED.bytes,
    protocol_version="ipfs/0.1.0",
    agent_version="go\x1b[31m\n\u00e9" + "x" * 1000,
)
info = read_identify(message, PEER)
assert info.agent == "go?[31m??" + "x" * 119
assert info.protocol_version == "ipfs/0.1.0"
assert info.protocols == ("/ipfs/id/1.0.0", "bare")
assert info.addresses == (LISTEN,) and info.seq == -1
assert info.observed == OBSERVED
raises(RemoteProtocolError, read_identify, message, OTHER)
raises(RemoteProtocolError, read_identify, Identify(public_key=b"\xff"), PEER)
assert read_identify(Identify(), OTHER).addresses == ()
assert read_identify(Identify(observed_addr=b"\xff"), OTHER).observed is None

# A push says only what has changed.
pushed = read_identify(Identify(protocols=["/new"], public_key=b""), PEER, info)
assert pushed.protocols == ("/new",)
assert (pushed.agent, pushed.observed) == (info.agent, info.observed)
assert pushed.addresses == info.addresses

"""What identify says of a device: encoded only, by hand, for tables of fields cost heap.

Source: https://github.com/libp2p/specs/blob/master/identify/README.md
"""

from micropython import const

from edge.version import VERSION
from edge.wire import varint

PROTOCOL_ID = "/ipfs/id/1.0.0"
AGENT = "kwaainet-esp32/" + VERSION
_KEY = const(1)
_ADDRESS = const(2)
_PROTOCOL = const(3)
_OBSERVED = const(4)
_VERSION = const(5)
_AGENT = const(6)
_BYTES = const(2)  # protobuf's wire type


def own(public_key, addresses, protocols):
    """The message but for the address at which the peer is seen: that of all peers alike."""
    fields = [(_KEY, public_key), (_VERSION, b"ipfs/0.1.0"), (_AGENT, AGENT.encode())]
    fields += [(_ADDRESS, address) for address in addresses]
    fields += [(_PROTOCOL, protocol.encode()) for protocol in protocols]
    return b"".join([_field(number, data) for number, data in fields])


def observed(address):
    """The part for one peer, to be put in front of the rest: protobuf merges what is joined."""
    return _field(_OBSERVED, address)


def tcp(ip, port):
    """The multiaddr of an IPv4 address, 4 bytes, and a port."""
    return b"\x04" + bytes(ip) + b"\x06" + port.to_bytes(2, "big")


def _field(number, data):
    return bytes((number << 3 | _BYTES,)) + varint.encode(len(data)) + data

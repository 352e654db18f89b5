"""What can go wrong in a protocol, told apart by whose fault it is (as h11 does).

Portable: runs under CPython and MicroPython.
"""


class WireError(Exception):
    """Base of everything raised in edge.wire."""


class RemoteProtocolError(WireError):
    """The peer sent what the protocol does not allow. Close what it was sent on."""


class LocalProtocolError(WireError):
    """Our own side called a state machine in a way its state does not allow. A bug of ours."""


class AddressError(WireError):
    """Text that is not the peer id or multiaddr it should be. The message says what is wrong."""

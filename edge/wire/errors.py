"""Errors of a protocol, distinguished by the side at fault (as in h11).

Portable: runs under CPython and MicroPython.
"""


class WireError(Exception):
    """Base of everything raised in edge.wire."""


class RemoteProtocolError(WireError):
    """The peer violated the protocol. Close the stream or connection concerned."""


class LocalProtocolError(WireError):
    """A call to a state machine that its state does not allow: a bug of the caller."""


class AddressError(WireError):
    """The text is not a valid peer id or multiaddr. The message names the mistake."""

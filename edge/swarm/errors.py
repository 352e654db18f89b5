"""The swarm's exceptions."""


class SwarmError(Exception):
    """Base of everything the swarm raises to its users."""


class DialError(SwarmError):
    """No connection could be made; the text says why, address by address."""


class ConnectionClosed(SwarmError):
    """The connection ended while it was being used."""


class StreamReset(SwarmError):
    """The stream was reset, by the peer or with its connection."""


class StreamEnded(SwarmError):
    """The peer finished the stream before what was awaited had arrived."""


class LimitReached(SwarmError):
    """A limit of ours leaves no room; the text names it."""

"""The room's exceptions. They are the swarm's too: whoever asks a peer is ready for those."""

from edge.swarm.errors import SwarmError


class DhtError(SwarmError):
    """Base of everything raised in edge.dht."""


class CallRefused(DhtError):
    """The peer has answered a call with an error, which is the text."""

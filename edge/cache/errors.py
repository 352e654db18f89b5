"""The room's exceptions. They are the swarm's too: whoever asks a peer is ready for those."""

from edge.swarm.errors import SwarmError


class CacheError(SwarmError):
    """Base of what is raised to whoever asks the cache for something; the text is for people."""

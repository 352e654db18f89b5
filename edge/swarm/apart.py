"""Connections beside those of the swarm: to a peer that may be connected already, for one purpose.

No service is told of them, no stream that the peer opens is served, and nothing finds them by the
peer's id: neither do they carry what others send, nor are they taken for a sign of the peer. Who
asked for one closes it.
"""

from __future__ import annotations

from edge.swarm.connection import Connection
from edge.swarm.errors import LimitReached
from edge.swarm.pools import HANDSHAKE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.swarm.shared import Shared
    from edge.swarm.stream import Stream
    from edge.swarm.transport import Transport
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId


class Apart:
    """Owns them; each is leased as a handshake, for as long as it lasts."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def upgrade(self, transport: Transport, remote: Multiaddr, expected: PeerId) -> Connection:
        """Upgrade `transport`, that leads to `expected`. Raises LimitReached without memory."""
        if not self._shared.pools.handshakes.take(HANDSHAKE):
            self._shared.count_refusal("memory-handshakes")
            transport.close()
            raise LimitReached("no memory for another handshake")
        connection = Connection(self._shared, self, transport, True, remote, None, expected)
        connection.start()
        return connection

    # --- Owner ---

    def connection_open(self, connection: Connection, to_itself: bool) -> None:
        """It may stay."""

    def invited(self, connection: Connection) -> bool:
        """It was made here."""
        return True

    def connection_closed(self, connection: Connection) -> None:
        self._shared.pools.handshakes.give(HANDSHAKE)

    def connection_promoted(self, connection: Connection) -> None:
        """It carries no work but this."""

    def connection_leaving(self, connection: Connection) -> None:
        """It ends soon anyway."""

    def stream_ready(self, stream: Stream) -> None:
        stream.reset()

    def offers(self, protocol: str, connection: Connection) -> bool:
        return False

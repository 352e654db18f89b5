"""The swarm's pools of the memory budget, and the costs of what it leases."""

from __future__ import annotations

from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.budget import Budget

# Bytes that one of each costs, measured by bench/ with 1000 of them and rounded up.
CONNECTION = 20 * KIB
HANDSHAKE = 8 * KIB  # without what it holds of a frame
STREAM = 2 * KIB
HANDLER = 2 * KIB  # a stream's, while a task serves it
# Observed addresses, failed dials, what rests, rates of handshakes and dial-backs, senders of wrong
# signatures; the overview's samples and line.
SMALL_TABLES = 320 * KIB


class Pools:
    """The pools of `budget` from which connections and what they carry are leased.

    Their shares add up to more than one: a node that serves much needs buffers and streams, one
    that is only reached needs connections.
    """

    __slots__ = ("buffers", "connections", "handshakes", "streams", "tables")

    def __init__(self, budget: Budget) -> None:
        self.connections = budget.pool("connections", 0.5, growth=True)
        self.handshakes = budget.pool("handshakes", 0.15, growth=True)
        self.streams = budget.pool("streams", 0.25)
        self.buffers = budget.pool("buffers", 0.5)
        self.tables = budget.pool("tables", 0.25, growth=True)

"""The routing table: which nodes of the DHT are known, by their distance from this one.

Kademlia's k-buckets (Maymounkov and Mazières, sections 2.2 and 4.1): a node that has answered stays
before newcomers, which wait as replacements until it does not answer any more. So whoever floods
the table with ids gets what nobody holds, and places in a bucket are few for one address and the
networks around it (edge.swarm.crowd): of the nodes nearest to any key, some are of other networks.

A node id is what its peer says, or SHA-1 of the peer id, as KwaaiNet's and this node's are. A peer
has one; it may not take one that another peer holds, but for its own SHA-1.

Named as in hivemind's dht/routing.py.
"""

from __future__ import annotations

import hashlib

from edge.swarm.crowd import networks, within
from edge.wire.hivemind import ID_SIZE, nearest_piece

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from edge.budget import Pool
    from edge.wire.peerid import PeerId

K = 20  # nodes of a bucket, and of an answer: hivemind's bucket_size
MAX_PER_GROUP = 4  # nodes of a bucket, and replacements, that share an IP group,
MAX_PER_NETWORK = K // 2  # and a network around it, which has some times as many up to this
NODE = 1 << 10  # bytes that one takes


class Node:
    """A node of the DHT. `id`: its node id as a number; `group`: of its IP, b"" for no limit.

    `seen`: when it last answered, in loop time. `piece`: its part of an answer.
    """

    __slots__ = ("group", "id", "peer", "piece", "seen")

    def __init__(self, number: int, peer: PeerId, group: bytes, seen: float) -> None:
        self.id = number
        self.peer = peer
        self.group = group
        self.seen = seen
        self.piece = nearest_piece(number.to_bytes(ID_SIZE, "big"), peer)


class Bucket:
    """Nodes at about one distance; who answered last is last, in both tables."""

    __slots__ = ("nodes", "replacements")

    def __init__(self) -> None:
        self.nodes: dict[PeerId, Node] = {}
        self.replacements: dict[PeerId, Node] = {}


class RoutingTable:
    """The nodes around `own`, a peer; each is leased from `pool`."""

    def __init__(self, own: PeerId, pool: Pool) -> None:
        self.own = sha1_of(own)
        self._pool = pool
        self._buckets: dict[int, Bucket] = {}  # by the bits of the distance
        self._known: dict[PeerId, Node] = {}  # all nodes and replacements
        self._holders: dict[int, PeerId] = {}

    def __len__(self) -> int:
        return sum([len(bucket.nodes) for bucket in self._buckets.values()])

    def __contains__(self, peer: PeerId) -> bool:
        node = self._known.get(peer)
        return node is not None and peer in self._bucket_of(node).nodes

    def __iter__(self) -> Iterator[Node]:
        for bucket in self._buckets.values():
            yield from bucket.nodes.values()

    def node_of(self, peer: PeerId) -> Node | None:
        """`peer` as it is known, in its place or as a replacement."""
        return self._known.get(peer)

    def answered(self, number: int, peer: PeerId, group: bytes, now: float) -> Node | None:
        """`peer` has answered as the node `number`.

        Returns the node that has to answer to keep its place before this one, if there is one.
        """
        known = self._known.get(peer)
        if known is not None and known.id != number:
            self.remove(peer)
            known = None
        if number == self.own or not self._may_hold(number, peer):
            return None
        if known is None:
            if not self._pool.take(NODE):
                return None
            known = Node(number, peer, group, now)
        known.seen, known.group = now, group
        bucket = self._buckets.setdefault(_distance(number, self.own), Bucket())
        bucket.nodes.pop(peer, None)
        bucket.replacements.pop(peer, None)
        self._known[peer] = known
        self._holders[number] = peer
        if len(bucket.nodes) < K and _crowded(bucket.nodes.values(), known) is None:
            bucket.nodes[peer] = known
            return None
        return self._wait(bucket, known)

    def failed(self, peer: PeerId) -> None:
        """`peer` did not answer: its place goes to the replacement that answered last."""
        node = self._known.get(peer)
        if node is None:
            return
        bucket = self._bucket_of(node)
        self.remove(peer)
        for other in reversed(bucket.replacements.values()):
            if len(bucket.nodes) < K and _crowded(bucket.nodes.values(), other) is None:
                del bucket.replacements[other.peer]
                bucket.nodes[other.peer] = other
                return

    def remove(self, peer: PeerId) -> None:
        """Forget `peer`."""
        node = self._known.pop(peer, None)
        if node is None:
            return
        bucket = self._bucket_of(node)
        bucket.nodes.pop(peer, None)
        bucket.replacements.pop(peer, None)
        if not bucket.nodes and not bucket.replacements:
            del self._buckets[_distance(node.id, self.own)]
        self._holders.pop(node.id, None)
        self._pool.give(NODE)

    def clear(self) -> None:
        """Forget everyone."""
        for peer in list(self._known):
            self.remove(peer)

    def nearest(self, number: int, count: int = K, but: PeerId | None = None) -> list[Node]:
        """The `count` nodes nearest to `number`, nearest first, without the peer `but`."""
        found: list[Node] = []
        excluded = self._known.get(but) if but is not None else None
        for nodes in self._by_distance(number):
            part = [node for node in nodes if node is not excluded]
            part.sort(key=lambda node: node.id ^ number)
            found += part
            if len(found) >= count:
                break
        return found[:count]

    def _by_distance(self, number: int) -> Iterator[list[Node]]:
        """All nodes in groups, each of which is nearer to `number` than those that follow.

        Nearest are those as far from this node as `number` is, then all that are nearer to this
        node, whose distance is decided by the first bit in which `number` differs from it.
        """
        buckets, bits = self._buckets, _distance(number, self.own)
        if bits in buckets:
            yield list(buckets[bits].nodes.values())
        yield [
            node
            for nearer, bucket in buckets.items()
            if nearer < bits
            for node in bucket.nodes.values()
        ]
        for farther in sorted(buckets):
            if farther > bits:
                yield list(buckets[farther].nodes.values())

    def oldest(self) -> Node | None:
        """The node of which nothing was heard for longest."""
        return min(self, key=lambda node: node.seen, default=None)

    def distances(self) -> list[int]:
        """Bits of the distances at which there are nodes."""
        return sorted(self._buckets)

    def _bucket_of(self, node: Node) -> Bucket:
        return self._buckets[_distance(node.id, self.own)]

    def _may_hold(self, number: int, peer: PeerId) -> bool:
        holder = self._holders.get(number)
        if holder is None or holder == peer:
            return True
        if number != sha1_of(peer):
            return False
        self.remove(holder)  # which has claimed the id of another one
        return True

    def _wait(self, bucket: Bucket, node: Node) -> Node | None:
        """Have `node` wait for a place; returns who may lose one to it."""
        others = list(bucket.replacements.values())
        network = _crowded(others, node)
        if network is not None:
            self.remove(_first_of(others, network).peer)
        elif len(others) >= K:
            self.remove(others[0].peer)
        bucket.replacements[node.peer] = node
        nodes = bucket.nodes.values()
        network = _crowded(nodes, node)
        # One of a crowded network can lose it to nobody else.
        return _first_of(nodes, network) if network is not None else next(iter(nodes), None)


def sha1_of(peer: PeerId) -> int:
    """The node id that follows from a peer id."""
    return int.from_bytes(hashlib.sha1(peer.bytes, usedforsecurity=False).digest(), "big")


def node_id_of(said: bytes, peer: PeerId) -> int | None:
    """The node id that `peer` says it has; None: it says that it serves nobody, or nonsense.

    KwaaiNet's older versions say their peer id.
    """
    if said == peer.bytes:
        return sha1_of(peer)
    return int.from_bytes(said, "big") if len(said) == ID_SIZE else None


def _distance(number: int, own: int) -> int:
    return (number ^ own).bit_length()


def _crowded(nodes: Collection[Node], node: Node) -> bytes | None:
    """The narrowest network around `node` that has all the places it may have among `nodes`."""
    for network, times in networks(node.group):
        most = min(MAX_PER_GROUP * times, MAX_PER_NETWORK)
        if sum([within(other.group, network) for other in nodes]) >= most:
            return network
    return None


def _first_of(nodes: Collection[Node], network: bytes) -> Node:
    return next(other for other in nodes if within(other.group, network))

"""Peers, keys and a storage whose clocks are set by hand."""

from __future__ import annotations

import hashlib

from edge.budget import Budget
from edge.crypto import Ed25519Key
from edge.dht.storage import Found, Storage
from edge.dht.validation import PLAIN
from edge.units import MIB
from edge.wire import dictionary, packed
from edge.wire.envelope import seal_peer_record
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import ED25519, PeerId, PublicKey

NOW = 1_900_000_000.0
ADDRESS = Multiaddr.from_string("/ip4/203.0.113.7/tcp/4001")


def key_pair(number: int) -> Ed25519Key:
    return Ed25519Key.from_seed(number.to_bytes(32, "big"))


def peer(number: int) -> PeerId:
    """A peer id that nobody has the key of: much faster than one with a key."""
    return PublicKey(type=ED25519, data=number.to_bytes(32, "big")).peer_id()


def key(name: str) -> bytes:
    return hashlib.sha1(packed.dumps(name), usedforsecurity=False).digest()


def named(peer: PeerId) -> bytes:
    """The subkey of a record that is that peer's."""
    return packed.dumps(str(peer))


def announcement(owner: Ed25519Key, state: int = 2) -> tuple[PeerId, bytes]:
    """Whose it is, and the value of a record of KwaaiNet with signed addresses."""
    peer = PublicKey(type=ED25519, data=owner.public).peer_id()
    table = {"peer_id": str(peer), "addrs_signed": seal_peer_record(owner, 1, [ADDRESS])}
    fields = packed.dumps([state, 12.5, table])
    return peer, packed.dumps(packed.Extension(0x40, fields))


class Kept:
    """A storage in `memory` bytes of its own, at a time that tests move."""

    def __init__(self, memory: int = 64 * MIB, permissive: bool = False) -> None:
        budget = Budget(memory, 0)
        self.pool = budget.pool("dht", 1.0, growth=True)
        self.utc: float | None = NOW
        self.monotonic = 1000.0
        self.storage = Storage(self.pool, lambda: self.utc, permissive, lambda: self.monotonic)

    def wait(self, seconds: float) -> None:
        """Time passes, on both clocks."""
        assert self.utc is not None
        self.utc += seconds
        self.monotonic += seconds

    def store(
        self,
        writer: PeerId,
        name: str,
        value: bytes = b"\x01",
        subkey: bytes = PLAIN,
        life: float = 360.0,
        cached: bool = False,
    ) -> bool:
        """`life`: seconds from NOW, not from the time that has been reached."""
        return self.storage.store(key(name), subkey, value, NOW + life, cached, writer)

    def find(self, name: str) -> Found | None:
        return self.storage.find(key(name))

    def plain(self, name: str) -> bytes | None:
        found = self.find(name)
        return None if found is None else found.value

    def subkeys(self, name: str) -> dict[bytes, bytes]:
        """The values under a key, by packed subkey."""
        found = self.find(name)
        entries = [] if found is None else dictionary.unpack(found.value)
        return {subkey: value for subkey, value, _ in entries}

    def refusals(self, reason: str) -> int:
        return self.storage.refusals.get(reason, 0)

"""Who may write a record: its owner, who is named in it, and for the rest anybody.

Three kinds of records have an owner. Hivemind's protected records carry an RSA key in the subkey
and a signature in the value (`edge/dht/protected.py`): whoever delivers them, the owner wrote them.
A record whose subkey is a peer id is its owner's when that peer delivers it over its own
connection: Noise has authenticated it, and no field of the request has a say. All else is free.

A stranger may deliver a record that names a peer for two reasons. Its value carries addresses that
the peer has signed (KwaaiNet's `addrs_signed`): they vouch for where the peer is, but not for the
rest of the value, and anybody can copy them. Or it is a copy for a cache. Neither is ever put in
the place of what the owner has written.
"""

from __future__ import annotations

import time

from edge.dht import protected
from edge.wire import packed
from edge.wire.envelope import open_peer_record
from edge.wire.errors import AddressError, RemoteProtocolError, WireError
from edge.wire.peerid import MAX_TEXT, PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What gives way, first to last.
CACHED, FREE, OWNED = range(3)

NOT_OWNER = "not-owner"
BAD_SIGNATURE = "bad-signature"
MALFORMED = "malformed"
BUSY = "signature-unread"

PLAIN = b"\xc0"  # the subkey of a record without one

SHARE = 0.05  # of the time, for signatures: one takes a router from some milliseconds to 0.2 s
AT_ONCE = 1.0  # seconds of that
REST = 10.0  # seconds for which no signature from who sent a wrong one is verified
RESTING = 128  # senders that are remembered for that

_MIN_PEER_ID = 46  # characters of a SHA-256 in base58
_SIGNED = b"addrs_signed"


class Refused(Exception):
    """The record is not stored; the text is the reason, as it is counted."""


class Claim:
    """What a record would be if its proof holds.

    `rank`: CACHED, FREE or OWNED. `owner`: the peer that it names and that did not deliver it.
    `signed`: whether a signature has to be verified. `guarded`: it has an owner, present or not.
    """

    __slots__ = ("guarded", "owner", "rank", "signed")

    def __init__(
        self, rank: int, guarded: bool = False, owner: PeerId | None = None, signed: bool = False
    ) -> None:
        self.rank = rank
        self.guarded = guarded
        self.owner = owner
        self.signed = signed


# Those that need no signature.
_OWN = Claim(OWNED, guarded=True)
_OWNERS_COPY = Claim(CACHED, guarded=True)
_UNOWNED = (Claim(FREE), Claim(CACHED))  # by whether it is for a cache


class Validator:
    """`permissive`: anybody may write anything, as with a node of hivemind without validators."""

    __slots__ = ("_last", "_time", "permissive")

    def __init__(
        self, permissive: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.permissive = permissive
        self._time = SignatureTime(monotonic)
        self._last: tuple[bytes, PeerId | None] = (PLAIN, None)  # a node stores one subkey often

    def claim(self, key: bytes, subkey: bytes, value: bytes, cached: bool, writer: PeerId) -> Claim:
        """What the record would be, by what costs little to see. Raises Refused."""
        if self.permissive:
            return _UNOWNED[cached]
        if protected.is_protected(key, subkey):
            return Claim(OWNED, guarded=True, signed=True)
        owner = self._named(subkey)
        if owner is None:
            return _UNOWNED[cached]
        if owner == writer:
            return _OWN
        if _SIGNED in value:
            return Claim(FREE, guarded=True, owner=owner, signed=True)
        if cached:
            return _OWNERS_COPY
        raise Refused(NOT_OWNER)

    def verify(
        self,
        claim: Claim,
        key: bytes,
        subkey: bytes,
        value: bytes,
        expiration: float,
        writer: PeerId,
    ) -> None:
        """Verify the signature of a claim that is `signed`. Raises Refused."""
        if not self._time.admits(writer):
            raise Refused(BUSY)
        if claim.owner is None:
            proven = protected.verify(key, subkey, value, expiration)
        else:
            proven = vouches(value, claim.owner)
        self._time.spent(writer, proven)
        if not proven:
            raise Refused(BAD_SIGNATURE)

    def _named(self, subkey: bytes) -> PeerId | None:
        last, owner = self._last
        if subkey != last:
            owner = named_peer(subkey)
            self._last = subkey, owner
        return owner


class SignatureTime:
    """What is spent on signatures: SHARE of the time, none for who sent a wrong one lately.

    By the time that it takes, as whoever signs chooses the kind of key.
    """

    __slots__ = ("_left", "_monotonic", "_resting", "_since")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left = AT_ONCE
        self._since = monotonic()
        self._resting: dict[PeerId, float] = {}  # until when; the last to fail is last

    def admits(self, sender: PeerId) -> bool:
        now = self._monotonic()
        self._left = min(AT_ONCE, self._left + (now - self._since) * SHARE)
        self._since = now
        return self._left > 0 and self._resting.get(sender, now) <= now

    def spent(self, sender: PeerId, proven: bool) -> None:
        """A signature of `sender` was verified since it was admitted."""
        now = self._monotonic()
        self._left -= now - self._since
        self._since = now
        if proven:
            return
        self._resting.pop(sender, None)
        if len(self._resting) >= RESTING:
            del self._resting[next(iter(self._resting))]
        self._resting[sender] = now + REST


def canonical(subkey: bytes) -> bytes:
    """`subkey` in the one encoding that it is compared and kept in. Raises RemoteProtocolError.

    In another encoding, the name of a peer would be another subkey here and the same for readers.
    """
    length = len(subkey) - 2  # of a text with two bytes before it
    if 32 <= length < 256 and subkey[0] == 0xD9 and subkey[1] == length and subkey[2:].isascii():
        return subkey  # most are peer ids
    value = packed.loads(subkey, 1, 0)
    if value is None or isinstance(value, list | dict):
        raise RemoteProtocolError("a subkey that no dictionary can have")
    return packed.dumps(value)


def named_peer(subkey: bytes) -> PeerId | None:
    """The peer whose id, as text, `subkey` is in its canonical encoding."""
    if subkey[:1] == b"\xd9":
        text = subkey[2:]
        if _MIN_PEER_ID <= len(text) <= MAX_TEXT and text.isalnum():
            try:
                return PeerId.from_string(text.decode("ascii"))
            except AddressError:
                pass  # an ordinary name
    return None


def vouches(value: bytes, owner: PeerId) -> bool:
    """Whether `value` is a record of KwaaiNet with addresses that `owner` has signed."""
    try:
        fields = packed.loads_tuple(value)
        table = fields[-1] if isinstance(fields, list) and fields else fields
        envelope = table.get(_SIGNED.decode()) if isinstance(table, dict) else None
        if not isinstance(envelope, bytes):
            return False
        open_peer_record(envelope, expected=owner)
    except WireError:
        return False
    return True

"""What this node keeps for others: records until they expire, within its memory.

The rules are hivemind's (hivemind/dht/storage.py and protocol.py, 1.1.12). Under a key is either
one plain value or a dictionary of values by subkey. Each expires at a time of its own, and is
replaced only by one that expires strictly later. A dictionary gives way to a plain value that
expires later than all in it, a plain value to a subkey that expires later. Beyond hivemind's: what
an owner has written (`edge/dht/validation.py`) gives way to nobody else's, whatever its expiration.

Values are bytes that nobody interprets, and equal ones are held once: the records of a node, one
under each block that it serves, are one value.

When memory is short, copies for caches give way first, then free records but for a part that they
keep; of these, what who holds most has written longest ago. What an owner has written is kept until
it expires: then new records are refused. The same holds under one key, of which owners and others
have a part each. So nobody can push out others by writing more, and no owner by writing under more
names.
"""

from __future__ import annotations

import time

from edge.dht.records import Dictionary, Entry, level
from edge.dht.steady import SteadyTime
from edge.dht.tables import Tables
from edge.dht.validation import CACHED, FREE, MALFORMED, OWNED, PLAIN, Refused, Validator, canonical
from edge.host import by_reason
from edge.units import KIB
from edge.wire import dictionary
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.dht.records import Holder
    from edge.dht.validation import Claim
    from edge.host import Status
    from edge.wire.peerid import PeerId

FOUND_REGULAR, FOUND_DICTIONARY = 1, 2  # types of hivemind's FindResult

WHOLE = b""  # the subkey with which a value is a whole dictionary

KEY_SIZE = 20  # bytes: SHA-1 of the packed key
MAX_SUBKEY = 1 * KIB  # an RSA key of 4096 bits, as text, has 730 bytes
MAX_VALUE = 64 * KIB
MAX_DICTIONARY = 1024 * KIB  # packed; a frame has 4 MiB
MAX_RECORDS = 1024  # of one writer at one rank
MAX_PART = 0.125  # of the pool, for one writer at one rank
KEPT_FREE = 0.125  # of the pool, which free records do not give up to owners
MAX_LIFE = 86400.0  # seconds until a record expires; KwaaiNet's live for 360

NO_CLOCK = "no-clock"
TOO_LARGE = "too-large"
EXPIRED = "expired"
TOO_FAR = "expires-too-late"
NOT_LATER = "not-later"
OWNED_BY_OTHER = "owned"
QUOTA = "writer-quota"
KEY_FULL = "key-full"
FULL = "full"


class Found:
    """What is under a key. `kind`: FOUND_REGULAR or FOUND_DICTIONARY; `value`: as on the wire."""

    __slots__ = ("expiration", "kind", "value")

    def __init__(self, kind: int, value: bytes, expiration: float) -> None:
        self.kind = kind
        self.value = value
        self.expiration = expiration


class Storage:
    """`pool`: leases the memory. `utc()`: seconds since 1970, None while the clock cannot be right.

    `permissive`: owners are not asked for. `monotonic`: seconds that never jump. `refusals`: by
    reason. `evicted`, `expired`: entries so far.
    """

    def __init__(
        self,
        pool: Pool,
        utc: Callable[[], float | None],
        permissive: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refusals: dict[str, int] = {}
        self.evicted = 0
        self.expired = 0
        self._pool = pool
        self._time = SteadyTime(utc, monotonic)
        self.validator = Validator(permissive, monotonic)
        self._tables = Tables()
        self._leased = 0
        self._asking: tuple[int, int] | None = None  # rank and size of who wants memory
        pool.reclaimers.append(self._give_way)

    # --- what others ask for ---

    def store(
        self,
        key: bytes,
        subkey: bytes,
        value: bytes,
        expiration: float,
        cached: bool,
        writer: PeerId,
    ) -> bool:
        """Keep `value` until `expiration` (UNIX seconds). False: refused, and counted by reason.

        `key`: 20 bytes. `subkey`: packed, PLAIN or WHOLE; then `value` is a dictionary, each entry
        of which is stored if it may be, and the answer tells whether all were. `writer`: the peer
        at the other end of the connection.
        """
        try:
            if subkey != WHOLE:
                return self._stored(key, subkey, value, expiration, cached, writer)
            if len(value) > MAX_DICTIONARY:
                raise Refused(TOO_LARGE)
            entries = _unpacked(value)
        except Refused as reason:
            self._count(reason)
            return False
        answers = [self._stored(key, *entry, cached, writer) for entry in entries]
        return all(answers)

    def find(self, key: bytes) -> Found | None:
        """What is under `key` and has not expired; None while the clock cannot be right."""
        now = self._time.now()
        if now is None:
            return None
        self._drop(now)
        found = self._tables.records.get(key)
        if found is None:
            return None
        if isinstance(found, Entry):
            return Found(FOUND_REGULAR, found.value.data, found.expiration)
        entries = found.entries.values()
        latest = max([entry.expiration for entry in entries])
        value = dictionary.pack([(e.subkey, e.value.data, e.expiration) for e in entries], latest)
        return Found(FOUND_DICTIONARY, value, latest)

    def expire(self, now: float) -> None:
        """Let go of what has expired at `now` (UNIX seconds)."""
        self._drop(now + self._time.ahead)

    def report(self) -> Status:
        """The counts for `status`."""
        ranks = [0] * len(self._tables.rankings)
        for holder in self._tables.holders.values():
            ranks[holder.rank] += holder.count
        return {
            "keys": len(self._tables.records),
            "records": sum(ranks),
            "owned": ranks[OWNED],
            "free": ranks[FREE],
            "cached": ranks[CACHED],
            "values": len(self._tables.values),
            "writers": len({writer for writer, _ in self._tables.holders}),
            "bytes": self._tables.used,
            "evicted": self.evicted,
            "expired": self.expired,
            "refusals": by_reason(self.refusals),
        }

    # --- whether an entry is stored ---

    def _stored(
        self,
        key: bytes,
        subkey: bytes,
        value: bytes,
        expiration: float,
        cached: bool,
        writer: PeerId,
    ) -> bool:
        try:
            until = self._until(expiration)
            _check_sizes(key, subkey, value)
            name = _canonical(subkey)
            claim = self.validator.claim(key, name, value, cached, writer)
            if not claim.signed:
                same = self._tables.same(key, name, value, claim.rank, writer)
                if same is not None and expiration > same.expiration:
                    self._tables.prolong(same, expiration, until)
                    return True
            entry = Entry(key, name, self._tables.value(value), expiration, until)
            self._check_order(entry, claim)
            self._check_quota(entry, claim.rank, writer)
            self._prove(entry, claim, writer)
            self._put(entry, claim.rank, writer)
        except Refused as reason:
            self._count(reason)
            return False
        return True

    def _until(self, expiration: float) -> float:
        """`expiration` in steady time. What has expired by now is gone afterwards."""
        now = self._time.now()
        if now is None:
            raise Refused(NO_CLOCK)
        self._drop(now)
        until = expiration + self._time.ahead if self._time.ahead else expiration
        if not until > now:  # nor if it is not a number
            raise Refused(EXPIRED)
        if until > now + MAX_LIFE:
            raise Refused(TOO_FAR)
        return until

    def _check_order(self, entry: Entry, claim: Claim) -> None:
        """Whether what is there gives way."""
        found = self._tables.records.get(entry.key)
        if isinstance(found, Dictionary) and entry.subkey == PLAIN:
            if found.counts[True]:
                raise Refused(OWNED_BY_OTHER)
            if entry.expiration <= found.latest:
                raise Refused(NOT_LATER)
            return
        old = self._tables.replaced(entry)
        if old is None:
            return
        if (claim.guarded or old.rank == OWNED) and claim.rank != old.rank:
            if claim.rank < old.rank:
                raise Refused(OWNED_BY_OTHER)
        elif entry.expiration <= old.expiration:
            raise Refused(NOT_LATER)

    def _check_quota(self, entry: Entry, rank: int, writer: PeerId) -> None:
        holder = self._tables.holders.get((writer, rank))
        if self._lacks_room(entry, rank) and self._yielding(entry, rank, holder) is None:
            raise Refused(KEY_FULL)
        if holder is None:
            return
        count, size = holder.count + 1, holder.size + entry.size
        old = self._tables.replaced(entry)
        if old is not None and old.holder is holder:
            count, size = count - 1, size - old.size
        if count > MAX_RECORDS or size > self._pool.ceiling * MAX_PART:
            raise Refused(QUOTA)

    def _prove(self, entry: Entry, claim: Claim, writer: PeerId) -> None:
        """Verify what has to be, last, as it costs most; signed addresses once for a value."""
        if not claim.signed or (claim.owner is not None and claim.owner == entry.value.voucher):
            return
        self.validator.verify(
            claim, entry.key, entry.subkey, entry.value.data, entry.expiration, writer
        )
        entry.value.voucher = claim.owner

    def _lacks_room(self, entry: Entry, rank: int) -> bool:
        """Whether there are too many under its key to add it."""
        found = self._tables.records.get(entry.key)
        return isinstance(found, Dictionary) and not found.has_room(entry, rank == OWNED)

    def _yielding(self, entry: Entry, rank: int, holder: Holder | None) -> Entry | None:
        """The one under its key that gives way to it."""
        found = self._tables.records.get(entry.key)
        if rank == OWNED or not isinstance(found, Dictionary) or found.crowd is None:
            return None
        return found.crowd.yielding(entry, rank, holder)

    # --- memory ---

    def _put(self, entry: Entry, rank: int, writer: PeerId) -> None:
        """Make room for `entry`, lease for it, and put it in the place of what it replaces."""
        holder = self._tables.holders.get((writer, rank))
        while self._lacks_room(entry, rank):
            yielding = self._yielding(entry, rank, holder)
            if yielding is None:
                raise Refused(KEY_FULL)
            self._evict(yielding)
        self._asking = rank, entry.size + (0 if holder is None else holder.size)
        try:
            self._lease(entry, rank, writer)
        finally:
            self._asking = None
        self._tables.put(entry, rank, writer)
        self._settle()

    def _lease(self, entry: Entry, rank: int, writer: PeerId) -> None:
        """Lease what `entry` costs beyond what it replaces, which eviction may change."""
        while True:
            evicted = self.evicted
            cost = self._tables.cost(entry, rank, writer)
            if not self._pool.take(cost):
                raise Refused(FULL)
            self._leased += cost
            if self.evicted == evicted:
                return
            self._settle()

    def _drop(self, now: float) -> None:
        """Let go of what has expired at `now`, in steady time."""
        expired = self._tables.expire(now)
        if expired:
            self.expired += expired
            self._settle()

    def _give_way(self) -> bool:
        """Evict one entry for who asks for memory, if there is one that gives way to it."""
        if self._asking is None:
            return False
        rank, size = self._asking
        for lower in range(min(rank, FREE) + 1):
            holder = self._tables.rankings[lower].most()
            if holder is not None and self._yields(holder, rank, size):
                self._evict(next(iter(holder.evictable)))
                return True
        return False

    def _yields(self, holder: Holder, rank: int, size: int) -> bool:
        """Whether `holder`, of those of its rank that hold most, gives way to who holds `size`."""
        if holder.rank == rank:
            return level(holder.size) > level(size)
        kept = self._pool.ceiling * KEPT_FREE
        return holder.rank == CACHED or self._tables.rankings[FREE].size > kept

    def _evict(self, entry: Entry) -> None:
        self._tables.remove(entry)
        self.evicted += 1
        self._settle()

    def _settle(self) -> None:
        """Give back what is leased and not used, or lease what the tables of a crowd took."""
        self._pool.give(self._leased - self._tables.used)
        self._leased = self._tables.used

    def _count(self, reason: Refused) -> None:
        self.refusals[str(reason)] = self.refusals.get(str(reason), 0) + 1


def _check_sizes(key: bytes, subkey: bytes, value: bytes) -> None:
    if len(key) != KEY_SIZE:
        raise Refused(MALFORMED)
    if len(subkey) > MAX_SUBKEY or len(value) > MAX_VALUE:
        raise Refused(TOO_LARGE)


def _canonical(subkey: bytes) -> bytes:
    if subkey == PLAIN:
        return PLAIN
    try:
        return canonical(subkey)
    except RemoteProtocolError:
        raise Refused(MALFORMED) from None


def _unpacked(value: bytes) -> list[tuple[bytes, bytes, float]]:
    try:
        return dictionary.unpack(value)
    except RemoteProtocolError:
        raise Refused(MALFORMED) from None

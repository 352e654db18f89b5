"""What storage is made of: values, the entries that share them, dictionaries, and holders."""

from __future__ import annotations

from edge.dht.validation import OWNED, PLAIN
from edge.units import KIB
from edge.wire import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.peerid import PeerId

MAX_OWNED, MAX_OWNED_SIZE = 1024, 768 * KIB  # of owners in one dictionary
MAX_OTHERS, MAX_OTHERS_SIZE = 256, 192 * KIB  # of all others in one dictionary
CROWDED = 8  # of all others in one dictionary, from which it is watched whose they are
MAX_OTHER_SIZE = MAX_OTHERS_SIZE // CROWDED  # of one of them: fewer do not fill their part

# Bytes that one of each takes beside its content, measured by bench/dht.py and rounded up.
ENTRY = 208
VALUE = 208
DICTIONARY = 448
HOLDER = 384
CROWD = 512


class Value:
    """Bytes that are held once. `count`: entries that have them; `voucher`: whose signed addresses
    are known to be in them.
    """

    __slots__ = ("count", "data", "voucher")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.count = 0
        self.voucher: PeerId | None = None


class Entry:
    """One value and who wrote it; `subkey`: PLAIN for none. `holder`: None once it is removed.

    `expiration`: as its writer says it; `until`: the same in steady time. `due`: when to look at
    it; it was written again since then if that is not `until`.
    """

    __slots__ = ("due", "expiration", "holder", "key", "subkey", "until", "value")

    def __init__(
        self, key: bytes, subkey: bytes, value: Value, expiration: float, until: float
    ) -> None:
        self.key = key
        self.subkey = subkey
        self.value = value
        self.expiration = expiration
        self.until = self.due = until
        self.holder: Holder | None = None

    def __lt__(self, other: Entry) -> bool:
        return self.due < other.due

    @property
    def size(self) -> int:
        """Bytes, as if nothing were shared."""
        return ENTRY + len(self.subkey) + len(self.value.data)

    @property
    def packed_size(self) -> int:
        """Bytes in a packed dictionary, at most."""
        return dictionary.ENTRY_OVERHEAD + len(self.subkey) + len(self.value.data)

    @property
    def rank(self) -> int:
        assert self.holder is not None
        return self.holder.rank


class Holder:
    """What one writer holds at one rank: `count` entries of `size` bytes.

    `evictable`: those that can give way, the longest unwritten first; of rank OWNED none can.
    An equal value counts for each entry that has it: what a writer holds is not less because others
    hold it, too.
    """

    __slots__ = ("_expiration", "_subkey", "count", "evictable", "rank", "size", "writer")

    def __init__(self, writer: PeerId, rank: int) -> None:
        self.writer = writer
        self.rank = rank
        self.evictable: dict[Entry, None] = {}
        self.count = 0
        self.size = 0
        self._subkey = b""
        self._expiration = 0.0

    def share(self, entry: Entry) -> None:
        """Let `entry` have the subkey and times of the last one, where they are equal.

        A node writes under one subkey all it has in a round, and lets it expire at once.
        """
        if entry.subkey != self._subkey:
            self._subkey = entry.subkey
        time = self.shared_time(entry.expiration)
        if entry.until == entry.expiration:
            entry.until = entry.due = time
        entry.subkey, entry.expiration = self._subkey, time

    def shared_time(self, expiration: float) -> float:
        """The same time, as the object that the last entry has, if it is equal."""
        if expiration != self._expiration:
            self._expiration = expiration
        return self._expiration


class Ranking:
    """Holders ordered by the power of two of their sizes, in O(1). `size`: bytes of all of them."""

    __slots__ = ("_levels", "size")

    def __init__(self) -> None:
        self.size = 0
        self._levels: dict[int, dict[Holder, None]] = {}

    def resize(self, holder: Holder, by: int) -> None:
        """`holder` holds `by` bytes more or less, and leaves at 0."""
        before, after = level(holder.size), level(holder.size + by)
        holder.size += by
        self.size += by
        if before == after:
            return
        if before:
            del self._levels[before][holder]
            if not self._levels[before]:
                del self._levels[before]
        if after:
            self._levels.setdefault(after, {})[holder] = None

    def most(self) -> Holder | None:
        """One of those that hold most."""
        return next(iter(self._levels[max(self._levels)])) if self._levels else None


def level(size: int) -> int:
    """The power of two that `size` is below; sizes of one level are taken for equal."""
    return size.bit_length()


class Crowd:
    """How much of what is under one key each writer has, at each rank below OWNED."""

    __slots__ = ("_ranking", "shares")

    def __init__(self) -> None:
        self.shares: dict[Holder, Holder] = {}
        self._ranking = Ranking()

    def count(self, entry: Entry, sign: int) -> None:
        """`entry` comes (`sign` 1) or goes (-1)."""
        holder = entry.holder
        assert holder is not None
        share = self.shares.get(holder)
        if share is None:
            share = self.shares[holder] = Holder(holder.writer, holder.rank)
        self._ranking.resize(share, sign * entry.size)
        if sign > 0:
            share.evictable[entry] = None
            return
        del share.evictable[entry]
        if not share.evictable:
            del self.shares[holder]

    def yielding(self, entry: Entry, rank: int, holder: Holder | None) -> Entry | None:
        """The one that gives way to `entry`, which `holder` wants to add, or somebody new."""
        most = self._ranking.most()
        own = None if holder is None else self.shares.get(holder)
        size = entry.size + (0 if own is None else own.size)
        if most is None or most.rank > rank or level(most.size) <= level(size):
            return None
        return next(iter(most.evictable))


class Dictionary:
    """The entries under one key, by subkey; `latest`: the last expiration that any of them had.

    `counts`, `sizes`: of those of others and of owners, by `rank == OWNED`; sizes in packed bytes.
    `crowd`: whose those of others are, from when there are CROWDED of them.
    """

    __slots__ = ("counts", "crowd", "entries", "key", "latest", "sizes")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.entries: dict[bytes, Entry] = {}
        self.latest = 0.0
        self.counts = [0, 0]
        self.sizes = [0, 0]
        self.crowd: Crowd | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes beside its entries."""
        return DICTIONARY + (CROWD + HOLDER * len(self.crowd.shares) if self.crowd else 0)

    def count(self, entry: Entry, sign: int) -> None:
        """`entry` has come (`sign` 1) or goes (-1)."""
        owned = entry.rank == OWNED
        self.counts[owned] += sign
        self.sizes[owned] += sign * entry.packed_size
        self.latest = max(self.latest, entry.expiration)
        if owned:
            return
        if self.crowd is not None:
            self.crowd.count(entry, sign)
        elif self.counts[owned] >= CROWDED:
            self.crowd = Crowd()
            for each in self.entries.values():
                if each.rank != OWNED:
                    self.crowd.count(each, 1)

    def has_room(self, entry: Entry, owned: bool) -> bool:
        """Whether `entry` may come, in the place of the one with its subkey or, plain, of all."""
        if entry.subkey == PLAIN:
            return True
        count, size = self.counts[owned] + 1, self.sizes[owned] + entry.packed_size
        old = self.entries.get(entry.subkey)
        if old is not None and (old.rank == OWNED) == owned:
            count, size = count - 1, size - old.packed_size
        if owned:
            return count <= MAX_OWNED and size <= MAX_OWNED_SIZE
        if entry.packed_size > MAX_OTHER_SIZE:
            return False
        return count <= MAX_OTHERS and size <= MAX_OTHERS_SIZE

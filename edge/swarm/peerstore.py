"""The peers that a node remembers, so that it can rejoin when every bootstrap is down.

The order of the table says who was heard of last, and no clock does: a router boots in 1970 and
jumps by decades, forward and back. Wall time is kept for people to read and decides nothing. A
peer's rank is its place from the newest, doubled by every failure since it was last reached. One
that was never reached but came to us counts as twice failed: a flood of strangers takes a part of
the table and leaves the peers that are known to work.

The file is text: a header with the version, one line a peer (oldest first), a checksum.

    <peer id> <last heard of, unix seconds> <failures> <reached: 0 or 1> <agent or -> <address>...

Its writes are few, for flash wears out, and atomic. A file that cannot be read costs the memories
in it, never the start.
"""

from __future__ import annotations

import binascii
import os
import threading
import time

from edge import log
from edge.atomic import write_atomic
from edge.budget import within
from edge.swarm.dns import is_dialable
from edge.swarm.errors import SwarmError
from edge.units import KIB
from edge.wire.errors import AddressError
from edge.wire.ip import decimal
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from edge.budget import Pool
    from edge.machine import Sizing

SAVE_INTERVAL = 3600.0  # seconds from one save to the next
PER_DAY = 48 << 10  # bytes written a day, those at the end not counted: a large file waits longer
SETTLE = 300.0  # seconds from the start to the first save: by then there is something to keep
RETRY = 600.0  # seconds after a save failed
MAX_PEERS = 1024
MAX_REMEMBERED = 256  # of them, where memory decides
REMEMBERED = 3 * KIB  # bytes that a peer costs, with as many addresses as it may have
MAX_ADDRESSES = 16
MAX_ADDRESS = 200  # characters; a circuit through a relay with a long name has 150
MAX_AGENT = 64  # characters
MAX_FILE = 4 << 20  # bytes: more than all of these can fill

_DAY = 86400.0
_HEADER = "kwaainet-peers 1"
_CHECKSUM = "checksum "
_NO_AGENT = "-"
_THREAD = "peerstore"
_MAX_FAILURES = 16
_NEVER_REACHED = 2  # failures that having never been reached counts as
_LAST_TIME = 1 << 40


def fitting_peers(tables: Pool, sizing: Sizing | None) -> int:
    """Peers that may be remembered with the memory of `tables`, on a machine of that `sizing`."""
    most = int(MAX_REMEMBERED * sizing.tables) if sizing is not None else MAX_REMEMBERED
    return within(16, tables.ceiling // 4 // REMEMBERED, most)


class CorruptPeerStore(SwarmError):
    """The bytes are not a peer store of this version; the text says where."""


class Record:
    """One peer. `addresses`: best first; with `reached`, the first was dialled successfully."""

    __slots__ = ("addresses", "agent", "failures", "heard", "reached")

    def __init__(
        self,
        addresses: tuple[Multiaddr, ...],
        agent: str = "",
        heard: int = 0,
        failures: int = 0,
        reached: bool = False,
    ) -> None:
        self.addresses = addresses
        self.agent = agent
        self.heard = heard
        self.failures = failures
        self.reached = reached


class PeerStore:
    """At most `max_peers` peers, each with at most `max_addresses` addresses that can be dialled.

    `path`: the file, None to keep nothing beyond this process. `clock`: seconds that never jump.
    """

    def __init__(
        self,
        path: str | None,
        max_peers: int = 256,
        max_addresses: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (0 < max_peers <= MAX_PEERS and 0 < max_addresses <= MAX_ADDRESSES):
            raise ValueError(f"peer store of {max_peers} peers with {max_addresses} addresses")
        self._path = path
        self._max_peers = max_peers
        self._max_addresses = max_addresses
        self._clock = clock
        self._records: dict[PeerId, Record] = {}  # who was heard of last is last
        self._due = clock() + SETTLE
        self._worth_saving = False  # peers or addresses are others than in the file
        self._changed = False  # anything is
        self._complained = False
        self._writing = threading.Lock()  # held by who writes the file
        self._unwritten: bytes | None = None  # handed over to be written

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._records

    # --- what happens to peers ---

    def learn(
        self, peer: PeerId, addresses: Sequence[Multiaddr], agent: str = "", now: float = 0.0
    ) -> None:
        """`peer` has said, over a connection there is, that it listens at `addresses`.

        They take the place of what it said before. `now`: the wall clock, for people to read.
        """
        told = _usable(peer, addresses)
        record = self._records.get(peer)
        if record is None and not told:
            return
        record = record or Record(())
        before = record.addresses
        if told:
            self._replace(record, told)
        record.agent = _plain(agent) or record.agent
        self._heard(peer, record, now, record.addresses != before)

    def seen(self, peer: PeerId, address: Multiaddr, now: float) -> None:
        """`peer` was reached by dialling `address`. `now`: as above."""
        record = self._records.get(peer) or Record(())
        before = record.addresses
        for one in _usable(peer, [address]):
            others = [other for other in before if other != one]
            record.addresses = (one, *others)[: self._max_addresses]
            worth_saving = not record.reached or record.addresses != before
            record.reached = True
            record.failures = 0
            self._heard(peer, record, now, worth_saving)

    def failed(self, peer: PeerId) -> None:
        """No address of `peer` could be dialled."""
        record = self._records.get(peer)
        if record is None:
            return
        record.failures += 1
        if record.failures > _MAX_FAILURES:
            # All in step: who fails must go on to fall behind, or nobody else had a turn.
            for one in self._records.values():
                one.failures //= 2
        self._note(False)

    # --- what is known ---

    def addresses(self, peer: PeerId) -> list[Multiaddr]:
        """Where `peer` may be found, best first, without the /p2p/<peer> at the end."""
        record = self._records.get(peer)
        return [] if record is None else list(record.addresses)

    def candidates(
        self, count: int, without: Container[PeerId] = ()
    ) -> list[tuple[PeerId, list[Multiaddr]]]:
        """The `count` peers most likely to answer, best first; none of `without` (the connected).

        With each failure a peer falls back, so that asking again brings others, and all in the end.
        """
        peers = [peer for peer in self._best() if peer not in without]
        return [(peer, self.addresses(peer)) for peer in peers[:count]]

    # --- the file ---

    def load(self) -> None:
        """Take up what the file holds. A corrupt or foreign one is moved aside, to <path>.bad."""
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("peerstore-unreadable", path=self._path, error=error.strerror)
            return
        try:
            loaded = decode(data)
        except CorruptPeerStore as error:
            self._move_aside(error)
            return
        for record in loaded.values():
            record.addresses = record.addresses[: self._max_addresses]
        self._records = loaded
        kept = set(self._best()[: self._max_peers])
        self._records = {peer: one for peer, one in loaded.items() if peer in kept}

    def save(self, force: bool = False) -> None:
        """Write the file if it is worth it: peers or addresses are others, and the last is old.

        `force`, for the end of the process: whatever has changed since, however lately. Blocks
        until the disk has it, and until a save in the background has ended: the newest state is
        what stays. A failure is logged once, and tried again later.
        """
        with self._writing:
            if self._is_due(force):
                self._hand_over()
            self._write_unwritten()

    def save_in_background(self) -> None:
        """`save`, by a thread that waits for the disk: flash may take seconds."""
        if self._is_due(False) and not self._writing.locked():
            self._hand_over()
            threading.Thread(target=self._write, name=_THREAD, daemon=True).start()

    def _is_due(self, force: bool) -> bool:
        if self._path is None:
            return False
        return self._changed if force else self._worth_saving and self._clock() >= self._due

    def _hand_over(self) -> None:
        """Encode what is to be written here and now: it may change while the disk is busy."""
        self._unwritten = encode(self._records)
        self._worth_saving = self._changed = False

    def _write(self) -> None:
        with self._writing:
            self._write_unwritten()

    def _write_unwritten(self) -> None:
        """Put what was handed over last on the disk, if nobody else has done so meanwhile."""
        data, self._unwritten = self._unwritten, None
        if data is None:
            return
        assert self._path is not None
        now = self._clock()
        try:
            write_atomic(self._path, data)
        except OSError as error:
            self._worth_saving = self._changed = True
            self._due = now + RETRY
            say = log.debug if self._complained else log.warning
            say("peerstore-unwritable", path=self._path, error=error.strerror)
            self._complained = True
            return
        self._due = now + max(SAVE_INTERVAL, len(data) * (_DAY / PER_DAY))
        self._complained = False

    def _move_aside(self, why: CorruptPeerStore) -> None:
        assert self._path is not None
        aside = self._path + ".bad"
        try:
            os.replace(self._path, aside)
        except OSError as error:
            log.warning("peerstore-corrupt", path=self._path, reason=why, error=error.strerror)
            return
        log.warning("peerstore-corrupt", path=self._path, reason=why, moved_to=aside)

    # --- the table ---

    def _heard(self, peer: PeerId, record: Record, now: float, worth_saving: bool) -> None:
        """Put `record` at the end; if that is one too many, the worst goes."""
        record.heard = _seconds(now)
        self._records.pop(peer, None)
        self._records[peer] = record
        self._note(worth_saving)
        if len(self._records) > self._max_peers:
            ranks = self._ranks()
            del self._records[max(ranks, key=lambda peer: ranks[peer])]

    def _ranks(self) -> dict[PeerId, int]:
        """Every peer's rank: the lower, the better."""
        ranks = {}
        for place, (peer, record) in enumerate(reversed(self._records.items()), 1):
            ranks[peer] = place << record.failures + (0 if record.reached else _NEVER_REACHED)
        return ranks

    def _best(self) -> list[PeerId]:
        ranks = self._ranks()
        return sorted(ranks, key=lambda peer: ranks[peer])

    def _replace(self, record: Record, told: list[Multiaddr]) -> None:
        """An address that works stays first until it fails and is no longer claimed."""
        first = record.addresses[:1] if record.reached else ()
        if first and first[0] not in told and record.failures:
            first = ()
        record.reached = bool(first)
        rest = [one for one in told if one not in first]
        record.addresses = (*first, *rest)[: self._max_addresses]

    def _note(self, worth_saving: bool) -> None:
        self._changed = True
        self._worth_saving |= worth_saving


def encode(records: dict[PeerId, Record]) -> bytes:
    """The file that holds `records`, in their order."""
    lines = [_HEADER]
    for peer, record in records.items():
        agent = record.agent or _NO_AGENT
        words = [peer, record.heard, record.failures, int(record.reached), agent]
        lines.append(" ".join([str(word) for word in (*words, *record.addresses)]))
    body = ("\n".join(lines) + "\n").encode("ascii")
    return body + f"{_CHECKSUM}{binascii.crc32(body):08x}\n".encode()


def decode(data: bytes) -> dict[PeerId, Record]:
    """The records in a file's bytes, in their order; raises CorruptPeerStore."""
    if len(data) > MAX_FILE:
        raise CorruptPeerStore(f"longer than {MAX_FILE} bytes")
    if not data.startswith(_HEADER.encode() + b"\n"):
        raise CorruptPeerStore(f"does not start with {_HEADER!r}")
    end = data.rfind(b"\n", 0, -1) + 1
    if data[end:] != f"{_CHECKSUM}{binascii.crc32(data[:end]):08x}\n".encode():
        raise CorruptPeerStore("the checksum is not that of the content")
    records = {}
    for number, line in enumerate(data[:end].split(b"\n")[1:-1], 2):
        try:
            peer, record = _parse(str(line, "ascii").split(" "))
        except (AddressError, ValueError) as error:  # UnicodeError is a ValueError
            raise CorruptPeerStore(f"line {number}: {error}") from None
        if peer in records:
            raise CorruptPeerStore(f"line {number}: a peer for the second time")
        records[peer] = record
    return records


def _parse(words: list[str]) -> tuple[PeerId, Record]:
    if len(words) < 6:
        raise ValueError("too few words")
    name, heard, failures, reached, agent, *texts = words
    numbers = [decimal(word) for word in (heard, failures, reached)]
    limits = (_LAST_TIME, _MAX_FAILURES, 1)
    if not all(0 <= value <= limit for value, limit in zip(numbers, limits, strict=True)):
        raise ValueError("a number out of range")
    addresses = tuple([Multiaddr.from_string(text) for text in texts])
    agent = "" if agent == _NO_AGENT else agent
    return PeerId.from_string(name), Record(
        addresses, _plain(agent), numbers[0], numbers[1], numbers[2] == 1
    )


def _usable(peer: PeerId, addresses: Iterable[Multiaddr]) -> list[Multiaddr]:
    """The `addresses` that lead to `peer`, each once, without the peer id at the end."""
    found: dict[Multiaddr, None] = {}
    for address in addresses:
        bare = address.without_peer()
        if (
            address.peer_id() in (None, peer)
            and is_dialable(bare)
            and len(str(bare)) <= MAX_ADDRESS
        ):
            found[bare] = None
    return list(found)


def _plain(agent: str) -> str:
    """One printable word."""
    word = "".join([char if "!" <= char <= "~" else "_" for char in agent[:MAX_AGENT]])
    return "" if word == _NO_AGENT else word


def _seconds(now: float) -> int:
    return min(max(int(now), 0), _LAST_TIME)

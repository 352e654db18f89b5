"""What is worth writing: admission at the second request, and eviction by a clock.

A cache that keeps whatever passes writes all of it, and flash wears out. Here, once there is no
free room, a segment is written only if it was asked for before, not long ago; that it was is all
that the first request leaves behind (a ghost). Room is made by a clock with three chances.
This is S3-FIFO without its small queue, whose place on the disk the ghosts take: it keeps the hit
ratio and writes a tenth. `python -m bench.cache_policies` compares it with others, W-TinyLFU among
them.

Sources: Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023); Corbató, "A
Paging Experiment with the Multics System" (1968) for the clock
"""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FREE, _COLD, _WARM, _HOT = range(4)  # a slot on the clock; each pass of the hand takes one
_ROUND = 1 << 16  # of the count of misses, and of the part of a key that tells it from others
MAX_SLOTS = _ROUND // 4


class Ghosts:
    """The keys of the last misses: about `count` of them, in 8 to 16 bytes each.

    Keys are numbers of 32 bits that are spread well. Each has two places in a table, and takes the
    one that was written longer ago. What stays for a round of the count may be taken for new; it
    does no harm to keep something too much now and then.
    """

    __slots__ = ("_count", "_keys", "_mask", "_now", "_times")

    def __init__(self, count: int) -> None:
        width = 1 << (2 * count - 1).bit_length()
        self._count = count
        self._mask = width - 1
        self._keys = array("H", bytes(2 * width))
        self._times = array("H", bytes(2 * width))
        self._now = count + 1  # whatever stands at time 0 is long ago

    def take(self, key: int) -> bool:
        """Whether `key` was here; it is no more."""
        place = self._find(key)
        if place is None:
            return False
        self._times[place] = (self._now - self._count - 1) % _ROUND
        return True

    def add(self, key: int) -> None:
        """`key` was asked for, and is not kept."""
        self._now = (self._now + 1) % _ROUND
        place = max(self._places(key), key=self._age)
        self._keys[place] = key // _ROUND
        self._times[place] = self._now

    def _find(self, key: int) -> int | None:
        for place in self._places(key):
            if self._keys[place] == key // _ROUND and self._age(place) <= self._count:
                return place
        return None

    def _age(self, place: int) -> int:
        return (self._now - self._times[place]) % _ROUND

    def _places(self, key: int) -> tuple[int, int]:
        return key & self._mask, (key * 0x9E3779B1 >> 16) & self._mask


class Policy:
    """Which of `slots` segments are kept. A slot is the place of one; a key tells what it is."""

    __slots__ = ("_ghosts", "_hand", "_states")

    def __init__(self, slots: int) -> None:
        self._ghosts = Ghosts(slots)
        self._states = bytearray(slots)
        self._hand = 0

    def admits(self, key: int) -> bool:
        """Whether room is to be made for `key`, which is not kept and was asked for now."""
        if self._ghosts.take(key):
            return True
        self._ghosts.add(key)
        return False

    def hit(self, slot: int) -> None:
        """What is in `slot` was asked for."""
        self._states[slot] = min(self._states[slot] + 1, _HOT)

    def kept(self, slot: int) -> None:
        """Something new is in `slot`."""
        self._states[slot] = _COLD

    def freed(self, slot: int) -> None:
        """`slot` is empty. The hand passes it by: what comes next there is new."""
        self._states[slot] = _FREE
        if slot == self._hand:
            self._hand = (slot + 1) % len(self._states)

    def victim(self, may_go: Callable[[int], bool]) -> int | None:
        """The slot to empty next, None if none may go. It stays the next until it is `freed`."""
        states = self._states
        for _ in range(len(states) * _HOT):
            slot = self._hand
            if states[slot] == _COLD and may_go(slot):
                return slot
            if states[slot] in (_WARM, _HOT) and may_go(slot):
                states[slot] -= 1
            self._hand = (slot + 1) % len(states)
        return None

"""python -m bench.cache_policies: hit ratio and bytes written of policies, on the traces.

Prints a table, and writes bench/results/cache-policies-VERSION.json. Ours is the policy that the
store uses, edge/cache/policy.py. The others are those of their papers: LRU; SIEVE (Zhang et al.,
NSDI 2024); S3-FIFO (Yang et al., SOSP 2023), with a tenth for its small queue; W-TinyLFU (Einziger
et al. 2017) with segmented LRU, as in Caffeine, whose window of WINDOW segments is in memory and
not counted as written. All keep segments of 4 MiB. Shares are of the segments that were asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from bench import builds, cache_traces
from edge.cache.policy import Policy
from edge.version import VERSION

SLOTS = (512, 2048, 8192)  # segments: 2, 8 and 32 GiB
WINDOW = 4  # segments
RESULTS = builds.HERE / "results"


class Cache(Protocol):
    """`written`: segments."""

    written: int

    def ask(self, key: int) -> bool:
        """Whether it is there; if not, it may be kept."""


class Lru:
    def __init__(self, slots: int) -> None:
        self.written = 0
        self._slots = slots
        self._kept: OrderedDict[int, None] = OrderedDict()

    def ask(self, key: int) -> bool:
        if key in self._kept:
            self._kept.move_to_end(key)
            return True
        if len(self._kept) == self._slots:
            self._kept.popitem(last=False)
        self._kept[key] = None
        self.written += 1
        return False


class Sieve:
    def __init__(self, slots: int) -> None:
        self.written = 0
        self._slots = slots
        self._visited: OrderedDict[int, bool] = OrderedDict()  # oldest first
        self._order: list[int] = []
        self._hand = 0

    def ask(self, key: int) -> bool:
        if key in self._visited:
            self._visited[key] = True
            return True
        if len(self._visited) == self._slots:
            self._evict()
        self._visited[key] = False
        self._order.append(key)
        self.written += 1
        return False

    def _evict(self) -> None:
        while self._visited[self._order[self._hand]]:
            self._visited[self._order[self._hand]] = False
            self._hand = (self._hand + 1) % len(self._order)
        del self._visited[self._order.pop(self._hand)]
        self._hand %= max(len(self._order), 1)


class S3Fifo:
    def __init__(self, slots: int) -> None:
        self.written = 0
        self._small_slots = max(1, slots // 10)
        self._slots = slots
        self._small: deque[int] = deque()
        self._main: deque[int] = deque()
        self._ghosts: OrderedDict[int, None] = OrderedDict()
        self._hits: dict[int, int] = {}

    def ask(self, key: int) -> bool:
        if key in self._hits:
            self._hits[key] = min(self._hits[key] + 1, 3)
            return True
        while len(self._hits) >= self._slots:
            self._evict()
        self._hits[key] = 0
        self.written += 1
        if self._ghosts.pop(key, key) is None:
            self._main.append(key)
        else:
            self._small.append(key)
        return False

    def _evict(self) -> None:
        if len(self._small) < self._small_slots:
            self._evict_main()
            return
        key = self._small.popleft()
        if self._hits[key] > 0:
            self._hits[key] = 0
            self._main.append(key)
            return
        del self._hits[key]
        self._ghosts[key] = None
        if len(self._ghosts) > self._slots:
            self._ghosts.popitem(last=False)

    def _evict_main(self) -> None:
        while True:
            key = self._main.popleft() if self._main else self._small.popleft()
            if not self._hits[key]:
                del self._hits[key]
                return
            self._hits[key] -= 1
            self._main.append(key)


_ROWS = 4
_MOST = 15  # of a counter: beyond that, more says nothing
_HALVES = bytes([count >> 1 for count in range(256)])
_SAMPLE = 10  # requests a slot, after which all counts are halved
_SPREAD = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F)


class Sketch:
    """How often keys were asked for of late: a count-min sketch whose counts are halved."""

    def __init__(self, slots: int) -> None:
        self._mask = (1 << (slots - 1).bit_length()) - 1
        self._counts = bytearray(_ROWS * (self._mask + 1))
        self._sample = self._left = slots * _SAMPLE

    def add(self, key: int) -> None:
        places = self._places(key)
        least = self.count(key)
        for place in places:
            if self._counts[place] == least < _MOST:
                self._counts[place] += 1
        self._left -= 1
        if not self._left:
            self._left = self._sample
            self._counts = self._counts.translate(_HALVES)

    def count(self, key: int) -> int:
        return min([self._counts[place] for place in self._places(key)])

    def _places(self, key: int) -> set[int]:
        return {
            row * (self._mask + 1) + ((key * factor >> 15 ^ key) & self._mask)
            for row, factor in enumerate(_SPREAD)
        }


class WTinyLfu:
    """The window is in memory: WINDOW segments."""

    def __init__(self, slots: int) -> None:
        self.written = 0
        self._slots = slots
        self._window: OrderedDict[int, None] = OrderedDict()
        self._trial: OrderedDict[int, None] = OrderedDict()
        self._safe: OrderedDict[int, None] = OrderedDict()
        self._sketch = Sketch(slots)

    def ask(self, key: int) -> bool:
        self._sketch.add(key)
        if key in self._window:
            self._window.move_to_end(key)
            return True
        if key in self._safe:
            self._safe.move_to_end(key)
            return True
        if key in self._trial:
            del self._trial[key]
            self._safe[key] = None
            if len(self._safe) > self._slots * 4 // 5:
                self._trial[self._safe.popitem(last=False)[0]] = None
            return True
        self._window[key] = None
        if len(self._window) > WINDOW:
            self._admit(self._window.popitem(last=False)[0])
        return False

    def _admit(self, key: int) -> None:
        if len(self._trial) + len(self._safe) == self._slots:
            row = self._trial or self._safe
            victim = next(iter(row))
            if self._sketch.count(key) <= self._sketch.count(victim):
                return
            del row[victim]
        self._trial[key] = None
        self.written += 1


class Ours:
    """The policy of the node."""

    def __init__(self, slots: int) -> None:
        self.written = 0
        self._key_of = [0] * slots
        self._free = list(range(slots))
        self._slot_of: dict[int, int] = {}
        self._policy = Policy(slots)

    def ask(self, key: int) -> bool:
        slot = self._slot_of.get(key)
        if slot is not None:
            self._policy.hit(slot)
            return True
        if not self._free and self._policy.admits(key):
            victim = self._policy.victim(lambda _: True)
            assert victim is not None
            self._policy.freed(victim)
            del self._slot_of[self._key_of[victim]]
            self._free.append(victim)
        if self._free:
            slot = self._free.pop()
            self._key_of[slot] = key
            self._slot_of[key] = slot
            self._policy.kept(slot)
            self.written += 1
        return False


POLICIES: dict[str, Callable[[int], Cache]] = {
    "LRU": Lru,
    "SIEVE": Sieve,
    "S3-FIFO": S3Fifo,
    "W-TinyLFU": WTinyLfu,
    "ours": Ours,
}


def run(cache: Cache, requests: list[cache_traces.Request]) -> dict[str, float]:
    """Shares of the segments that were asked for."""
    asked = hits = 0
    for file, first, count in requests:
        for segment in range(first, first + count):
            asked += 1
            hits += cache.ask(key(file, segment))
    return {"hits": hits / asked, "written": cache.written / asked}


def key(file: int, segment: int) -> int:
    """32 bits, spread as the store spreads them."""
    return (file * 0x9E3779B97F4A7C15 + segment * 0xC2B2AE3D27D4EB4F >> 17) & 0xFFFFFFFF


def main() -> int:
    argparse.ArgumentParser(prog="python -m bench.cache_policies", description=__doc__).parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    print("| trace, size | " + " | ".join(POLICIES) + " |")
    print("|---|" + "---|" * len(POLICIES))
    for kind in cache_traces.KINDS:
        requests = cache_traces.read(kind)
        for slots in SLOTS:
            rows = {name: run(make(slots), requests) for name, make in POLICIES.items()}
            where = f"{kind}, {slots * cache_traces.SEGMENT >> 30} GiB"
            found[where] = rows
            cells = [f"{row['hits']:.1%} / {row['written']:.1%}" for row in rows.values()]
            print(f"| {where} | " + " | ".join(cells) + " |", flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"cache-policies-{VERSION}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nhits / written, of what was asked for; written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Traces of what is asked of a cache of model files: made, written and read.

A trace is a text: a line for each request, `file first count`, in segments of 4 MiB. Those in
bench/traces/ were written by `python -m bench.cache_traces`, from fixed seeds, so that everybody
compares policies on the same requests. They are synthetic: nobody has published such a trace.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

Request = tuple[int, int, int]  # file, first segment, how many

HERE = Path(__file__).parent / "traces"
SEGMENT = 4 << 20


class Library:
    """Models, each of a size of its own; some are liked better, and new ones come."""

    def __init__(self, random_: random.Random, files: int, largest: int) -> None:
        self.random = random_
        self.sizes = [int(8 * (largest / 8) ** random_.random()) for _ in range(files)]
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(files)))
        self._ranks = list(range(files))
        random_.shuffle(self._ranks)

    def liked(self) -> int:
        """A file, by Zipf's law."""
        at = self.random.random() * self._weights[-1]
        return self._ranks[bisect(self._weights, at)]

    def release(self) -> None:
        """One that was hardly known is now the most liked."""
        self._ranks.insert(
            0, self._ranks.pop(self.random.randrange(len(self._ranks) // 2, len(self._ranks)))
        )


def household(random_: random.Random) -> Iterator[Request]:
    """Five machines: whole files, now and then one again; a new model every 30 requests."""
    library = Library(random_, 120, 1500)
    for number in range(900):
        if number % 30 == 29:
            library.release()
        file = library.liked()
        yield file, 0, library.sizes[file]


def school(random_: random.Random) -> Iterator[Request]:
    """A class fetches the same model on the same day; between, teachers try others once."""
    library = Library(random_, 400, 1000)
    for _ in range(40):
        lesson = library.liked()
        for _ in range(15):
            yield lesson, 0, library.sizes[lesson]
            if random_.random() < 0.4:
                file = random_.randrange(len(library.sizes))
                yield file, 0, library.sizes[file]


def scans(random_: random.Random) -> Iterator[Request]:
    """A few models in use, and data sets larger than the cache, read once from end to end."""
    library = Library(random_, 40, 400)
    for number in range(700):
        if number % 25 == 24:
            yield 1000 + number, 0, 5000
        file = library.liked()
        yield file, 0, library.sizes[file]


def blocks(random_: random.Random) -> Iterator[Request]:
    """Light and full nodes take blocks of large models, a thirtieth to a quarter of a file."""
    library = Library(random_, 60, 4000)
    for number in range(1500):
        if number % 100 == 99:
            library.release()
        file = library.liked()
        size = library.sizes[file]
        count = max(1, int(size * random_.choice((1 / 30, 2 / 30, 8 / 30))))
        yield file, random_.randrange(0, size - count + 1, max(1, size // 30)), count


KINDS = {"household": household, "school": school, "scans": scans, "blocks": blocks}


def read(kind: str) -> list[Request]:
    """The requests of a trace in the repository."""
    lines = (HERE / f"{kind}.txt").read_text().splitlines()
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in lines)]


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for seed, (kind, make) in enumerate(KINDS.items()):
        requests = make(random.Random(seed))
        text = "".join([f"{file} {first} {count}\n" for file, first, count in requests])
        (HERE / f"{kind}.txt").write_text(text)


if __name__ == "__main__":
    main()

"""Kill -9 at any moment: afterwards, what is there is old or new, never wrong."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.units import MIB
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content, extent, on_disk, opened, quick_directory, sha256

KILLS = 100
FILES = 6
QUOTA = 6 * MIB

# A process that has imported everything, and forks one that writes for each line: until its so many
# call of the kernel that changes something.
NURSERY = """
import asyncio, os, sys
from pathlib import Path
from tests.cache.store import test_kill
for line in sys.stdin:
    process = os.fork()
    if not process:
        test_kill.die_at(int(line))
        asyncio.run(test_kill.child(Path(sys.argv[1]), int(line)))
    print(os.waitpid(process, 0)[1], flush=True)
"""


def die_at(call: int) -> None:
    """Kill this process at a call: before it, in the midst of it, or after it."""
    left = call

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left:
                return real(*arguments, **named)
            if real is pwrite and call % 3:
                fd, data, at = arguments
                pwrite(fd, data[: len(data) * (call % 3) // 2], at)
            elif call % 2:
                real(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return called

    pwrite = os.pwrite
    for name in ("pwrite", "fsync", "unlink", "ftruncate"):
        setattr(os, name, dying(getattr(os, name)))


def data_of(number: int) -> bytes:
    return content((number + 2) * PIECE + number, number)


async def child(directory: Path, seed: int) -> None:
    """Write, evict, pin and note without end."""
    from edge.cache.store import book
    from tests.cache.store.stores import keep

    book._SLACK = 200  # so that the log is written anew again and again
    rng = random.Random(seed)
    files = [data_of(number) for number in range(FILES)]
    async with opened(directory, QUOTA) as store:
        while True:
            number = rng.randrange(FILES)
            file = store.find(sha256(files[number]))
            if file is None or not file.whole:
                file = await keep(store, files[number])
            file.pinned = rng.random() < 0.2 and number < 2
            store.notes.put(b"last", b"%d" % number * 100)
            if rng.random() < 0.3:
                await store.flush()
            del file


def test_kill_at_random_points() -> None:
    """Each time, the next process opens what the one before left."""
    files = [data_of(number) for number in range(FILES)]
    rng = random.Random(7)

    async def look(directory: Path) -> int:
        found = 0
        async with opened(directory, QUOTA) as store:
            assert store.available
            assert on_disk(directory) <= QUOTA
            for data in files:
                file = store.find(sha256(data))
                for at in range(0, len(data), PIECE) if file is not None else ():
                    assert file is not None
                    part = await extent(file, at)
                    if part is not None:
                        found += 1
                        length = min(PIECE, part.length)
                        assert os.pread(part.fd, length, part.position) == data[at : at + length]
            assert not store.repaired
            note = store.notes.get(b"last")
            assert note is None or note == note[:1] * 100
        return found

    found = 0
    with quick_directory() as directory:
        command = [sys.executable, "-c", NURSERY, str(directory)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as nursery:
            assert nursery.stdin is not None
            assert nursery.stdout is not None
            for _ in range(KILLS):
                nursery.stdin.write(f"{rng.randrange(1, 120)}\n")
                assert int(nursery.stdout.readline()) == signal.SIGKILL, "it ended by itself"
                found += asyncio.run(look(directory))
            nursery.stdin.close()
    assert found > KILLS

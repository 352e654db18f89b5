"""Kill -9 at any moment: afterwards, what is there is old or new, never wrong."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge.units import MIB
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content, extent, on_disk, opened, sha256

KILLS = 100
FILES = 6
QUOTA = 6 * MIB

# A process that has imported everything, and forks one that writes for each line.
NURSERY = """
import asyncio, os, sys
from pathlib import Path
from tests.cache.store import test_kill
for _ in sys.stdin:
    process = os.fork()
    if not process:
        asyncio.run(test_kill.child(Path(sys.argv[1])))
    print(process, flush=True)
    print(os.waitpid(process, 0)[1], flush=True)
"""


def data_of(number: int) -> bytes:
    return content((number + 2) * PIECE + number, number)


async def child(directory: Path) -> None:
    """Write, evict, pin and note without end."""
    from edge.cache.store import book
    from tests.cache.store.stores import keep

    book._SLACK = 200  # so that the log is written anew again and again
    rng = random.Random(os.urandom(8))
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


def test_kill_at_random_points(tmp_path: Path) -> None:
    """Each time, the next process opens what the one before left."""
    files = [data_of(number) for number in range(FILES)]
    rng = random.Random(7)

    async def look() -> int:
        found = 0
        async with opened(tmp_path, QUOTA) as store:
            assert store.available
            assert on_disk(tmp_path) <= QUOTA
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
    command = [sys.executable, "-c", NURSERY, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for _ in range(KILLS):
            nursery.stdin.write("\n")
            process = int(nursery.stdout.readline())
            time.sleep(rng.random() * 0.08)
            os.kill(process, signal.SIGKILL)
            assert int(nursery.stdout.readline()) == signal.SIGKILL, "it ended by itself"
            found += asyncio.run(look())
        nursery.stdin.close()
    assert found

"""How fast one core copies memory: the figure that bounds inference on a CPU.

Each token needs every weight of a block once, so a block's time is its size over what the memory
delivers; clock rates and core counts say little about that. It takes 50 ms, once: the result is
kept in the data directory, for as long as the processor is the same.
"""

from __future__ import annotations

import json
import os
import time

from edge.atomic import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.profile import Profile

FILE = "calibration.json"
SECONDS = 0.05
BUFFER = 16 << 20  # bytes, beyond most caches
LEAST_BUFFER = 256 << 10
BUFFER_SHARE = 32  # a buffer is at most this fraction of the memory that is free
SPEED_LEAST, SPEED_MOST = 1 << 20, 1 << 40  # bytes a second that can be believed
MAX_BYTES = 4096  # of the file


def fill(profile: Profile, data_dir: str) -> None:
    path = os.path.join(data_dir, FILE)
    key = _key(profile)
    profile.copy_speed = _kept(path, key)
    if profile.copy_speed is None:
        speed = measure(profile.memory_available)
        if SPEED_LEAST <= speed <= SPEED_MOST:
            profile.copy_speed = speed
            _keep(path, key, speed)


def measure(free: int | None, seconds: float = SECONDS) -> int:
    """Bytes a second that one core copies, at its best; `free`: bytes of memory there are.

    Time is the thread's own: a busy machine makes it no slower than it is.
    """
    size = BUFFER if free is None else min(BUFFER, max(LEAST_BUFFER, free // BUFFER_SHARE))
    started = time.perf_counter()
    source = memoryview(bytearray(b"\xa5") * size)  # Nuitka 4.3.3 fails on this and the next in one
    target = memoryview(bytearray(size))
    best = 0.0
    while True:
        before = time.thread_time()
        target[:] = source
        taken = time.thread_time() - before
        best = max(best, size / taken if taken else 0.0)
        if time.perf_counter() - started >= seconds:
            return int(best)


def _key(profile: Profile) -> str:
    return f"{profile.machine} {profile.cpu} {profile.cores} {profile.cpu_mhz}"


def _kept(path: str, key: str) -> int | None:
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("cpu") != key:
        return None
    speed = found.get("copy_speed")
    return speed if type(speed) is int and SPEED_LEAST <= speed <= SPEED_MOST else None


def _keep(path: str, key: str, speed: int) -> None:
    try:
        write_atomic(path, json.dumps({"cpu": key, "copy_speed": speed}).encode(), 0o644)
    except OSError:
        return  # no such directory yet, not ours, or read-only: it is measured again next time

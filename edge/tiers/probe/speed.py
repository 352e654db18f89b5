"""The memory copy speed of one core, which bounds inference on a CPU.

Each token needs every weight of a block once, so the time of a block is its size divided by the
memory's throughput; clock rates and core counts say little about that. The measurement takes 50 ms,
once: the result is stored in the data directory and reused on the same processor.
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
BUFFER_SHARE = 32  # a buffer is at most this fraction of the free memory
SPEED_LEAST, SPEED_MOST = 1 << 20, 1 << 40  # plausible bytes per second
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
    """The best copy speed of one core in bytes per second. `free`: bytes of free memory.

    Measured in the thread's CPU time, so that other load does not count.
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
        return  # no directory, or not writable: measured again next time

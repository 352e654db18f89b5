"""One node for each directory: a lock that ends with its process, whatever ends that.

The directory itself is locked (flock(2)): nothing is written, nothing is left behind. Linux knows
the holder (proc_locks(5)), if it does not hide it.
"""

import fcntl
import os


class Held(Exception):
    """Another process holds the lock; the text is one line for the person who started this one."""


def hold(path: str) -> int:
    """Lock the directory `path`; returns a descriptor that holds the lock until it is closed.

    -1 where the directory cannot be opened, and so nothing be kept in it. Raises Held.
    """
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1
    try:
        lock(directory, path)
    except Held:
        os.close(directory)
        raise
    return directory


def lock(directory: int, path: str) -> None:
    """Lock the directory that is open as `directory`. Raises Held.

    Does nothing where the file system has no locks for directories, as NFS.
    """
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held(path, _holder(os.fstat(directory))) from None
    except OSError:
        return


def held(path: str, process: int = 0) -> Held:
    """`process`: who holds it, 0 if that is not known."""
    who = f"another node, process {process}," if process else "another node"
    advice = "stop it, or give this one its own with --data-dir and --run-dir"
    return Held(f"{who} runs in this directory: {path}; {advice}")


def _holder(directory: os.stat_result) -> int:
    device = directory.st_dev
    name = f"{os.major(device):02x}:{os.minor(device):02x}:{directory.st_ino}"
    try:
        with open("/proc/locks", "rb") as file:
            for line in file:
                words = line.decode("ascii", "replace").split()
                if words[1:2] == ["FLOCK"] and name in words:
                    return max(int(words[4]), 0)
    except (OSError, ValueError):
        pass
    return 0

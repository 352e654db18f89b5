"""One node per directory: a lock that is released whenever its process ends.

The directory itself is locked (flock(2)), so nothing is written or left behind. Linux reports the
holder (proc_locks(5)), unless /proc is restricted.
"""

import fcntl
import os


class Held(Exception):
    """Another process holds the lock; the message is one line for the user of this one."""


def hold(path: str) -> int:
    """Lock the directory `path`; returns a descriptor that holds the lock until it is closed.

    Returns -1 if the directory cannot be opened, and so cannot be used. Raises Held.
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

    Does nothing if the file system does not support locks of directories, such as NFS.
    """
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held(path, _holder(os.fstat(directory))) from None
    except OSError:
        return


def held(path: str, process: int = 0) -> Held:
    """The error for the lock of `path`. `process`: its holder, 0 if unknown."""
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

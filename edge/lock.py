"""One node per directory: a lock that is released whenever its process ends.

The directory itself is locked (flock(2)), so nothing is written or left behind. Linux reports the
holder (proc_locks(5)), unless /proc is restricted.

Whoever can open a directory can lock it, so it has to be this user's alone.
"""

import fcntl
import os
import stat

from edge import log
from edge.atomic import NO_MODES, set_mode

_OWN = ("identity.key", "status.sock", "kwaainet.toml")  # what makes a directory the node's
_ADVICE = "give the node one of its own, mode 0700, such as a new one below it"
_MODELESS = "mount that with umask=077, or name a directory on one with modes"
_EMPTY = ("lost+found",)  # of the root of a file system


class LockError(Exception):
    """The directory cannot be this node's; the message is one line for its user."""


class Held(LockError):
    """Another process holds the lock."""


class Exposed(LockError):
    """Others may open the directory."""


def hold(path: str) -> int:
    """Lock the directory `path`; returns a descriptor that holds the lock until it is closed.

    Returns -1 if the directory cannot be opened, and so cannot be used, or is on a file system that
    is mounted read-only, and open to others: a lock would be anybody's, and nothing is at stake.
    Raises LockError.
    """
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return -1
    try:
        lock(directory, path)
    except LockError as error:
        read_only = os.fstatvfs(directory).f_flag & os.ST_RDONLY
        os.close(directory)
        if read_only and isinstance(error, Exposed):
            return -1
        raise
    return directory


def lock(directory: int, path: str) -> None:
    """Lock the directory that is open as `directory`. Raises LockError.

    It gets mode 0700 if it is new or the node's; others are the user's business. Nothing is locked
    if the file system does not support locks of directories, such as NFS.
    """
    _make_private(directory, path)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held(path, _holder(os.fstat(directory))) from None
    except OSError:
        return


def _make_private(directory: int, path: str) -> None:
    found = os.fstat(directory)
    mode = stat.S_IMODE(found.st_mode)
    was = f"{path}: others may open this directory (mode {mode:04o}) and lock the node out"
    if found.st_uid not in (0, os.geteuid()):
        raise Exposed(f"{path}: belongs to another user ({found.st_uid}); {_ADVICE}")
    if not mode & 0o077:
        return
    if found.st_uid != os.geteuid() or mode & stat.S_ISVTX or not _is_own(directory):
        raise Exposed(f"{was}; {_ADVICE}")
    try:
        if not set_mode(directory, 0o700):
            raise Exposed(f"{was}: {NO_MODES}; {_MODELESS}")
    except OSError as error:
        raise Exposed(f"{was}: {error.strerror}; {_ADVICE}") from None
    log.warning("directory-tightened", path=path, was=f"{mode:04o}", now="0700")


def _is_own(directory: int) -> bool:
    """Whether there is nothing in it, or a node's files: /tmp or /etc are to keep their mode."""
    names = [name for name in os.listdir(directory) if name not in _EMPTY]
    return not names or any(name in _OWN for name in names)


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

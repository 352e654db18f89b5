"""The directory of an installation, and which of its versions counts.

    kwaainet              the program as it was installed
    release.pub           whose releases it takes (signify)
    release.url           where they are
    versions/             of the node's user
        state             which version counts, which is on trial
        new/              what is being fetched
        0.2.0/kwaainet    a version, and the signed index that names its hash
        0.2.0/index

Each change is one atomic write of `state`, or one rename: after a power cut at any moment the old
or the new state counts, and what it names is whole.
"""

from __future__ import annotations

import fcntl
import os

from edge.atomic import write_atomic
from edge.update import release
from edge.update.errors import UpdateError

KEY = "release.pub"
VERSIONS = "versions"
PROGRAM = "kwaainet"
INDEX = "index"
NEW = "new"
_MAX_STATE = 4096  # bytes
_MAX_REFUSED = 16
_KEYS = ("current", "previous", "trial")


class State:
    """`current`: the version that counts, "" for the installed one; `previous`: the one before it.

    `trial`: the version that is to be tried next, or is being tried: then `lock` is the descriptor,
    in its process, of the lock that the process holds until the trial is over; else -1. `refused`:
    versions that did not stay, the latest last.
    """

    __slots__ = ("current", "lock", "previous", "refused", "trial")

    def __init__(self) -> None:
        self.current = self.previous = self.trial = ""
        self.lock = -1
        self.refused: list[str] = []

    def refuse(self) -> None:
        """The trial is over, and its version was not good."""
        self.refused = [*[each for each in self.refused if each != self.trial], self.trial]
        self.trial, self.lock = "", -1

    def keep(self) -> None:
        """The trial is over, and its version counts from now on."""
        self.previous, self.current = self.current, self.trial
        self.trial, self.lock = "", -1

    def encode(self) -> bytes:
        """As lines of a key and a value."""
        lines = [(key, getattr(self, key)) for key in _KEYS]
        lines += [("refused", each) for each in self.refused[-_MAX_REFUSED:]]
        lines.append(("lock", str(self.lock) if self.lock >= 0 else ""))
        return "".join([f"{key} {value}\n" for key, value in lines if value]).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> State:
        """Lines that make no sense are passed over: the installed program is always there."""
        state = cls()
        for line in data[:_MAX_STATE].decode("ascii", "replace").splitlines():
            key, _, value = line.partition(" ")
            if key == "lock":
                good = len(value) < 8 and value.isascii() and value.isdecimal()
                state.lock = int(value) if good else -1
                continue
            try:
                release.number(value)
            except UpdateError:
                continue
            if key in _KEYS:
                setattr(state, key, value)
            elif key == "refused":
                state.refused.append(value)
        state.refused = state.refused[-_MAX_REFUSED:]
        if not state.trial:
            state.lock = -1
        return state


class Place:
    """`directory`: with the installed program. Nothing here raises but OSError and UpdateError."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.versions = os.path.join(directory, VERSIONS)
        self._state = os.path.join(self.versions, "state")

    def state(self) -> State:
        """An empty one where there is none."""
        try:
            return State.decode(read(self._state, _MAX_STATE))
        except FileNotFoundError:
            return State()

    def write(self, state: State) -> None:
        """Returns when it is on the disk."""
        write_atomic(self._state, state.encode(), 0o644)

    def program(self, version: str) -> str:
        """The path of a version, "" of the installed one."""
        within = [VERSIONS, version] if version else []
        return os.path.join(self.directory, *within, PROGRAM)

    def release(self, signed: bytes) -> release.Release:
        """Of an index, with this place's key. Raises UpdateError, OSError."""
        key = read(os.path.join(self.directory, KEY), release.MAX_KEY)
        return release.opened(signed, key)

    def check(self, version: str, target: str) -> None:
        """Whether a version is whole and who makes the releases has signed it.

        Raises UpdateError, OSError.
        """
        within = os.path.join(self.versions, version)
        found = self.release(read(os.path.join(within, INDEX), release.MAX_INDEX))
        if found.version != version:
            raise UpdateError(f"{within}: this is version {found.version}")
        check_file(os.path.join(within, PROGRAM), *named(found, target))

    def lock(self) -> int:
        """A descriptor that holds the lock of `versions`; -1 if another process has it."""
        fd = os.open(self.versions, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return -1
        except BaseException:
            os.close(fd)
            raise
        return fd


def here() -> tuple[Place, str] | None:
    """The place that this process runs from, and its version there, "" for the installed program.

    None: it is not from such a place.
    """
    try:
        program = os.readlink("/proc/self/exe")
    except OSError:  # no /proc in this jail
        return None
    directory = os.path.dirname(program)
    above, version = os.path.split(directory)
    if os.path.basename(above) == VERSIONS and _has_key(os.path.dirname(above)):
        return Place(os.path.dirname(above)), version
    return (Place(directory), "") if _has_key(directory) else None


def named(found: release.Release, target: str) -> tuple[int, bytes]:
    """Size and SHA-256 of a target's binary. Raises UpdateError."""
    if target not in found.files:
        raise UpdateError(f"version {found.version} is not there for {target}")
    return found.files[target]


def check_file(path: str, size: int, digest: bytes) -> None:
    """Raises UpdateError, OSError."""
    from edge.crypto import digests

    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size != size:
            raise UpdateError(f"{path}: its size is not that of the release")
        hasher = digests.new()
        while data := file.read(digests.CHUNK):
            hasher.update(data)
    if hasher.digest() != digest:
        raise UpdateError(f"{path}: its SHA-256 is not that of the release")


def read(path: str, most: int) -> bytes:
    """Of a file that has at most so many bytes; of a longer one one more. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(most + 1)


def _has_key(directory: str) -> bool:
    return os.path.exists(os.path.join(directory, KEY))

"""A stand-in of a bad disk, below the calls of `os`.

It keeps what a real one would have after a power failure: what was flushed, and of the rest some
writes, in any order, some of them torn. Names in a directory are kept by flushing the directory,
and each that was not, came or went or did not, by itself. What it is not: a disk that loses what it
said it had flushed; the checksums find that, but nothing can be promised then.

Renaming is not atomic on it, so nobody may rename.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512


class Inode:
    """`flushed`: what is there for certain; `since`: writes after that, with their places; one of
    nothing is an end put there.
    """

    def __init__(self) -> None:
        self.flushed = b""
        self.since: list[tuple[int, bytes | None]] = []

    def after_failure(self, rng: random.Random) -> bytes:
        content = bytearray(self.flushed)
        writes = [write for write in self.since if rng.random() < 0.6]
        rng.shuffle(writes)
        for at, data in writes:
            if data is None:
                del content[at:]
                continue
            part = data
            if rng.random() < 0.4:
                part = data[: rng.randrange(len(data) // SECTOR + 1) * SECTOR]
            if rng.random() < 0.1:
                part += rng.randbytes(min(SECTOR, len(data) - len(part)))
            content.extend(bytes(max(0, at + len(part) - len(content))))
            content[at : at + len(part)] = part
        return bytes(content)


class FaultDisk:
    """`directory` on a bad disk. `at_each` is called after each thing that happens to it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = str(directory)
        self.at_each: Callable[[], None] = lambda: None
        self._real: dict[str, Any] = {
            name: getattr(os, name)
            for name in ("open", "pwrite", "fsync", "unlink", "close", "ftruncate")
        }
        self._flushed: dict[str, Inode] = {}
        self._names: dict[str, Inode] = {}
        self._files: dict[int, Inode | None] = {}  # open ones; None: the directory
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, f"_{name}"))
        for name in ("rename", "replace", "link", "symlink", "chmod", "fchmod"):
            monkeypatch.setattr(os, name, self._never)

    def after_failure(self, rng: random.Random) -> dict[str, bytes]:
        """What would be in the directory if the power failed now."""
        found = {}
        for name in {**self._flushed, **self._names}:
            old, new = self._flushed.get(name), self._names.get(name)
            inode = new if old is new or rng.random() < 0.5 else old
            if inode is not None:
                found[name] = inode.after_failure(rng)
        return found

    def _never(self, *_: Any) -> None:
        raise AssertionError("not to be relied on")

    def _name(self, path: Any) -> str | None:
        head, name = os.path.split(str(path))
        return name if head == self.directory else None

    def _open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        fd: int = self._real["open"](path, flags, *rest, **named)
        name = self._name(path)
        if str(path) == self.directory:
            self._files[fd] = None
        elif name is not None:
            if name not in self._names or flags & os.O_TRUNC:
                self._names[name] = Inode()
            self._files[fd] = self._names[name]
            self.at_each()
        return fd

    def _pwrite(self, fd: int, data: Any, at: int) -> int:
        done: int = self._real["pwrite"](fd, data, at)
        inode = self._files.get(fd)
        if inode is not None:
            inode.since.append((at, bytes(data[:done])))
            self.at_each()
        return done

    def _fsync(self, fd: int) -> None:
        if fd not in self._files:
            return
        inode = self._files[fd]
        self.at_each()
        if inode is None:
            self._flushed = dict(self._names)
        else:
            content = bytearray(inode.flushed)
            for at, data in inode.since:
                if data is None:
                    del content[at:]
                    continue
                content.extend(bytes(max(0, at + len(data) - len(content))))
                content[at : at + len(data)] = data
            inode.flushed, inode.since = bytes(content), []
        self.at_each()

    def _ftruncate(self, fd: int, at: int) -> None:
        self._real["ftruncate"](fd, at)
        inode = self._files.get(fd)
        if inode is not None:
            inode.since.append((at, None))
            self.at_each()

    def _unlink(self, path: Any, **named: Any) -> None:
        self._real["unlink"](path, **named)
        name = self._name(path)
        if name is not None:
            del self._names[name]
            self.at_each()

    def _close(self, fd: int) -> None:
        self._files.pop(fd, None)
        self._real["close"](fd)

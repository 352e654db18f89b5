"""Files below a root, read without exceptions: a missing or unreadable file is empty.

The root is "/", or in tests a copy of another machine's /proc and /sys. Reads are bounded, and do
not block on a pipe or a device.
"""

from __future__ import annotations

import os

MAX_BYTES = 65536
MAX_NAMES = 1024  # in a directory


class Tree:
    """The files below a root. `live`: whether they are this machine's own."""

    __slots__ = ("_root", "live")

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self.live = root == "/"

    def path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def data(self, path: str) -> bytes:
        """The first MAX_BYTES of a file."""
        try:
            fd = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):  # ValueError: NUL in a path read from another file
            return b""
        found = b""
        try:
            while len(found) < MAX_BYTES and (piece := os.read(fd, MAX_BYTES - len(found))):
                found += piece  # /proc returns one page per read
        except OSError:
            return found
        finally:
            os.close(fd)
        return found

    def text(self, path: str) -> str:
        """A file as stripped text; NULs in the strings of a device tree become blanks."""
        return self.data(path).replace(b"\0", b" ").decode("utf-8", "replace").strip()

    def number(self, path: str, low: int, high: int) -> int | None:
        """The integer in a file, None if it is not one from `low` to `high`."""
        return number(self.text(path), low, high)

    def names(self, path: str) -> list[str]:
        """The sorted names in a directory."""
        try:
            return sorted(os.listdir(self.path(path)))[:MAX_NAMES]
        except (OSError, ValueError):
            return []

    def has(self, path: str) -> bool:
        try:
            return os.path.lexists(self.path(path))
        except ValueError:
            return False

    def target(self, path: str) -> str:
        """The target of a symbolic link."""
        try:
            return os.readlink(self.path(path))
        except (OSError, ValueError):
            return ""


def number(text: str, low: int, high: int) -> int | None:
    """The integer in `text`, None if it is not one from `low` to `high`."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20):
        return None
    value = int(text)
    return value if low <= value <= high else None


def fields(text: str, mark: str) -> dict[str, str]:
    """Lines of name, `mark` and value as a dict; the first of each name counts, unquoted."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, has_mark, value = line.partition(mark)
        if has_mark:
            found.setdefault(name.strip(), value.strip().strip('"'))
    return found

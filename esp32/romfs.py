"""Writes a ROMFS image: files in flash that MicroPython runs where they lie, without heap.

The format is that of MicroPython's extmod/vfs_rom.c: records of a kind, a length and a payload.
"""

from __future__ import annotations

from collections.abc import Mapping

_FILESYSTEM = 0x14A6B1
_PADDING, _VERBATIM, _DIRECTORY, _FILE = 1, 2, 4, 5


def image(files: Mapping[str, bytes]) -> bytes:
    """An image of `files`, by their paths. The same files give the same image."""
    body = _entries(files)
    if (len(_record(_FILESYSTEM, body))) % 2:
        body += _record(_PADDING, b"")
        if len(_record(_FILESYSTEM, body)) % 2:
            body += _record(_PADDING, b"\0")
    return _record(_FILESYSTEM, body)


def _entries(files: Mapping[str, bytes]) -> bytes:
    folders: dict[str, dict[str, bytes]] = {}
    out = b""
    for path in sorted(files):
        head, mark, rest = path.partition("/")
        if mark:
            folders.setdefault(head, {})[rest] = files[path]
        else:
            out += _record(_FILE, _name(path) + _record(_VERBATIM, files[path]))
    for name, inside in sorted(folders.items()):
        out += _record(_DIRECTORY, _name(name) + _entries(inside))
    return out


def _name(text: str) -> bytes:
    name = text.encode()
    return _uint(len(name)) + name


def _record(kind: int, payload: bytes) -> bytes:
    return _uint(kind) + _uint(len(payload)) + payload


def _uint(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))

"""Reads the text of a configuration file. Every error is one line with the file's name."""

import os
import stat

from edge.config.errors import ConfigError
from edge.log import escape

MAX_FILE = 1 << 20  # bytes


def read_text(path: str, encoding: str = "utf-8-sig") -> str:
    """Read a file. Raises ConfigError if it is unreadable, too large, or not UTF-8 text.

    Whoever reloads would wait for a pipe or a terminal without end: only regular files are read,
    and os.devnull, which is none.

    `encoding`: "utf-8" for a format that knows no byte order mark.
    """
    return _decoded(path, _loaded(path), encoding)


def _loaded(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) and path != os.devnull:
                raise ConfigError(f"{escape(path)}: cannot be read: not a regular file")
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{escape(path)}: cannot be read: {error.strerror}") from None
    except ValueError:  # a path with a zero byte
        raise ConfigError(f"{escape(path)}: cannot be read: not a path") from None
    if len(data) > MAX_FILE:
        raise ConfigError(f"{escape(path)}: cannot be read: larger than {MAX_FILE >> 20} MiB")
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _decoded(path: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise ConfigError(f"{escape(path)}:{line}: not UTF-8 text: byte 0x{byte:02x}") from None

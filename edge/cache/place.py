"""Where the files of the cache are, and how much of the disk they may take."""

from __future__ import annotations

import os

from edge.config.kinds import Path
from edge.config.schema import Cache, Node
from edge.units import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config

_PART = 10  # of the free space, one part in so many is for the cache by default
_LEAST = 4 * MIB  # of disk, below which nothing is kept on it


def directory_of(config: Config) -> str:
    """Where the files are kept."""
    directory = config[Cache].directory
    return os.path.join(config[Node].data_dir, "cache") if directory == Path.AUTO else directory


def default_size(directory: str) -> int:
    """A part of the space that is free, or the cache's own; 0: too little. It blocks."""
    try:
        found = os.statvfs(_existing(directory))
        own = sum(entry.stat().st_size for entry in _entries(directory))
    except OSError:
        return 0
    room = found.f_bavail * found.f_frsize + own
    size = room // _PART
    return size if size >= _LEAST else 0


def _existing(path: str) -> str:
    """The nearest directory above `path` that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(os.path.abspath(path))
    return path


def _entries(directory: str) -> list[os.DirEntry[str]]:
    return list(os.scandir(directory)) if os.path.isdir(directory) else []

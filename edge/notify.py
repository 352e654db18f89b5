"""Tells systemd how the process is: a datagram to the socket that $NOTIFY_SOCKET names.

By hand, as libsystemd is no part of a static binary. Without the variable nothing happens. Only
this process tells: the variables are taken out of the environment before there is a child.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5) "Type=notify"
"""

import os
import time
from contextlib import contextmanager

from edge import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator, MutableMapping
    from socket import socket

    Condition = Callable[[], tuple[bool, str]]

_PATIENCE = 1.0  # seconds, for a manager that has not read what it was sent before
_BEAT = 30.0  # seconds between two looks, where no watchdog wants them more often
_BEATS = 4  # in the watchdog's time: one that comes late, or finds a short illness, ends nothing


class Notifier:
    """Tells whom `environ` names; what stands there about it is taken out."""

    def __init__(self, environ: "MutableMapping[str, str]") -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        self._beat = _beat(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        self._socket = _connected(path) if path else None
        self._serves = False

    def serving(self, loop: "AbstractEventLoop", condition: "Condition") -> None:
        """The start is over. From now on each turn of `loop` that finds it well feeds the watchdog.

        `condition`: whether it is, and a line about it for people.
        """
        self._serves = True
        self._say("READY=1")
        if self._socket is not None:
            self._look(loop, condition)

    @contextmanager
    def reloading(self) -> "Iterator[None]":
        """A reload begins, and is over when this is left, whatever became of it."""
        if self._serves:
            self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        yield
        if self._serves:
            self._say("READY=1")

    def stopping(self) -> None:
        """The end begins."""
        self._serves = False
        self._say("STOPPING=1")

    def _look(self, loop: "AbstractEventLoop", condition: "Condition") -> None:
        loop.call_later(self._beat, self._look, loop, condition)
        well, line = condition()
        self._say(f"STATUS={line}", *(["WATCHDOG=1"] if well else []))

    def _say(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError as error:
            log.warning("notify-failed", error=error.strerror or error)


def _beat(microseconds: str, pid: str) -> float:
    """Seconds between two looks. A watchdog that is meant for another process is none of ours."""
    if microseconds.strip("0123456789") or pid not in ("", str(os.getpid())):
        return _BEAT
    return min(float(microseconds or 0) / 1e6 / _BEATS or _BEAT, _BEAT)


def _connected(path: str) -> "socket | None":
    """None, with a line in the log, if nobody is there.

    A name that begins with "@" is one without a file (unix(7), "abstract").
    """
    import socket

    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.settimeout(_PATIENCE)
    try:
        found.connect("\0" + path[1:] if path[0] == "@" else path)
    except OSError as error:
        found.close()
        log.warning("notify-failed", socket=path, error=error.strerror or error)
        return None
    return found

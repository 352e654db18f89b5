"""Asks a child process, so that the node keeps nothing of the question in its memory.

The probe, its rules and psutil are needed once; a router has no room for them afterwards. And a
file system whose server is gone can make a question of the kernel wait for ever: the child then
is left behind.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time

from edge import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CHUNK = 65536


class Child:
    """Starts `work()` in a child process; its result must hold nothing but builtin types.

    To be made before there are threads or an event loop. Raises OSError if there can be no child.
    """

    def __init__(self, work: Callable[[], dict[str, Any]]) -> None:
        self._end, into = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._end)
            os.close(into)
            raise
        if not self._pid:
            _serve(work, into)
        os.close(into)

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The child's answer; None if it failed or took longer than `seconds`."""
        received = self._received(time.monotonic() + seconds)
        os.close(self._end)
        if received is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, os.WNOHANG)  # it may hang in the kernel: not waited for
            return None
        os.waitpid(self._pid, 0)
        # Not JSON, whose module a node has no other use for until it is asked for its status.
        found: dict[str, Any] | None = marshal.loads(received) if received else None  # noqa: S302
        return found

    def _received(self, deadline: float) -> bytes | None:
        """All it wrote; None if it has not ended by `deadline`."""
        received = b""
        while select.select([self._end], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(self._end, _CHUNK)
            if not piece:
                return received
            received += piece
        return None


def _serve(work: Callable[[], dict[str, Any]], into: int) -> None:
    """In the child; does not return. Nothing is written unless all of it can be."""
    status = 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a Ctrl-C ends both, and one of them says so
    process.release_signals()
    try:
        data = marshal.dumps(work())
        while data:
            data = data[os.write(into, data) :]
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)

"""Programs of the operator's that are told what happens: every one in a directory, in their order.

Each is called with the event as its argument and the facts in its environment, docs/qos.md lists
both. It gets HOOK_TIME seconds and is then killed with all it has started; what it prints is
logged. Only files that nobody but their owner could have written are called, and the owner must be
root or the node's own user: a hook may run with rights that the one who placed it does not have.

A node in a jail, or one without CAP_NET_ADMIN, is of no use to a hook that changes the firewall:
there the init script calls them as root, by `kwaainet hooks`. What it cannot know, that back-off
begins and ends, the node writes into a named pipe, if that is what it has for a directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from edge import log
from edge.qos import line
from edge.qos.marks import CODE_POINTS, NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.config.schema import Qos
    from edge.qos.line import Route

EVENTS = ("start", "stop", "busy", "free")
_PIPED = ("busy", "free")
MAX_HOOKS = 16
HOOK_TIME = 10.0  # seconds
_DIRECTORY = "/etc/kwaainet/qos.d"
_MAX_OUTPUT = 2048  # bytes that are logged
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LEFT_BY_OPKG = "-opkg"  # a new version beside one that was edited


class Hooks:
    """The programs in `directory`, or who reads the named pipe of that name.

    `ran`, `failed`: calls that have ended, and how many ill.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.ran = 0
        self.failed = 0

    def files(self) -> list[str]:
        """The paths of those that are called, in the order of their names."""
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return []  # there are none
        good = [name for name in names if _NAME.issuperset(name)]
        paths = [
            os.path.join(self.directory, name)
            for name in good
            if not name.endswith(_LEFT_BY_OPKG) and not name.startswith("-")
        ]
        if paths and not _trusted(self.directory):
            return []
        return [path for path in paths if _trusted(path)][:MAX_HOOKS]

    async def call(self, event: str, facts: dict[str, str], seconds: float = HOOK_TIME) -> None:
        """Call all of them, one after the other; `seconds`: for each."""
        if _is_pipe(self.directory):
            if event in _PIPED:
                self._write(event, facts["QOS_RATE"])
            return
        environment = {"PATH": _PATH, "QOS_EVENT": event, **facts}
        for path in self.files():
            await self._run(path, event, environment, seconds)

    async def _run(self, path: str, event: str, environment: dict[str, str], limit: float) -> None:
        with _Output(asyncio.get_running_loop()) as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    path,
                    event,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output.end,
                    stderr=output.end,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                self._tell(path, event, error.strerror or str(error), "")
                return
            try:
                async with asyncio.timeout(limit):
                    status = await process.wait()
                ended = "" if status == 0 else f"status {status}"
            except TimeoutError:
                ended = f"killed after {limit:.0f} s"
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            output.read()
            self._tell(path, event, ended, output.text)

    def _write(self, event: str, rate: str) -> None:
        """A line to whoever reads the pipe; a pipe that nobody reads or empties is a failure."""
        failure = ""
        try:
            fd = os.open(self.directory, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, f"{event} {rate}\n".encode("ascii"))
            finally:
                os.close(fd)
        except OSError as error:
            failure = error.strerror or str(error)
        self._tell(self.directory, event, failure, "")

    def _tell(self, path: str, event: str, failure: str, said: str) -> None:
        self.ran += 1
        if failure:
            self.failed += 1
            log.warning("qos-hook-failed", hook=path, call=event, reason=failure, output=said)
        elif said:
            log.info("qos-hook", hook=path, call=event, output=said)


def directory(settings: Qos) -> str:
    """Where the hooks are."""
    return _DIRECTORY if settings.hooks == "auto" else settings.hooks


def facts(
    settings: Qos, route: Route | None, ports: Sequence[int], uid: int, mark: int
) -> dict[str, str]:
    """The environment of hooks. `uid`, `mark`: of the node's sockets; `ports`: it listens on."""
    relay = settings.dscp_relay
    return {
        "QOS_WAN": route.interface if route else "",
        "QOS_PORTS": ",".join([str(port) for port in sorted(set(ports))]),
        "QOS_UID": str(uid),
        "QOS_MARK": f"{mark:#x}" if mark else "",
        "QOS_DSCP": "" if relay == NONE else str(CODE_POINTS[relay]),
        "QOS_SHAPER": settings.shaper,
        "QOS_LINE_UP": str(settings.line_up),
        "QOS_LINE_DOWN": str(settings.line_down),
        "QOS_RATE": "0",
    }


def call_once(settings: Qos, event: str, ports: Sequence[int], uid: int, rate: int) -> int:
    """`kwaainet hooks`: the number of those that failed. Without a WAN a start is a stop."""
    route = line.find("" if settings.wan == "auto" else settings.wan)
    if route is None and event == "start":
        log.info("qos-line", wan="none")
        event = "stop"
    mark = 0 if uid else settings.mark  # a user's node may not set one
    hooks = Hooks(directory(settings))
    told = {**facts(settings, route, ports, uid, mark), "QOS_RATE": str(rate)}
    asyncio.run(hooks.call(event, told))
    return hooks.failed


class _Output:
    """A pipe for what a hook prints. Nobody waits for its end: a hook may leave it open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._data = b""

    def __enter__(self) -> _Output:
        self._fd, self.end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self.read)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        os.close(self.end)

    @property
    def text(self) -> str:
        return self._data.decode("utf-8", "replace").strip()

    def read(self) -> None:
        """Take what is there; what is too much is dropped."""
        with suppress(BlockingIOError):
            self._data = (self._data + os.read(self._fd, 4096))[:_MAX_OUTPUT]


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _trusted(path: str) -> bool:
    """Whether it is there, runnable, and only its owner, root or we, could have changed it."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    mode = found.st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or not os.access(path, os.X_OK):
        return False
    if found.st_uid not in (0, os.geteuid()) or mode & (stat.S_IWGRP | stat.S_IWOTH):
        log.warning("qos-hook-untrusted", path=path, mode=f"{mode & 0o7777:o}", owner=found.st_uid)
        return False
    return True

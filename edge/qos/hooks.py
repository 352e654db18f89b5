"""Programs of the operator's that are told what happens: every one in a directory, in their order.

Each is called with the event as its argument and the facts in its environment, docs/qos.md lists
both. It gets HOOK_TIME seconds and is then killed with all it has started; what it prints is
logged. A hook may run with rights that the one who placed it does not have. So the file and every
directory above it must be root's or of the node's own user, without links and not writable by
others, as sshd's StrictModes demands it; and what is run is the file that was examined, by its
descriptor, whatever its name leads to by then.

A node in a jail, or one without CAP_NET_ADMIN, is of no use to a hook that changes the firewall:
there the init script calls them as root, by `kwaainet hooks`. What it cannot know, that back-off
begins and ends, the node writes into a named pipe, if that is what it has for a directory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from contextlib import contextmanager, suppress

from edge import log
from edge.qos.marks import CODE_POINTS, NONE
from edge.swarm import routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.config.schema import Qos
    from edge.swarm.routes import Route

EVENTS = ("start", "stop", "busy", "free")
_PIPED = ("busy", "free")
MAX_HOOKS = 16
HOOK_TIME = 10.0  # seconds
_DIRECTORY = "/etc/kwaainet/qos.d"
_MAX_OUTPUT = 2048  # bytes that are logged
_MAX_SCRIPT = 65536  # bytes that are looked through
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LEFT_BY_OPKG = "-opkg"  # a new version beside one that was edited


class Hook:
    """A program's path, and a descriptor of it."""

    __slots__ = ("fd", "path")

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def start(self) -> bytes:
        """Its first _MAX_SCRIPT bytes."""
        return os.pread(self.fd, _MAX_SCRIPT, 0)


class Hooks:
    """The programs in `directory`, or who reads the named pipe of that name.

    `ran`, `failed`: calls that have ended, and how many ill.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.ran = 0
        self.failed = 0

    @contextmanager
    def opened(self) -> Iterator[list[Hook]]:
        """Those that are called, in the order of their names, open for as long as this lasts."""
        found: list[Hook] = []
        there = os.path.exists(self.directory)  # else nothing is wrong with the way to it
        directory = _open_directory(self.directory) if there else None
        try:
            for name in sorted(os.listdir(directory)) if directory is not None else ():
                if _is_hook(name) and len(found) < MAX_HOOKS:
                    path = os.path.join(self.directory, name)
                    fd = _open(path, name, directory, os.O_RDONLY | os.O_NONBLOCK)
                    found += [] if fd is None else [Hook(path, fd)]
            yield found
        finally:
            for hook in found:
                os.close(hook.fd)
            if directory is not None:
                os.close(directory)

    async def call(self, event: str, facts: dict[str, str], seconds: float = HOOK_TIME) -> None:
        """Call all of them, one after the other; `seconds`: for each."""
        if _is_pipe(self.directory):
            if event in _PIPED:
                self._write(event, facts["QOS_RATE"])
            return
        environment = {"PATH": _PATH, "QOS_EVENT": event, **facts}
        with self.opened() as hooks:
            for hook in hooks:
                await self._run(hook, event, environment, seconds)

    def asking(self, event: str) -> list[str]:
        """The paths of those in which the word `event` occurs."""
        with self.opened() as hooks:
            return [hook.path for hook in hooks if event.encode() in hook.start()]

    async def _run(self, hook: Hook, event: str, environment: dict[str, str], limit: float) -> None:
        path = hook.path
        with _Output(asyncio.get_running_loop()) as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    f"/proc/self/fd/{hook.fd}",
                    event,
                    pass_fds=(hook.fd,),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output.end,
                    stderr=output.end,
                    env={**environment, "QOS_HOOK": path},
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
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self.directory, flags)
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


def asking(settings: Qos, event: str) -> list[str]:
    """`kwaainet hooks --list`: the paths of the hooks that care for `event`."""
    return Hooks(directory(settings)).asking(event)


def call_once(settings: Qos, event: str, ports: Sequence[int], uid: int, rate: int) -> int:
    """`kwaainet hooks`: the number of those that failed. Without a WAN a start is a stop."""
    route = routes.find("" if settings.wan == "auto" else settings.wan)
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


def _is_hook(name: str) -> bool:
    """Whether it is a hook's name, and none that editors and package managers leave behind."""
    if name.endswith(_LEFT_BY_OPKG) or name.startswith("-"):
        return False
    return _NAME.issuperset(name)


def _open_directory(path: str) -> int | None:
    """A descriptor of the directory `path`; None if it, or one above it, is missing or others'."""
    flags = os.O_PATH | os.O_DIRECTORY
    at = "/"
    directory = _open(at, at, None, flags)
    for name in [part for part in os.path.abspath(path).split("/") if part]:
        if directory is None:
            return None
        at = os.path.join(at, name)
        above, directory = directory, _open(at, name, directory, flags)
        os.close(above)
    if directory is None:
        return None
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None  # it may be entered and not be read
    finally:
        os.close(directory)


def _open(path: str, name: str, directory: int | None, flags: int) -> int | None:
    """A descriptor of `name` in `directory`; None if it is missing, or not as it must be.

    `path`: for the log. O_DIRECTORY in `flags`: a directory is wanted, else a program.
    """
    wants_directory = bool(flags & os.O_DIRECTORY)
    try:
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:  # a link, among others
        log.warning("qos-hook-untrusted", path=path, reason=error.strerror)
        return None
    found = os.fstat(fd)
    if wants_directory or (stat.S_ISREG(found.st_mode) and found.st_mode & 0o111):
        if _is_ours(found):
            return fd
        mode, owner = f"{found.st_mode & 0o7777:o}", found.st_uid
        log.warning("qos-hook-untrusted", path=path, mode=mode, owner=owner)
    os.close(fd)
    return None


def _is_ours(found: os.stat_result) -> bool:
    """Whether only root or this process' user could have changed what was `found`.

    In a directory with the sticky bit, such as /tmp, nobody else can move what is root's or ours.
    """
    others = stat.S_IWGRP | stat.S_IWOTH
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        others = 0
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & others

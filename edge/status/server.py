"""The status socket, `status.sock` in the run directory: a line of JSON asks, a line answers.

    {"verb": "status"}                                    -> {"version": ..., "uptime": ..., ...}
    {"verb": "ping", "address": "/ip4/...", "count": 1}   -> {"results": [...]}

An answer with the one key "error" says why there is no other. The server bounds everything: bytes
of a request, clients at a time, seconds for reading, answering and sending. It holds a lock on the
run directory as long as it lives, which is how a second node finds out that it is one too many.

A request may bring a file that its sender has opened (SCM_RIGHTS, unix(7)): the node opens no path
for anybody. It is in the request under DESCRIPTOR, for a verb to take out; what is left is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import sys

from edge import lock, log
from edge.atomic import UNSUPPORTED
from edge.host import DESCRIPTOR
from edge.status.errors import AlreadyRunning, StatusError
from edge.status.path import NAME, socket_path
from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import Any

    Request = dict[str, Any]
    Answer = Mapping[str, Any] | bytes  # bytes: the line as it is sent
    Answerer = Callable[[Request], Awaitable[Answer]]

MAX_REQUEST = 4096  # bytes of a line
MAX_CLIENTS = 8
TIMEOUT = 30.0  # seconds, for each of: a request to arrive, to be answered, the answer to leave
_BACKLOG = 64  # waiting to be told that there are too many
_ACCEPT_PAUSE = 1.0  # seconds, when accepting fails
_PATIENCE = 0.25  # seconds in which the next waits for one of them to leave
_SPARE = 4  # descriptors kept for one client, and what is read for it, when there are no others
_INT = 4  # bytes of a descriptor in a message
_ROOM = socket.CMSG_SPACE(_INT)  # for one; where alignment leaves room for two, the last counts
_NO_SOCKETS = "its file system has no Unix sockets; set run_dir to a directory on one that has"
_BUSY = b'{"error": "too many clients ask at once; try again"}\n'


class StatusServer:
    """Serves `verbs`, name to coroutine function, at the socket in `run_dir`.

    A verb refuses by raising StatusError, SwarmError or WireError, whose text is sent. `timeout`:
    seconds, TIMEOUT but for tests. `locked`: the caller holds the lock on `run_dir`.
    """

    def __init__(
        self,
        run_dir: str,
        verbs: Mapping[str, Answerer],
        timeout: float = TIMEOUT,
        locked: bool = False,
    ) -> None:
        self._run_dir = run_dir
        self._locked = locked
        self._verbs = verbs
        self._timeout = timeout
        self._directory = -1
        self._listener: socket.socket | None = None
        self._acceptor: asyncio.Task[None] | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._spare: list[int] = []

    async def start(self) -> None:
        """Lock the directory, put the socket there (mode 0600) and serve it.

        A socket that a dead process left is replaced. Raises AlreadyRunning, and StatusError when
        the directory or what is in it does not allow a socket.
        """
        try:
            self._directory = os.open(self._run_dir, os.O_RDONLY | os.O_DIRECTORY)
            if not self._locked:
                # Where a file system has no locks, as NFS, what is left is to ask at the socket,
                # which _listen does; only two nodes started in the same instant get past that.
                lock.lock(self._directory, self._run_dir)
            self._listener = _listen(self._directory, self._run_dir)
        except lock.Held as held:
            self._close_directory()
            raise AlreadyRunning(str(held)) from None
        except lock.Exposed as exposed:
            self._close_directory()
            raise StatusError(str(exposed)) from None
        except OSError as error:
            self._close_directory()
            raise StatusError(f"no status socket in {self._run_dir}: {error.strerror}") from None
        except StatusError:
            self._close_directory()
            raise
        self._acceptor = asyncio.ensure_future(self._accept(self._listener))
        self._set_aside()

    async def stop(self) -> None:
        """Let the clients go and take the socket away; does nothing if it was not started."""
        if self._listener is None or self._acceptor is None:
            return
        tasks = [self._acceptor, *self._clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            os.unlink(NAME, dir_fd=self._directory)
        except FileNotFoundError:
            pass  # somebody has tidied up: just as well
        except OSError as error:
            log.warning("status-socket-left", directory=self._run_dir, error=error.strerror)
        self._listener.close()
        self._listener = None
        self._let_go()
        self._close_directory()

    def _close_directory(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        leave = asyncio.FIRST_COMPLETED
        while True:
            if len(self._clients) >= MAX_CLIENTS:  # most have one question
                await asyncio.wait(self._clients, timeout=_PATIENCE, return_when=leave)
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # most likely no descriptor is left; the swarm counts and logs that
                spared = self._accept_on_spare(listener)
                if spared is None:
                    await asyncio.sleep(_ACCEPT_PAUSE)
                    continue
                client = spared
            if len(self._clients) >= MAX_CLIENTS:
                with client, contextlib.suppress(OSError):
                    client.send(_BUSY)
                continue
            task = asyncio.ensure_future(self._serve(client))
            self._clients.add(task)
            task.add_done_callback(self._done)

    def _accept_on_spare(self, listener: socket.socket) -> socket.socket | None:
        """The client that waits, in the place of what was kept for it; None if there is nothing."""
        if not self._spare:
            return None
        self._let_go()
        try:
            client, _ = listener.accept()
        except OSError:
            self._set_aside()
            return None
        client.setblocking(False)
        return client

    def _done(self, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        self._set_aside()

    def _set_aside(self) -> None:
        """Keep descriptors, as many as there are."""
        with contextlib.suppress(OSError):
            while self._listener is not None and len(self._spare) < _SPARE:
                self._spare.append(os.dup(self._directory))

    def _let_go(self) -> None:
        while self._spare:
            os.close(self._spare.pop())

    async def _serve(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        received = bytearray()
        passed = _Passed()
        with client, passed, contextlib.suppress(OSError, TimeoutError):  # gone, or too slow
            while await self._receive_line(client, received, passed):
                line, _, rest = bytes(received).partition(b"\n")
                received[:] = rest
                answer = await self._answer(line, passed)
                passed.keep(-1)
                async with asyncio.timeout(self._timeout):
                    await loop.sock_sendall(client, answer)

    async def _receive_line(
        self, client: socket.socket, received: bytearray, passed: _Passed
    ) -> bool:
        """Fill `received` up to a line at least; False when none will come, or none that fits."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            while b"\n" not in received:
                if len(received) >= MAX_REQUEST:
                    await loop.sock_sendall(
                        client, _encoded(_error(f"the request is longer than {MAX_REQUEST} bytes"))
                    )
                    return False
                data = await _received(client, MAX_REQUEST - len(received), passed)
                if not data:
                    return False
                received += data
        return True

    async def _answer(self, line: bytes, passed: _Passed) -> bytes:
        try:
            request = _decoded(line)
            verb = self._verbs.get(request["verb"])
            if verb is None:
                raise StatusError(f"unknown verb; known are: {', '.join(sorted(self._verbs))}")
            with passed.lent_to(request):
                async with asyncio.timeout(self._timeout):
                    return _encoded(await verb(request))
        except TimeoutError:
            return _encoded(_error(f"not done after {self._timeout:g} s"))
        except (StatusError, SwarmError, WireError) as error:
            return _encoded(_error(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asks is answered
            text = f"{type(error).__name__}: {error}"
            log.error("answer-failed", error=text)
            return _encoded(_error(f"the node failed to answer: {text}"))


class _Passed:
    """The descriptor that came with a request, -1 for none. It is closed unless a verb takes it."""

    def __init__(self) -> None:
        self._fd = -1

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self.keep(-1)

    def keep(self, fd: int) -> None:
        """`fd` in the place of what was there: one request has one at most."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd

    @contextlib.contextmanager
    def lent_to(self, request: Request) -> Iterator[None]:
        """It is in `request` meanwhile, whatever the request says itself."""
        request.pop(DESCRIPTOR, None)
        if self._fd >= 0:
            request[DESCRIPTOR] = self._fd
        try:
            yield
        finally:
            if DESCRIPTOR not in request:
                self._fd = -1


async def _received(client: socket.socket, most: int, passed: _Passed) -> bytes:
    """What `client` sends next, and the last descriptor that comes with it."""
    while True:
        try:
            data, parts, _, _ = client.recvmsg(most, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            await _readable(client)
            continue
        for level, kind, content in parts:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                for at in range(0, len(content) - _INT + 1, _INT):
                    passed.keep(int.from_bytes(content[at : at + _INT], sys.byteorder))
        return data


async def _readable(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(client, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(client)


def _listen(directory: int, run_dir: str) -> socket.socket:
    path = socket_path(run_dir, directory)
    _remove_stale(directory, path, run_dir)
    listener = socket.socket(socket.AF_UNIX)
    try:
        # Before bind: Linux makes the file with the descriptor's mode, so that there is no moment
        # in which others may connect.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno in UNSUPPORTED or _left_a_file(directory):
            raise StatusError(f"no status socket in {run_dir}: {_NO_SOCKETS}") from None
        raise
    return listener


def _left_a_file(directory: int) -> bool:
    """Whether there is now a file in the place of a socket, as exFAT makes one; it is removed."""
    try:
        found = os.stat(NAME, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size:
        return False
    os.unlink(NAME, dir_fd=directory)
    return True


def _remove_stale(directory: int, path: str, run_dir: str) -> None:
    """Remove the socket of a process that is no more. Raises AlreadyRunning if one answers."""
    try:
        found = os.stat(NAME, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise StatusError(f"{os.path.join(run_dir, NAME)} is not a socket; move it away")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(NAME, dir_fd=directory)
            return
        except BlockingIOError:  # alive, and has more callers than it takes
            pass
    raise AlreadyRunning(str(lock.held(run_dir)))


def _decoded(line: bytes) -> Request:
    import json

    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise StatusError("the request is not JSON") from None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise StatusError('the request is not an object with a "verb"')
    return request


def _error(text: str) -> Answer:
    return {"error": text}


def _encoded(answer: Answer) -> bytes:
    if isinstance(answer, bytes):
        return answer
    import json

    return json.dumps(answer).encode("ascii") + b"\n"

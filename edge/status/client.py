"""The commands that ask a running node: `kwaainet status | ask | health | peers | ping | connect`.

Each returns the command's exit status: 0, 1 when it failed, 3 when no node runs there. Errors are
one line on standard error. Blocking sockets: there is nothing else to do meanwhile.
"""

import json
import os
import shutil
import socket
import sys
import time

from edge import process
from edge.config.schema import Node
from edge.status import view
from edge.status.errors import NotRunning, StatusError
from edge.status.path import socket_path
from edge.text import has_colour, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from edge.config.load import Config
    from edge.status.screen import Size

    Answer = dict[str, Any]

FAILED = 1
NO_NODE = 3
BRIEF = 2.0  # seconds for who asks every few seconds
QUICK = 10.0  # seconds in which a node tells about itself
PATIENT = 35.0  # seconds for what involves a peer; the node gives up after 30
MAX_ANSWER = 4 << 20  # bytes
MAX_FORWARDED = 1 << 20  # bytes; 1024 peers are less
PING_INTERVAL = 1.0
_CHUNK = 65536


def status(config: "Config", watch: bool, as_json: bool) -> int:
    """Print what the node does and uses; with `watch` again and again, until interrupted.

    JSON is then one line each time.
    """

    def lines(answer: "Answer", _: "Size | None") -> list[str]:
        return view.status_lines(answer, has_colour(sys.stdout))

    return _shown(config, "status", lines, watch, as_json)


def forward(config: "Config", verb: str) -> int:
    """Print the node's answer to `verb` as it comes; cross/image/ask.c does the same."""

    def run() -> int:
        with Session(config[Node].run_dir, BRIEF, MAX_FORWARDED) as link:
            line = link.line({"verb": verb}).decode("ascii", "backslashreplace")
        if line.startswith('{"error"'):
            raise StatusError(line)
        _print(line)
        return 0

    return _reported(run)


def health(config: "Config") -> int:
    """Print whether the node is well, as it says itself; FAILED whatever ails it. So does ask.c."""
    return FAILED if forward(config, "health") else 0


def peers(config: "Config", watch: bool, as_json: bool) -> int:
    """Print the connected peers, likewise; at a terminal as many as it has lines for."""

    def lines(answer: "Answer", size: "Size | None") -> list[str]:
        if size is None:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        else:
            width = size[0]
            answer = {**answer, "peers": answer["peers"][: max(1, size[1] - 2)]}
        return view.peers_lines(answer, width, has_colour(sys.stdout))

    return _shown(config, "peers", lines, watch, as_json)


def top(config: "Config") -> int:
    """Show the node as one screen, until interrupted."""
    from edge.status.top import Look, screen

    look = Look(has_colour(sys.stdout), (sys.stdout.encoding or "").lower() == "utf-8")

    def lines(answer: "Answer", size: "Size | None") -> list[str]:
        return screen(answer, look, *(size or (80, 24)))

    return _shown(config, "overview", lines, watch=True, as_json=False)


def ping(config: "Config", addr: str, count: int) -> int:
    """Measure `count` round trips to a peer, a second apart; fails if none is answered."""
    return _reported(lambda: _ping(config[Node].run_dir, addr, count))


def connect(config: "Config", addr: str) -> int:
    """Have the node connect to a peer; print who it is."""

    def run() -> int:
        request = {"verb": "connect", "address": addr}
        _print(view.connect_lines(_ask_once(config[Node].run_dir, request, PATIENT)))
        return 0

    return _reported(run)


def ask(config: "Config", verb: str, **fields: object) -> "Answer":
    """The running node's answer to `verb`. Raises NotRunning and StatusError.

    `fields`: what the verb needs to know, as JSON has it.
    """
    return _ask_once(config[Node].run_dir, {"verb": verb, **fields})


class Session:
    """A connection to the node of a data directory. Raises NotRunning and StatusError.

    `wait`: seconds for an answer, which has `most` bytes.
    """

    def __init__(self, run_dir: str, wait: float, most: int = MAX_ANSWER) -> None:
        self._wait = wait
        self._most = most
        self._received = bytearray()
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(wait)
        try:
            self._connect(run_dir)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, request: "Answer", descriptor: int = -1) -> "Answer":
        """The answer to `request`; StatusError with the node's words if it refuses.

        `descriptor`: of a file that the node is given, -1 for none.
        """
        line = self.line(request, descriptor)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise StatusError("the node's answer is not JSON")
        if list(answer) == ["error"]:
            raise StatusError(shown(answer["error"], 1024))
        return answer

    def process(self) -> int:
        """The process id of the node (SO_PEERCRED, unix(7))."""
        size = 12  # struct ucred: pid, uid, gid
        found = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int.from_bytes(found[:4], sys.byteorder)

    def line(self, request: "Answer", descriptor: int = -1) -> bytes:
        """The answer as it comes, without the end of its line."""
        deadline = time.monotonic() + self._wait
        self._sock.settimeout(self._wait)
        try:
            self._send(json.dumps(request).encode("ascii") + b"\n", descriptor)
            return self._line(deadline)
        except TimeoutError:
            raise StatusError(f"no answer within {self._wait:g} s") from None
        except OSError as error:
            raise StatusError(f"the node does not answer: {error.strerror}") from None

    def _send(self, line: bytes, descriptor: int) -> None:
        sent = 0
        if descriptor >= 0:
            passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))
            sent = self._sock.sendmsg([line], [passed])
        self._sock.sendall(line[sent:])

    def _connect(self, run_dir: str) -> None:
        try:
            directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY)
            try:
                self._sock.connect(socket_path(run_dir, directory))
            finally:
                os.close(directory)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NotRunning(f"no node runs in {run_dir}") from None
        except PermissionError:
            raise StatusError(
                f"permission denied: the node in {run_dir} answers its own user and root only"
            ) from None
        except BlockingIOError:
            raise StatusError("the node is busy with others who ask; try again") from None
        except OSError as error:
            raise StatusError(f"cannot ask the node in {run_dir}: {error.strerror}") from None

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) >= self._most:
                raise StatusError("the node's answer does not end")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            data = self._sock.recv(_CHUNK)
            if not data:
                raise StatusError("the node closed the connection without an answer")
            self._received += data
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return line


def _ask_once(run_dir: str, request: "Answer", wait: float = QUICK) -> "Answer":
    with Session(run_dir, wait) as link:
        return link.ask(request)


def _reported(run: "Callable[[], int]") -> int:
    try:
        return run()
    except StatusError as error:
        process.complain(f"kwaainet: {error}")
        return NO_NODE if isinstance(error, NotRunning) else FAILED


def _shown(
    config: "Config",
    verb: str,
    lines: "Callable[[Answer, Size | None], list[str]]",
    watch: bool,
    as_json: bool,
) -> int:
    """Print the node's answer to `verb` as `lines` puts it, for a window of a size or for none."""

    def run() -> int:
        if not watch:
            answer = ask(config, verb)
            _print(json.dumps(answer, indent=2) if as_json else lines(answer, None))
            return 0
        from edge.status.screen import watch as repeat

        if as_json:
            return repeat(lambda _: [json.dumps(ask(config, verb))], records=True)
        return repeat(lambda size: lines(ask(config, verb), size))

    return _reported(run)


def _print(text: str | list[str]) -> None:
    print(text if isinstance(text, str) else "\n".join(text), flush=True)


def _ping(run_dir: str, addr: str, count: int) -> int:
    rtts: list[float] = []
    sent = 0
    try:
        with Session(run_dir, PATIENT) as link:
            while sent < count:
                if sent:
                    time.sleep(PING_INTERVAL)
                sent += 1
                for result in link.ask({"verb": "ping", "address": addr, "count": 1})["results"]:
                    _print(view.ping_line(result))
                    rtts += [result["rtt"]] if "rtt" in result else []
    except KeyboardInterrupt:
        sys.stdout.write("\n")  # behind the terminal's ^C
    _print(view.ping_summary(sent, rtts))
    return 0 if rtts else FAILED

"""`kwaainet ask` and `kwaainet health`, by both who do them: the commands, and cross/image/ask.c.

As processes, at sockets of nodes that run, do not, hang, and answer badly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from edge.node import Node
from tests.counterparts.base import asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.hosts import configured

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "cross" / "image" / "ask.c"
# As in image.c; what is not for it ends with a status of its own.
MAIN = '#include "ask.h"\nint main(int argc, char **argv) { return ask(argc, argv); }\n'
NOT_ASKED = 255

Peer = Callable[[socket.socket], None]


@pytest.fixture(scope="session")
def early(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """ask.c as a program, with all warnings and the compiler's checks at run time."""
    made = tmp_path_factory.mktemp("ask") / "kwaainet"
    (made.parent / "main.c").write_text(MAIN)
    command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", f"-I{SOURCE.parent}"]
    command += ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    command += ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    command += [str(SOURCE), str(made.parent / "main.c"), "-o", str(made)]
    subprocess.run(command, check=True)
    return [str(made)]


@pytest.fixture(params=["early", "python"])
def program(request: pytest.FixtureRequest, early: list[str]) -> list[str]:
    return early if request.param == "early" else [sys.executable, "-m", "edge"]


def asked(
    program: Sequence[str], directory: Path | str, verb: str = "overview", **streams: int
) -> subprocess.CompletedProcess[bytes]:
    return ran([*program, "ask", verb, "--run-dir", str(directory)], **streams)


def checked(program: Sequence[str], directory: Path | str) -> tuple[int, str, str]:
    """The status of `kwaainet health`, and its words."""
    done = ran([*program, "health", "--run-dir", str(directory)])
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ran(command: Sequence[str], **streams: int) -> subprocess.CompletedProcess[bytes]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    env = {"KWAAINET_CONFIG": "/dev/null", "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(command, cwd=ROOT, env=env, timeout=60, check=False, **pipes)  # type: ignore[call-overload, no-any-return]


@contextlib.contextmanager
def node(directory: Path, *peers: Peer) -> Iterator[None]:
    """At the socket of `directory`; each of `peers` serves one who asks."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "status.sock"))
        listener.listen()

        def serve() -> None:
            for peer in peers:
                sock, _ = listener.accept()
                with sock, contextlib.suppress(OSError):
                    peer(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(60)
        assert not thread.is_alive()


def says(line: bytes) -> Peer:
    def peer(sock: socket.socket) -> None:
        assert json.loads(sock.recv(4096)) == {"verb": "overview"}
        sock.sendall(line)

    return peer


def hangs(sock: socket.socket) -> None:
    """Until the other side gives up; that it sends no more says nothing."""
    gone = select.poll()
    gone.register(sock, 0)
    gone.poll()


def test_the_answer_comes_as_it_is(program: list[str], tmp_path: Path) -> None:
    answer = b'{"mode": "relay",  "n": [1,2]}\n'
    with node(tmp_path, says(answer)):
        done = asked(program, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, answer, b"")


def test_an_answer_in_many_parts(program: list[str], tmp_path: Path) -> None:
    answer = b'{"text": "' + b"x" * 700_000 + b'"}\n'

    def slowly(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        says(answer)(sock)

    with node(tmp_path, slowly):
        done = asked(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, answer)


def test_nothing_behind_the_line_is_printed(program: list[str], tmp_path: Path) -> None:
    with node(tmp_path, says(b"{}\n{}\n")):
        assert asked(program, tmp_path).stdout == b"{}\n"


def test_no_node(program: list[str], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        (tmp_path / "stale").mkdir()
        dead.bind(str(tmp_path / "stale" / "status.sock"))
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("stale", "file", "empty", "missing"):
        done = asked(program, tmp_path / name)
        said = f"kwaainet: no node runs in {tmp_path / name}\n".encode()
        assert (done.returncode, done.stdout, done.stderr) == (3, b"", said)


def test_a_node_that_hangs(program: list[str], tmp_path: Path) -> None:
    with node(tmp_path, hangs):
        done = asked(program, tmp_path)
    said = b"kwaainet: no answer within 2 s\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", said)


def test_a_node_that_trickles(program: list[str], tmp_path: Path) -> None:
    def trickles(sock: socket.socket) -> None:
        while True:
            sock.send(b" ")
            time.sleep(0.1)

    with node(tmp_path, trickles):
        done = asked(program, tmp_path)
    assert (done.returncode, done.stderr) == (1, b"kwaainet: no answer within 2 s\n")


@pytest.mark.parametrize("begun", [b"", b'{"mode": "re'])
def test_a_node_that_dies_before_it_has_answered(
    begun: bytes, program: list[str], tmp_path: Path
) -> None:
    with node(tmp_path, says(begun)):
        done = asked(program, tmp_path)
    said = b"kwaainet: the node closed the connection without an answer\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", said)


def test_an_answer_without_an_end(program: list[str], tmp_path: Path) -> None:
    with node(tmp_path, says(b"x" * (2 << 20))):
        done = asked(program, tmp_path)
    said = b"kwaainet: the node's answer does not end\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", said)


def test_a_refusal_is_no_answer(program: list[str], tmp_path: Path) -> None:
    line = b'{"error": "unknown \\u001b verb"}\n'
    with node(tmp_path, says(line)):
        done = asked(program, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"kwaainet: " + line)


def test_a_directory_with_a_long_name(program: list[str], tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    here = os.open(deep, os.O_RDONLY)
    with node(Path(f"/proc/self/fd/{here}"), says(b"{}\n")):
        os.close(here)
        assert asked(program, deep).stdout == b"{}\n"


def test_a_user_who_may_not_ask(program: list[str], tmp_path: Path) -> None:
    """As one who is not the node's: root would be let in."""
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        os.fchmod(listener.fileno(), 0o000)
        listener.bind(str(tmp_path / "status.sock"))
        listener.listen()
        other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = asked([*(other if os.geteuid() == 0 else []), *program], tmp_path)
    said = f"the node in {tmp_path} answers its own user and root only".encode()
    assert done.returncode == 1 and said in done.stderr and done.stderr.count(b"\n") == 1


def test_an_output_that_nobody_reads_any_more(program: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with node(tmp_path, says(b"{}\n")):
        done = asked(program, tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_that_is_full(program: list[str], tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with node(tmp_path, says(b"{}\n")):
        done = asked(program, tmp_path, stdout=full)
    os.close(full)
    said = b"kwaainet: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_streams_that_are_closed_are_not_mixed_up_with_the_socket(
    program: list[str], tmp_path: Path
) -> None:
    heard = b""

    def peer(sock: socket.socket) -> None:
        nonlocal heard
        says(b"{}\n")(sock)
        while data := sock.recv(4096):
            heard += data

    closing = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"]
    with node(tmp_path, peer):
        asked([*closing, *program], tmp_path)
    assert heard == b""


def test_signals_that_are_held_or_ignored_change_nothing(
    program: list[str], tmp_path: Path
) -> None:
    held = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    with node(tmp_path, hangs):
        done = asked([sys.executable, "-c", held, *program], tmp_path)
    assert (done.returncode, done.stderr) == (1, b"kwaainet: no answer within 2 s\n")


@asynchronous(60)
async def test_a_running_node(early: list[str]) -> None:
    async with EdgeNode() as running:
        for program in (early, list(running.program)):
            for verb in ("overview", "status", "peers", "ledger"):
                told = json.loads(asked(program, running.data_dir, verb).stdout)
                assert told
            refused = asked(program, running.data_dir, "nonsense")
            assert (refused.returncode, refused.stdout) == (1, b"")
            assert b"unknown verb; known are: " in refused.stderr


def test_no_node_is_not_well(program: list[str], tmp_path: Path) -> None:
    said = f"kwaainet: no node runs in {tmp_path}\n"
    assert checked(program, tmp_path) == (1, "", said)


def test_a_node_that_hangs_is_not_well(program: list[str], tmp_path: Path) -> None:
    with node(tmp_path, hangs):
        assert checked(program, tmp_path) == (1, "", "kwaainet: no answer within 2 s\n")


@asynchronous(60)
async def test_a_node_is_well_until_it_hangs(early: list[str]) -> None:
    async with EdgeNode() as running:
        assert running.process is not None
        for program in (early, list(running.program)):
            status, said, error = checked(program, running.data_dir)
            assert (status, error, said.count("\n")) == (0, "", 1)
            told = json.loads(said)
            assert (told["status"], told["mode"]) == ("ok", "relay")
            assert told["reason"]
        running.process.send_signal(signal.SIGSTOP)
        for program in (early, list(running.program)):
            status, said, _ = checked(program, running.data_dir)
            assert (status, said) == (1, "")
        running.process.send_signal(signal.SIGCONT)


@asynchronous(60)
async def test_a_node_that_accepts_no_connections_is_not_well(
    early: list[str], tmp_path: Path
) -> None:
    async with Node(configured(tmp_path, "[adapt]\nenabled = false\n")) as running:
        for program in (early, [sys.executable, "-m", "edge"]):
            status, _, _ = await asyncio.to_thread(checked, program, tmp_path)
            assert status == 0
        running.host.swarm.close_listeners()
        for program in (early, [sys.executable, "-m", "edge"]):
            status, said, error = await asyncio.to_thread(checked, program, tmp_path)
            assert (status, said) == (1, "")
            assert "not accepting connections; mode relay: " in error
            assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        *(["health"], ["health", "--run-dir", ""], ["health", "--data-dir", "."]),
        *(["health", "--run-dir", ".", "more"], ["health", "more", "--run-dir", "."]),
        *(["ask"], ["status"], [], ["ask", "overview"], ["ask", "overview", "--run-dir"]),
        *(["ask", "overview", "--run-dir", ""], ["ask", "overview", "--run-dir", "--json"]),
        *(["ask", "Overview", "--run-dir", "."], ["ask", "--help", "--run-dir", "."]),
        *(["ask", "", "--run-dir", "."], ["ask", "x" * 33, "--run-dir", "."]),
        *(["ask", "a b", "--run-dir", "."], ["ask", 'a"', "--run-dir", "."]),
        *(["ask", "overview", "--data-dir", "."], ["ask", "overview", "--run-dir", ".", "more"]),
    ],
)
def test_what_is_not_for_the_early_one_goes_to_python(
    words: list[str], early: list[str], tmp_path: Path
) -> None:
    done = subprocess.run([*early, *words], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (NOT_ASKED, b"", b"")


@pytest.mark.parametrize("verb", ["Overview", "", "x" * 33, "a b", 'a"', "Ü"])
def test_the_command_takes_nothing_but_verbs(verb: str, tmp_path: Path) -> None:
    done = asked([sys.executable, "-m", "edge"], tmp_path, verb)
    assert done.returncode == 2
    assert b"expected 1 to 32 lower-case letters and dashes" in done.stderr

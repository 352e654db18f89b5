"""The status socket of another process: its protocol, its bounds, and who may own it."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from edge.status.client import Session
from edge.status.errors import StatusError
from edge.status.server import MAX_CLIENTS, MAX_REQUEST, StatusServer


def dial(node):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(os.path.join(node.data_dir, "status.sock"))
    return sock


def ask(node, line):
    with dial(node) as sock:
        sock.sendall(line)
        return json.loads(sock.makefile("rb").readline())


def until_free(node, places=1):
    """Ask until so many are served at once; others are told so, or cut off before they can ask."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            clients = [stack.enter_context(dial(node)) for _ in range(places)]
            for client in clients:
                client.sendall(b'{"verb":"echo"}\n')
            answers = [json.loads(client.makefile("rb").readline()) for client in clients]
            if answers == [{"verb": "echo"}] * places:
                return
        assert time.monotonic() < deadline


def test_a_line_is_answered_with_a_line(node):
    assert ask(node, b'{"verb":"echo","n":1}\n') == {"verb": "echo", "n": 1}


def test_one_connection_serves_many_requests_also_in_one_packet_or_in_many(node):
    with dial(node) as sock:
        answers = sock.makefile("rb")
        sock.sendall(b'{"verb":"echo","n":1}\n{"verb":"echo","n":2}\n')
        assert [json.loads(answers.readline())["n"] for _ in range(2)] == [1, 2]
        for byte in b'{"verb":"echo","n":3}\n':
            sock.sendall(bytes([byte]))
        assert json.loads(answers.readline())["n"] == 3


def test_a_request_may_bring_a_file_that_its_sender_has_opened(node, tmp_path):
    (tmp_path / "a").write_text("of the caller")
    with Session(node.data_dir, 10.0) as session, open(tmp_path / "a") as file:
        assert session.ask({"verb": "read"}, file.fileno()) == {"text": "of the caller"}
        long = {"verb": "read", "padding": "x" * 3000}  # the file comes with the first byte
        assert session.ask(long, file.fileno()) == {"text": "of the caller"}


def test_files_that_no_verb_takes_are_closed(node, tmp_path):
    with Session(node.data_dir, 10.0) as session, open(os.devnull) as file:
        before = session.ask({"verb": "opened"})
        for verb in ("echo", "opened"):
            session.ask({"verb": verb}, file.fileno())
        for verb in ("refuse", "unknown"):
            with pytest.raises(StatusError):
                session.ask({"verb": verb}, file.fileno())
        assert session.ask({"verb": "opened"}) == before
    with dial(node) as sock, open(os.devnull) as file:
        several = [file.fileno()] * 3
        socket.send_fds(sock, [b'{"verb":'], several)
        socket.send_fds(sock, [b'"opened"}\n'], several)
        assert json.loads(sock.makefile("rb").readline())["count"] <= before["count"] + 1
    assert ask(node, b'{"verb":"opened"}\n') == before


def test_no_request_names_a_descriptor_of_the_node(node):
    assert ask(node, b'{"verb":"echo","descriptor":0}\n') == {"verb": "echo"}


def test_it_answers_when_no_descriptor_is_left(node):
    with dial(node) as sock:
        sock.sendall(b'{"verb":"exhaust"}\n')
        answers = sock.makefile("rb")
        assert json.loads(answers.readline())["taken"] > 30
        for n in range(5):  # one after the other, each in the place that is kept for one
            assert ask(node, b'{"verb":"echo","n":%d}\n' % n) == {"verb": "echo", "n": n}
        sock.sendall(b'{"verb":"echo"}\n')
        assert json.loads(answers.readline()) == {"verb": "echo"}


def test_a_refusal_is_an_error_and_the_connection_goes_on(node):
    with dial(node) as sock:
        answers = sock.makefile("rb")
        sock.sendall(b'{"verb":"refuse"}\n{"verb":"echo"}\n')
        assert json.loads(answers.readline()) == {"error": "that \x1b[2J is refused"}
        assert json.loads(answers.readline()) == {"verb": "echo"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"\n", "not JSON"),
        (b"status\n", "not JSON"),
        (b"\xff\xfe\x00\n", "not JSON"),
        (b"[" * 4000 + b"\n", "not JSON"),
        (b'["verb"]\n', "not an object"),
        (b'{"verb":1}\n', "not an object"),
        (b"{}\n", "not an object"),
        (b'{"verb":"shutdown"}\n', "unknown verb; known are: big, connect, echo, exhaust,"),
    ],
)
def test_garbage_is_answered_with_what_is_wrong(node, line, says):
    assert says in ask(node, line)["error"]
    assert ask(node, b'{"verb":"echo"}\n') == {"verb": "echo"}


def test_a_request_of_the_greatest_length_is_served(node):
    line = b'{"verb":"echo"}'.ljust(MAX_REQUEST - 1) + b"\n"
    assert ask(node, line) == {"verb": "echo"}


@pytest.mark.parametrize("length", [MAX_REQUEST, 1 << 20])
def test_a_longer_request_ends_the_connection(node, length):
    with dial(node) as sock:
        with contextlib.suppress(OSError):  # it has hung up already, its answer is there
            sock.sendall(b" " * length)
        answers = sock.makefile("rb")
        assert "longer than 4096 bytes" in json.loads(answers.readline())["error"]
        with contextlib.suppress(ConnectionResetError):  # what Linux says if bytes were unread
            assert answers.read() == b""
    assert ask(node, b'{"verb":"echo"}\n') == {"verb": "echo"}


def test_one_client_too_many_is_sent_away(node):
    clients = [dial(node) for _ in range(MAX_CLIENTS)]
    for client in clients:  # all are being served, none just in the queue
        client.sendall(b'{"verb":"echo"}\n')
        client.makefile("rb").readline()
    with dial(node) as sock:
        assert "too many" in json.loads(sock.makefile("rb").readline())["error"]
    for client in clients:
        client.close()
    until_free(node)


def test_of_many_who_ask_at_once_none_is_sent_away(node):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dial(node)) for _ in range(6 * MAX_CLIENTS)]
        for client in clients:
            client.sendall(b'{"verb":"echo"}\n')
            client.shutdown(socket.SHUT_WR)
        answers = [json.loads(client.makefile("rb").readline()) for client in clients]
    assert answers == [{"verb": "echo"}] * len(clients)


def test_a_client_that_hangs_up_costs_nothing(node):
    for _ in range(3 * MAX_CLIENTS):
        with dial(node) as sock:
            sock.sendall(b'{"verb":"big","size":1000000}\n')
    until_free(node)


def test_who_asks_too_slowly_is_hung_up_on(start, tmp_path):
    node = start(tmp_path, timeout=0.3)
    with dial(node) as sock:
        started = time.monotonic()
        sock.sendall(b'{"verb"')
        assert sock.recv(1) == b""
        assert time.monotonic() - started > 0.2


def test_who_does_not_read_is_hung_up_on(start, tmp_path):
    node = start(tmp_path, timeout=0.3)
    clients = [dial(node) for _ in range(MAX_CLIENTS)]
    for client in clients:
        client.sendall(b'{"verb":"big","size":4000000}\n')
    for client in clients:  # all are being answered
        assert client.recv(1) == b"{"
    until_free(node, MAX_CLIENTS)
    for client in clients:
        assert not client.makefile("rb").read().endswith(b"\n")
        client.close()


def test_a_verb_that_takes_too_long_is_given_up(start, tmp_path):
    node = start(tmp_path, timeout=0.3)
    assert ask(node, b'{"verb":"slow","seconds":60}\n') == {"error": "not done after 0.3 s"}


def test_the_socket_is_the_owners_alone_whatever_the_umask(node):
    found = os.stat(os.path.join(node.data_dir, "status.sock"))
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_stopping_takes_the_socket_away_and_lets_clients_go(node):
    with dial(node) as sock:
        sock.sendall(b'{"verb":"echo"}\n{"verb":"slow","seconds":60}\n')
        assert sock.makefile("rb").readline() == b'{"verb": "echo"}\n'
        assert node.stop() == "stopped"
        assert sock.recv(1) == b""


def test_a_second_node_with_the_same_directory_is_told_so(node, start):
    second = start(node.data_dir)
    assert second.said.startswith("AlreadyRunning another node, process ")
    assert ask(node, b'{"verb":"echo"}\n') == {"verb": "echo"}


def test_a_second_node_is_told_so_though_the_socket_file_is_gone(node, start):
    os.unlink(os.path.join(node.data_dir, "status.sock"))
    assert start(node.data_dir).said.startswith("AlreadyRunning")
    assert node.stop() == "stopped"


def test_a_live_socket_is_not_taken_over_where_locks_do_not_work(start, tmp_path):
    # As on NFS, whose locks another machine's node does not see: a listener without the lock.
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "status.sock"))
        other.listen(0)
        assert start(tmp_path).said.startswith("AlreadyRunning")
        assert start(tmp_path).said.startswith("AlreadyRunning")  # the queue is full by now


def test_the_socket_of_a_dead_node_is_replaced(node, start):
    node.process.send_signal(signal.SIGKILL)
    node.process.wait()
    assert os.path.exists(os.path.join(node.data_dir, "status.sock"))
    again = start(node.data_dir)
    assert again.said == "ready"
    assert ask(again, b'{"verb":"echo"}\n') == {"verb": "echo"}


def test_a_file_that_is_no_socket_is_left_alone(start, tmp_path):
    (tmp_path / "status.sock").write_text("a letter")
    assert "is not a socket" in start(tmp_path).said
    assert (tmp_path / "status.sock").read_text() == "a letter"


def test_a_directory_that_is_not_there_is_an_error(start, tmp_path):
    said = start(tmp_path / "nowhere").said
    assert said.startswith("StatusError no status socket in ")
    assert said.endswith("No such file or directory")


def test_json_is_not_loaded_before_it_is_needed(start, tmp_path):
    node = start(tmp_path)
    assert ask(node, b'{"verb":"modules","names":["json","asyncio"]}\n') == {"loaded": ["asyncio"]}


@pytest.mark.parametrize(
    ("code", "left"),
    [(errno.EPERM, False), (errno.EOPNOTSUPP, False), (errno.ENOSYS, False), (errno.EIO, True)],
)
def test_a_file_system_without_sockets(tmp_path, monkeypatch, code, left):
    """A stand-in for FAT, 9p and, with a file that is left behind, exFAT by FUSE."""

    def bind(_, path):
        if left:
            Path(path).touch()
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket.socket, "bind", bind)
    server = StatusServer(str(tmp_path), {})
    with pytest.raises(StatusError) as refused:
        asyncio.run(server.start())
    assert str(refused.value) == (
        f"no status socket in {tmp_path}: its file system has no Unix sockets; set run_dir to a"
        " directory on one that has"
    )
    assert list(tmp_path.iterdir()) == []

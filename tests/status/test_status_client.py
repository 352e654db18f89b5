"""The commands against a node in another process: exit status, output, errors on one line."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import examples
import pytest

from edge.config.schema import Node
from edge.status import client, view

CONNECTED = examples.CONNECTED


def config(run_dir):
    return {Node: SimpleNamespace(run_dir=str(run_dir))}


@pytest.fixture
def serve(tmp_path):
    """serve(line): answers the next request at the socket of tmp_path with `line`, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "status.sock"))
        listener.listen()

        def answer(line):
            sock, _ = listener.accept()
            with sock:
                sock.recv(4096)
                with contextlib.suppress(BrokenPipeError):  # the client had enough
                    sock.sendall(line)

        yield lambda line: threading.Thread(target=answer, args=(line,)).start()


def test_no_node_at_an_empty_directory(tmp_path, capsys):
    assert client.status(config(tmp_path), False, False) == 3
    captured = capsys.readouterr()
    assert captured.err == f"kwaainet: no node runs in {tmp_path}\n"
    assert captured.out == ""


def test_no_node_at_a_directory_that_does_not_exist(tmp_path):
    assert client.status(config(tmp_path / "nowhere"), False, False) == 3


def test_no_node_behind_a_stale_socket(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "status.sock"))
    assert client.peers(config(tmp_path), False, False) == 3


def test_permission_denied(tmp_path):
    """As a user who is not the node's: root would be let in."""
    tmp_path.chmod(0o755)
    code = (
        "import os, sys\n"
        "from types import SimpleNamespace as N\n"
        "from edge.config.schema import Node\n"
        "from edge.status import client\n"
        "if os.getuid() == 0:\n"
        "    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(client.status({Node: N(run_dir='.')}, False, False))\n"
    )
    with socket.socket(socket.AF_UNIX) as other:
        os.fchmod(other.fileno(), 0o000)
        other.bind(str(tmp_path / "status.sock"))
        other.listen()
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 1
    assert done.stderr == (
        "kwaainet: permission denied: the node in . answers its own user and root only\n"
    )


def test_a_path_longer_than_a_socket_address_works_on_both_sides(start, tmp_path):
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)
    node = start(deep)
    assert node.said == "ready"
    with client.Session(str(deep), 5) as link:
        assert link.ask({"verb": "echo", "n": 1})["n"] == 1
    assert start(deep).said.startswith("AlreadyRunning")
    node.kill()
    assert client.status(config(deep), False, False) == 3
    again = start(deep)
    assert again.said == "ready"
    assert again.stop() == "stopped"


def test_a_node_that_does_not_answer_in_time(tmp_path, start):
    start(tmp_path)
    with client.Session(str(tmp_path), 0.2) as link, pytest.raises(client.StatusError) as caught:
        link.ask({"verb": "slow", "seconds": 3})
    assert str(caught.value) == "no answer within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "closed the connection without an answer"),
        (b"hello\n", "is not JSON"),
        (b"[]\n", "is not JSON"),
        (b'{"error":"bad \\u001b[2J\\n"}\n', r"kwaainet: bad \x1b[2J\n" + "\n"),
    ],
)
def test_what_is_not_an_answer_is_one_line_on_stderr(serve, tmp_path, capsys, answer, says):
    serve(answer)
    assert client.status(config(tmp_path), False, False) == 1
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_an_answer_without_end_is_given_up(serve, tmp_path):
    serve(b" " * (2 << 20))
    with (
        client.Session(str(tmp_path), 10, most=1 << 20) as link,
        pytest.raises(client.StatusError, match="does not end"),
    ):
        link.ask({"verb": "status"})


def test_an_answer_that_comes_too_slowly_is_given_up(tmp_path):
    """However often something of it comes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "status.sock"))
        listener.listen()

        def trickle():
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                while True:
                    sock.send(b" ")
                    time.sleep(0.05)

        threading.Thread(target=trickle).start()
        with (
            client.Session(str(tmp_path), 0.5) as link,
            pytest.raises(client.StatusError, match="no answer within"),
        ):
            link.ask({"verb": "status"})


def test_status_as_json_is_what_the_node_says(node, capsys):
    assert client.status(config(node.data_dir), False, True) == 0
    assert json.loads(capsys.readouterr().out) == examples.STATUS


def test_commands_print_what_the_node_says(node, capsys):
    commands = [
        (lambda c: client.status(c, False, False), view.status_lines(examples.STATUS)),
        (lambda c: client.peers(c, False, False), view.peers_lines(examples.PEERS)),
        (lambda c: client.connect(c, "/ip4/192.0.2.1/tcp/4001"), view.connect_lines(CONNECTED)),
    ]
    for command, lines in commands:
        assert command(config(node.data_dir)) == 0
        assert capsys.readouterr().out.splitlines() == lines


def test_ping_prints_a_line_for_each_and_a_summary(node, capsys, monkeypatch):
    monkeypatch.setattr(client, "PING_INTERVAL", 0.01)
    assert client.ping(config(node.data_dir), "/ip4/192.0.2.1/tcp/4001", 3) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{examples.ID} via 192.0.2.1:4001: 12.3 ms",
        "no answer: no answer within 5 s",
        f"{examples.ID} via 192.0.2.1:4001: 20.0 ms",
        "3 sent, 2 answered; min/avg/max 12.3/16.2/20.0 ms",
    ]


def test_ping_fails_when_nothing_is_answered(node, capsys, monkeypatch):
    monkeypatch.setattr(client, "PING_INTERVAL", 0.01)
    assert client.ping(config(node.data_dir), "/ip4/192.0.2.9/tcp/4001", 2) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 sent, 0 answered"


def test_what_the_node_refuses_fails(node, capsys):
    assert client.connect(config(node.data_dir), "nonsense") == 1
    assert capsys.readouterr().err == "kwaainet: not an address: 'nonsense'\n"

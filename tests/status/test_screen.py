"""What is shown again and again: `kwaainet top`, `status --watch` and `peers --watch`."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios

import examples
import pytest

from edge.status import view
from edge.status.screen import cut
from edge.status.top import Look, screen, timeline

COMMAND = (
    "import sys\n"
    "from types import SimpleNamespace as N\n"
    "from edge.config.schema import Node\n"
    "from edge.status import client, screen\n"
    "screen.REFRESH = 0.1\n"
    "what, form = sys.argv[2:]\n"
    "asked = {Node: N(run_dir=sys.argv[1])}\n"
    "sys.exit(client.top(asked) if what == 'top' else\n"
    "         getattr(client, what)(asked, True, form == 'json'))\n"
)
PLAIN = Look(colour=False, blocks=False)


def command(node, what, form="text"):
    return [sys.executable, "-c", COMMAND, node.data_dir, what, form]


def environment(**more):
    return {"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **more}


class Terminal:
    """`command` at a terminal of a size, for as long as the context lasts."""

    def __init__(self, command, lines, columns, **env):
        self.master, slave = pty.openpty()
        self.resize(lines, columns)
        self.seen = b""
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=environment(**{"TERM": "xterm", **env}),
        )
        self.settings = termios.tcgetattr(slave)
        self._slave = slave

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)

    def resize(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys)

    def until(self, text):
        """Read until `text` was seen, behind what was read before; what came up to it."""
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 60)
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 65536)
        before, _, self.seen = self.seen.partition(text)
        return before

    def frame(self):
        """The lines of the next whole picture."""
        self.until(b"\x1b[H")
        return self.until(b"\x1b[J").decode().removesuffix("\x1b[K").split("\x1b[K\r\n")

    def ends(self):
        """The exit status, when the terminal is as it was."""
        self.until(b"\x1b[?25h\x1b[?1049l")
        status = self.process.wait(10)
        assert termios.tcgetattr(self._slave) == self.settings
        return status


@pytest.mark.parametrize("what", ["status", "peers", "top"])
def test_text_repeats_in_a_pipe_until_interrupted(node, what):
    lines = {
        "status": view.status_lines(examples.STATUS),
        "peers": view.peers_lines(examples.PEERS),
        "top": screen(examples.OVERVIEW, Look(False, True), 80, 24),
    }[what]
    watching = subprocess.Popen(
        command(node, what), stdout=subprocess.PIPE, env=environment(), encoding="utf-8"
    )
    block = [line + "\n" for line in [*lines, ""]]
    assert [watching.stdout.readline() for _ in range(2 * len(block))] == 2 * block
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=10)
    assert watching.returncode == 0


@pytest.mark.parametrize("what", ["status", "peers"])
def test_json_is_a_line_each_time(node, what):
    watching = subprocess.Popen(command(node, what, "json"), stdout=subprocess.PIPE, text=True)
    lines = [watching.stdout.readline() for _ in range(3)]
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=10)
    assert watching.returncode == 0
    assert [json.loads(line) for line in lines] == [getattr(examples, what.upper())] * 3


def test_a_dumb_terminal_gets_blocks_of_text(node):
    with Terminal(command(node, "top"), 24, 80, TERM="dumb") as terminal:
        terminal.until(b"reservations")
        assert b"\x1b" not in terminal.until(b"reservations")


def test_peers_are_as_many_as_the_window_has_lines_for(node):
    with Terminal(command(node, "peers"), 4, 40) as terminal:
        lines = terminal.frame()
        assert [line[:20] for line in lines] == [
            "\x1b[1mPEER            ",
            "12D3KooWEy..c6iDEp  ",
            "12D3KooWJF..PykEq7  ",
            "and 2 more",
        ]
        assert max([len(line) for line in lines[1:]]) <= 40
        terminal.press(b"\x03")
        assert terminal.ends() == 0


@pytest.mark.parametrize("what", ["status", "top"])
def test_a_window_is_filled_and_given_back(node, what):
    with Terminal(command(node, what), 10, 40) as terminal:
        terminal.until(b"\x1b[?1049h\x1b[?25l")
        lines = terminal.frame()
        assert len(lines) == 10
        assert max([len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in lines]) <= 40
        terminal.press(b"xyzq")
        assert terminal.ends() == 0


def test_it_follows_the_size_of_the_window(node):
    with Terminal(command(node, "top"), 24, 80) as terminal:
        assert len(terminal.frame()) <= 24
        terminal.resize(5, 30)
        while len(terminal.frame()) != 5:
            pass


def test_it_gives_the_window_back_when_it_is_ended(node):
    with Terminal(command(node, "top"), 24, 80) as terminal:
        terminal.frame()
        terminal.process.terminate()
        assert terminal.ends() == 128 + signal.SIGTERM


def test_it_takes_the_window_again_after_a_stop(node):
    with Terminal(command(node, "top"), 24, 80) as terminal:
        terminal.frame()
        terminal.process.send_signal(signal.SIGTSTP)
        terminal.until(b"\x1b[?25h\x1b[?1049l")
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.until(b"\x1b[?1049h\x1b[?25l")
        terminal.frame()
        terminal.press(b"q")
        assert terminal.ends() == 0


def test_in_the_background_it_leaves_the_window_to_the_shell(node):
    """Until it is called to the front, as who changes a terminal's settings has to be."""
    top = shlex.join(command(node, "top"))
    shell = ["sh", "-c", "PS1='ready> ' exec bash --norc --noediting -i 2>&1"]
    with Terminal(shell, 24, 80) as terminal:
        terminal.until(b"ready> ")
        for start in (f"{top} &\n", "bg\n"):
            terminal.press(f"{start}".encode())
            # What is typed is echoed, before the prompt or behind it: only the answer has a 1.
            terminal.press(
                b"until jobs -s | grep -q Stop; do sleep 0.1; done; echo $((1))stopped\n"
            )
            assert b"\x1b[?1049h" not in terminal.until(b"1stopped\r\n")
        terminal.press(b"fg\n")
        terminal.frame()
        terminal.press(b"q")
        assert b"Traceback" not in terminal.until(b"ready> ")
        terminal.press(b"exit\n")
        terminal.process.wait(10)


def test_the_window_knows_its_size_better_than_the_environment(node):
    with Terminal(command(node, "top"), 6, 40, LINES="24", COLUMNS="80") as terminal:
        assert len(terminal.frame()) == 6
    with Terminal(command(node, "top"), 0, 0, LINES="7", COLUMNS="50") as terminal:
        assert len(terminal.frame()) == 7


def test_it_says_when_the_node_goes(node):
    watching = subprocess.Popen(
        command(node, "top"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    watching.stdout.readline()
    node.stop()
    _, errors = watching.communicate(timeout=10)
    assert watching.returncode == 3
    assert errors == f"kwaainet: no node runs in {node.data_dir}\n".encode()


def test_a_screen_of_80_columns_and_24_lines():
    lines = screen(examples.OVERVIEW, Look(colour=False, blocks=True), 80, 24)
    assert max(map(len, lines)) <= 80
    assert lines[:6] == [
        "kwaainet 0.1.0, up 3 d 4 h" + examples.ID.rjust(54),
        "",
        "mode          relay (others use 83% of the WAN)",
        "              no new reservations or circuits",
        "last 24 h     |" + "    " + "r" * 29 + "p" * 14 + "r" * 15 + "|",
        "              r relay, p paused",
    ]
    assert "relayed down" + "▄█".rjust(35) + "  2.0 MiB/s, most 2.0 MiB/s" in lines
    assert "relayed up" + "▁▁".rjust(37) + "  1.0 KiB/s, most 1.0 KiB/s" in lines
    assert "line, others" + "▁▄".rjust(35) + "  40 %, most 40 %" in lines
    assert "memory        [" + "#" * 16 + "." * 15 + "]  12.0 MiB of 24.0 MiB" in lines
    assert "by day        █▄  1.5 GiB relayed in 2 days" in lines
    assert "refused       3 connections" in lines


def test_a_tall_window_has_the_days_in_figures():
    lines = screen(examples.OVERVIEW, PLAIN, 100, 50)
    assert lines[-3:] == [
        "              DAY           RELAYED  WAN SAVED  CACHE GAVE",
        "              2026-12-01  512.0 MiB    3.0 MiB     4.0 MiB",
        "              2026-11-30    1.0 GiB        0 B         0 B",
    ]


def test_a_small_window_has_the_first_lines():
    whole = screen(examples.OVERVIEW, PLAIN, 20, 24)
    assert screen(examples.OVERVIEW, PLAIN, 20, 3) == whole[:3]


def test_a_node_of_another_version_is_shown_as_far_as_it_goes():
    least = {"version": "9", "peer_id": examples.ID, "uptime": 1}
    assert "kwaainet 9, up 1 s" in screen(least, PLAIN, 80, 24)[0]
    for name in examples.OVERVIEW.keys() - least.keys():
        screen({key: examples.OVERVIEW[key] for key in (*least, name)}, PLAIN, 80, 24)


def test_what_a_node_says_is_no_command_to_the_terminal():
    hostile = "\x1b]0;owned\x07<script>\n\u202e"
    answer = {**examples.OVERVIEW, "reason": hostile, "mode": hostile, "version": hostile}
    answer |= {"peer_id": hostile, "advertised": [hostile], "reachable": hostile}
    answer |= {"day": [[5, hostile]], "days": [[hostile, 1, 2, 3]], "refused": {hostile: 1}}
    answer["cache"] = {**examples.OVERVIEW["cache"], "trouble": hostile}
    lines = screen(answer, Look(colour=False, blocks=True), 80, 60)
    assert "\x1b" not in "".join(lines)
    assert all(line.isprintable() for line in lines)


def test_ascii_is_enough():
    assert all(line.isascii() for line in screen(examples.OVERVIEW, PLAIN, 80, 24))


def test_the_timeline_has_what_came_last_in_a_cell():
    assert timeline([[86400, "relay"], [1, "paused"]], 4) == "rrrp"
    assert timeline([[7200, "relay"]], 24) == " " * 22 + "rr"
    assert timeline([[10**9, "light"]], 3) == "lll"
    assert timeline([], 3) == "   "


def test_graphs_show_a_little_as_more_than_nothing():
    look = Look(colour=False, blocks=True)
    assert look.spark([0, 1, 50, 100, 1000], 100, 6) == "  ▁▄██"
    assert look.spark([0, 0], 0, 2) == "  "
    assert look.bar(2.0, 4) == "[####]"
    assert look.bar(-1.0, 4) == "[....]"


def test_colours_take_no_columns():
    assert cut("\x1b[1mabc\x1b[0mdef", 4) == "\x1b[1mabc\x1b[0md"
    assert cut("", 4) == ""

"""The process around a node: signals before there are handlers, standard streams that are none."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.edge_node import EdgeNode

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "KWAAINET_CONFIG": "/dev/null"}

# Signals itself when the command line is about to be imported, when there are no handlers yet.
EARLY = """
import os, signal, sys
class Signals:
    def find_spec(self, name, path=None, target=None):
        if name == {at!r}:
            sys.meta_path.remove(self)
            for number in {numbers}:
                os.kill(os.getpid(), number)
sys.meta_path.insert(0, Signals())
from edge.__main__ import main
sys.exit(main())
"""


def early(at: str, *numbers: int) -> str:
    return EARLY.format(at=at, numbers=[int(number) for number in numbers])


def run(directory: Path, *words: str, port: int = 0) -> list[str]:
    return [
        *("run", "--mode", "relay", "--data-dir", str(directory)),
        *("--listen", f"/ip4/127.0.0.1/tcp/{port}", *words),
    ]


def python(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=ENVIRONMENT,
    )


@pytest.mark.parametrize("at", ["edge.cli", "edge.config.load", "asyncio", "edge.node"])
@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGINT])
def test_signals_before_the_handlers_are_kept_for_them(
    at: str, last: signal.Signals, tmp_path: Path
) -> None:
    program = early(at, signal.SIGHUP, signal.SIGUSR1, last)
    loop = "asyncio" if at == "asyncio" else "auto"
    done = python("-c", program, *run(tmp_path, "--loop", loop))
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stderr.splitlines()].count("reloaded") == 1
    assert done.stderr.splitlines()[-1].endswith("info stopping")


def test_signals_after_the_handlers_are_of_no_use(tmp_path: Path) -> None:
    """The interpreter takes a while to end, and what a stop sends twice is no failure of it."""
    late = (
        "import atexit, os; atexit.register(lambda: [os.kill(os.getpid(), n) for n in (1, 10, 15)])"
    )
    program = f"{late}\n{early('edge.node', signal.SIGTERM)}"
    done = python("-c", program, *run(tmp_path))
    assert (done.returncode, done.stdout[:6]) == (0, "ready ")


@pytest.mark.netns
def test_process_1_loses_no_early_signal(tmp_path: Path) -> None:
    """The kernel drops what process 1 has no handler for, unless it is blocked."""
    alone = ("unshare", "--pid", "--fork", "--kill-child")
    program = early("edge.cli", signal.SIGTERM)
    done = python("-c", program, *run(tmp_path), before=alone)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("info stopping")


def test_other_commands_end_by_a_signal_as_ever() -> None:
    done = python("-c", early("edge.config.render", signal.SIGTERM), "check-config")
    assert done.returncode == -signal.SIGTERM
    done = python("-c", early("edge.config.render", signal.SIGINT), "run", "--help")
    assert (done.returncode, done.stderr) == (130, "")


def blocked(status: str) -> int:
    """The signals that a process blocks, of /proc/PID/status."""
    (found,) = re.findall(r"^SigBlk:\s+([0-9a-f]+)$", status, re.MULTILINE)
    return int(found, 16)


def test_children_are_not_deaf(tmp_path: Path) -> None:
    """Neither the probe, a fork from before the handlers, nor hooks, nor what these start."""
    (tmp_path / "hook").write_text("#!/bin/sh\ngrep SigBlk /proc/self/status\n")
    (tmp_path / "hook").chmod(0o755)
    tmp_path.chmod(0o755)
    program = (
        "from edge import process; process.begin()\n"
        "from edge.tiers.child import Child\n"
        "child = Child(lambda: {'status': open('/proc/self/status').read()})\n"
        "print(child.answer(60)['status'])"
    )
    assert blocked(python("-c", program).stdout) == 0
    options = ["--qos-hooks", str(tmp_path), "--qos-wan", "lo"]
    done = python("-m", "edge", "hooks", "stop", *options)
    assert re.search(r"qos-hook .*SigBlk:\\t0{16}", done.stderr), done.stderr


# --- under procd ---

CHILD = "import subprocess, sys; subprocess.run(sys.argv[1:])"
NAMESPACE = ("unshare", "--pid", "--fork")  # a stand-in for ujail: the node is its process 1


@pytest.mark.parametrize("parent", [(sys.executable, "-c", CHILD), NAMESPACE], ids=["", "jail"])
def test_a_node_ends_with_its_parent(parent: tuple[str, ...], tmp_path: Path) -> None:
    """Else it would keep the port and the directories from the next one for good."""
    command = [*parent, sys.executable, "-m", "edge", *run(tmp_path, "--procd")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as supervisor:
        assert supervisor.stdout is not None
        while not supervisor.stdout.readline().startswith(b"ready "):
            pass
        supervisor.kill()
        rest = supervisor.stdout.read()  # to its end: nobody is left who could write
    assert rest.endswith(b" info stopping\n")


def test_information_is_no_error(tmp_path: Path) -> None:
    """procd logs standard output as information and standard error as errors."""
    program = (
        "from edge import log\n"
        "log.separate()\n"
        "for level in log.LEVELS: getattr(log, level)(level)\n"
        "log.set_level('debug')\n"
        "log.debug('now')\n"
    )
    done = python("-c", program)
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["info", "now"]
    assert [line.split()[2] for line in done.stderr.splitlines()] == ["warning", "error"]


@pytest.mark.parametrize(
    ("age", "wait"), [(None, 0), (12, 12), (300, 300), (86400, 600), (-3600, 0)]
)
def test_the_longer_starts_fail_the_longer_one_takes(
    age: int | None, wait: int, tmp_path: Path
) -> None:
    """`age`: seconds since the first that failed, negative where the clock was set back."""
    if age is not None:
        (tmp_path / "failing").touch()
        os.utime(tmp_path / "failing", (time.time() - age,) * 2)
    program = (
        "import sys\n"
        "from edge import cli, process\n"
        "process.wait_for_signal = lambda wait: print('waits', wait)\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = python("-c", program, *run(tmp_path, "--procd", port=taken.getsockname()[1]))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    word, seconds = done.stdout.splitlines()[-1].split()
    assert word == "waits"
    assert float(seconds) == pytest.approx(wait, abs=60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_failed_start_that_waits_ends_by_a_signal(number: int, tmp_path: Path) -> None:
    """A stop, or a configuration that may be better."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = run(tmp_path, "--procd", port=taken.getsockname()[1])
        command = [sys.executable, "-m", "edge", *words]
        (tmp_path / "failing").touch()
        os.utime(tmp_path / "failing", (0, 0))
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stderr is not None
            assert b"cannot listen" in process.stderr.readline()
            process.send_signal(number)
            assert process.wait() == 1


def test_a_start_that_succeeds_is_the_end_of_failing(tmp_path: Path) -> None:
    (tmp_path / "failing").touch()
    command = [sys.executable, "-m", "edge", *run(tmp_path, "--procd")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"ready "):
            pass
        assert not (tmp_path / "failing").exists()
        process.terminate()


# --- secrets ---


def test_the_process_leaves_no_dump() -> None:
    """Neither by the limit, nor where a kernel pipes dumps to a program whatever the limit is."""
    program = (
        "import ctypes, resource; from edge import process; process.forbid_dumps();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert python("-c", program).stdout == "0 0 0\n"


@asynchronous(60)
async def test_a_node_leaves_no_dump_and_still_answers() -> None:
    node = EdgeNode(Setup(within=("prlimit", "--core=unlimited:unlimited")))
    async with node:
        assert node.process is not None
        limits = Path(f"/proc/{node.process.pid}/limits").read_text()  # noqa: ASYNC240
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
        assert (await node.status())["memory"]["rss"] > 1 << 20


@pytest.mark.parametrize(("chosen", "lines"), [("auto", 1), ("pure", 0)])
def test_a_fall_back_to_the_pure_ciphers_is_told_of(
    chosen: str, lines: int, tmp_path: Path
) -> None:
    program = "import sys; sys.modules['cryptography'] = None\n"
    program += early("edge.node", signal.SIGTERM)
    done = python("-c", program, *run(tmp_path, "--crypto", chosen))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" warning ciphers-pure missing=") == lines


# --- standard streams ---

COMMANDS = (
    "help",
    "help run",
    "--version",
    "check-config",
    "check-config --show",
    "tier --json",
    "ledger --csv",
    "id",
)


def in_shell(command: str, directory: Path) -> tuple[int, str]:
    """(status, standard error) of `kwaainet`, with redirections."""
    line = f"exec {sys.executable} -m edge --data-dir {directory} {command}"
    done = subprocess.run(
        ["sh", "-c", line], stderr=subprocess.PIPE, timeout=120, env=ENVIRONMENT, check=False
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_cannot_be_written_is_one_line(command: str, tmp_path: Path) -> None:
    assert in_shell(f"{command} >/dev/full", tmp_path) == (
        1,
        "kwaainet: cannot write the output: No space left on device\n",
    )
    assert in_shell(f"{command} 1</dev/null", tmp_path) == (
        1,
        "kwaainet: cannot write the output: Bad file descriptor\n",
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_missing_streams_are_no_failure(closed: str, tmp_path: Path) -> None:
    assert in_shell(f"id {closed}", tmp_path / "a") == (
        0,
        "" if ">&-" in closed else in_shell("id", tmp_path / "a")[1],
    )
    assert not (tmp_path / "a" / "identity.key").stat().st_mode & 0o077


@pytest.mark.netns
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_missing_streams_where_there_is_no_dev_either(closed: str, tmp_path: Path) -> None:
    """Not even /dev/null, as in a root directory made for the binary alone."""
    (tmp_path / "config").touch()
    line = f"mount -t tmpfs none /dev && exec {sys.executable} -m edge id --data-dir {tmp_path}/a"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{line} {closed}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, "KWAAINET_CONFIG": str(tmp_path / "config")},
        check=False,
    )
    assert done.stderr == ""
    assert (done.returncode, done.stdout[:4]) == (0, "" if ">&-" in closed.split() else "12D3")


@pytest.mark.parametrize(("command", "status"), [("status", 3), ("bogus", 2), ("id --mode x", 2)])
@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&-", "2>&1 >/dev/null 2</dev/null"])
def test_errors_that_nobody_can_read_keep_their_status(
    command: str, status: int, lost: str, tmp_path: Path
) -> None:
    assert in_shell(f"{command} {lost}", tmp_path)[0] == status


@pytest.mark.parametrize("lost", [">/dev/full", "1</dev/null", ">&-", ">&- <&-"])
def test_a_node_serves_without_its_ready_line(lost: str, tmp_path: Path) -> None:
    words = " ".join(run(tmp_path))
    program = f"exec {sys.executable} -m edge {words} {lost}"
    with subprocess.Popen(
        ["sh", "-c", program], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as node:
        assert node.stderr is not None
        if lost in (">/dev/full", "1</dev/null"):
            said = iter(node.stderr.readline, "")
            assert any(" warning ready-line-lost error=" in line for line in said)
        else:
            said = iter(node.stderr.readline, "")
            assert any(" info machine " in line for line in said)
        node.send_signal(signal.SIGTERM)
        rest = node.stderr.read()
        assert node.wait(60) == 0
    assert rest.splitlines()[-1].endswith("info stopping")


def test_a_node_serves_when_the_reader_of_its_output_has_gone(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "edge", *run(tmp_path)]
    with subprocess.Popen(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as node:
        os.close(writer)
        assert node.stderr is not None
        said = iter(node.stderr.readline, "")
        assert any('warning ready-line-lost error="Broken pipe"' in line for line in said)
        node.send_signal(signal.SIGTERM)
        assert node.wait(60) == 0

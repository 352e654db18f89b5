"""Which programs are called, with what, for how long, and what becomes of what they say."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from edge import log
from edge.qos.hooks import Hooks


@pytest.fixture(autouse=True)
def unlimited_log() -> None:
    log._state.buckets.clear()


def write(path: Path, script: str, mode: int = 0o755) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def call(hooks: Hooks, event: str = "start", seconds: float = 30.0, **facts: str) -> None:
    asyncio.run(hooks.call(event, facts, seconds))


def found(directory: Path) -> list[str]:
    with Hooks(str(directory)).opened() as hooks:
        return [hook.path for hook in hooks]


def test_all_are_called_in_order_with_event_and_facts_and_nothing_else(tmp_path: Path) -> None:
    said = tmp_path / "said"
    hooks = tmp_path / "qos.d"
    hooks.mkdir()
    write(hooks / "20-b", f'echo "b $1 $QOS_EVENT $QOS_WAN $HOME-" >>{said}')
    write(hooks / "10-a", f'echo "a $1" >>{said}; pwd >>{said}')
    called = Hooks(str(hooks))
    call(called, "busy", QOS_WAN="wan0")
    assert said.read_text().splitlines() == ["a busy", "/", "b busy busy wan0 -"]
    assert (called.ran, called.failed) == (2, 0)


@pytest.mark.parametrize(
    "name", ["10-a.bak", "10-nft-opkg", "10-a.apk-new", ".hidden", "-n", "a b"]
)
def test_leftovers_of_editors_and_package_managers_are_not_called(
    name: str, tmp_path: Path
) -> None:
    write(tmp_path / name, "exit 1")
    assert found(tmp_path) == []


def test_what_others_could_have_written_is_not_called(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "10-plain", "true", 0o644)
    write(tmp_path / "20-group", "true", 0o775)
    write(tmp_path / "30-world", "true", 0o757)
    os.chown(write(tmp_path / "40-foreign", "true"), 12345, 0)
    good = write(tmp_path / "50-good", "true")
    assert found(tmp_path) == [str(good)]
    assert capfd.readouterr().err.count("qos-hook-untrusted") == 3
    tmp_path.chmod(0o777)
    assert found(tmp_path) == []


def test_a_directory_that_others_could_have_put_there_is_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every one on the way counts, and every link: by renaming, its owner decides what is run."""
    theirs, hooks = tmp_path / "theirs", tmp_path / "theirs/qos.d"
    hooks.mkdir(parents=True)
    hook = write(hooks / "10-hook", "true")
    assert found(hooks) == [str(hook)]
    os.chown(theirs, 12345, 0)
    assert found(hooks) == []
    os.chown(theirs, 0, 0)
    for mode in (0o775, 0o757, 0o777):
        theirs.chmod(mode)
        assert found(hooks) == []
    theirs.chmod(0o1777)  # as /tmp: nobody else can move what is in it
    assert found(hooks) == [str(hook)]
    link = tmp_path / "link"
    link.symlink_to(hooks)
    assert found(link) == []
    link.unlink()
    link.symlink_to(theirs)
    assert found(link / "qos.d") == []
    log = capfd.readouterr().err
    assert log.count("qos-hook-untrusted") == 6
    assert "owner=12345" in log


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "socket"])
def test_what_is_no_program_itself_is_not_opened_for_long(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "10-hook"
    if kind == "fifo":
        os.mkfifo(path, 0o700)
    elif kind == "link":
        path.symlink_to("/bin/true")
    elif kind == "directory":
        path.mkdir()
    else:
        os.mknod(path, 0o140700)
    hooks = Hooks(str(tmp_path))
    call(hooks)
    assert hooks.ran == 0
    assert hooks.asking("busy") == []


def test_what_was_examined_is_what_runs(tmp_path: Path) -> None:
    """Also if the name leads elsewhere by then."""
    said, elsewhere = tmp_path / "said", tmp_path / "elsewhere"
    directory = tmp_path / "qos.d"
    directory.mkdir()
    write(directory / "10-moves", f"mv {directory} {elsewhere}; mkdir {directory}")
    write(directory / "20-good", f"echo good >{said}")
    hooks = Hooks(str(directory))
    call(hooks)
    assert said.read_text() == "good\n"
    assert (hooks.ran, hooks.failed) == (2, 0)


def test_those_that_ask_for_an_event(tmp_path: Path) -> None:
    write(tmp_path / "10-cares", 'case "$1" in busy) exit 1 ;; esac')
    write(tmp_path / "20-does-not", "true")
    hooks = Hooks(str(tmp_path))
    assert hooks.asking("busy") == [str(tmp_path / "10-cares")]
    assert hooks.asking("free") == []


def test_no_directory_is_no_hooks(tmp_path: Path) -> None:
    hooks = Hooks(str(tmp_path / "nosuch"))
    call(hooks)
    assert hooks.ran == 0


def test_failures_are_counted_and_logged_and_stop_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "10-fails", "echo first; echo second >&2; exit 3")
    (tmp_path / "20-nonsense").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "20-nonsense").chmod(0o755)
    write(tmp_path / "30-says", "echo done")
    hooks = Hooks(str(tmp_path))
    call(hooks)
    failed, nonsense, says = capfd.readouterr().err.splitlines()
    assert 'call=start reason="status 3" output="first\\nsecond"' in failed
    assert "qos-hook-failed" in nonsense
    assert "qos-hook " in says
    assert "output=done" in says
    assert (hooks.ran, hooks.failed) == (3, 2)


def test_one_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    child = tmp_path / "child"
    write(tmp_path / "10-hangs", f"sleep 600 & echo $! >{child}; wait")
    call(Hooks(str(tmp_path)), seconds=0.5)
    assert 'reason="killed after 0 s"' in capfd.readouterr().err
    stat = Path(f"/proc/{int(child.read_text())}/stat")
    deadline = time.monotonic() + 30
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_leaves_a_daemon_behind_is_not_waited_for(tmp_path: Path) -> None:
    daemon = tmp_path / "daemon"
    write(tmp_path / "10-forks", f"setsid sleep 600 & echo $! >{daemon}")
    hooks = Hooks(str(tmp_path))
    call(hooks)
    os.kill(int(daemon.read_text()), signal.SIGKILL)
    assert hooks.failed == 0


def test_a_named_pipe_is_told_what_its_reader_cannot_know(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    hooks = Hooks(str(pipe))
    call(hooks, "busy", QOS_RATE="4096")
    assert (hooks.ran, hooks.failed) == (1, 1)
    assert "call=busy reason=" in capfd.readouterr().err  # nobody reads it
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for event, rate in (("start", "0"), ("busy", "4096"), ("free", "0"), ("stop", "0")):
        call(hooks, event, QOS_RATE=rate)
    assert os.read(reader, 100) == b"busy 4096\nfree 0\n"
    assert (hooks.ran, hooks.failed) == (3, 1)
    while hooks.failed == 1:  # until it is full: the node does not wait
        call(hooks, "busy", QOS_RATE="4096")
    os.close(reader)


def test_a_chatterbox_is_cut_short(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "10-chatters", "head -c 1000000 /dev/zero | tr '\\0' x")
    hooks = Hooks(str(tmp_path))
    call(hooks)
    (said,) = capfd.readouterr().err.splitlines()
    assert len(said) < 4096
    assert (hooks.ran, hooks.failed) == (1, 0)


def test_a_directory_that_is_not_there_is_no_fault_of_the_way_to_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As /var is a link on a router."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "var").symlink_to("tmp")
    with Hooks(str(tmp_path / "var" / "events")).opened() as found:
        assert found == []
    assert "qos-hook-untrusted" not in capfd.readouterr().err

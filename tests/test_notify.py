"""What systemd is told, at real sockets: with a file and without, by a node as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier
from tests.counterparts.base import asynchronous
from tests.counterparts.edge_node import EdgeNode

WELL = "STATUS=ok; mode relay: "


class Manager:
    """systemd's end of the socket. `name`: as $NOTIFY_SOCKET has it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.settimeout(60)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """The lines of the next message."""
        return self._socket.recv(4096).decode().split("\n")

    async def until(self, wanted: str) -> list[str]:
        """The first message with a line that begins so, and nothing that was said before."""
        while True:
            lines = await asyncio.to_thread(self.heard)
            if any(line.startswith(wanted) for line in lines):
                return lines

    def has_heard_all(self) -> bool:
        self._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            self._socket.recv(4096)
        return True


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@kwaainet-{tmp_path}"
    with Manager(name) as found:
        yield found


def told(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.name, "HOME": "/", **more}


class Loop:
    """Of an event loop, the timers: `beat` fires the one there is."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def call_later(self, delay: float, call, *args) -> None:
        self.delays.append(delay)
        self.beat = lambda: call(*args)


def test_nothing_happens_without_the_variable() -> None:
    environ = {"HOME": "/", "WATCHDOG_USEC": "1000000"}
    notifier, loop = Notifier(environ), Loop()
    notifier.serving(loop, lambda: (True, "ok"))  # type: ignore[arg-type]
    with notifier.reloading():
        pass
    notifier.stopping()
    assert loop.delays == []


def test_the_variables_are_gone(manager: Manager) -> None:
    environ = told(manager, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid()))
    Notifier(environ)
    assert environ == {"HOME": "/"}


def test_a_life(manager: Manager) -> None:
    """Fed only while it is well; a reload before it serves makes nobody believe that it does."""
    notifier, loop = Notifier(told(manager, WATCHDOG_USEC="20000000")), Loop()
    condition = (True, "ok")
    with notifier.reloading():
        pass
    notifier.serving(loop, lambda: condition)  # type: ignore[arg-type]
    assert manager.heard() == ["READY=1"]
    assert manager.heard() == ["STATUS=ok", "WATCHDOG=1"]
    condition = (False, "not accepting connections")
    loop.beat()
    assert manager.heard() == ["STATUS=not accepting connections"]
    condition = (True, "ok")
    loop.beat()
    assert manager.heard() == ["STATUS=ok", "WATCHDOG=1"]
    before = time.monotonic_ns() // 1000
    with notifier.reloading():
        reloading, at = manager.heard()
        assert reloading == "RELOADING=1"
        assert before <= int(at.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    assert manager.heard() == ["READY=1"]
    notifier.stopping()
    assert manager.heard() == ["STOPPING=1"]
    with notifier.reloading():
        pass
    assert manager.has_heard_all()
    assert set(loop.delays) == {5.0}


@pytest.mark.parametrize(
    ("given", "beat"),
    [
        ({}, 30.0),
        ({"WATCHDOG_USEC": "60000000"}, 15.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 30.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "nobody"}, 30.0),
        ({"WATCHDOG_USEC": "0"}, 30.0),
        ({"WATCHDOG_USEC": "-5"}, 30.0),
        ({"WATCHDOG_USEC": "often"}, 30.0),
        ({"WATCHDOG_USEC": "9" * 400}, 30.0),
    ],
)
def test_how_often_the_watchdog_is_fed(given: dict[str, str], beat: float, tmp_path: Path) -> None:
    with Manager(str(tmp_path / "notify")) as manager:
        loop = Loop()
        Notifier(told(manager, **given)).serving(loop, lambda: (True, "ok"))  # type: ignore[arg-type]
    assert loop.delays == [beat]


@pytest.mark.parametrize(
    "name", ["/nowhere/notify", "@nobody-is-here", "vsock:2:1", "/" + "x" * 200]
)
def test_nobody_is_there(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.stopping()
    assert " warning notify-failed socket=" in capfd.readouterr().err


def test_a_manager_that_goes(manager: Manager, capfd: pytest.CaptureFixture[str]) -> None:
    notifier = Notifier(told(manager))
    manager.__exit__()
    notifier.stopping()
    assert " warning notify-failed error=" in capfd.readouterr().err


class Notifying(EdgeNode):
    """Started with a manager to tell."""

    def __init__(self, manager: Manager) -> None:
        super().__init__()
        words = [f"NOTIFY_SOCKET={manager.name}", "WATCHDOG_USEC=400000"]
        self.program = ["env", *words, *self.program]


@asynchronous(120)
async def test_a_node_tells_of_its_life(tmp_path: Path) -> None:
    with Manager(str(tmp_path / "notify")) as manager:
        node = Notifying(manager)
        async with node:
            assert node.process is not None
            assert await manager.until("READY=1") == ["READY=1"]
            status, watchdog = await manager.until("STATUS=")
            assert status.startswith(WELL)
            assert watchdog == "WATCHDOG=1"
            assert await manager.until("WATCHDOG=1")
            node.process.send_signal(signal.SIGHUP)
            assert (await manager.until("RELOADING=1"))[1].startswith("MONOTONIC_USEC=")
            assert await manager.until("READY=1")
            node.process.send_signal(signal.SIGTERM)
            assert await manager.until("STOPPING=1")

"""The composition root: what a stop saves whatever happens, and what a wrong file changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge import node as composition
from edge.node import Node
from edge.status.errors import AlreadyRunning
from edge.tiers.ledger import Ledger
from tests.counterparts.base import asynchronous
from tests.hosts import configured

QUIET = '[relay]\nservice = "yes"\nclient = "no"\n[adapt]\nenabled = false\n'


class Broken:
    """A service that fails or hangs when it stops."""

    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs
        self.stopped = False

    def configure(self, config: object) -> None:
        """It follows nothing."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.stopped = True
        if self._hangs:
            await asyncio.Event().wait()
        raise OSError("broken")

    def report(self) -> dict[str, object]:
        return {}


@pytest.mark.parametrize("hangs", [False, True])
@asynchronous(30)
async def test_a_stop_saves_whatever_fails_or_takes_too_long(
    hangs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "GOODBYE", 0.2)
    node = Node(configured(tmp_path, QUIET))
    broken = [Broken(hangs), Broken(hangs)]
    node.services[:0] = broken[:1]
    node.services.append(broken[1])  # the first that stops
    saved: list[str] = []
    monkeypatch.setattr(node.host.store, "save", lambda force: saved.append("peers"))
    await node.start()
    bookkeeper = next(one for one in node.services if hasattr(one, "ledger"))
    bookkeeper._passed("relay", 3600.0)
    await node.stop()
    assert [one.stopped for one in broken] == [True, True]
    assert saved == ["peers"]
    days = dict(Ledger(str(tmp_path)).days())
    assert sum(day.values["relay_seconds"] for day in days.values()) >= 3600
    assert not (tmp_path / "status.sock").exists()
    again = Node(configured(tmp_path, QUIET))  # the lock is free
    await again.start()
    await again.stop()


class Stubborn(Broken):
    """One that does not obey when it is cancelled, for a while."""

    async def stop(self) -> None:
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.3)


@asynchronous(30)
async def test_a_part_that_does_not_obey_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "GOODBYE", 0.1)
    node = Node(configured(tmp_path, QUIET))
    node.services.append(Stubborn(hangs=True))
    saved: list[str] = []
    monkeypatch.setattr(node.host.store, "save", lambda force: saved.append("peers"))
    await node.start()
    await node.stop()
    assert saved == ["peers"]


@asynchronous(30)
async def test_a_node_that_stops_takes_nothing_new_and_says_goodbye_before_its_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(configured(tmp_path, QUIET))
    order: list[str] = []

    def told(name: str, stop: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def stopped() -> None:
            order.append(name)
            assert not node.host.allowance.admits
            assert not node.host.swarm.accepting
            node.reload({})  # is not obeyed any more
            await stop()

        return stopped

    monkeypatch.setattr(node.relay, "stop", told("relay", node.relay.stop))
    monkeypatch.setattr(node.host, "stop", told("host", node.host.stop))
    monkeypatch.setattr(node.qos, "stop", told("hooks", node.qos.stop))
    config = node.config
    async with node:
        pass
    assert order == ["relay", "host", "hooks"]
    assert node.config is config


class Raising(Broken):
    """One that fails whatever is asked of it, once the node runs."""

    fails = False

    def configure(self, config: object) -> None:
        if self.fails:
            raise OSError("cannot follow")

    async def stop(self) -> None:
        """Nothing to do."""

    def report(self) -> dict[str, object]:
        raise ValueError("cannot tell")


@asynchronous(30)
async def test_a_service_that_fails_takes_no_other_one_along(tmp_path: Path) -> None:
    node = Node(configured(tmp_path, QUIET))
    raising = Raising(hangs=False)
    node.services.insert(1, raising)
    async with node:
        raising.fails = True
        (tmp_path / "kwaainet.toml").write_text(QUIET.replace('"yes"', '"no"'))
        node.reload({})
        assert node.relay.admission.service == "no"
        assert node.status.report()["reservations"]["held"] == 0


@asynchronous(30)
async def test_a_tally_without_a_column_is_not_entered(tmp_path: Path) -> None:
    node = Node(configured(tmp_path, QUIET))
    node.host.tallies.append(lambda: {"pets_fed": 7})
    node.modes.look()
    node.modes.look()
    await node.host.stop()


@asynchronous(30)
async def test_services_stop_in_the_reverse_of_their_order(tmp_path: Path) -> None:
    node = Node(configured(tmp_path, QUIET))
    order: list[tuple[str, int]] = []

    class Watched(Broken):
        def __init__(self, number: int) -> None:
            super().__init__(hangs=False)
            self._number = number

        async def run(self) -> None:
            order.append(("run", self._number))
            try:
                await asyncio.Event().wait()
            finally:
                order.append(("ended", self._number))

        async def stop(self) -> None:
            order.append(("stop", self._number))

    node.services[:] = [Watched(1), Watched(2)]
    async with node:
        await asyncio.sleep(0)
        assert order == [("run", 1), ("run", 2)]
        order.clear()
    assert order == [("ended", 2), ("stop", 2), ("ended", 1), ("stop", 1)]


@asynchronous(30)
async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    first = Node(configured(tmp_path, QUIET, run_dir=str(tmp_path / "run")))
    async with first:
        second = Node(configured(tmp_path / "other", QUIET, run_dir=str(tmp_path / "run")))
        with pytest.raises(AlreadyRunning):
            await second.start()
        assert second.host.swarm.listening == []
        assert not second.host.swarm._tasks
    third = Node(configured(tmp_path / "other", QUIET, run_dir=str(tmp_path / "run")))
    async with third:
        assert third.host.swarm.listening


@asynchronous(30)
async def test_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    config = configured(tmp_path, QUIET)
    file = tmp_path / "kwaainet.toml"
    async with Node(config) as node:
        file.write_text(QUIET + "[node]\nmax_connections = -1\nidle_timeout = 77\n")
        node.reload({})
        assert node.config is config
        assert node.host.limits.idle_timeout != 77
        file.write_text(QUIET + "[node]\nidle_timeout = 77\n")
        node.reload({})
        assert node.host.limits.idle_timeout == 77

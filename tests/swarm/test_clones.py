"""A node that meets another one with its own identity says so, once in a while."""

from __future__ import annotations

import pytest

from edge import crypto, log
from edge.status.view import status_lines
from edge.swarm.clones import Clones
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous
from tests.relay.hosts import LOOPBACK, so
from tests.status.examples import STATUS

FAR = Multiaddr.from_string("/ip4/5.1.1.10/tcp/4001")


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []
    monkeypatch.setattr(log, "warning", lambda event, **_: events.append(event))
    return events


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_warning_comes_once_an_hour_and_status_counts(warnings: list[str]) -> None:
    clock = Clock()
    clones = Clones(clock)
    assert clones.report() == {}
    for _ in range(3):
        clones.met(FAR)
        clock.now += 60
    assert warnings == ["identity-cloned"]
    assert clones.report() == {"clone": {"remote": str(FAR), "met": 3, "seconds": 60}}
    clock.now += 3600
    clones.met(FAR)
    assert warnings == ["identity-cloned"] * 2


@pytest.mark.parametrize("dialed", [True, False])
@asynchronous(30)
async def test_a_clone_is_noticed_whoever_dials(warnings: list[str], dialed: bool) -> None:
    key = crypto.Ed25519Key.generate()
    node, clone = Swarm(key), Swarm(key)
    from_, to = (node, clone) if dialed else (clone, node)
    with pytest.raises(SwarmError):
        await Dialer(from_).dial(to.listen(LOOPBACK), None)
    await so(lambda: node.refusals == {"own-peer-id": 1})
    assert "identity-cloned" in warnings
    assert node.clones.report()["clone"]["met"] == 1
    for each in (node, clone):
        await each.stop()


@asynchronous(30)
async def test_a_node_that_dials_itself_is_no_clone(warnings: list[str]) -> None:
    node = Swarm(crypto.Ed25519Key.generate())
    with pytest.raises(SwarmError):
        await Dialer(node).dial(node.listen(LOOPBACK), None)
    assert not warnings
    assert node.clones.report() == {}
    await node.stop()


def test_people_see_it() -> None:
    clone = {"remote": str(FAR), "met": 3, "seconds": 60}
    text = "\n".join(status_lines({**STATUS, "clone": clone}))
    assert "has this node's identity too: 5.1.1.10:4001, met 1 m ago" in text, text
    assert not any("clone" in line for line in status_lines(STATUS))

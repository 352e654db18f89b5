"""A node joins by itself: after its bootstrap was restarted, and without any bootstrap."""

import contextlib
from pathlib import Path

import pytest

from tests.counterparts.base import PeerError, Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import ADDRESSES, DIALER, GATEWAY, RELAY, NetLab

pytestmark = pytest.mark.netns


def at(lab: NetLab, host: str) -> Setup:
    """Listening at the host's public address."""
    return Setup(listen=[f"/ip4/{ADDRESSES[host]}/tcp/4001"], within=lab.within(host))


async def knows(node: EdgeNode, *others: EdgeNode) -> bool:
    """Whether others are in the routing table of `node`, and no more."""
    lines = (await node.run("dht", "peers")).splitlines()[1:]
    return {line.split()[0] for line in lines} == {other.peer_id for other in others}


async def asks(node: EdgeNode) -> None:
    """For what nobody has, so that all whom it knows are asked."""
    with contextlib.suppress(PeerError):
        await node.run("dht", "get", "what nobody has stored")


@asynchronous(90)
async def test_a_bootstrap_that_was_restarted_is_met_again(tmp_path: Path) -> None:
    """Public addresses are their own, so all serve without being told to."""
    with NetLab() as lab:
        async with EdgeNode(at(lab, RELAY), data_dir=tmp_path / "boot") as boot:
            options = ["--peer", await boot.direct()]
            node = EdgeNode(at(lab, DIALER), options)
            await node.__aenter__()
        try:
            await asks(node)
            await until(lambda: knows(node))
            async with EdgeNode(at(lab, RELAY), data_dir=tmp_path / "boot") as boot:
                await until(lambda: knows(node, boot))
                await until(lambda: knows(boot, node))
                assert (await node.status())["dht"]["bootstraps"] == 1
        finally:
            await node.stop()


@asynchronous(90)
async def test_with_its_bootstrap_dead_a_node_is_back_through_saved_peers(tmp_path: Path) -> None:
    with NetLab() as lab:
        lab.open_port(GATEWAY, 4001)
        async with (
            EdgeNode(at(lab, RELAY)) as boot,
            EdgeNode(at(lab, GATEWAY), ["--peer", await boot.direct()]) as other,
        ):
            first = ["--peer", await boot.direct(), "--peer", await other.direct()]
            async with EdgeNode(at(lab, DIALER), first, tmp_path / "node") as node:
                await until(lambda: knows(node, boot, other))
                await other.run("dht", "put", "key", "value", "--ttl", "300")
            await boot.kill()
            later = ["--peer", await boot.direct()]
            async with EdgeNode(at(lab, DIALER), later, tmp_path / "node") as node:
                await until(lambda: knows(node, other))
                assert '"value"' in await node.run("dht", "get", "key")

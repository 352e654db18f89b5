"""What a node of ours says about itself, as another of ours takes it."""

from pathlib import Path

from edge import crypto
from edge.swarm.addresses import OwnAddresses
from edge.swarm.dialer import Dialer
from edge.swarm.identify import IdentifyService
from edge.swarm.limits import Limits
from edge.swarm.swarm import Swarm
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.faketime import wrong_clock


async def record_number(node: EdgeNode) -> int:
    """The number of the signed record that a peer gets from `node`."""
    swarm = Swarm(crypto.Ed25519Key.generate(), Limits())
    IdentifyService(swarm, OwnAddresses([], lambda: [], lambda: []))
    at = Multiaddr.from_string(await node.direct())
    peer = at.peer_id()
    assert peer is not None
    await Dialer(swarm).dial(at.without_peer(), peer)
    (connection,) = swarm.all_connections()

    async def identified() -> bool:
        return connection.info is not None

    await until(identified)
    await swarm.stop()
    assert connection.info is not None
    return int(connection.info.seq)


@asynchronous(60)
async def test_records_are_newer_after_a_restart_with_a_clock_years_behind(tmp_path: Path) -> None:
    """As a router without a clock of its own: what it kept says that it is later than it seems."""
    behind = wrong_clock(FAKETIME="-20y")
    given = []
    for within in ((), behind, behind):
        async with EdgeNode(Setup(within=within), data_dir=tmp_path) as node:
            given.append(await record_number(node))
            assert ("clock-wrong" in node.log()) == bool(within)
    assert given == sorted(set(given))

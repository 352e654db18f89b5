"""A router that boots without knowing the time: it hands out reservations that peers accept, and
nothing is lost when the network sets its clock. go-libp2p (p2pd 0.32) refuses a reservation that
has expired by its own clock.

Needs root and Debian's faketime, as test_survival.py does.
"""

from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.faketime import clock_in
from tests.counterparts.go_peer import P2pd
from tests.survival.test_survival import MIB, NOWHERE, circuit_over

pytestmark = [pytest.mark.peers, pytest.mark.netns]

BOOT = "1970-01-01 00:01:00"


@asynchronous(120)
async def test_booted_in_1970_it_serves_and_the_clocks_jump_loses_nothing(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text(f"@{BOOT}\n")
    async with EdgeNode(Setup(within=clock_in(clock))) as relay:
        assert "1970-01-01T00:0" in relay.log()
        assert "clock-wrong" in relay.log()
        at = await relay.direct()
        reserving = Setup(listen=NOWHERE, relays=[at])
        async with (
            circuit_over(relay) as circuit,
            P2pd(reserving) as before,
            P2pd(Setup(listen=NOWHERE)) as dialer,
        ):
            await dialer.transfer(before.circuit(at), MIB)
            clock.write_text("+0\n")  # the network has told the time
            await circuit.works()
            await circuit.works_anew()
            await dialer.transfer(before.circuit(at), MIB)
            async with P2pd(reserving) as after:
                await dialer.transfer(after.circuit(at), MIB)
                report = await relay.status()
                assert report["reservations"]["held"] == 3
                assert report["uptime"] < 120

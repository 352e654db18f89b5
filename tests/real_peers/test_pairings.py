"""Every kind of peer reaches every other through our relay, with more than other relays let pass.

Neither side listens anywhere, so there is no way but the circuit.
"""

import pytest

from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.kinds import KINDS
from tests.real_peers.conftest import MakeRelay

pytestmark = pytest.mark.peers

MIB = 1 << 20
NOWHERE: tuple[str, ...] = ()


@pytest.mark.parametrize("dialer_kind", KINDS)
@pytest.mark.parametrize("listener_kind", KINDS)
@asynchronous(120)
async def test_8_mib_each_way(make_relay: MakeRelay, listener_kind: str, dialer_kind: str) -> None:
    async with make_relay() as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at])
        async with (
            KINDS[listener_kind](reserved) as listener,
            KINDS[dialer_kind](Setup(listen=NOWHERE)) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), 8 * MIB)
            assert await listener.served() == [8 * MIB]
            assert await dialer.ping(listener.circuit(at)) < 1

"""What go-libp2p 0.32 (p2pd) does with its own relay: the baseline ours is held against."""

import pytest

from tests.counterparts.base import Setup, TransferCut, asynchronous
from tests.counterparts.go import DEFAULT_DATA_LIMIT, P2pd

pytestmark = pytest.mark.peers

MIB = 1 << 20


@asynchronous(60)
async def test_two_connected_directly_exchange_8_mib_each_way() -> None:
    async with P2pd() as listener, P2pd() as dialer:
        addr = await listener.direct()
        await dialer.transfer(addr, 8 * MIB)
        assert await listener.served() == [8 * MIB]
        assert 0 < await dialer.ping(addr) < 1
        assert await listener.peers() == [dialer.peer_id]


@asynchronous(60)
async def test_its_own_relay_cuts_a_circuit_at_128_kib() -> None:
    async with P2pd(Setup(relay_service=True)) as relay:
        at = await relay.direct()
        async with P2pd(Setup(relays=[at])) as listener, P2pd() as dialer:
            await dialer.transfer(listener.circuit(at), 32 * 1024)
            with pytest.raises(TransferCut):
                await dialer.transfer(listener.circuit(at), 8 * MIB)
            assert (await listener.served())[1] < DEFAULT_DATA_LIMIT

"""Every kind of peer reaches every other through our relay, with more than other relays let pass.

Neither side listens anywhere, so there is no way but the circuit.
"""

import time
from pathlib import Path

import pytest

from edge.swarm import swarm
from edge.wire.yamux import MAX_NUISANCES
from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.go_peer import P2pd
from tests.counterparts.identity import KEY_TYPES, write_key
from tests.counterparts.kinds import KINDS
from tests.real_peers.conftest import MakeRelay
from tests.relay.hosts import relaying

pytestmark = pytest.mark.peers

MIB = 1 << 20
NOWHERE: tuple[str, ...] = ()


@pytest.mark.parametrize("dialer_kind", KINDS)
@pytest.mark.parametrize("listener_kind", KINDS)
@asynchronous(120)
async def test_8_mib_each_way(make_relay: MakeRelay, listener_kind: str, dialer_kind: str) -> None:
    async with make_relay(Setup()) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at])
        async with (
            KINDS[listener_kind](reserved) as listener,
            KINDS[dialer_kind](Setup(listen=NOWHERE)) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), 8 * MIB)
            assert await listener.served() == [8 * MIB]
            assert await dialer.ping(listener.circuit(at)) < 1


@pytest.mark.parametrize("kind", KINDS)
@asynchronous(120)
async def test_an_honest_peer_is_no_nuisance(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each muxer has habits of its own: when it credits, what it says of streams that are over."""
    monkeypatch.setattr(swarm, "_FORGIVEN", 0)
    async with relaying() as relay:
        relay.host.utc = time.time  # type: ignore[method-assign]
        at = str(relay.at)
        async with (
            KINDS[kind](Setup(listen=NOWHERE, relays=[at])) as listener,
            KINDS[kind](Setup(listen=NOWHERE)) as dialer,
        ):
            for _ in range(3):
                await dialer.transfer(listener.circuit(at), 8 * MIB)
            counts = [link.session.nuisances for link in relay.swarm.all_connections()]
            assert len(counts) == 2
            assert max(counts) < MAX_NUISANCES // 10


@pytest.mark.parametrize("key_type", KEY_TYPES)
@asynchronous(60)
async def test_a_peer_may_have_any_type_of_key(
    make_relay: MakeRelay, tmp_path: Path, key_type: str
) -> None:
    """KwaaiNet's bootstraps have RSA keys; go-libp2p 0.32 speaks all four."""
    async with make_relay(Setup()) as relay:
        at = await relay.direct()
        mine, yours = write_key(tmp_path / "a", key_type), write_key(tmp_path / "b", key_type)
        reserved = Setup(listen=NOWHERE, relays=[at], identity=mine)
        async with (
            P2pd(reserved) as listener,
            P2pd(Setup(listen=NOWHERE, identity=yours)) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), MIB)
            assert await listener.served() == [MIB]

"""What the real peers do with each other and with their own relays, without ours.

When one of these fails, a counterpart or its driver has changed, not our node.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.counterparts.base import PeerError, Setup, TransferCut, asynchronous, until, with_port
from tests.counterparts.go_peer import DEFAULT_DATA_LIMIT, P2pd
from tests.counterparts.identity import write_key
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.kinds import KINDS
from tests.counterparts.py_peer import PyPeer
from tests.counterparts.rust_peer import RustPeer

pytestmark = pytest.mark.peers

MIB = 1 << 20
NOWHERE: tuple[str, ...] = ()


@pytest.mark.parametrize("dialer_kind", KINDS)
@pytest.mark.parametrize("listener_kind", KINDS)
@asynchronous(120)
async def test_directly_8_mib_each_way(listener_kind: str, dialer_kind: str) -> None:
    async with KINDS[listener_kind]() as listener, KINDS[dialer_kind]() as dialer:
        addr = await listener.direct()
        await dialer.transfer(addr, 8 * MIB)
        assert await listener.served() == [8 * MIB]
        assert await dialer.ping(addr) < 1
        assert dialer.peer_id in await listener.peers()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != RustPeer.kind])
@asynchronous(120)
async def test_the_relay_of_go_cuts_at_128_kib(kind: str) -> None:
    """go-libp2p 0.32.1's own limit, whatever p2pd's -relayDataLimit says.

    js-libp2p tells its dialer of the cut only when its own ping has failed, after 10 s; rust-libp2p
    takes no reservation here, where go's answer names no address.
    """
    flags = [f"-relayDataLimit={64 * MIB}"]
    async with P2pd(Setup(relay_service=True), flags) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at], over_limited=True)
        async with (
            KINDS[kind](reserved) as listener,
            KINDS[kind](Setup(listen=NOWHERE, over_limited=True)) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), DEFAULT_DATA_LIMIT // 4)
            with pytest.raises(TransferCut):
                await dialer.transfer(listener.circuit(at), 8 * MIB)
            # The cut may come before the listener has been told of the second stream.
            whole, *parts = await listener.served()
            assert whole == DEFAULT_DATA_LIMIT // 4
            assert sum(parts) < DEFAULT_DATA_LIMIT - whole


@asynchronous(60)
async def test_the_relay_of_js_cuts_at_128_kib() -> None:
    async with JsPeer(Setup(relay_service=True)) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at], over_limited=True)
        over = Setup(listen=NOWHERE, over_limited=True)
        async with JsPeer(reserved) as listener, JsPeer(over) as dialer:
            with pytest.raises(TransferCut):
                await dialer.transfer(listener.circuit(at), 8 * MIB)
            (part,) = await listener.served()
            assert 0 < part < DEFAULT_DATA_LIMIT


@asynchronous(60)
async def test_js_opens_no_stream_on_a_limited_circuit_unasked() -> None:
    """Why our circuits carry no limit message: js applications work over them as they are."""
    async with JsPeer(Setup(relay_service=True)) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at])
        async with JsPeer(reserved) as listener, JsPeer(Setup(listen=NOWHERE)) as dialer:
            with pytest.raises(PeerError, match="LimitedConnectionError"):
                await dialer.transfer(listener.circuit(at), MIB)


@pytest.mark.parametrize("relay_kind", ["js", "py"])
@asynchronous(60)
async def test_without_limits_their_relays_let_8_mib_pass(relay_kind: str) -> None:
    async with KINDS[relay_kind](Setup(relay_service=True, limited=False)) as relay:
        at = await relay.direct()
        reserved = Setup(listen=NOWHERE, relays=[at], over_limited=True)
        over = Setup(listen=NOWHERE, over_limited=True)
        async with P2pd(reserved) as listener, JsPeer(over) as dialer:
            await dialer.transfer(listener.circuit(at), 8 * MIB)
            assert await listener.served() == [8 * MIB]


@pytest.mark.slow
@asynchronous(120)
async def test_no_listener_comes_back_soon_to_a_restarted_relay_of_js(tmp_path: Path) -> None:
    """What a restarted relay of ours can expect, shown without ours.

    go-libp2p 0.32.1 keeps off a relay for an hour from its first reservation there, even when it
    was granted; then it comes within half a minute. js-libp2p (its issue 3601) and py-libp2p
    0.8.1 do not try.
    """
    key = write_key(tmp_path / "key")
    addr = with_port("/ip4/127.0.0.1/tcp/0")
    serving = Setup(listen=[addr], relay_service=True, limited=False, identity=key)
    async with AsyncExitStack() as running:
        async with JsPeer(serving) as relay:
            at = await relay.direct()
            reserved = Setup(listen=NOWHERE, relays=[at])
            go = await running.enter_async_context(P2pd(reserved))
            others = [await running.enter_async_context(k(reserved)) for k in (JsPeer, PyPeer)]
            await relay.kill()
        async with JsPeer(serving) as relay:

            async def go_has_seen_the_relay_and_kept_off() -> bool:
                return "skipping node that we recently failed" in go.log()

            await until(go_has_seen_the_relay_and_kept_off, every=1)
            dialer = await running.enter_async_context(P2pd(Setup(listen=NOWHERE)))
            for listener in (go, *others):
                with pytest.raises(PeerError, match="NO_RESERVATION"):
                    await dialer.connect(listener.circuit(at))

"""The device's relay with real peers: go, js, py, rust and our own node, 100 KB of heap."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.counterparts import micropython
from tests.counterparts.base import Counterpart, PeerError, Setup, asynchronous, until
from tests.counterparts.esp_relay import EspRelay
from tests.counterparts.go_peer import P2pd
from tests.counterparts.identity import rsa_key, write_key, written
from tests.counterparts.js_peer import JsPeer
from tests.counterparts.ours_peer import OurPeer
from tests.counterparts.py_peer import PyPeer
from tests.counterparts.rust_peer import RustPeer
from tests.esp32.guest import stranger
from tests.soak.hostile import CIRCUIT, KINDS

pytestmark = pytest.mark.peers

MIB = 1 << 20
KIB = 1 << 10
PAIRS: tuple[tuple[type[Counterpart], type[Counterpart]], ...] = (
    (P2pd, RustPeer),
    (JsPeer, P2pd),
    (PyPeer, OurPeer),
    (RustPeer, JsPeer),
)
LEAST_FREE = 20 * KIB
NONE = [0, 0]  # allocations above 256 bytes since the last look, and the largest
STRANGERS_AT_ONCE = 4


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    micropython.micropython()


@asynchronous(60)
async def test_eight_peers_in_four_circuits_exchange_a_mebibyte_each_way() -> None:
    async with EspRelay() as relay, contextlib.AsyncExitStack() as peers:
        at = await relay.direct()
        listens, dials = Setup(listen=(), relays=[at]), Setup(listen=())
        listeners = [listener(listens) for listener, _ in PAIRS]
        dialers = [dialer(dials) for _, dialer in PAIRS]
        await asyncio.gather(*map(peers.enter_async_context, listeners))
        await asyncio.gather(*map(peers.enter_async_context, dialers))
        pairs = list(zip(listeners, dialers, strict=True))
        for listener, dialer in pairs:
            await dialer.connect(listener.circuit(at))
        report = await relay.report()
        assert report["peers"] == 8 and report["circuits"] == 4
        assert report["large"] == NONE
        await asyncio.gather(
            *[dialer.transfer(listener.circuit(at), MIB) for listener, dialer in pairs]
        )
        for listener in listeners:
            assert await listener.served() == [MIB]
        report = await relay.report()
        assert report["peers"] == 8 and report["circuits"] == 4
        assert report["free"] >= LEAST_FREE
        assert report["large"] == NONE
        assert report["counters"]["memory_errors"] == report["counters"]["faults"] == 0


@asynchronous(60)
async def test_our_node_is_reached_through_it_again_when_it_was_away() -> None:
    """As when the WAN was gone: the relay is another process, at the same address."""
    async with EspRelay() as relay, OurPeer(Setup(listen=())) as dialer:
        at = await relay.direct()
        async with OurPeer(Setup(listen=(), relays=[at])) as listener:
            await dialer.transfer(listener.circuit(at), 64 * KIB)
            await relay.kill()
            async with EspRelay(seed=relay.seed, port=relay.port) as again:
                await until(lambda: _reserves(again))
                await dialer.transfer(listener.circuit(at), 64 * KIB)


@asynchronous(60)
async def test_our_node_is_called_while_it_sleeps(tmp_path: Path) -> None:
    """It starts when the packet has been sent, as a machine that wakes does."""
    identity = write_key(tmp_path / "key", "ed25519")
    async with OurPeer(Setup(listen=(), identity=identity)) as sleeper:
        peer = sleeper.peer_id
    async with EspRelay(sleepers=[peer]) as relay, OurPeer(Setup(listen=())) as dialer:
        at = await relay.direct()
        call = asyncio.create_task(dialer.transfer(f"{at}/p2p-circuit/p2p/{peer}", 64 * KIB))
        await until(lambda: _wakes(relay))
        async with OurPeer(Setup(listen=(), relays=[at], identity=identity)) as sleeper:
            await call
            assert await sleeper.served() == [64 * KIB]


async def _wakes(relay: EspRelay) -> bool:
    return bool((await relay.report())["packets"])


async def _reserves(relay: EspRelay) -> bool:
    return bool((await relay.report())["held"])


@asynchronous(60)
@pytest.mark.parametrize("bits", (2048, 3072))
async def test_a_peer_may_have_an_rsa_key(tmp_path: Path, bits: int) -> None:
    """KwaaiNet's bootstraps have one."""
    identity = written(tmp_path / "key", rsa_key(bits))
    async with EspRelay() as relay, OurPeer(Setup(listen=())) as dialer:
        at = await relay.direct()
        async with P2pd(Setup(listen=(), relays=[at], identity=identity)) as listener:
            await dialer.transfer(listener.circuit(at), 64 * KIB)
        assert (await relay.report())["counters"]["memory_errors"] == 0


@asynchronous(60)
async def test_an_rsa_key_of_4096_bits_is_refused_and_said_to_be_too_long(tmp_path: Path) -> None:
    identity = written(tmp_path / "key", rsa_key(4096))
    async with EspRelay() as relay, P2pd(Setup(listen=(), identity=identity)) as peer:
        with contextlib.suppress(PeerError):  # its own part is done with its last message
            await peer.connect(await relay.direct())
        await until(lambda: _says(relay, "handshake longer than 1024 bytes"))
        report = await relay.report()
        assert report["peers"] == report["counters"]["handshakes"] == 0
        assert report["counters"]["memory_errors"] == 0


async def _says(relay: EspRelay, words: str) -> bool:
    return words in relay.log()


@asynchronous(60)
async def test_a_circuit_goes_on_beside_strangers_of_every_kind() -> None:
    async with EspRelay() as relay, OurPeer(Setup(listen=())) as dialer:
        at = await relay.direct()
        async with OurPeer(Setup(listen=(), relays=[at])) as listener:
            await dialer.transfer(listener.circuit(at), 16 * KIB)
            kinds = [kind for kind in KINDS if kind != CIRCUIT]
            for start in range(0, len(kinds), STRANGERS_AT_ONCE):
                some = kinds[start : start + STRANGERS_AT_ONCE]
                strangers = [stranger(relay, kind) for kind in some]
                await asyncio.gather(dialer.transfer(listener.circuit(at), 64 * KIB), *strangers)
            report = await relay.report()
            assert report["counters"]["faults"] == 0 and report["circuits"] == 1
            assert report["counters"]["circuits"] == 1

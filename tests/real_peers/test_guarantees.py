"""What an operator may rely on: size, time, restarts, crashes. Against go-libp2p (p2pd 0.32)."""

import asyncio
import os
import resource
from pathlib import Path

import pytest

from edge import crypto
from edge.swarm.identify import PROTOCOL_VERSION
from edge.swarm.swarm import Swarm
from edge.wire import circuit, envelope
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.delay import Delay
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.identity import write_key
from tests.counterparts.ours_peer import OurPeer

pytestmark = pytest.mark.peers

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
NOWHERE: tuple[str, ...] = ()
TERM_TIMEOUT = 10  # seconds that procd gives a node to end


def resident(pid: int) -> int:
    """Bytes of VmRSS."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * KIB
    raise AssertionError("no VmRSS")


@asynchronous(240)
async def test_a_gibibyte_through_one_circuit_costs_no_memory() -> None:
    async with EdgeNode() as relay:
        at = await relay.direct()
        async with (
            P2pd(Setup(listen=NOWHERE, relays=[at])) as listener,
            P2pd(Setup(listen=NOWHERE)) as dialer,
        ):
            assert relay.process is not None
            await dialer.transfer(listener.circuit(at), 16 * MIB)
            before = resident(relay.process.pid)
            await dialer.transfer(listener.circuit(at), GIB // 2)  # each way
            assert resident(relay.process.pid) < before + 2 * MIB
            # Both transfers ran over the one circuit between the two.
            assert (await relay.status())["circuits"]["total"] == 1
            assert (await relay.status())["bytes"]["relayed"] > GIB


@pytest.mark.slow
@asynchronous(120)
async def test_a_circuit_outlives_its_reservations() -> None:
    """With a TTL of 5 s both kinds of listener renew, and a circuit carries on meanwhile."""
    async with EdgeNode(options=["--relay-reservation-ttl", "5"]) as relay:
        at = await relay.direct()
        async with (
            OurPeer(Setup(listen=NOWHERE, relays=[at])) as ours,
            OurPeer(Setup(listen=NOWHERE)) as dialer,
        ):
            for _ in range(9):
                await dialer.transfer(ours.circuit(at), MIB)
                await asyncio.sleep(2)
                assert (await relay.status())["reservations"]["held"] == 1
            assert (await relay.status())["circuits"]["total"] == 1


@asynchronous(60)
async def test_our_listener_comes_back_when_the_relay_was_restarted(tmp_path: Path) -> None:
    """Within seconds. go's autorelay keeps off a relay for an hour after its last attempt there,
    and js never tries again (issue 3601): test_baseline.py shows both with their own relays.
    """
    port = free_port()
    where = Setup(listen=[f"/ip4/127.0.0.1/tcp/{port}"])
    data = tmp_path / "data"
    async with EdgeNode(where, data_dir=data) as relay:
        at = await relay.direct()
        async with OurPeer(Setup(listen=NOWHERE, relays=[at])) as listener:
            assert relay.process is not None
            relay.process.kill()
            await relay.process.wait()
            async with EdgeNode(where, data_dir=data) as again:
                assert again.peer_id == relay.peer_id

                async def back() -> bool:
                    return (await again.status())["reservations"]["held"] == 1

                await until(back, every=0.2)
                async with P2pd(Setup(listen=NOWHERE)) as dialer:
                    await dialer.transfer(listener.circuit(at), MIB)


@asynchronous(90)
async def test_a_killed_listener_has_its_slot_back_at_once(tmp_path: Path) -> None:
    """go-libp2p issue 2452. The old connection still looks alive: nobody hears of its end."""
    key = write_key(tmp_path / "key")
    one_slot = ["--relay-max-reservations", "1", "--relay-foreign-share", "100"]
    async with EdgeNode(options=one_slot) as relay:
        direct = await relay.direct()
        async with Delay(int(direct.split("/")[4]), 0, swallow_ends=True) as far:
            path = direct.replace(direct.split("/")[4], str(far.port))
            listener = P2pd(Setup(listen=NOWHERE, relays=[path], identity=key))
            await listener.start()
            await listener.kill()
            assert (await relay.status())["reservations"]["held"] == 1
            assert (await relay.status())["connections"]["open"] == 1
            setup = Setup(listen=NOWHERE, relays=[direct], identity=key)
            async with P2pd(setup) as again, P2pd(Setup(listen=NOWHERE)) as dialer:
                await dialer.transfer(again.circuit(direct), MIB)
                # The old one, the new one, the dialer's: it did not have to end first.
                assert (await relay.status())["connections"]["open"] == 3
            await listener.stop()


@asynchronous(120)
async def test_a_thousand_reconnects_leave_no_stale_slot() -> None:
    """js-libp2p issue 2833. One peer connects, reserves and drops the line a thousand times."""
    async with EdgeNode(options=["--max-connections", "64"]) as relay:
        at = Multiaddr.from_string(await relay.direct())
        key = crypto.Ed25519Key.generate()
        for _ in range(1000):
            await connect_reserve_drop(key, at)

        async def gone() -> bool:
            report = await relay.status()
            return (report["reservations"]["held"], report["connections"]["open"]) == (0, 0)

        await until(gone)
        async with OurPeer(Setup(listen=NOWHERE, relays=[str(at)])) as listener:
            await listener.ping(str(at))
            assert (await relay.status())["reservations"]["held"] == 1


async def connect_reserve_drop(key: crypto.Ed25519Key, at: Multiaddr) -> None:
    from edge.swarm.dialer import Dialer

    swarm = Swarm(key)
    peer = at.peer_id()
    assert peer is not None
    connection = await Dialer(swarm).connect(peer, [at], trusted=True)
    stream = connection.open_stream([circuit.HOP_ID])
    await stream.write(delimited(circuit.HopMessage(type=circuit.HopMessage.RESERVE).encode()))
    answer = circuit.HopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE))
    assert answer.status == circuit.OK
    assert answer.reservation is not None
    relay, holder, expires = envelope.open_voucher(answer.reservation.voucher or b"")
    assert (relay, holder) == (peer, swarm.peer_id)
    assert expires == answer.reservation.expire
    await swarm.stop()


@asynchronous(60)
async def test_a_call_on_an_accepted_protocol_takes_one_round_trip() -> None:
    """A fifth of a second away, as dialer and as listener, on a connection that stands already.

    The least of some, as any of them may fall upon a busy moment of this machine.
    """
    async with EdgeNode() as node, OurPeer() as ours, P2pd() as go:
        for target in (node, go):
            at = await target.direct()
            port = at.split("/")[4]
            async with Delay(int(port), 0.1) as far:
                away = at.replace(f"/tcp/{port}/", f"/tcp/{far.port}/")
                await ours.connect(away)
                assert 0.2 <= min([await ours.ping(away) for _ in range(5)]) < 0.4


@asynchronous(60)
async def test_ready_within_a_second_of_the_processor_and_small(tmp_path: Path) -> None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    async with EdgeNode(options=["--loop", "asyncio"], data_dir=tmp_path / "data") as node:
        assert node.process is not None
        await asyncio.sleep(1.5)
        assert resident(node.process.pid) <= 32_000_000
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - used.ru_utime < 1


@asynchronous(60)
async def test_sigterm_says_goodbye_and_sighup_reloads(tmp_path: Path) -> None:
    config = tmp_path / "kwaainet.toml"
    config.write_text("[relay]\nmax_circuits = 3\n")
    async with EdgeNode(options=["--config", str(config)]) as node:
        assert node.process is not None
        at = await node.direct()
        async with OurPeer(Setup(listen=NOWHERE, relays=[at])):
            config.write_text("[relay]\nmax_circuits = 5\n")
            os.kill(node.process.pid, 1)

            async def reloaded() -> bool:
                return (await node.status())["circuits"]["max"] == 5

            await until(reloaded)
            assert (await node.status())["reservations"]["held"] == 1
            config.write_text("[relay]\nmax_circuits = many\n")
            os.kill(node.process.pid, 1)

            async def refused() -> bool:
                return f"{config}:2" in node.log()

            await until(refused)
            assert (await node.status())["circuits"]["max"] == 5
            node.process.terminate()
            assert await asyncio.wait_for(node.process.wait(), TERM_TIMEOUT) == 0


def test_identify_speaks_the_networks_version() -> None:
    assert PROTOCOL_VERSION == "ipfs/0.1.0"

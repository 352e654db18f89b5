"""The node's own rules on connections, against swarms of ours in this process."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge import crypto
from edge.swarm.dialer import Dialer
from edge.swarm.errors import DialError, SwarmError
from edge.swarm.limits import Limits
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import circuit
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId, PublicKey
from edge.wire.protobuf import delimited
from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.netlab import NetLab

LOOPBACK = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")


def swarm(**limits: float) -> Swarm:
    made = Limits()
    for name, value in limits.items():
        setattr(made, name, value)
    return Swarm(crypto.Ed25519Key.generate(), made)


def listening(**limits: float) -> tuple[Swarm, Multiaddr]:
    made = swarm(**limits)
    return made, made.listen(LOOPBACK).with_peer(made.peer_id)


async def connect(from_: Swarm, at: Multiaddr) -> None:
    peer = at.peer_id()
    assert peer is not None
    await Dialer(from_).dial(at.without_peer(), peer)


@asynchronous(20)
async def test_a_slow_reader_slows_its_writer_and_costs_one_window() -> None:
    server, at = listening()
    arrived: asyncio.Queue[Stream] = asyncio.Queue()
    server.handle("/slow", arrived.put)
    client = swarm()
    await connect(client, at)
    stream = client.all_connections()[0].open_stream(["/slow"])
    block = memoryview(bytes(64 * 1024))
    sent = still = 0
    while still < 50:  # looks, without a byte that went
        went = stream.write_some(block)
        sent += went
        still = 0 if went else still + 1
        await asyncio.sleep(0 if went else 0.01)
    assert sent < 4 << 20  # the window, and what the sockets hold
    assert server.pools.buffers.used <= 256 * 1024
    reader = await arrived.get()
    read = 0
    while read < 200 * 1024:  # the proposal took a little of the window
        read += len(await reader.read(1 << 16))
    await stream.write(block)  # and it goes on
    await client.stop()
    await server.stop()
    assert server.budget.used == client.budget.used == 0


@asynchronous(20)
async def test_limits_per_peer_per_ip_and_in_all() -> None:
    server, at = listening(max_connections_per_peer=2, max_connections_per_ip=5)
    one = swarm()
    for _ in range(4):  # the newest are kept: a peer that lost its network comes back anew
        await connect(one, at)

    async def two_are_left() -> bool:
        return len(server.connections[one.peer_id]) == len(one.all_connections()) == 2

    await until(two_are_left)
    others = [swarm() for _ in range(4)]
    refused = 0
    for other in others:
        try:
            await connect(other, at)
        except (DialError, SwarmError):
            refused += 1
    assert refused == 1
    assert server.refusals == {"connections-per-ip": 1}
    for stopped in (one, *others, server):
        await stopped.stop()


@asynchronous(20)
async def test_half_a_handshake_and_idleness_are_ended() -> None:
    server, at = listening(handshake_timeout=1.0, idle_timeout=1.0, max_pending_handshakes=2)
    target = at.host_port()
    assert target is not None
    silent = [socket.create_connection(target[:2]) for _ in range(3)]

    async def one_is_refused() -> bool:
        return len(server.pending) == 2 and server.refusals == {"pending-handshakes": 1}

    await until(one_is_refused)

    async def gone() -> bool:
        return not server.pending

    await until(gone)
    client = swarm()
    await connect(client, at)

    async def closed() -> bool:
        return not server.connections and not client.connections

    await until(closed)
    for sock in silent:
        sock.close()
    await client.stop()
    await server.stop()


@pytest.mark.parametrize("listen", ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"])
@asynchronous(20)
async def test_dialling_passes_by_dead_addresses_and_remembers_them(listen: str) -> None:
    server = swarm()
    at = server.listen(Multiaddr.from_string(listen))
    dead = Multiaddr.from_string(f"/ip4/127.0.0.1/tcp/{free_port()}")
    client = swarm()
    dialer, gone = Dialer(client), nobody()
    connection = await dialer.connect(server.peer_id, [dead, at], trusted=True)
    assert connection.remote == at
    with pytest.raises(DialError, match="failed"):
        await dialer.connect(gone, [dead], again=True, trusted=True)
    with pytest.raises(DialError, match="can be dialled now"):
        await dialer.connect(gone, [dead], trusted=True)
    await client.stop()
    await server.stop()


def nobody() -> PeerId:
    """A peer id that no one listens with."""
    return PublicKey(type=1, data=crypto.Ed25519Key.generate().public).peer_id()


@pytest.mark.peers
@asynchronous(30)
async def test_a_reservation_survives_the_loss_of_one_of_two_connections() -> None:
    async with EdgeNode() as relay:
        at = Multiaddr.from_string(await relay.direct())
        peer = at.peer_id()
        assert peer is not None
        client = swarm()
        for _ in range(2):
            await connect(client, at)
        first, second = client.connections[peer]
        stream = first.open_stream([circuit.HOP_ID])
        reserve = circuit.HopMessage(type=circuit.HopMessage.RESERVE)
        await stream.write(delimited(reserve.encode()))
        answer = circuit.HopMessage.decode(await stream.read_message(circuit.MAX_MESSAGE))
        assert answer.status == circuit.OK
        first.close("test")

        async def one_is_left() -> bool:
            return (await relay.status())["connections"]["open"] == 1

        await until(one_is_left)
        assert (await relay.status())["reservations"]["held"] == 1
        second.close("test")

        async def nothing_is_held() -> bool:
            return (await relay.status())["reservations"]["held"] == 0

        await until(nothing_is_held)
        await client.stop()


@pytest.mark.peers
@asynchronous(60)
async def test_a_node_rejoins_by_memory_when_its_bootstrap_is_dead(tmp_path: Path) -> None:
    """It learns of another peer while the bootstrap lives, and dials that one after a restart."""
    data = tmp_path / "node"
    with NetLab() as lab:
        setups = {
            host: Setup(listen=["/ip4/0.0.0.0/tcp/4001"], within=lab.within(host))
            for host in ("relay", "dialer", "peer")
        }
        async with EdgeNode(setups["dialer"]) as friend:
            async with EdgeNode(setups["relay"]) as bootstrap:
                dead = f"/ip4/5.1.1.10/tcp/4001/p2p/{bootstrap.peer_id}"
                alive = f"/ip4/5.1.1.20/tcp/4001/p2p/{friend.peer_id}"
                options = ["--peer", dead]
                both = EdgeNode(setups["peer"], [*options, "--peer", alive], data_dir=data)
                async with both as node:

                    async def knows_both() -> bool:
                        peers = (await node.status("peers"))["peers"]
                        return len([peer for peer in peers if "agent" in peer]) == 2

                    await until(knows_both, every=0.3)
            async with EdgeNode(setups["peer"], options, data_dir=data) as node:

                async def found_the_friend() -> bool:
                    return (await node.status())["connections"]["peers"] == 1

                await until(found_the_friend, every=0.3)


@pytest.mark.netns
@asynchronous(40)
async def test_addresses_are_learnt_anew_when_they_change() -> None:
    with NetLab() as lab:
        setup = Setup(listen=["/ip4/0.0.0.0/tcp/4001"], within=lab.within("relay"))
        async with EdgeNode(setup) as node:
            before = (await node.status())["addresses"]["advertised"]
            assert before == ["/ip4/5.1.1.10/tcp/4001"]
            links = lab.run("relay", "ip", "-o", "-4", "addr", "show", "scope", "global")
            device = links.split()[1]
            lab.run("relay", "ip", "addr", "add", "5.1.1.11/24", "dev", device)

            async def told() -> bool:
                found = (await node.status())["addresses"]["advertised"]
                return "/ip4/5.1.1.11/tcp/4001" in found

            await until(told, every=0.3)


def test_a_wrong_option_stops_the_start_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "kwaainet.toml"
    config.write_text('[node]\nmemory_limit = "16M"\n')
    command = [sys.executable, "-m", "edge", "run", "--config", str(config)]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"{config}:2: [node] memory_limit: got 16M; expected ")

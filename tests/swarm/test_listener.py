"""Listening where it can be listened, and at the rest once it is there."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.crypto import Ed25519Key
from edge.swarm import dialer, listener
from edge.swarm.dialer import Dialer
from edge.swarm.errors import SwarmError
from edge.swarm.swarm import Swarm
from edge.wire.ip import LOOPBACK
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode

FREE = Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")


def at(text: str) -> Multiaddr:
    return Multiaddr.from_string(text)


@asynchronous(20)
async def test_a_taken_port_is_had_when_it_is_free_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    swarm = Swarm(Ed25519Key.generate())
    told: list[int] = []
    swarm.listening_changed.append(lambda: told.append(len(swarm.listening)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = at(f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}")
        swarm.listen_at([wanted, FREE])
        assert (len(swarm.listening), swarm.missing) == (1, [wanted])
        line = f'not-listening error="cannot listen on {wanted}: Address already in use"'
        assert line in capfd.readouterr().err
        swarm.listen_anew()
        assert (swarm.missing, told) == ([wanted], [])
    swarm.listen_anew()
    assert (swarm.listening[1:], swarm.missing, told) == ([wanted], [], [2])
    assert capfd.readouterr().err.split()[2:] == ["listening", f"address={wanted}"]
    await swarm.stop()


@asynchronous(20)
async def test_none_of_several_is_a_failure_that_names_them_all() -> None:
    swarm = Swarm(Ed25519Key.generate())
    with pytest.raises(SwarmError) as failed:
        swarm.listen_at([at("/ip4/192.0.2.1/tcp/0"), at("/ip6/2001:db8::1/tcp/0")])
    assert str(failed.value) == (
        "cannot listen on /ip4/192.0.2.1/tcp/0: Cannot assign requested address; "
        "cannot listen on /ip6/2001:db8::1/tcp/0: Cannot assign requested address"
    )
    await swarm.stop()


@asynchronous(20)
async def test_nothing_to_listen_at_is_none() -> None:
    swarm = Swarm(Ed25519Key.generate())
    swarm.listen_at([])
    assert swarm.missing == []
    await swarm.stop()


@asynchronous(20)
async def test_a_kernel_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for one: its socket(2) refuses the family."""
    real = socket.socket

    def without(family: int = socket.AF_INET, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *rest)

    monkeypatch.setattr(listener.socket, "socket", without)
    swarm = Swarm(Ed25519Key.generate())
    swarm.listen_at([FREE, at("/ip6/::/tcp/0")])
    assert (len(swarm.listening), swarm.missing) == (1, [at("/ip6/::/tcp/0")])
    await swarm.stop()


# --- a whole node, in a network namespace of its own ---

ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up; {} exec "$@"', "sh")
NO_SOCKETS = """
import errno, os, socket, sys
from edge.__main__ import main
class Socket(socket.socket):
    def __init__(self, family=-1, *rest, **more):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        super().__init__(family, *rest, **more)
socket.socket = Socket
sys.exit(main())
"""


async def logged(node: EdgeNode, line: str) -> None:
    async def is_there() -> bool:
        return line in node.log()

    await until(is_there)


def alone(first: str = "") -> list[str]:
    return [word.format(first) for word in ALONE]


@pytest.mark.netns
@asynchronous(60)
async def test_a_node_serves_without_ipv6_addresses() -> None:
    """As with the kernel's parameter ipv6.disable_ipv6=1."""
    off = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6;"
    listen = ("/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001")
    async with EdgeNode(Setup(listen=listen, within=alone(off))) as node:
        assert await node.addrs() == ["/ip4/127.0.0.1/tcp/4001"]
        error = "cannot listen on /ip6/::1/tcp/4001: Cannot assign requested address"
        assert f'warning not-listening error="{error}"' in node.log()


@pytest.mark.netns
@asynchronous(60)
async def test_the_default_configuration_serves_without_ipv6_sockets() -> None:
    """A stand-in for a kernel built without: socket(2) refuses the family, of this process."""
    node = EdgeNode(Setup(listen=(), within=alone()), ["--mode", "relay"])
    node.program = (sys.executable, "-c", NO_SOCKETS)
    async with node:
        assert await node.addrs() == ["/ip4/0.0.0.0/tcp/4001"]
        error = "cannot listen on /ip6/::/tcp/4001: Address family not supported by protocol"
        assert f'warning not-listening error="{error}"' in node.log()
        assert "Traceback" not in node.log()


@pytest.mark.netns
@asynchronous(60)
async def test_an_address_that_comes_late_is_listened_at_and_told() -> None:
    """At boot a service may start before its addresses are there; pages over HTTP likewise."""
    listen = ("/ip4/10.9.9.9/tcp/4001", "/ip4/127.0.0.1/tcp/4001")
    options = ["--status-http", "yes"]
    for address in ("127.0.0.1", "10.9.9.9"):
        options += ["--status-http-listen", f"/ip4/{address}/tcp/9464"]
    async with EdgeNode(Setup(listen=listen, within=alone()), options) as node:
        assert await node.addrs() == ["/ip4/127.0.0.1/tcp/4001"]
        assert (await node.status())["addresses"]["missing"] == ["/ip4/10.9.9.9/tcp/4001"]
        assert node.process is not None
        command = ("ip", "addr", "add", "10.9.9.9/24", "dev", "lo")
        within = ("nsenter", f"--net=/proc/{node.process.pid}/ns/net")
        assert await (await asyncio.create_subprocess_exec(*within, *command)).wait() == 0
        await logged(node, "info listening address=/ip4/10.9.9.9/tcp/4001")
        await logged(node, "info http host=10.9.9.9")
        assert "/ip4/10.9.9.9/tcp/4001" in (await node.status())["addresses"]["listening"]


def test_a_node_that_can_listen_nowhere_ends_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        command = [sys.executable, "-m", "edge", "run", "--data-dir", str(tmp_path)]
        done = subprocess.run(
            [*command, "--mode", "relay", "--listen", f"/ip4/127.0.0.1/tcp/{port}"],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"kwaainet: cannot listen on /ip4/127.0.0.1/tcp/{port}: Address already in use"
    )


@asynchronous(20)
async def test_a_port_is_lent_to_who_dials_and_to_no_second_node() -> None:
    first, second = Swarm(Ed25519Key.generate()), Swarm(Ed25519Key.generate())
    bound = first.listen(at("/ip4/0.0.0.0/tcp/0"))
    port = bound.host_port()[1]  # type: ignore[index]
    with socket.socket() as far, socket.socket() as lent, socket.socket() as again:
        far.bind(("127.0.0.1", 0))
        far.listen()
        for sock in (lent, again):
            assert first.lend_port(sock)
        lent.connect(far.getsockname())
        assert lent.getsockname() == ("127.0.0.1", port)
        with pytest.raises(SwarmError, match="Address already in use"):
            second.listen(bound)
        with pytest.raises(OSError, match="Cannot assign"):  # the same two ends
            again.connect(far.getsockname())
    first.close_listeners()
    second.listen(bound)  # though one that was lent lingers
    for swarm in (first, second):
        await swarm.stop()


@asynchronous(20)
async def test_there_is_nothing_to_lend_without_a_listener_that_others_reach() -> None:
    swarm = Swarm(Ed25519Key.generate())
    with socket.socket() as sock:
        assert not swarm.lend_port(sock)
        swarm.listen(FREE)
        assert not swarm.lend_port(sock)
    with socket.socket(socket.AF_INET6) as six:
        swarm.listen(at("/ip4/0.0.0.0/tcp/0"))
        assert not swarm.lend_port(six)
    await swarm.stop()


@asynchronous(20)
async def test_a_dial_into_the_internet_leaves_from_the_listener_unless_a_new_port_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialer, "PUBLIC", LOOPBACK)  # this machine is the internet here
    ours, theirs = Swarm(Ed25519Key.generate()), Swarm(Ed25519Key.generate())
    port = ours.listen(at("/ip4/0.0.0.0/tcp/0")).host_port()[1]  # type: ignore[index]
    address = theirs.listen(FREE)
    dialing = Dialer(ours)
    dialing.from_listener = True
    first = await dialing.dial(address, theirs.peer_id)
    second = await dialing.dial(address, theirs.peer_id, new_port=True)
    assert first.dialled_from == port
    assert second.dialled_from != port
    for swarm in (ours, theirs):
        await swarm.stop()

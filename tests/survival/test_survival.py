"""What a router goes through in a year: no file descriptors, no disk, no clock, no time, no DNS.

Each time a circuit between our listener and go-libp2p (p2pd 0.32) carries a checked MiB each way
before, and again after. Needs root for mount namespaces, and Debian's faketime.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.faketime import clock_in
from tests.counterparts.go_peer import P2pd
from tests.counterparts.ours_peer import OurPeer

pytestmark = [pytest.mark.peers, pytest.mark.netns]

KIB, MIB = 1 << 10, 1 << 20
NOWHERE: tuple[str, ...] = ()
SOMEONE = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
TERM_TIMEOUT = 10  # seconds that procd gives a node to end
SHORT_TTL = ("--relay-reservation-ttl", "10")


class Circuit:
    """Our listener and a dialer on a relay."""

    def __init__(self, at: str, listener: OurPeer, dialer: P2pd) -> None:
        self._at = at
        self._listener = listener
        self._dialer = dialer

    async def works(self) -> None:
        """On the connection there is."""
        await self._dialer.transfer(self._listener.circuit(self._at), MIB)

    async def works_anew(self) -> None:
        """With a dialer, a connection and a circuit that were not there before."""
        async with P2pd(Setup(listen=NOWHERE)) as dialer:
            await dialer.transfer(self._listener.circuit(self._at), MIB)


@contextlib.asynccontextmanager
async def circuit_over(relay: EdgeNode) -> AsyncIterator[Circuit]:
    at = await relay.direct()
    async with (
        OurPeer(Setup(listen=NOWHERE, relays=[at])) as listener,
        P2pd(Setup(listen=NOWHERE)) as dialer,
    ):
        circuit = Circuit(at, listener, dialer)
        await circuit.works()
        yield circuit


def port_of(address: str) -> int:
    return int(address.split("/")[4])


# --- no file descriptors ---


@asynchronous(90)
async def test_without_file_descriptors_circuits_go_on_and_later_all_is_well() -> None:
    """Somebody lowers the limit later than the node has fitted its connections to it."""
    async with EdgeNode(options=["--max-pending-handshakes", "200"]) as relay:
        async with circuit_over(relay) as circuit:
            assert relay.process is not None
            process = relay.process.pid
            resource.prlimit(process, resource.RLIMIT_NOFILE, (open_files(process) + 80, 4096))
            with flood(port_of(await relay.direct()), 200):
                await until_logged(relay, "accept-paused")
                await circuit.works()
                assert (await relay.status())["circuits"]["open"] == 1
                await circuit.works()
            await circuit.works_anew()
        report = await relay.status()
        assert report["refusals"]["connections"]["file_descriptors"] >= 1
        assert report["connections"]["pending"] == 0


def open_files(process: int) -> int:
    """The highest descriptor of a process and one."""
    return max(int(name) for name in os.listdir(f"/proc/{process}/fd")) + 1


@contextlib.contextmanager
def flood(port: int, count: int) -> Iterator[None]:
    """`count` connections from as many addresses, which say nothing."""
    with contextlib.ExitStack() as stack:
        for number in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.bind((f"127.0.9.{number + 1}", 0))
            with contextlib.suppress(BlockingIOError):
                sock.connect(("127.0.0.1", port))
        yield


async def until_identified(peer: EdgeNode, by: EdgeNode) -> None:
    async def identified() -> bool:
        seen = (await by.status("peers"))["peers"]
        return any(each["peer_id"] == peer.peer_id and "agent" in each for each in seen)

    await until(identified)


async def until_logged(node: EdgeNode, event: str) -> None:
    async def logged() -> bool:
        return event in node.log()

    await until(logged)


# --- no room on the disk ---


class Jail:
    """A mount namespace with something mounted in it: `within` runs a command there."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = ("unshare", "-m", "--propagation", "private", "sh", "-ec")
        self._script = f"{script}; echo ready; exec sleep 300"
        self._arguments = arguments

    def __enter__(self) -> "Jail":
        words = (*self._command, self._script, "sh", *self._arguments)
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._holder.stdout is not None
        self._holder.terminate()
        self._holder.wait()
        self._holder.stdout.close()

    @property
    def within(self) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self._holder.pid), "-m", "--")

    def path(self, path: Path) -> Path:
        """`path` in there, as seen from here."""
        return Path(f"/proc/{self._holder.pid}/root{path}")


@asynchronous(90)
async def test_a_full_disk_costs_memories_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    port = free_port()
    with Jail('mount -t tmpfs -o size=128k,mode=700 tmpfs "$1"', str(data)) as jail:
        setup = Setup(listen=[f"/ip4/127.0.0.1/tcp/{port}"], within=jail.within)
        async with (
            EdgeNode(options=["--external-address", "/ip4/5.5.5.5/tcp/4001"]) as friend,
            EdgeNode(setup, ["--peer", await friend.direct()], data) as relay,
        ):
            await until_identified(
                relay, friend
            )  # and the other way round: it is worth remembering
            async with circuit_over(relay) as circuit:
                fill(jail.path(data) / "ballast")
                await circuit.works()
                await circuit.works_anew()
                assert relay.process is not None
                os.kill(relay.process.pid, signal.SIGHUP)
                await until_logged(relay, "reloaded")
                await circuit.works_anew()
            relay.process.terminate()
            assert await relay.process.wait() == 0
            assert "peerstore-unwritable" in relay.log()
            files = sorted(os.listdir(jail.path(data)))
            assert files == ["ballast", "calibration.json", "identity.key"]
        async with (
            EdgeNode(setup, data_dir=data) as again,  # the disk is full from the start
            circuit_over(again) as circuit,
        ):
            assert again.peer_id == relay.peer_id
            await circuit.works_anew()


def fill(path: Path) -> None:
    """Until there is not one byte left."""
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


# --- another century ---


@pytest.mark.parametrize("years", [50, -50])
def test_a_clock_that_jumps_by_decades_ends_nothing(years: int, tmp_path: Path) -> None:
    """The wall clock as the C library tells it (libfaketime), in the middle of a circuit.

    The listener renews in time: it goes by the TTL it knew, not by what the new clock makes of it.
    Time that only goes on, which is what the event loop has, is the kernel's and stays.
    """
    jump(years, tmp_path)


@asynchronous(90)
async def jump(years: int, tmp_path: Path) -> None:
    shift = tmp_path / "shift"
    shift.write_text("+0\n")
    within = clock_in(shift)
    async with EdgeNode(Setup(within=within), options=SHORT_TTL) as relay:
        async with circuit_over(relay) as circuit:
            shift.write_text(f"{years:+}y\n")
            before = reservations(relay, renewed=True)

            async def renewed_twice() -> bool:
                return reservations(relay, renewed=True) >= before + 2

            await circuit.works()
            await until(renewed_twice, every=0.5)
            await circuit.works()
            await circuit.works_anew()
            report = await relay.status()
            assert report["reservations"]["held"] == 1
            assert report["uptime"] < 60
            assert reservations(relay, renewed=False) == 1  # none was lost
        year = time.gmtime().tm_year + years
        assert any(f"{near}-" in relay.log() for near in (year - 1, year, year + 1))


def reservations(relay: EdgeNode, renewed: bool) -> int:
    """How many it has granted since its start, anew or again."""
    log = (relay.directory / "log").read_text()
    return log.count(f" renewed={str(renewed).lower()} ")


# --- no time ---


@pytest.mark.slow
@asynchronous(120)
async def test_a_suspended_relay_goes_on_where_it_stopped() -> None:
    async with EdgeNode() as relay, circuit_over(relay) as circuit:
        before = await relay.status()
        assert relay.process is not None
        relay.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(20)
        relay.process.send_signal(signal.SIGCONT)
        await circuit.works()
        await asyncio.sleep(3)
        await circuit.works()
        await circuit.works_anew()
        assert "suspended" in relay.log()
        after = await relay.status()
        assert after["reservations"]["held"] == 1
        assert after["connections"]["open"] >= before["connections"]["open"] == 2
        # The first circuit and the new dialer's: the first was never opened again.
        assert after["circuits"]["total"] == 2


# --- no names ---


@asynchronous(90)
async def test_a_dead_dns_delays_nobody(tmp_path: Path) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.9.53\n")
    names = (
        f"/dnsaddr/bootstrap.example.org/p2p/{SOMEONE}",
        f"/dns4/relay.example.org/tcp/4001/p2p/{SOMEONE}",
    )
    options = [word for name in names for word in ("--peer", name)]
    with (
        Jail('mount --bind "$1" /etc/resolv.conf', str(resolv)) as jail,
        socket.socket(type=socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.9.53", 53))
        async with EdgeNode(Setup(within=jail.within), options=options) as relay:
            assert "dial-failed" not in relay.log()  # ready before the resolver has given up
            async with circuit_over(relay) as circuit:
                assert b"example" in await asyncio.to_thread(silent.recv, 512)
                for _ in range(5):
                    await circuit.works()
                    await asyncio.sleep(1)
                await circuit.works_anew()
                assert relay.process is not None
                relay.process.terminate()
                assert await asyncio.wait_for(relay.process.wait(), TERM_TIMEOUT) == 0

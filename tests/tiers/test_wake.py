"""Wake-on-LAN: who is woken when, and a machine that is woken by a real packet and answers."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from edge import zone
from edge.config.load import load
from edge.host import Host
from edge.tiers import wake
from edge.tiers.schedule import Window
from edge.tiers.wake import Sleeper, Waker, magic_packet
from edge.wire.peerid import ED25519, PeerId, PublicKey
from tests.counterparts.base import PeerError, Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.identity import write_key
from tests.counterparts.netlab import ADDRESSES, DIALER, PEER, RELAY, NetLab
from tests.counterparts.ours_peer import OurPeer

NO_FILE = {"KWAAINET_CONFIG": "/dev/null"}
MAC = "02:00:5e:10:20:30"
SOMEONE = PublicKey(type=ED25519, data=bytes(32)).peer_id()
CALLER, ANOTHER = (PublicKey(type=ED25519, data=bytes([n] * 32)).peer_id() for n in (1, 2))
PORT = free_port()
NOON = 1798372800.0  # 2026-12-27 12:00 UTC


@contextlib.contextmanager
def network_card() -> Iterator[socket.socket]:
    """Where magic packets for the loopback interface arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", PORT))
        sock.setblocking(False)
        yield sock


class Reservations:
    """Where nobody has one."""

    def __init__(self) -> None:
        self.wake: Callable[[PeerId, PeerId], Awaitable[bool]] | None = None
        self.reserved: list[Callable[[PeerId], None]] = []

    def keep_reservations(self, sleepers: frozenset[PeerId]) -> None:
        """They are the relay's affair."""


def waker(window: Window | None = None, wait: float = 20.0, utc: float | None = NOON) -> Waker:
    """As a host has it that knows the time, or does not. The reservations are a stand-in."""
    host = cast(Host, SimpleNamespace(config=load(None, NO_FILE, {}), utc=lambda: utc))
    made = Waker(host, Reservations())
    made._sleepers = {SOMEONE: Sleeper(SOMEONE, MAC, "lo", PORT, window, wait)}
    made._zone = zone.UTC
    return made


async def packet(card: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(card, 2048)


def test_a_magic_packet() -> None:
    assert magic_packet(MAC) == b"\xff" * 6 + bytes.fromhex("02005e102030") * 16


@asynchronous(20)
async def test_all_callers_wait_for_one_waking() -> None:
    with network_card() as card:
        made = waker()
        callers = [asyncio.ensure_future(made.wake(SOMEONE, CALLER)) for _ in range(3)]
        assert await packet(card) == magic_packet(MAC)
        made.returned(SOMEONE)
        assert await asyncio.gather(*callers) == [True] * 3
        assert made.woken == 1
        with pytest.raises(BlockingIOError):
            card.recv(1)


@asynchronous(20)
async def test_the_packet_is_sent_again_until_the_machine_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wake, "_AGAIN", 0.01)
    with network_card() as card:
        made = waker()
        caller = asyncio.ensure_future(made.wake(SOMEONE, CALLER))
        for _ in range(3):
            await packet(card)
        made.returned(SOMEONE)
        assert await caller


@asynchronous(20)
async def test_one_that_does_not_come_is_left_alone_for_a_while() -> None:
    with network_card() as card:
        made = waker(wait=0.05)
        assert not await made.wake(SOMEONE, CALLER)
        await packet(card)
        assert not await made.wake(SOMEONE, CALLER)
        with pytest.raises(BlockingIOError):
            card.recv(1)


def later(made: Waker, seconds: float) -> None:
    """Let `seconds` pass for the sleeper."""
    sleeper = made._sleepers[SOMEONE]
    sleeper.rests_until -= seconds
    sleeper.calls = deque((when - seconds, whom) for when, whom in sleeper.calls)


async def called(made: Waker, card: socket.socket, caller: PeerId) -> bool:
    """Whether a packet goes out for `caller`; the machine comes."""
    call = asyncio.ensure_future(made.wake(SOMEONE, caller))
    await asyncio.sleep(0)
    made.returned(SOMEONE)
    came = await call
    with contextlib.suppress(BlockingIOError):
        card.recv(2048)
        return came
    return False


@asynchronous(20)
async def test_one_that_came_rests_too() -> None:
    with network_card() as card:
        made = waker()
        assert await called(made, card, CALLER)
        later(made, 59)
        assert not await called(made, card, ANOTHER)
        later(made, 1)
        assert await called(made, card, ANOTHER)


@asynchronous(20)
async def test_so_often_a_day_for_one_and_for_all() -> None:
    with network_card() as card:
        made = waker()
        callers = [PublicKey(type=ED25519, data=bytes([n] * 32)).peer_id() for n in range(9, 15)]
        woken = []
        for caller in callers:
            calls = 0
            while await called(made, card, caller):
                calls += 1
                later(made, 60)
            woken.append(calls)
        assert woken == [wake.MOST_A_DAY_FOR_ONE] * 4 + [0, 0]
        assert sum(woken) == wake.MOST_A_DAY
        later(made, 86400)
        assert await called(made, card, CALLER)


@asynchronous(20)
async def test_a_reload_forgets_neither_rest_nor_calls() -> None:
    with network_card() as card:
        made = waker()
        assert await called(made, card, CALLER)
        before = made._sleepers[SOMEONE]
        again = Sleeper(SOMEONE, MAC, "lo", PORT, None, 20.0)
        again.goes_on(before)
        made._sleepers[SOMEONE] = again
        assert not await called(made, card, CALLER)
        assert len(again.calls) == 1


@asynchronous(20)
async def test_never_outside_its_window_and_never_while_the_time_is_unknown() -> None:
    with network_card() as card:
        assert not await waker(Window((), 13 * 60, 14 * 60)).wake(SOMEONE, CALLER)
        assert not await waker(Window((), 0, 24 * 60), utc=None).wake(SOMEONE, CALLER)
        with pytest.raises(BlockingIOError):
            card.recv(1)


@asynchronous(20)
async def test_no_more_callers_than_can_be_held() -> None:
    with network_card() as card:
        made = waker()
        callers = [
            asyncio.ensure_future(made.wake(SOMEONE, CALLER)) for _ in range(wake.MAX_CALLERS)
        ]
        await packet(card)
        assert not await made.wake(SOMEONE, CALLER)
        made.returned(SOMEONE)
        assert all(await asyncio.gather(*callers))


@asynchronous(20)
async def test_a_stranger_is_nobody_to_wake() -> None:
    other = PublicKey(type=ED25519, data=bytes(range(32))).peer_id()
    assert not await waker().wake(other, CALLER)


class Machine:
    """A machine on the relay's network that can sleep: `card` is what stays awake of it."""

    def __init__(self, lab: NetLab) -> None:
        self._lab = lab
        self.mac = lab.run(DIALER, "cat", "/sys/class/net/wan/address").strip()
        self.frame = b""

    async def sleep(self) -> asyncio.subprocess.Process:
        script = Path(__file__).with_name("nic.py")
        card = await asyncio.create_subprocess_exec(
            *self._lab.within(DIALER),
            *(sys.executable, str(script), "wan", self.mac),
            stdout=asyncio.subprocess.PIPE,
        )
        assert card.stdout is not None
        assert await card.stdout.readline() == b"asleep\n"
        return card

    async def woken(self, card: asyncio.subprocess.Process) -> None:
        """Wait for the packet."""
        assert card.stdout is not None
        self.frame = bytes.fromhex((await card.stdout.readline()).decode())
        await card.wait()


def peer_id_of(key: Path) -> PeerId:
    return PublicKey(type=ED25519, data=key.read_bytes()[-32:]).peer_id()


@contextlib.asynccontextmanager
async def sleepers_relay(
    lab: NetLab, directory: Path, machine: Machine, key: Path, caller: str, more: str = ""
) -> AsyncIterator[tuple[EdgeNode, str]]:
    """The relay that knows the machine, and its address."""
    config = directory / "kwaainet.toml"
    config.write_text(
        f'[relay]\nallow_peers = ["{caller}"]\n'
        f'[[wake]]\npeer = "{peer_id_of(key)}"\nmac = "{machine.mac}"\ninterface = "wan"\n{more}'
    )
    setup = Setup(listen=[f"/ip4/{ADDRESSES[RELAY]}/tcp/4001"], within=lab.within(RELAY))
    async with EdgeNode(setup, ["--config", str(config)]) as relay:
        yield relay, f"/ip4/{ADDRESSES[RELAY]}/tcp/4001/p2p/{relay.peer_id}"


@pytest.mark.netns
@pytest.mark.peers
@asynchronous(120)
async def test_a_machine_that_is_off_is_started_by_the_call_and_answers_it(tmp_path: Path) -> None:
    """go-libp2p calls. The relay has never seen the machine: its slot is kept by configuration."""
    key = write_key(tmp_path / "identity.key")
    with NetLab() as lab:
        machine = Machine(lab)
        async with (
            P2pd(Setup(listen=(), within=lab.within(PEER))) as caller,
            sleepers_relay(lab, tmp_path, machine, key, caller.peer_id) as (relay, at),
        ):
            assert (await relay.status())["reservations"]["held"] == 1
            card = await machine.sleep()
            peer = OurPeer(Setup(listen=(), relays=[at], identity=key, within=lab.within(DIALER)))
            call = asyncio.create_task(caller.connect(f"{at}/p2p-circuit/p2p/{peer_id_of(key)}"))
            await machine.woken(card)
            async with peer:
                await call
                await caller.transfer(peer.circuit(at), 64 * 1024)
                assert await peer.served() == [64 * 1024]
            assert "woken" in relay.log()
    assert machine.frame[:6] == b"\xff" * 6  # a broadcast,
    assert machine.frame[12:14] == b"\x08\x00"  # of IPv4,
    assert machine.frame[23] == socket.IPPROTO_UDP
    assert machine.frame[36:38] == (9).to_bytes(2, "big")
    assert machine.frame[42:] == magic_packet(machine.mac)  # and nothing else in it


@pytest.mark.netns
@asynchronous(120)
async def test_a_machine_that_fell_asleep_without_a_word_is_woken(tmp_path: Path) -> None:
    """Its process is stopped, so its connection looks alive; the packet continues it."""
    key = write_key(tmp_path / "identity.key")
    with NetLab() as lab:
        machine = Machine(lab)
        async with (
            OurPeer(Setup(listen=(), within=lab.within(PEER))) as caller,
            sleepers_relay(lab, tmp_path, machine, key, caller.peer_id) as (relay, at),
            OurPeer(Setup(listen=(), relays=[at], identity=key, within=lab.within(DIALER))) as peer,
        ):
            assert peer.process is not None
            peer.process.send_signal(signal.SIGSTOP)
            try:
                card = await machine.sleep()
                call = asyncio.create_task(caller.transfer(peer.circuit(at), 64 * 1024))
                await machine.woken(card)
            finally:
                peer.process.send_signal(signal.SIGCONT)
            await call
            assert (await relay.status())["reservations"]["held"] == 1


@pytest.mark.netns
@asynchronous(60)
async def test_outside_its_window_a_machine_sleeps_on(tmp_path: Path) -> None:
    key = write_key(tmp_path / "identity.key")
    later = [time.strftime("%H:%M", time.gmtime(time.time() + hours * 3600)) for hours in (6, 7)]
    window = f'start = "{later[0]}"\nend = "{later[1]}"\n[node]\ntimezone = "UTC0"\n'
    with NetLab() as lab:
        machine = Machine(lab)
        async with (
            OurPeer(Setup(listen=(), within=lab.within(PEER))) as caller,
            sleepers_relay(lab, tmp_path, machine, key, caller.peer_id, window) as (relay, at),
        ):
            with pytest.raises(PeerError, match="CONNECTION_FAILED"):
                await caller.connect(f"{at}/p2p-circuit/p2p/{peer_id_of(key)}")

            async def said() -> bool:
                return "not-woken" in relay.log()

            await until(said)
            assert "outside its window" in relay.log()

"""A device from its images: it starts, finds its network, is set up, and outlives power cuts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boots import ADDRESS, HERE, RESET, Booted, Flash, slot
from guest import Guest, circuit_between

from edge import crypto
from edge.wire import circuit, mdns
from edge.wire.peerid import PublicKey
from esp32 import images
from esp32.boot import kwboot
from tests.counterparts import micropython
from tests.counterparts.base import Setup, asynchronous, free_port
from tests.counterparts.go_peer import P2pd
from tests.relay.hosts import so

HOME = {"ssid": "home", "password": "correct horse"}
LEAST_FREE = 20_000  # bytes
MOST_OF_MODULES = 55 * 1024  # bytes of heap
STANDINS = HERE / "device" / "standins"
THERE = {**HOME, "address": ADDRESS}


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    micropython.micropython()
    slot()


# --- images ---


def test_the_same_sources_give_the_same_image(tmp_path: Path) -> None:
    first, second = (images.littlefs("x86", slot(), {}) for _ in range(2))
    assert first == second and len(first) == images.SIZE
    assert first[8:16] == b"littlefs"
    assert int.from_bytes(first[20:24], "little") == 0x0002_0000  # the version on disk
    assert int.from_bytes(first[24:28], "little") == 4096


@asynchronous(60)
async def test_a_new_device_makes_its_identity_once_and_asks_for_a_network(tmp_path: Path) -> None:
    flash = Flash(tmp_path, {"setup_port": free_port()})
    peers = []
    for _ in range(2):
        async with Booted(flash) as device:
            await device.said("setup: network kwaainet-")
            peers.append((await device.said("kwaainet-esp32/")).split("peer=")[1])
    assert peers[0] == peers[1]


@pytest.mark.peers
@asynchronous(60)
async def test_a_go_peer_reserves_on_a_device_that_started_from_its_image(tmp_path: Path) -> None:
    flash = Flash(tmp_path, HOME)
    flash.world(**THERE)
    async with Booted(flash) as device:
        await device.said("listening")
        await device.said("advertised 1")
        peer = (await device.said("kwaainet-esp32/")).split("peer=")[1].split()[0]
        relay = f"/ip4/{ADDRESS}/tcp/{flash.port}/p2p/{peer}"
        async with P2pd(Setup(listen=(), relays=[relay])):
            await device.said("reservation peer=")


@pytest.mark.peers
@asynchronous(120)
async def test_from_romfs_all_of_a_device_serves_eight_peers_in_its_heap(tmp_path: Path) -> None:
    """Wi-Fi and chip are stand-ins, and what they take of the heap is beyond the 100 KB."""
    rom = tmp_path / "romfs.img"
    rom.write_bytes(images.romfs_image("x86", slot()))
    key = crypto.Ed25519Key.generate()
    own = str(PublicKey(type=1, data=key.public).peer_id())
    flash = Flash(tmp_path, {**HOME, "others": 7, "own": [own]}, modules=False)
    flash.world(**THERE)
    async with Booted(flash, rom=rom) as device, contextlib.AsyncExitStack() as stack:
        await device.said("advertised 1")
        guests = [Guest(device)]
        guests[:0] = [Guest(device, key)]
        guests += [Guest(device) for _ in range(6)]
        for guest in guests:
            await stack.enter_async_context(guest)
            assert (await guest.reserve()).status == circuit.OK
        for source, target in zip(guests[:4], guests[4:], strict=True):
            there, here = await circuit_between(source, target)
            body = os.urandom(30_000)
            await source.say(source.data(there, body))
            assert await target.read(here, len(body)) == body
        told = await guests[0].status()
        assert told["held"] == 8 and told["open"] == 4
        assert told["no_memory"] == told["memory_errors"] == told["faults"] == 0
        print(f"free: {told['free']} bytes")
        assert told["free"] >= LEAST_FREE


def test_from_romfs_the_modules_leave_most_of_the_heap(tmp_path: Path) -> None:
    """Also those that few devices load. An update is checked by itself, before any other."""
    rom = tmp_path / "romfs.img"
    rom.write_bytes(images.romfs_image("x86", slot()))
    text = (
        "import gc, standin, sys, vfs\n"
        f"vfs.mount(vfs.VfsRom(standin.rom('{rom}')), '/rom')\n"
        f"sys.path[:] = ['/rom', '{STANDINS}']\n"
        "import machine, network\n"
        "gc.collect()\n"
        "before = gc.mem_alloc()\n"
        "for name in ('kwboot', 'kw.device', 'kw.rsa', 'kw.wake', 'kw.portal'):\n"
        "    __import__(name)\n"
        "    gc.collect()\n"
        "    print(gc.mem_alloc() - before)\n"
    )
    words = [micropython.micropython(), "-X", f"heapsize={micropython.HEAP}", "-c", text]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    taken = int(done.stdout.split()[-1])
    print(f"modules: {done.stdout.split()} bytes")
    assert taken <= MOST_OF_MODULES


# --- records ---


def test_a_power_cut_at_any_byte_leaves_the_old_record_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old, new = {"ssid": "old"}, {"ssid": "a new one", "own": ["x"] * 3}
    size = len(kwboot.encode(9, new))
    for before in range(3):  # which of the two files is written over
        for cut in range(size + 1):
            for path in tmp_path.iterdir():
                path.unlink()
            for _ in range(before):
                kwboot.write("config", old)
            data = kwboot.encode(before, new)
            Path(f"config.{before % 2}").write_bytes(data[:cut])
            expected = new if cut == size else (old if before else None)
            assert kwboot.read("config") == expected


def test_a_damaged_record_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = kwboot.encode(0, {"a": 1})
    for at in range(len(data)):
        Path("config.0").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert kwboot.read("config") is None


def test_the_older_file_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        kwboot.write("config", {"n": number})
        assert kwboot.read("config") == {"n": number}
    kept = [kwboot.decode(Path(f"config.{copy}").read_bytes()) for copy in (0, 1)]
    assert kept == [(4, {"n": 4}), (3, {"n": 3})]


# --- the network ---


@asynchronous(60)
async def test_it_says_why_it_is_not_in_its_network_and_goes_on_trying(tmp_path: Path) -> None:
    flash = Flash(tmp_path, {**HOME, "setup_password": ""})
    async with Booted(flash, speed=10) as device:
        await device.said("no access point of this name")
        flash.world(**{**THERE, "password": "another"})
        await device.said("wrong password")
        flash.world(**THERE)
        await device.said("wifi up address=127.0.0.1")
        flash.world()
        await device.said("wifi lost")
        flash.world(**{**THERE, "address": "127.0.0.2"})
        await device.said("wifi up address=127.0.0.2")
        assert not [line for line in device.lines if "setup" in line]
        assert not [line for line in device.lines if HOME["password"] in line]


@asynchronous(60)
async def test_it_listens_while_it_has_no_network(tmp_path: Path) -> None:
    async with Booted(Flash(tmp_path, HOME)) as device:
        await device.said("listening")
        async with Guest(device) as guest:
            assert (await guest.reserve()).status == circuit.OK


@asynchronous(60)
async def test_peers_of_its_network_find_it_by_mdns(tmp_path: Path) -> None:
    flash = Flash(tmp_path, HOME)
    with listening_for_mdns() as heard:
        async with Booted(flash) as device:
            peer = (await device.said("kwaainet-esp32/")).split("peer=")[1].split()[0]
            flash.world(**THERE)
            own = f"/tcp/{flash.port}/p2p/{peer}".encode()
            await so(lambda: any(own in data for data in heard()))


@contextlib.contextmanager
def listening_for_mdns() -> Iterator[Callable[[], list[bytes]]]:
    """On loopback: what has come since the last call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((mdns.GROUP4, mdns.PORT))
        group = socket.inet_aton(mdns.GROUP4) + socket.inet_aton(ADDRESS)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        sock.setblocking(False)

        def heard() -> list[bytes]:
            found = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    found.append(sock.recv(9000))
            return found

        yield heard


@asynchronous(60)
async def test_it_listens_without_a_radio_and_starts_anew_for_one(tmp_path: Path) -> None:
    flash = Flash(tmp_path, HOME)
    flash.world(broken="yes")
    async with Booted(flash, speed=200) as device:
        await device.said("wifi: Wifi Unknown Error")
        await device.said("listening")
        assert await device.ended() == RESET


@asynchronous(60)
async def test_an_owner_without_a_cable_sets_it_up_by_its_page(tmp_path: Path) -> None:
    port = free_port()
    flash = Flash(tmp_path, {"setup_port": port})
    own = "12D3KooWQARxC9WmggZ1rrqeSf8T5eDHwhMghDYXKqjBUKMNHE9L"
    async with Booted(flash) as device:
        await device.said("setup: network")
        assert b"<form" in await ask(port, "GET", "")
        assert b"8 to 63" in await ask(port, "POST", "ssid=home&password=short")
        assert b"not a peer id" in await ask(port, "POST", "ssid=home&password=&own=%3Cb%3E")
        form = urllib.parse.urlencode({**HOME, "own": own})
        assert b"Saved" in await ask(port, "POST", form)
        assert await device.ended() == RESET
    flash.world(**THERE)
    async with Booted(flash) as device:
        await device.said("wifi up")
        assert not [line for line in device.lines if "setup" in line]
    copy = flash.read("config.1")
    assert copy is not None and (found := kwboot.decode(copy)) is not None
    assert found[1]["own"] == [own]


@asynchronous(60)
async def test_after_that_the_setup_network_has_a_password(tmp_path: Path) -> None:
    config = {**HOME, "setup_port": free_port(), "setup_password": HOME["password"]}
    flash = Flash(tmp_path, config)
    flash.world(**{**THERE, "password": "was changed"})
    async with Booted(flash, speed=10) as device:
        await device.said("setup: network")
        assert [line for line in device.lines if "('security', 3)" in line]
        form = urllib.parse.urlencode({**HOME, "password": "was changed", "own": "12D3"})
        assert b"Saved" in await ask(config["setup_port"], "POST", form)
    for copy in (0, 1):
        data = flash.read(f"config.{copy}")
        assert data is not None and (found := kwboot.decode(data)) is not None
        assert "own" not in found[1]


@asynchronous(60)
async def test_the_page_outlives_what_it_is_sent(tmp_path: Path) -> None:
    port = free_port()
    async with Booted(Flash(tmp_path, {"setup_port": port})) as device:
        await device.said("setup: network")
        assert b"413" in await raw(port, b"POST / HTTP/1.1\r\n" + b"x" * 2000)
        for body in (b"ssid=%zz", b"ssid=%ff", b"=&=%", b"\xff" * 20):
            head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
            assert b"400" in await raw(port, head + body)
        assert b"400" in await raw(port, b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n")
        assert b"<form" in await ask(port, "GET", "")


async def ask(port: int, method: str, body: str) -> bytes:
    head = f"{method} / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return await raw(port, (head + body).encode())


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:  # it did not read all of that
        return b"413"
    finally:
        writer.close()


# --- counters ---


@asynchronous(60)
async def test_counters_outlive_a_reset(tmp_path: Path) -> None:
    flash = Flash(tmp_path, HOME)
    for starts in (1, 2):
        async with Booted(flash, speed=100) as device:
            await device.said("listening")
            async with Guest(device) as guest:
                await guest.reserve()
                await device.said("reservation peer=")
                line = await device.said("status version=")
            assert f"starts={starts}" in line and f"reservations={starts}" in line

"""The peer store on a disk that is slow, full or read-only, and in a process that is killed."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from remembered import Clock, peer, tcp

from edge.atomic import flash, write_atomic
from edge.swarm import peerstore
from edge.swarm.peerstore import RETRY, SAVE_INTERVAL, SETTLE, PeerStore, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# --- a slow disk ---


class SlowDisk:
    """Takes over `write_atomic`; a write waits until it is let through, and may be refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Semaphore(0)
        self.let_through = threading.Semaphore(0)
        self.full = False
        monkeypatch.setattr(peerstore, "write_atomic", self._write)

    def _write(self, path: str, data: bytes) -> None:
        self.begun.release()
        assert self.let_through.acquire(timeout=20)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(path, data)

    def has_begun(self) -> None:
        assert self.begun.acquire(timeout=20)


def due(path: Path, clock: Clock) -> PeerStore:
    store = PeerStore(str(path), clock=clock)
    store.learn(peer(1), [tcp(1)])
    clock.now += SETTLE
    return store


def test_a_slow_disk_is_waited_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path, disk = Clock(), tmp_path / "peers", SlowDisk(monkeypatch)
    store = due(path, clock)
    store.save_in_background()
    disk.has_begun()
    assert not path.exists()
    store.learn(peer(2), [tcp(2)])
    store.save_in_background()  # one at a time
    disk.let_through.release(2)
    store.save(force=True)  # waits for the first, then writes what is newer
    assert sorted(decode(path.read_bytes())) == [peer(1), peer(2)]
    disk.has_begun()
    assert not disk.begun.acquire(blocking=False)
    written = flash.written
    store.save(force=True)  # there is nothing new
    assert flash.written == written


def test_what_a_slow_disk_refuses_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path, disk = Clock(), tmp_path / "peers", SlowDisk(monkeypatch)
    store = due(path, clock)
    disk.full = True
    store.save_in_background()
    disk.has_begun()
    disk.let_through.release()
    with store._writing:
        disk.full = False
    clock.now += RETRY
    disk.let_through.release()
    store.save_in_background()
    disk.has_begun()
    store.save(force=True)
    assert list(decode(path.read_bytes())) == [peer(1)]


# --- kill -9, full disks ---

KILLED = """
import sys
from edge.swarm.peerstore import PeerStore
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
peers = [PeerId(b"\\0\\x24\\x08\\1\\x12\\x20" + i.to_bytes(32, "big")) for i in range(64)]
stores = []
for generation in range(2):
    store = PeerStore(sys.argv[1])
    for peer in peers:
        store.learn(peer, [Multiaddr.from_ip(bytes([8, generation, 0, 1]), 1)])
    stores.append(store)
print("ready", flush=True)
while True:
    for store in stores:
        store.failed(peers[0])
        store.save(force=True)
"""


def test_kill_9_while_saving_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    path = str(tmp_path / "peers")
    found = []
    interrupted = 0  # kills between the first byte written and the rename
    for attempt in range(200):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(random.uniform(0.005, 0.03))
            process.kill()
        interrupted += os.path.exists(path + ".tmp")
        if os.path.exists(path):
            store = PeerStore(path)
            store.load()
            assert os.path.exists(path), "moved aside as corrupt"
            assert len(store) == 64
            (generation,) = {one.bytes[2] for _, known in store.candidates(64) for one in known}
            found.append(generation)
        if attempt >= 20 and interrupted >= 3:
            break
    assert set(found) == {0, 1}
    assert interrupted >= 3, "hardly any kill fell into a save: this shows nothing"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    assert os.getuid() == 0, "needs root"
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def filled(path: Path, clock: Clock) -> PeerStore:
    store = PeerStore(str(path), clock=clock)
    for number in range(100):
        store.learn(peer(number), [tcp(number)])
    return store


@pytest.mark.netns
def test_a_full_disk(small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clock, path = Clock(), small_disk / "peers"
    store = filled(path, clock)
    (small_disk / "fill").write_bytes(bytes(12_000))
    clock.now += SAVE_INTERVAL
    for _ in range(3):
        store.save()
        clock.now += RETRY
    store.save(force=True)
    assert len(store) == 100
    assert sorted(file.name for file in small_disk.iterdir()) == ["fill"]
    (line,) = capfd.readouterr().err.splitlines()
    assert "peerstore-unwritable" in line
    assert "No space left on device" in line
    (small_disk / "fill").unlink()
    store.save()
    assert not path.exists()
    clock.now += RETRY
    store.save()
    assert path.stat().st_size == flash.written
    clock.now += 24 * SAVE_INTERVAL
    store.learn(peer(1), [tcp(2)])
    (small_disk / "fill").write_bytes(bytes(4_000))
    before = path.read_bytes()
    store.save()
    assert path.read_bytes() == before
    assert "peerstore-unwritable" in capfd.readouterr().err


@pytest.mark.netns
def test_a_read_only_disk(small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = small_disk / "peers"
    path.write_bytes(b"not a peer store")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    clock = Clock()
    store = filled(path, clock)
    store.load()
    store.save(force=True)
    assert path.read_bytes() == b"not a peer store"
    assert len(store) == 100
    corrupt, unwritable = capfd.readouterr().err.splitlines()
    assert "peerstore-corrupt" in corrupt
    assert "Read-only file system" in corrupt
    assert "peerstore-unwritable" in unwritable

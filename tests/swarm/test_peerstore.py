"""Who is remembered, who is forgotten, and what a wild clock and a file that is none do."""

from __future__ import annotations

import binascii
import contextlib
import gc
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from remembered import Clock, peer, tcp

from edge.atomic import flash
from edge.swarm.peerstore import (
    MAX_ADDRESS,
    MAX_AGENT,
    MAX_FILE,
    PER_DAY,
    SAVE_INTERVAL,
    SETTLE,
    CorruptPeerStore,
    PeerStore,
    Record,
    decode,
    encode,
)
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0


def parsed(text: str) -> Multiaddr:
    return Multiaddr.from_string(text)


def order(store: PeerStore) -> list[PeerId]:
    return [peer for peer, _ in store.candidates(len(store))]


# --- addresses ---


def test_an_unknown_peer() -> None:
    store = PeerStore(None)
    assert store.addresses(peer(1)) == []
    store.failed(peer(1))
    store.learn(peer(1), [])
    assert len(store) == 0


def test_what_a_peer_says_replaces_what_it_said() -> None:
    store = PeerStore(None)
    store.learn(peer(1), [tcp(1), tcp(2)], "go-libp2p", NOW)
    store.learn(peer(1), [tcp(3), tcp(2)], "go-libp2p", NOW)
    assert store.addresses(peer(1)) == [tcp(3), tcp(2)]
    store.learn(peer(1), [])
    assert store.addresses(peer(1)) == [tcp(3), tcp(2)]


def test_what_worked_stays_first_until_it_fails() -> None:
    store = PeerStore(None)
    store.learn(peer(1), [tcp(1), tcp(2)])
    store.seen(peer(1), tcp(2), NOW)
    assert store.addresses(peer(1)) == [tcp(2), tcp(1)]
    store.learn(peer(1), [tcp(1), tcp(3)])
    assert store.addresses(peer(1)) == [tcp(2), tcp(1), tcp(3)]
    store.failed(peer(1))
    store.learn(peer(1), [tcp(1), tcp(2)])
    assert store.addresses(peer(1)) == [tcp(2), tcp(1)]
    store.learn(peer(1), [tcp(1), tcp(3)])
    assert store.addresses(peer(1)) == [tcp(1), tcp(3)]


def test_addresses_are_few_and_kept_without_the_peers_own_name() -> None:
    store = PeerStore(None, max_addresses=2)
    store.learn(peer(1), [tcp(1).with_peer(peer(1)), tcp(1), tcp(2), tcp(3)])
    assert store.addresses(peer(1)) == [tcp(1), tcp(2)]
    store.seen(peer(1), tcp(4).with_peer(peer(1)), NOW)
    assert store.addresses(peer(1)) == [tcp(4), tcp(1)]


def test_what_cannot_be_dialled_is_not_kept() -> None:
    store = PeerStore(None)
    circuit = tcp(9).with_peer(peer(9)).via_circuit()
    useless = [
        tcp(1).with_peer(peer(2)),
        parsed("/ip4/8.0.0.1/udp/4001/quic-v1"),
        parsed("/p2p-circuit"),
        parsed(f"/p2p/{peer(1)}"),
        parsed("/dns4/" + "x" * MAX_ADDRESS + "/tcp/1"),
    ]
    store.learn(peer(1), useless)
    for address in useless:
        store.seen(peer(1), address, NOW)
    assert len(store) == 0
    store.learn(peer(1), [*useless, circuit.encapsulate(parsed(f"/p2p/{peer(1)}"))])
    assert store.addresses(peer(1)) == [circuit]


# --- order ---


def test_the_last_heard_of_comes_first() -> None:
    store = PeerStore(None)
    for number in (1, 2, 3):
        store.learn(peer(number), [tcp(number)])
    store.learn(peer(1), [tcp(1)])
    assert order(store) == [peer(1), peer(3), peer(2)]
    assert store.candidates(1) == [(peer(1), [tcp(1)])]
    assert store.candidates(2, {peer(1): None}) == [(peer(3), [tcp(3)]), (peer(2), [tcp(2)])]


def test_who_was_reached_comes_before_who_only_came() -> None:
    store = PeerStore(None)
    store.seen(peer(1), tcp(1), NOW)
    store.learn(peer(2), [tcp(2)])
    assert order(store) == [peer(1), peer(2)]


def test_failures_cost_places_and_success_gives_them_back() -> None:
    store = PeerStore(None)
    for number in (1, 2, 3):
        store.seen(peer(number), tcp(number), NOW)
    store.failed(peer(3))
    store.failed(peer(3))
    assert order(store) == [peer(2), peer(1), peer(3)]
    store.seen(peer(3), tcp(3), NOW)
    assert order(store)[0] == peer(3)


def test_all_have_their_turn_however_long_nobody_answers() -> None:
    store = PeerStore(None)
    for number in range(256):
        (store.learn(peer(number), [tcp(number)]) if number % 2 else
         store.seen(peer(number), tcp(number), NOW))  # fmt: skip
    for _ in range(5):
        asked = set()
        for _ in range(2000):
            for found, _ in store.candidates(4):
                asked.add(found)
                store.failed(found)
        assert len(asked) == 256


def test_the_worst_gives_way_when_the_table_is_full() -> None:
    store = PeerStore(None, max_peers=3)
    for number in (1, 2, 3):
        store.seen(peer(number), tcp(number), NOW)
    store.failed(peer(2))
    store.failed(peer(2))
    store.seen(peer(4), tcp(4), NOW)
    assert set(order(store)) == {peer(1), peer(3), peer(4)}


def test_a_flood_of_strangers_leaves_those_that_work() -> None:
    store = PeerStore(None)
    for number in range(256):
        store.seen(peer(number), tcp(number), NOW)
    for number in range(1000, 6000):
        store.learn(peer(number), [tcp(number)])
    assert len(store) == 256
    kept = sum(peer(number) in store for number in range(256))
    assert kept >= 190
    assert sum(found in order(store)[:64] for found in map(peer, range(256))) >= 32


# --- clocks ---


@pytest.mark.parametrize("clocks", [(0, NOW), (NOW, 0), (NOW, -1e18), (5, 1e30), (NOW, NOW)])
def test_the_wall_clock_decides_nothing(clocks: tuple[float, float], tmp_path: Path) -> None:
    first, then = clocks
    store = PeerStore(str(tmp_path / "peers"), max_peers=4)
    for number in (1, 2, 3):
        store.seen(peer(number), tcp(number), first)
    store.save(force=True)
    again = PeerStore(str(tmp_path / "peers"), max_peers=4)
    again.load()
    again.seen(peer(4), tcp(4), then)
    again.seen(peer(1), tcp(1), then)
    assert order(again) == [peer(1), peer(4), peer(3), peer(2)]
    again.seen(peer(5), tcp(5), first)
    assert order(again) == [peer(5), peer(1), peer(4), peer(3)]
    again.save(force=True)
    third = PeerStore(str(tmp_path / "peers"))
    third.load()
    assert order(third) == order(again)


# --- when it is written ---


def test_saves_are_rare_and_for_a_reason(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "peers"
    store = PeerStore(str(path), clock=clock)
    store.load()
    clock.now += SAVE_INTERVAL
    store.save()
    store.save(force=True)
    assert not path.exists()  # nothing to keep
    store = PeerStore(str(path), clock=clock)
    store.learn(peer(1), [tcp(1)], "", NOW)
    clock.now += SETTLE - 1
    store.save()
    assert not path.exists()
    clock.now += 1
    store.save()
    size = path.stat().st_size
    assert flash.written == size > 0
    store.learn(peer(2), [tcp(2)], "", NOW)
    clock.now += SAVE_INTERVAL - 1
    store.save()
    assert flash.written == size
    clock.now += 1
    store.save()
    assert flash.written == size + path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_peers_and_addresses_are_worth_it_while_running(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "peers"
    store = PeerStore(str(path), clock=clock)
    store.seen(peer(1), tcp(1), NOW)
    store.save(force=True)
    written = flash.written
    clock.now += SAVE_INTERVAL
    store.learn(peer(1), [tcp(1)], "another agent", NOW + 1)
    store.seen(peer(1), tcp(1), NOW + 2)
    store.failed(peer(1))
    store.save()
    assert flash.written == written
    store.save(force=True)
    assert flash.written > written
    written = flash.written
    store.save(force=True)
    assert flash.written == written
    store.learn(peer(1), [tcp(1), tcp(2)])
    store.save()
    assert flash.written == written
    clock.now += SAVE_INTERVAL
    store.save()
    assert flash.written > written


def test_days_of_churn_write_no_more_than_flash_can_take(tmp_path: Path) -> None:
    clock = Clock()
    store = PeerStore(str(tmp_path / "peers"), clock=clock)
    days, writes, before = 10, 0, 0
    for minute in range(days * 24 * 60):
        store.learn(peer(minute), [tcp(minute), tcp(minute, 1)], "go-libp2p", NOW)
        clock.now += 60
        store.save()
        writes += flash.written != before
        before = flash.written
    assert days <= writes <= 24 * days
    assert before <= (days + 1) * PER_DAY


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = PeerStore(None)
    store.load()
    store.learn(peer(1), [tcp(1)])
    store.save(force=True)
    assert os.listdir(tmp_path) == []
    assert flash.written == 0


# --- the file ---


def test_the_file_is_read_by_people(tmp_path: Path) -> None:
    store = PeerStore(str(tmp_path / "peers"))
    store.learn(peer(1), [tcp(1), parsed("/dns4/a.test/tcp/1")], "go libp2p\n/0.32 \xfc", NOW)
    store.seen(peer(2), tcp(2), NOW + 1)
    store.failed(peer(2))
    store.save(force=True)
    header, *lines, checksum = (tmp_path / "peers").read_text().splitlines()
    assert header == "kwaainet-peers 1"
    assert lines == [
        f"{peer(1)} 1800000000 0 0 go_libp2p_/0.32__ /ip4/8.0.0.1/tcp/4001 /dns4/a.test/tcp/1",
        f"{peer(2)} 1800000001 1 1 - /ip4/8.0.0.2/tcp/4001",
    ]
    assert checksum.startswith("checksum ")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    store = PeerStore(str(tmp_path / "peers"))
    for number in range(300):
        store.learn(peer(number), [tcp(number)], f"agent/{number}", NOW)
        store.seen(peer(number // 2), tcp(number // 2, 5), NOW)
        store.failed(peer(number // 3))
    store.save(force=True)
    again = PeerStore(str(tmp_path / "peers"))
    again.load()
    assert again.candidates(1000) == store.candidates(1000)
    smaller = PeerStore(str(tmp_path / "peers"), max_peers=10, max_addresses=1)
    smaller.load()
    assert set(order(smaller)) == set(order(store)[:10])
    assert {len(addresses) for _, addresses in smaller.candidates(10)} == {1}


def test_a_full_table_of_the_longest_addresses_can_be_loaded(tmp_path: Path) -> None:
    store = PeerStore(str(tmp_path / "peers"), max_peers=1024, max_addresses=16)
    length = MAX_ADDRESS - len("/dns4//tcp/65535") - 4
    longest = [parsed(f"/dns4/{'x' * length}{i:04}/tcp/65535") for i in range(16)]
    assert len(str(longest[0])) == MAX_ADDRESS
    for number in range(1024):
        store.learn(peer(number), longest, "x" * 100, 1e30)
    store.save(force=True)
    assert (tmp_path / "peers").stat().st_size <= MAX_FILE
    again = PeerStore(str(tmp_path / "peers"), max_peers=1024, max_addresses=16)
    again.load()
    assert len(again) == 1024


@pytest.mark.parametrize("sizes", [(0, 8), (1025, 8), (256, 0), (256, 17)])
def test_impossible_sizes(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="peer store of"):
        PeerStore(None, *sizes)


def sealed(body: bytes) -> bytes:
    return body + f"checksum {binascii.crc32(body):08x}\n".encode()


HEAD = b"kwaainet-peers 1\n"
GOOD = HEAD + f"{peer(1)} 1 0 0 - {tcp(1)}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        HEAD,
        GOOD,
        sealed(GOOD)[:-1],
        sealed(GOOD) + b"\n",
        sealed(GOOD).replace(b"8.0.0.1", b"8.0.0.2"),
        sealed(GOOD[:-1]),
        sealed(GOOD.replace(b"peers 1", b"peers 2")),
        b'{"peers": []}\n',
        b"\x7fELF" + bytes(1000),
        b"\0" * 4096,  # what some file systems leave after a power cut
        bytes(MAX_FILE + 1),
        sealed(GOOD + GOOD[len(HEAD) :]),
        sealed(GOOD.replace(b" 1 0 0 ", b" -1 0 0 ")),
        sealed(GOOD.replace(b" 1 0 0 ", b" 1 0 2 ")),
        sealed(GOOD.replace(b" 1 0 0 ", b" 1 17 0 ")),
        sealed(GOOD.replace(b" 1 0 0 ", b" 1 0 ")),
        sealed(GOOD.replace(b"/tcp", b"/tpc")),
        sealed(GOOD.replace(b"12D3", b"12d3")),
        sealed(GOOD.replace(b" - ", b" \xff ")),
        sealed(HEAD + b"\n"),
    ],
)
def test_a_file_that_is_none_is_moved_aside(
    data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "peers"
    path.write_bytes(data)
    store = PeerStore(str(path))
    store.load()
    assert len(store) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["peers.bad"]
    assert (tmp_path / "peers.bad").read_bytes() == data
    (line,) = capfd.readouterr().err.splitlines()
    assert " warning peerstore-corrupt " in line
    assert "peers.bad" in line
    store.learn(peer(1), [tcp(1)])
    store.save(force=True)
    again = PeerStore(str(path))
    again.load()
    assert peer(1) in again


def test_no_peers_at_all_is_a_file_too() -> None:
    assert decode(sealed(HEAD)) == {} == decode(encode({}))


def test_a_directory_in_its_place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "peers").mkdir()
    store = PeerStore(str(tmp_path / "peers"))
    store.load()
    store.learn(peer(1), [tcp(1)])
    store.save(force=True)
    assert peer(1) in store
    unreadable, unwritable = capfd.readouterr().err.splitlines()
    assert "peerstore-unreadable" in unreadable
    assert "peerstore-unwritable" in unwritable


addresses = st.one_of(
    st.builds(lambda ip, port: Multiaddr.from_ip(ip, port), st.binary(min_size=4, max_size=4)
              | st.binary(min_size=16, max_size=16), st.integers(0, 65535)),
    st.builds(lambda name: parsed(f"/dns/{name}/tcp/1"),
              st.text(st.characters(min_codepoint=33, max_codepoint=126,
                                    exclude_characters="/"), min_size=1, max_size=20)),
    st.builds(lambda number: tcp(1).with_peer(peer(number)).via_circuit(), st.integers(0, 9)),
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.lists(addresses, max_size=10),
            st.text(max_size=MAX_AGENT + 5),
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(0, 20),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_any_table_survives_the_file(
    rows: list[tuple[list[Multiaddr], str, float, int, bool]],
) -> None:
    store = PeerStore(None)
    for number, (told, agent, now, failures, reached) in enumerate(rows):
        store.learn(peer(number), told, agent, now)
        if reached and told:
            store.seen(peer(number), told[0], now)
        for _ in range(failures):
            store.failed(peer(number))
    data = encode(store._records)
    again = decode(data)
    assert list(again) == list(store._records)
    assert encode(again) == data
    assert all(fields(again[one]) == fields(store._records[one]) for one in again)


def fields(record: Record) -> list[object]:
    return [getattr(record, name) for name in Record.__slots__]


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(CorruptPeerStore):
        decode(data)
    with contextlib.suppress(CorruptPeerStore):
        decode(sealed(HEAD + data + b"\n"))


@given(st.data())
def test_any_line_of_words(data: st.DataObject) -> None:
    words = st.sampled_from([str(peer(1)), str(tcp(1)), "0", "1", "-", "", "99999999999999999999"])
    line = " ".join(data.draw(st.lists(words, max_size=9)))
    with contextlib.suppress(CorruptPeerStore):
        found = decode(sealed(HEAD + line.encode() + b"\n"))
        assert encode(found) == sealed(HEAD + line.encode() + b"\n")


class Bounds(RuleBasedStateMachine):
    """Whatever happens, the table is within its bounds and survives the file."""

    def __init__(self) -> None:
        super().__init__()
        self.store = PeerStore(None, max_peers=4, max_addresses=3)

    @rule(number=st.integers(0, 9), told=st.lists(addresses, max_size=6), now=st.floats(-1, 1e12))
    def learn(self, number: int, told: list[Multiaddr], now: float) -> None:
        self.store.learn(peer(number), told, "", now)

    @rule(number=st.integers(0, 9), address=addresses)
    def seen(self, number: int, address: Multiaddr) -> None:
        self.store.seen(peer(number), address, NOW)
        assert self.store.addresses(peer(number))[0] == address

    @rule(number=st.integers(0, 9), times=st.integers(1, 20))
    def failed(self, number: int, times: int) -> None:
        for _ in range(times):
            self.store.failed(peer(number))

    @invariant()
    def bounds(self) -> None:
        assert len(self.store) <= 4
        for _, known in self.store.candidates(10):
            assert 0 < len(known) <= 3
            assert len(set(known)) == len(known)
        data = encode(self.store._records)
        assert encode(decode(data)) == data


TestBounds = Bounds.TestCase
TestBounds.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


# --- memory ---


def test_a_full_table_costs_little() -> None:
    gc.collect()
    tracemalloc.start()
    store = PeerStore(None)
    for number in range(256):
        store.learn(peer(number), [tcp(number, port) for port in range(8)], f"agent/{number}", NOW)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(store) == 256
    assert size < 300_000

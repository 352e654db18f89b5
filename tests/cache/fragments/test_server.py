"""What peers are given of the cache, and what not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge.allowance import Allowance
from edge.cache import names
from edge.cache.fragments import server as serving
from edge.cache.fragments.server import MAX_PER_PEER
from edge.cache.fragments.usage import ENTRY
from edge.cache.pace import Pace
from edge.swarm.errors import SwarmError
from edge.swarm.work import INTERACTIVE, classes
from edge.wire import fragment, merkle
from edge.wire.fragment import (
    ATTESTATIONS,
    HAVE,
    MANIFEST,
    RANGE,
    ROW,
    Attestations,
    Have,
    Manifest,
    Range,
    Refusal,
    Request,
    Row,
    runs,
)
from edge.wire.merkle import PIECE
from edge.wire.protobuf import delimited
from tests.cache.fragments.hosts import nodes, row
from tests.cache.store.stores import content, sha256, write
from tests.counterparts.base import asynchronous
from tests.relay.hosts import so

DATA = content(9 * PIECE + 1234)


@asynchronous(60)
async def test_it_tells_what_it_has(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        for asked in (name, sha256(DATA)):
            answer, body = await asker.ask(giver, Request(HAVE, asked, 1, 1000))
            assert isinstance(answer, Have)
            assert (answer.size, answer.root, answer.whole) == (len(DATA), name[1:], True)
            assert runs(body, answer.count) == [(0, 9)]


@asynchronous(60)
async def test_pieces_come_with_hashes_and_proof(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        answer, body = await asker.ask(giver, Request(RANGE, name, 3, 4))
        assert isinstance(answer, Range)
        assert body == DATA[3 * PIECE : 7 * PIECE]
        assert answer.proven(name[1:], len(DATA))
        assert answer.hash_of(5) == merkle.piece_hash(DATA[5 * PIECE : 6 * PIECE])
        assert giver.server.fragments == 4
        assert giver.server.bytes == {"direct": 4 * PIECE, "relayed": 0}
        _, usage = giver.host.peer_reports[-1](asker.id)
        assert usage == {"fragments": 4, "fragment_bytes": 4 * PIECE, "fragments_refused": 0}


@asynchronous(60)
async def test_the_last_piece_is_as_short_as_it_is(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        answer, body = await asker.ask(giver, Request(RANGE, name, 8, 64))
        assert isinstance(answer, Range)
        assert (answer.count, body) == (2, DATA[8 * PIECE :])
        small = await giver.add(b"short")
        answer, body = await asker.ask(giver, Request(RANGE, small, 0, 1))
        assert isinstance(answer, Range)
        assert body == b"short"
        assert answer.proven(small[1:], 5)


@asynchronous(60)
async def test_the_row_is_proven_too(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        answer, body = await asker.ask(giver, Request(ROW, name, 2, 5))
        assert isinstance(answer, Row)
        assert body == row(DATA)[2 * 32 : 7 * 32]
        assert answer.proven(name[1:], len(DATA), body)


@asynchronous(60)
async def test_manifests_and_attestations_are_passed_on(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        giver.library.manifests[bytes(32)] = name[1:], b"m" * 60_000
        giver.library.vouched[sha256(DATA)] = [b"one", b"x" * 2000, *[b"more"] * 20]
        answer, body = await asker.ask(giver, Request(MANIFEST, bytes(32)))
        assert isinstance(answer, Manifest)
        assert body == b"m" * 60_000
        answer, _ = await asker.ask(giver, Request(ATTESTATIONS, sha256(DATA)))
        assert isinstance(answer, Attestations)
        assert answer.items == [b"one", *[b"more"] * 7]


@asynchronous(60)
async def test_what_needed_a_right_is_given_to_nobody(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA, private=True)
        giver.library.manifests[bytes(32)] = name[1:], b"m"
        giver.library.vouched[sha256(DATA)] = [b"one"]
        for request in (
            Request(HAVE, name, 0, 1),
            Request(HAVE, sha256(DATA), 0, 1),
            Request(ROW, name, 0, 1),
            Request(RANGE, name, 0, 1),
            Request(MANIFEST, bytes(32)),
            Request(ATTESTATIONS, sha256(DATA)),
        ):
            answer, body = await asker.ask(giver, request)
            assert isinstance(answer, Refusal)
            assert (answer.error, body) == (fragment.NOT_FOUND, b"")
        assert giver.server.refused[fragment.NOT_FOUND] == 6


@asynchronous(60)
async def test_a_file_that_is_not_known_as_a_whole_is_not_shared(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        assert await write(giver.store.file(sha256(DATA), len(DATA)), DATA, 0, 4 * PIECE)
        answer, _ = await asker.ask(giver, Request(HAVE, sha256(DATA), 0, 1))
        assert isinstance(answer, Refusal)
        assert answer.error == fragment.NOT_FOUND


@asynchronous(60)
async def test_a_part_of_a_file_is_shared_once_its_row_is_proven(tmp_path: Path) -> None:
    """So who holds a block of a model gives it on."""

    async with nodes(tmp_path, 2) as (giver, asker):
        name = names.name(names.ROOT, merkle.root(row(DATA)))
        file = giver.store.file(name, len(DATA))
        assert await file.set_row(row(DATA))
        assert await write(file, DATA, 2 * PIECE, 5 * PIECE)
        answer, body = await asker.ask(giver, Request(HAVE, name, 0, 100))
        assert isinstance(answer, Have)
        assert (answer.whole, runs(body, answer.count)) == (False, [(2, 5)])
        answer, body = await asker.ask(giver, Request(RANGE, name, 3, 9))
        assert isinstance(answer, Range)
        assert body == DATA[3 * PIECE : 5 * PIECE]
        answer, _ = await asker.ask(giver, Request(RANGE, name, 0, 9))
        assert isinstance(answer, Refusal)
        assert answer.error == fragment.NOT_FOUND


@pytest.mark.parametrize(
    "said",
    [b"\x00", delimited(b"\xc1"), delimited(b"\x80"), Request(RANGE, b"\x03", 1 << 20, 1).encode()],
)
@asynchronous(60)
async def test_what_is_no_request_is_answered_so(tmp_path: Path, said: bytes) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(said)
        data = await stream.read_message(fragment.MAX_ANSWER)
        answer = fragment.decode_answer(data, Request(HAVE, b"", 0, 1))
        assert isinstance(answer, Refusal)
        assert answer.error in (fragment.BAD_REQUEST, fragment.NOT_FOUND)


@asynchronous(60)
async def test_pieces_beyond_the_end_are_a_bad_request(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        for operation in (HAVE, ROW, RANGE):
            answer, _ = await asker.ask(giver, Request(operation, name, 10, 1))
            assert isinstance(answer, Refusal)
            assert answer.error == fragment.BAD_REQUEST


@asynchronous(60)
async def test_who_floods_is_told_to_come_later(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (giver, flooder, asker):
        name = await giver.add(DATA)
        connection = await flooder.connect(giver)
        streams = [connection.open_stream([fragment.PROTOCOL_ID]) for _ in range(40)]
        for stream in streams:
            await stream.write(Request(RANGE, name, 0, 10).encode())  # and nobody reads
        await so(lambda: giver.server.refused[fragment.BUSY] == 40 - MAX_PER_PEER)
        busy = await streams[-1].read_message(fragment.MAX_ANSWER)
        answer = fragment.decode_answer(busy, Request(HAVE, name, 0, 1))
        assert isinstance(answer, Refusal)
        assert (answer.error, answer.retry_after > 0) == (fragment.BUSY, True)
        _, body = await asker.ask(giver, Request(RANGE, name, 0, 2))
        assert body == DATA[: 2 * PIECE]


@asynchronous(60)
async def test_a_transfer_waits_for_its_reader_and_ends_with_it(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(content(64 * PIECE))
        before = giver.pool.used
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(Request(RANGE, name, 0, 64).encode())
        await stream.read_message(fragment.MAX_ANSWER)
        await so(lambda: giver.server.report()["transfers"] == 1)
        assert giver.server.fragments < 8
        stream.reset()
        await so(lambda: giver.server.report()["transfers"] == 0)
        assert giver.pool.used <= before + serving._TREE + ENTRY


@asynchronous(60)
async def test_a_file_dropped_while_it_is_served_ends_the_stream(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(content(64 * PIECE))
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(Request(RANGE, name, 0, 64).encode())
        await stream.read_message(fragment.MAX_ANSWER)
        file = giver.store.find(name)
        assert file is not None
        giver.store.drop_file(file.at)
        with pytest.raises(SwarmError):
            while await stream.read(1 << 16):
                pass


@asynchronous(60)
async def test_a_file_that_becomes_private_is_given_no_further(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        data = content(64 * PIECE)
        name = await giver.add(data)
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(Request(RANGE, name, 0, 64).encode())
        await stream.read_message(fragment.MAX_ANSWER)
        file = giver.store.find(name)
        assert file is not None
        file.private = True
        with pytest.raises(SwarmError):
            while await stream.read(1 << 16):
                pass


@asynchronous(60)
async def test_a_pause_ends_transfers_and_begins_none(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(content(64 * PIECE))
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(Request(RANGE, name, 0, 64).encode())
        await stream.read_message(fragment.MAX_ANSWER)
        await so(lambda: giver.server.report()["transfers"] == 1)
        allowance = giver.host.allowance
        allowance.paused, allowance.admits = True, False
        allowance.tell()
        await so(lambda: giver.server.report()["transfers"] == 0)
        answer, _ = await asker.ask(giver, Request(RANGE, name, 0, 1))
        assert isinstance(answer, Refusal)
        assert answer.error == fragment.REFUSED


@asynchronous(60)
async def test_lists_say_who_is_given_pieces(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        connection = await asker.connect(giver)
        there = giver.swarm.connections[asker.id][0]
        assert giver.swarm.offers(fragment.PROTOCOL_ID, there)
        giver.server.deny = frozenset({asker.id})
        assert not giver.swarm.offers(fragment.PROTOCOL_ID, there)
        giver.server.deny, giver.server.allow = frozenset(), frozenset({giver.id})
        assert not giver.swarm.offers(fragment.PROTOCOL_ID, there)
        giver.server.allow = frozenset({asker.id})
        assert giver.swarm.offers(fragment.PROTOCOL_ID, there)
        assert connection.closed is None


@asynchronous(60)
async def test_without_memory_it_is_busy(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        await asker.ask(giver, Request(HAVE, name, 0, 1))
        taken = giver.pool.ceiling - giver.pool.used - PIECE // 2
        assert giver.pool.take(taken)
        try:
            answer, _ = await asker.ask(giver, Request(RANGE, name, 0, 1))
        finally:
            giver.pool.give(taken)
        assert isinstance(answer, Refusal)
        assert answer.error == fragment.BUSY


@asynchronous(60)
async def test_a_wrong_piece_on_the_disk_is_not_sent(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, asker):
        name = await giver.add(DATA)
        await giver.store.close()
        segment = next((tmp_path / "0").rglob("*.seg"))
        spoiled = bytearray(segment.read_bytes())
        spoiled[spoiled.index(DATA[3 * PIECE : 3 * PIECE + 64])] ^= 1
        segment.write_bytes(spoiled)
        await giver.store.open(str(tmp_path / "0"), 64 << 20)
        stream = (await asker.connect(giver)).open_stream([fragment.PROTOCOL_ID])
        await stream.write(Request(RANGE, name, 0, 10).encode())
        body = bytearray()
        with pytest.raises(SwarmError):
            await stream.read_message(fragment.MAX_ANSWER)
            while data := await stream.read(1 << 16):
                body += data
            raise SwarmError("refused")  # the hash was looked at before the answer
        assert len(body) <= 3 * PIECE
        assert DATA.startswith(bytes(body))


@asynchronous(60)
async def test_peers_take_turns_where_the_rate_is_limited() -> None:
    loop = asyncio.get_running_loop()
    allowance = Allowance()
    allowance.limit("line", 1 << 26)
    pace = Pace(allowance, loop, classes(loop))
    order: list[str] = []

    async def takes(peer: str) -> None:
        await pace.take(peer, PIECE)
        order.append(peer)

    await pace.take("first", 2 * PIECE)
    await asyncio.gather(*[takes("many") for _ in range(4)], takes("one"))
    assert order.index("one") == 1


@asynchronous(60)
async def test_circuits_take_of_the_rate_first() -> None:
    loop = asyncio.get_running_loop()
    work = classes(loop)
    allowance = Allowance()
    allowance.limit("line", 1 << 20)
    pace = Pace(allowance, loop, work)
    work[INTERACTIVE].moved += 1 << 30
    waits = asyncio.ensure_future(pace.take("peer", PIECE))
    await asyncio.sleep(0.2)
    assert not waits.done()
    allowance.limit("line", 0)
    await waits

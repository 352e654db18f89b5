"""Pulling through: one download for all who wait, ranges, what ends early, what is not right.

The origin is tests/cache/pull/lab.py's own; clients are plain sockets. Real clients and nginx stand
in tests/real_peers/test_gateway.py.
"""

import asyncio
import hashlib
from pathlib import Path

import pytest

from edge.cache import names
from edge.cache.pull import flight
from edge.wire.merkle import PIECE
from tests.cache.pull.lab import MANY, Asked, content, lab, sha256, until
from tests.counterparts.base import asynchronous

BODY = content(MANY)
PARTIAL = "HTTP/1.1 206 Partial Content\r\n"


@asynchronous(60)
async def test_a_file_is_fetched_once_and_then_served_from_the_store(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        for _ in range(3):
            got = await it.get()
            assert (got.status, got.body) == (200, BODY)
            assert got.field("etag") == '"one"'
            assert got.field("accept-ranges") == "bytes"
            assert got.field("content-type") == "x/y"
        assert len(it.origin.asked) == 1
        assert it.counters["hits"] == 2
        assert it.counters["misses"] == 1
        assert it.counters["wan_bytes"] == MANY
        assert it.counters["lan_bytes"] == 3 * MANY
        assert it.counters["saved_bytes"] == 2 * MANY


@asynchronous(60)
async def test_distribution_4664(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.gate = PIECE
        clients = [asyncio.ensure_future(it.get()) for _ in range(16)]
        flights = it.puller.shared.flights
        await until(lambda: [len(flight.readers) for flight in flights] == [16])
        it.origin.open_gate()
        assert {got.body for got in await asyncio.gather(*clients)} == {BODY}
        assert len(it.origin.asked) == 1
        assert it.origin.sent == MANY


@asynchronous(60)
async def test_bytes_leave_as_they_come_not_by_the_piece(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.gate = 1  # the first 64 KiB, a quarter of a piece
        async with it.begin() as got:
            assert await got.read(1 << 16) == BODY[: 1 << 16]
            it.origin.open_gate()
            assert await got.rest() == BODY


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
@asynchronous(60)
async def test_a_slow_client_holds_nobody_up(kept: bool, tmp_path: Path) -> None:
    body = content(160 * PIECE)  # more than a ring and what sockets hold
    async with lab(body, tmp_path if kept else None) as it:
        async with it.begin() as slow:
            await slow.read(1)
            assert (await it.get()).body == body
            await slow.rest()
            assert slow.body == body[: len(slow.body)]
            if kept:
                assert not slow.is_cut
                assert len(it.origin.asked) == 1
                return
        # It fetched what it missed for itself; but nobody can tell whether all it got is right.
        if slow.is_cut:  # as it fell behind what is held in memory
            assert len(slow.body) == len(body) - PIECE
            got = await it.get(f"Range: bytes={len(slow.body)}-")
            slow.body += got.body
        assert slow.body == body


@asynchronous(60)
async def test_a_download_waits_for_clients_that_read_far_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "AHEAD", 8 * PIECE)
    body = content(96 * PIECE)
    async with lab(body, tmp_path) as it, it.begin() as slow:
        await slow.read(1)
        flying = next(iter(it.puller.shared.flights))
        await until(lambda: flying.done or flying.head - flying._lead() >= flight.AHEAD)
        await slow.rest()  # from the disk, up to just where the download waits
        assert slow.body == body
        assert len(it.origin.asked) == 1


@asynchronous(60)
async def test_a_client_that_leaves_ends_the_download_and_finds_the_rest_later(
    tmp_path: Path,
) -> None:
    body = content(64 * PIECE)
    async with lab(body, tmp_path) as it:
        it.origin.gate = 20 * PIECE
        async with it.begin() as got:
            await got.read(19 * PIECE)
        await until(lambda: not it.puller.shared.flights)
        it.origin.open_gate()
        rest = await it.get(f"Range: bytes={19 * PIECE}-", f"If-Range: {it.origin.etag}")
        assert rest.status == 206
        assert got.body + rest.body == body
        assert it.counters["wan_bytes"] <= len(body) + 2 * PIECE
        assert (await it.get()).body == body
        assert it.counters["wan_bytes"] <= len(body) + 2 * PIECE


@asynchronous(60)
async def test_a_range_far_ahead_does_not_wait_for_a_download(tmp_path: Path) -> None:
    body = content(64 * PIECE)
    async with lab(body, tmp_path) as it:
        it.origin.gate = 2 * PIECE
        async with it.begin() as first:
            await first.read(PIECE)
            it.origin.script.append(Asked.well)
            it.origin.gate = 1 << 60
            got = await it.get(f"Range: bytes={40 * PIECE + 7}-{44 * PIECE}")
            assert got.status == 206
            assert got.body == body[40 * PIECE + 7 : 44 * PIECE + 1]
            assert got.field("content-range") == (
                f"bytes {40 * PIECE + 7}-{44 * PIECE}/{len(body)}"
            )
            it.origin.open_gate()
            assert await first.rest() == body
        assert it.counters["wan_bytes"] == len(body)  # what the range brought was not fetched again


@asynchronous(60)
async def test_nginx_s3_gateway_188(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        for _ in range(2):
            got = await it.get(f"Range: bytes={PIECE + 1}-{2 * PIECE + 5}")
            assert got.body == BODY[PIECE + 1 : 2 * PIECE + 6]
        assert it.origin.sent == 2 * PIECE  # those of the range, not the file


@asynchronous(60)
async def test_nginx_1065(tmp_path: Path) -> None:
    """A range over borders: of pieces and segments, of what is kept and what is not."""
    body = content(40 * PIECE)
    async with lab(body, tmp_path) as it:
        await it.get(f"Range: bytes={2 * PIECE}-{6 * PIECE - 1}")
        await it.get(f"Range: bytes={9 * PIECE}-{30 * PIECE - 1}")
        for start, end in [(3, 5), (0, 40), (5, 10), (8, 31), (15, 17)]:
            first, last = start * PIECE + 11, end * PIECE - 7
            got = await it.get(f"Range: bytes={first}-{last}")
            assert got.status == 206
            assert got.body == body[first : last + 1]
        assert it.counters["wan_bytes"] == len(body)


@asynchronous(60)
async def test_the_whole_file_follows_a_range_where_the_owner_wants_it(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.puller.whole_files = True
        assert (await it.get("Range: bytes=300000-300009")).body == BODY[300000:300010]
        file = it.store.find(it.name)
        assert file is not None
        await until(lambda: not file.missing(0, MANY))
        assert (await it.get()).body == BODY
        assert it.origin.sent == MANY


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),  # a probe for the size
        ("bytes=5-", 5, MANY),
        ("bytes=-8", MANY - 8, MANY),
        (f"bytes=-{MANY + 9}", 0, MANY),
        (f"bytes=7-{MANY + 9}", 7, MANY),
        ("BYTES = 1-1", 1, 2),
    ],
)
@asynchronous(60)
async def test_ranges(warm: bool, asked: str, start: int, end: int, tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        if warm:
            await it.get()
        got = await it.get(f"Range: {asked}")
        assert got.status == 206
        assert got.field("content-range") == f"bytes {start}-{end - 1}/{MANY}"
        assert got.body == BODY[start:end]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"Range: bytes={MANY}-"], 416),
        (["Range: bytes=-0"], 416),
        (["Range: bytes=5-4"], 200),
        (["Range: lines=1-2"], 200),
        (["Range: bytes=a-b"], 200),
        (["Range: bytes=0-1,5-6"], 200),
        (["Range: bytes=0-1", 'If-Range: "other"'], 200),
        (["Range: bytes=0-1", 'If-Range: W/"one"'], 200),
        (["Range: bytes=0-1", 'If-Range: "one"'], 206),
        (['If-None-Match: "one"'], 304),
        (['If-None-Match: W/"one", "x"'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        (['If-Match: "x"'], 412),
        (['If-Match: W/"one"'], 412),
        (['If-Match: "x", "one"'], 200),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@asynchronous(60)
async def test_conditions(headers: list[str], status: int, tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        got = await it.get(*headers)
        assert got.status == status
        assert got.field("etag") == '"one"'
        if status == 416:
            assert got.field("content-range") == f"bytes */{MANY}"
        assert len(got.body) == {200: MANY, 206: 2}.get(status, 0)


@asynchronous(60)
async def test_head_asks_no_origin_for_a_body(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        got = await it.get("Range: bytes=0-0", method="HEAD")
        assert (got.status, got.field("content-length"), got.body) == (200, str(MANY), b"")
        assert not it.origin.asked


# --- origins that fail ---


@asynchronous(60)
async def test_a_download_that_dies_is_resumed_where_it_was(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.script = [lambda a: a.well(3 * PIECE + 5), lambda a: a.well(PIECE)]
        got = await it.get()
        assert got.body == BODY
        assert [asked.start for asked in it.origin.asked] == [None, 3 * PIECE + 5, 4 * PIECE + 5]
        assert it.counters["resumed"] == 2


@asynchronous(60)
async def test_an_origin_that_fails_for_good_cuts_its_client(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:

        async def fails(asked: Asked) -> None:
            await asked.send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

        async def changes(asked: Asked) -> None:
            it.origin.etag = '"two"'
            await asked.well()

        it.origin.script = [lambda a: a.well(2 * PIECE), fails, changes]
        got = await it.get()
        assert got.status == 200
        assert got.is_cut
        assert got.body == BODY[: len(got.body)]


@asynchronous(60)
async def test_an_origin_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.port = 1
        got = await it.get()
        assert got.status == 502
        assert b"the origin failed" in got.body


@asynchronous(60)
async def test_a_file_that_changes_midway_is_never_mixed(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        other = content(MANY, 2)

        async def changes(asked: Asked) -> None:
            await asked.well(5 * PIECE)
            it.origin.body, it.origin.etag = other, '"two"'

        it.origin.script = [changes]
        got = await it.get()
        assert got.is_cut
        assert got.body == BODY[: len(got.body)]
        it.name = sha256(other)
        got = await it.get(f"Range: bytes={len(got.body)}-", 'If-Range: "one"')
        assert (got.status, got.field("etag"), got.body) == (200, '"two"', other)


@pytest.mark.parametrize(
    "head",
    [
        f"HTTP/1.1 200 OK\r\nContent-Length: {MANY - 1}\r\n\r\n",
        f"{PARTIAL}Content-Range: bytes 1-9/{MANY}\r\nContent-Length: 9\r\n\r\n",
        f"{PARTIAL}Content-Range: bytes 0-9/99\r\nContent-Length: 9\r\n\r\n",
        f"{PARTIAL}Content-Length: 9\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {MANY}\r\n\r\n",
        "nonsense\r\n\r\n",
    ],
    ids=["other size", "other range", "other total", "no range told", "coded", "no HTTP"],
)
@asynchronous(60)
async def test_an_answer_that_does_not_fit_is_not_passed_on(head: str, tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:

        async def answers(asked: Asked) -> None:
            await asked.send(head.encode() + bytes(1000))
            asked.cut()

        it.origin.script = [answers, answers]
        got = await it.get()
        assert got.status == 502
        file = it.store.find(it.name)
        assert file is None or not file.kept


@asynchronous(60)
async def test_chunks_without_their_end_are_not_taken_for_a_file(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:

        async def half(asked: Asked) -> None:
            await asked.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await asked.send(b"%x\r\n%b\r\n" % (1000, BODY[:1000]))
            asked.cut()

        it.origin.script = [half]
        assert (await it.get()).body == BODY  # the rest came by a range
        it.sizes = [None]
        it.origin.script = [half]
        got = await it.get()
        assert not got.body.endswith(b"0\r\n\r\n")  # our own chunks are cut, too


@asynchronous(60)
async def test_an_origin_without_ranges_brings_the_file_once(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.script = [Asked.whole] * 4
        got = await it.get(f"Range: bytes={4 * PIECE}-{5 * PIECE}")
        assert got.body == BODY[4 * PIECE : 5 * PIECE + 1]


# --- what is not what its name says ---


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize("size", [1000, PIECE, MANY])
@asynchronous(60)
async def test_a_wrong_file_never_reaches_its_end(kept: bool, size: int, tmp_path: Path) -> None:
    body = content(size)
    async with lab(body, tmp_path if kept else None) as it:
        it.origin.body = body[:-1] + bytes([body[-1] ^ 1])
        got = await it.get()
        if size <= PIECE:
            assert (got.status, b"another file" in got.body) == (502, True)
        else:
            assert got.status == 200
            assert len(got.body) == (size - 1) // PIECE * PIECE
        file = it.store.find(it.name)
        assert file is None or not file.kept
        it.origin.body = body
        assert (await it.get()).body == body


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
@asynchronous(60)
async def test_a_git_hash_is_looked_at_too(kept: bool, tmp_path: Path) -> None:
    body = content(5000)
    async with lab(body, tmp_path if kept else None) as it:
        digest = hashlib.sha1(b"blob 5000\0" + body).digest()
        it.name = names.name(names.GIT_SHA1, digest)
        assert (await it.get()).body == body
        it.name = names.name(names.GIT_SHA1, bytes(20))
        assert (await it.get()).status == 502


# --- the rest of the node ---


@asynchronous(60)
async def test_a_pause_serves_what_is_kept(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        await it.get("Range: bytes=0-9")
        await until(lambda: not it.puller.shared.flights)
        it.allowance.paused, it.allowance.admits = True, False
        it.allowance.tell()
        assert (await it.get("Range: bytes=5-9")).body == BODY[5:10]
        got = await it.get(f"Range: bytes={3 * PIECE}-")
        assert (got.status, got.field("retry-after")) == (503, "30")
        assert b"schedule" in got.body


@asynchronous(60)
async def test_a_pause_ends_what_is_under_way(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        it.origin.gate = PIECE
        async with it.begin() as got:
            await got.read(1 << 16)
            it.allowance.paused = True
            it.allowance.tell()
            await got.rest()
            assert got.is_cut


@asynchronous(60)
async def test_memory_is_given_back(tmp_path: Path) -> None:
    async with lab(BODY, tmp_path) as it:
        before = it.store.pool.used
        await asyncio.gather(*[it.get() for _ in range(8)])
        await until(lambda: not it.puller.shared.flights)
        for file in list(it.store.live.values()):
            assert not file.writers
        assert it.puller.shared.pool.used - before < 2 * PIECE  # of the store


@asynchronous(60)
async def test_a_flood_of_ranges_waits_for_its_turn_within_the_memory(tmp_path: Path) -> None:
    body = content(64 * PIECE)
    async with lab(body, tmp_path) as it:
        pool = it.store.pool
        pool._share = (pool.used + 3 * (PIECE + 1 << 18)) / pool._budget.available
        ranges = [(at * 4 * PIECE, at * 4 * PIECE + 100) for at in range(16)]
        got = await asyncio.gather(*[it.get(f"Range: bytes={a}-{b - 1}") for a, b in ranges])
        assert {each.status for each in got} <= {206, 503}
        assert any(each.status == 206 for each in got)
        assert pool.used <= pool.ceiling

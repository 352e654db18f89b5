"""Pieces from several peers at once, some of which lie, are slow, or go away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.cache import names
from edge.cache.fragments import client, fetcher
from edge.cache.fragments.errors import FragmentError, PeerLied
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import fragment, merkle
from edge.wire.fragment import HAVE, RANGE, ROW, Have, Range, Refusal, Request, Row, bitmap
from edge.wire.merkle import HASH, PIECE
from tests.cache.fragments.hosts import Node, kept, nodes, piece, prover, row
from tests.cache.store.stores import content, sha256
from tests.counterparts.base import asynchronous
from tests.relay.hosts import so

DATA = content(40 * PIECE + 99)
BLOCK = (11 * PIECE + 7, 5 * PIECE)  # an extent


@asynchronous(60)
async def test_a_whole_file_comes_from_one_peer(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        await taker.connect(giver)
        seen: list[tuple[int, int]] = []
        file = await taker.fetcher.fetch(name, None, lambda came, total: seen.append((came, total)))
        assert await kept(file) == DATA
        assert file.whole
        assert seen[-1] == (len(DATA), len(DATA))
        assert taker.fetcher.fetched == len(DATA)


@asynchronous(60)
async def test_one_block_takes_little_more_than_its_bytes(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        await taker.connect(giver)
        file = await taker.fetcher.fetch(name, [BLOCK])
        assert taker.fetcher.fetched == 6 * PIECE  # the pieces that it touches
        for index in range(11, 17):
            assert await piece(file, index) == DATA[index * PIECE : (index + 1) * PIECE]
        assert await piece(file, 10) == b""
        await taker.fetcher.fetch(name, [BLOCK])
        assert taker.fetcher.fetched == 6 * PIECE


@asynchronous(60)
async def test_who_fetched_a_block_gives_it_on(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (giver, first, second):
        name = await giver.add(DATA)
        await first.connect(giver)
        await first.fetcher.fetch(name, [BLOCK])
        await second.connect(first)
        file = await second.fetcher.fetch(name, [BLOCK])
        assert await piece(file, 12) == DATA[12 * PIECE : 13 * PIECE]
        with pytest.raises(FragmentError):
            await second.fetcher.fetch(name)


@asynchronous(60)
async def test_a_file_of_one_short_piece_comes_too(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(b"short")
        await taker.connect(giver)
        assert await kept(await taker.fetcher.fetch(name)) == b"short"


@asynchronous(60)
async def test_it_comes_through_a_circuit(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (relay, giver, taker):
        name = await giver.add(DATA)
        giver.host.allowance.limit("line", 64 << 20)
        await taker.connect_through(relay, giver)
        file = await taker.fetcher.fetch(name)
        assert await kept(file) == DATA
        assert giver.server.bytes["direct"] == 0
        assert giver.server.bytes["relayed"] >= len(DATA)


@asynchronous(60)
async def test_it_does_not_come_through_a_microcontroller(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (relay, giver, taker):
        name = await giver.add(DATA)
        await taker.connect_through(relay, giver)
        [link] = taker.host.swarm.connections[relay.id]
        assert link.info is not None
        link.info.agent = "kwaainet-esp32/0.1.0"
        with pytest.raises(FragmentError):
            await taker.fetcher.fetch(name)
        assert giver.server.bytes["relayed"] == 0


@asynchronous(60)
async def test_several_peers_give_at_once(tmp_path: Path) -> None:
    async with nodes(tmp_path, 4) as (taker, *givers):
        for giver in givers:
            name = await giver.add(DATA)
            await taker.connect(giver)
        file = await taker.fetcher.fetch(name)
        assert await kept(file) == DATA
        # The first runs of two are all of it: the third may have something taken over, or not.
        assert sum(giver.server.fragments > 0 for giver in givers) >= 2


@asynchronous(60)
async def test_a_root_that_somebody_vouches_for_leads_to_a_file(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        await taker.connect(giver)
        with pytest.raises(FragmentError, match="vouches"):
            await taker.fetcher.fetch(sha256(DATA))
        taker.roots.known[sha256(DATA)[1:]] = name[1:], len(DATA)
        file = await taker.fetcher.fetch(sha256(DATA))
        assert file.names == {name, sha256(DATA)}
        assert file.whole


@asynchronous(60)
async def test_a_wrong_root_is_found_by_the_hash_of_the_whole(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        other = content(len(DATA), 2)
        name = await giver.add(other)
        await taker.connect(giver)
        taker.roots.known[sha256(DATA)[1:]] = name[1:], len(DATA)
        with pytest.raises(FragmentError, match="lie"):
            await taker.fetcher.fetch(sha256(DATA))
        assert taker.store.find(sha256(DATA)) is None


@asynchronous(60)
async def test_providers_that_others_name_are_asked(tmp_path: Path) -> None:
    class Routing:
        async def provide(self, key: bytes) -> int:
            return 0

        def withdraw(self, key: bytes) -> None:
            """Nothing was told."""

        async def providers(self, key: bytes) -> dict[object, object]:
            return {giver.id: []} if key[:2] == b"\x12\x20" else {}

    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        taker.host.content_routing = Routing()  # type: ignore[assignment]

        async def reach(peer: object) -> object:
            return await taker.connect(giver)

        taker.host.reach = reach  # type: ignore[assignment, method-assign]
        assert await kept(await taker.fetcher.fetch(name)) == DATA


@asynchronous(60)
async def test_without_peers_it_says_so(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (other, taker):
        await taker.connect(other)
        with pytest.raises(FragmentError, match="no peer"):
            await taker.fetcher.fetch(names.name(names.ROOT, bytes(32)))


@asynchronous(60)
async def test_an_extent_outside_the_file_is_refused(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        await taker.connect(giver)
        with pytest.raises(FragmentError, match="outside"):
            await taker.fetcher.fetch(name, [(0, len(DATA) + 1)])


@asynchronous(60)
async def test_a_full_disk_ends_the_fetch_and_blames_nobody(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2, size=4 << 20) as (_, taker):
        data = content(12 << 20)
        big = Node()
        await big.store.open(str(tmp_path / "big"), 64 << 20)
        name = await big.add(data)
        await taker.connect(big)
        with pytest.raises(FragmentError):
            await taker.fetcher.fetch(name)
        assert not taker.fetcher.liars
        await big.stop()


@asynchronous(60)
async def test_a_provider_that_goes_away_is_replaced(tmp_path: Path) -> None:
    async with nodes(tmp_path, 3) as (taker, *givers):
        data = content(120 * PIECE)
        for giver in givers:
            name = await giver.add(data)
            await taker.connect(giver)
        task = asyncio.ensure_future(taker.fetcher.fetch(name))
        await so(lambda: givers[0].server.fragments > 2)
        for connection in givers[0].swarm.all_connections():
            connection.close("killed", say=False)
        assert await kept(await task) == data


@asynchronous(60)
async def test_what_came_before_a_failure_is_not_fetched_again(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        data = content(120 * PIECE)
        name = await giver.add(data)
        await taker.connect(giver)
        task = asyncio.ensure_future(taker.fetcher.fetch(name))
        await so(lambda: taker.fetcher.fetched > 10 * PIECE)
        for connection in giver.swarm.all_connections():
            connection.close("killed", say=False)
        with pytest.raises(FragmentError):
            await task
        before = taker.fetcher.fetched
        await taker.connect(giver)
        assert await kept(await taker.fetcher.fetch(name)) == data
        assert 10 * PIECE < before < len(data)
        assert taker.fetcher.fetched <= len(data)


# --- peers that are not as they should be ---


class Liar:
    """A peer that answers as `answer(stream, request)` does, for the file DATA."""

    def __init__(self, answer: Callable[[Liar, Stream, Request], Awaitable[None]]) -> None:
        self.node = Node(shares=False)
        self._answer = answer
        self.asked = 0
        self.node.swarm.handle(fragment.PROTOCOL_ID, self._serve)

    async def _serve(self, stream: Stream) -> None:
        request = Request.decode(await stream.read_message(fragment.MAX_REQUEST))
        self.asked += request.operation == RANGE
        await self._answer(self, stream, request)

    async def honest(self, stream: Stream, request: Request) -> None:
        """All but ranges, as they are."""
        count = min(request.count, 41 - request.first)
        if request.operation == HAVE:
            root = merkle.root(row(DATA))
            answer = Have(len(DATA), root, True, request.first, count)
            await stream.write(answer.encode() + bitmap(count, [(0, count)]))
        elif request.operation == ROW:
            proof = prover(DATA).proof(row(DATA), request.first, request.first + count)
            hashes = row(DATA)[request.first * HASH : (request.first + count) * HASH]
            await stream.write(Row(len(DATA), request.first, count, proof).encode() + hashes)
        stream.dismiss()

    def range(self, request: Request) -> tuple[Range, bytes]:
        """A range, as it should be."""
        first, end = request.first, min(request.first + request.count, 41)
        proof = prover(DATA).proof(row(DATA), first, end)
        hashes = row(DATA)[first * HASH : end * HASH]
        return Range(len(DATA), first, hashes, proof), DATA[first * PIECE : end * PIECE]


def lie(
    how: Callable[[Liar, Stream, Request], Awaitable[None]],
) -> Callable[[Liar, Stream, Request], Awaitable[None]]:
    """Honest in all but ranges."""

    async def answer(liar: Liar, stream: Stream, request: Request) -> None:
        if request.operation == RANGE:
            await how(liar, stream, request)
        else:
            await liar.honest(stream, request)

    return answer


@lie
async def bad_piece(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(answer.encode() + body[:9] + bytes([body[9] ^ 1]) + body[10:])
    stream.dismiss()


@lie
async def bad_proof(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    proof = bytes(len(answer.proof))
    await stream.write(Range(answer.size, answer.first, answer.hashes, proof).encode() + body)
    stream.dismiss()


@lie
async def bad_hash(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    hashes = bytes(len(answer.hashes))
    await stream.write(Range(answer.size, answer.first, hashes, answer.proof).encode() + body)
    stream.dismiss()


@lie
async def wrong_size(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(Range(1 << 40, answer.first, answer.hashes, answer.proof).encode() + body)
    stream.dismiss()


@lie
async def noise(liar: Liar, stream: Stream, request: Request) -> None:
    await stream.write(b"\x05hello")
    stream.dismiss()


async def wrong_file(liar: Liar, stream: Stream, request: Request) -> None:
    count = min(request.count, 41 - request.first)
    answer = Have(len(DATA) + 1, bytes(32), True, request.first, count)
    await stream.write(answer.encode() + bitmap(count, []))
    stream.dismiss()


async def wrong_row(liar: Liar, stream: Stream, request: Request) -> None:
    if request.operation == RANGE:
        answer, body = liar.range(request)
        await stream.write(answer.encode() + body)
    if request.operation != ROW:
        await liar.honest(stream, request)
        return
    proof = prover(DATA).proof(row(DATA), 0, 41)
    await stream.write(Row(len(DATA), 0, 41, proof).encode() + bytes(41 * HASH))
    stream.dismiss()


LIES = [bad_piece, bad_proof, bad_hash, wrong_size, noise, wrong_file, wrong_row]


@lie
async def endless(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(answer.encode() + body)
    while True:
        await stream.write(bytes(1 << 16))


@lie
async def resets(liar: Liar, stream: Stream, request: Request) -> None:
    stream.reset()


@lie
async def ends_within_a_piece(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(answer.encode() + body[: PIECE // 2])
    stream.dismiss()


@lie
async def closes(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(answer.encode() + body[: PIECE // 2])
    stream.connection.close("enough")


@lie
async def silent(liar: Liar, stream: Stream, request: Request) -> None:
    answer, body = liar.range(request)
    await stream.write(answer.encode() + body[: PIECE // 2])
    await asyncio.sleep(3600)


@lie
async def refuses(liar: Liar, stream: Stream, request: Request) -> None:
    await stream.write(Refusal(fragment.REFUSED, "no\n").encode())
    stream.dismiss()


@lie
async def has_nothing(liar: Liar, stream: Stream, request: Request) -> None:
    await stream.write(Refusal(fragment.NOT_FOUND).encode())
    stream.dismiss()


FAULTS = [endless, resets, ends_within_a_piece, closes, silent, refuses, has_nothing]


@pytest.mark.parametrize("how", LIES)
@asynchronous(60)
async def test_who_lies_is_asked_no_more(
    tmp_path: Path, how: Callable[[Liar, Stream, Request], Awaitable[None]]
) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        liar = Liar(how)
        await taker.connect(liar.node)
        with pytest.raises(FragmentError):
            await taker.fetcher.fetch(name)
        assert list(taker.fetcher.liars) == [(name[1:], liar.node.id)]
        asked = liar.asked
        await taker.connect(giver)
        file = await taker.fetcher.fetch(name)
        assert await kept(file) == DATA
        assert liar.asked == asked
        await liar.node.stop()


@pytest.mark.parametrize("how", FAULTS)
@asynchronous(60)
async def test_who_fails_is_replaced_and_not_blamed(
    tmp_path: Path,
    how: Callable[[Liar, Stream, Request], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_PATIENCE", 0.5)
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        liar = Liar(how)
        await taker.connect(liar.node)
        await taker.connect(giver)
        file = await taker.fetcher.fetch(name)
        assert await kept(file) == DATA
        assert not taker.fetcher.liars
        await liar.node.stop()


@asynchronous(120)
async def test_of_eight_peers_three_lie(tmp_path: Path) -> None:
    async with nodes(tmp_path, 6) as (taker, *givers):
        for giver in givers:
            name = await giver.add(DATA)
        liars = [Liar(how) for how in (bad_piece, bad_proof, silent)]
        for node in [*[liar.node for liar in liars], *givers]:
            await taker.connect(node)
        file = await taker.fetcher.fetch(name)
        assert await kept(file) == DATA
        lied = {peer for _, peer in taker.fetcher.liars}
        assert lied <= {liars[0].node.id, liars[1].node.id}
        for liar in liars:
            await liar.node.stop()


@asynchronous(60)
async def test_a_peer_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    turns = []

    @lie
    async def busy_once(liar: Liar, stream: Stream, request: Request) -> None:
        turns.append(request)
        if len(turns) <= 2:
            await stream.write(Refusal(fragment.BUSY, "later", 1).encode())
        else:
            answer, body = liar.range(request)
            await stream.write(answer.encode() + body)
        stream.dismiss()

    async with nodes(tmp_path, 1) as (taker,):
        liar = Liar(busy_once)
        await taker.connect(liar.node)
        name = names.name(names.ROOT, merkle.root(row(DATA)))
        taker.store.file(name, len(DATA))
        assert await kept(await taker.fetcher.fetch(name)) == DATA
        await liar.node.stop()


@asynchronous(60)
async def test_liars_are_a_bounded_number(tmp_path: Path) -> None:
    async with nodes(tmp_path, 1) as (taker,):
        for number in range(300):
            peer = Swarm.__name__ + str(number)
            taker.fetcher.failed(bytes(32), peer, PeerLied())  # type: ignore[arg-type]
        assert len(taker.fetcher.liars) == fetcher._LIARS


@asynchronous(60)
async def test_a_fetch_leases_what_it_holds(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(content(100 * PIECE))
        await taker.connect(giver)
        before = taker.pool.used
        task = asyncio.ensure_future(taker.fetcher.fetch(name))
        await so(lambda: taker.fetcher.fetched > 0)
        during = taker.pool.used
        assert during >= before + 2 * PIECE
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await so(lambda: taker.pool.used <= during - 2 * PIECE)


@asynchronous(60)
async def test_without_memory_nothing_is_fetched(tmp_path: Path) -> None:
    async with nodes(tmp_path, 2) as (giver, taker):
        name = await giver.add(DATA)
        await taker.connect(giver)
        taker.store.file(name, len(DATA))
        taken = taker.pool.ceiling - taker.pool.used - PIECE // 2
        assert taker.pool.take(taken)
        with pytest.raises(FragmentError, match="memory"):
            await taker.fetcher.fetch(name)
        taker.pool.give(taken)

"""What a node learns of itself from peers that dial it back, and whom it believes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edge.autonat import client as module
from edge.swarm.addresses import PRIVATE, PUBLIC, UNKNOWN
from edge.swarm.errors import StreamReset
from edge.swarm.stream import Stream
from edge.wire import autonat as messages
from edge.wire.autonat import DialAnswer, DialResponse, Message1, Message2
from edge.wire.protobuf import delimited
from tests.autonat.nodes import Node, ask, call_all_public, node
from tests.counterparts.base import asynchronous
from tests.relay.hosts import so

ASKING = {"autonat_client": "yes", "autonat_service": "no"}


@pytest.fixture(autouse=True)
def _all_public(monkeypatch: pytest.MonkeyPatch) -> None:
    call_all_public(monkeypatch)
    monkeypatch.setattr(module, "_ARRIVAL_TIME", 0.1)


@pytest.fixture(params=[messages.V1_ID, messages.DIAL_REQUEST_ID])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The client speaks no other."""
    name: str = request.param
    monkeypatch.setattr(
        module, "_speaks", lambda each: name if name in each.info.protocols else None
    )
    return name


def dial_backs(asking: Node) -> tuple[int, int]:
    return asking.host.addresses.dial_backs


@pytest.mark.usefixtures("version")
@asynchronous(20)
async def test_two_networks_confirm_and_three_make_certain() -> None:
    async with node(**ASKING) as asking, node(1) as a, node(2) as b, node(3) as c:
        own = asking.host.addresses
        await asking.connect(a)
        await so(lambda: dial_backs(asking) == (1, 0))
        assert (own.nat, own.confirmed) == (UNKNOWN, [])
        await asking.connect(b)
        await so(lambda: dial_backs(asking) == (2, 0))
        assert (own.nat, own.confirmed, own.certain) == (PUBLIC, [asking.address], False)
        await asking.connect(c)
        await so(lambda: own.certain)
        await so(lambda: all(each.closed is not None for each in asking.came))
        assert len(asking.came) == 3


@pytest.mark.usefixtures("version")
@asynchronous(20)
async def test_one_failure_tells_a_node_without_addresses_that_it_is_behind_nat() -> None:
    async with node(**ASKING) as asking, node(1) as server:
        told: list[str] = []
        asking.host.addresses.changed.append(lambda: told.append(asking.host.addresses.nat))
        asking.swarm.close_listeners()  # as at a gateway that lets nobody in
        await asking.connect(server)
        await so(lambda: bool(told))
        assert (told, dial_backs(asking)) == ([PRIVATE], (0, 1))


@asynchronous(20)
async def test_enough_networks_are_asked_and_none_twice() -> None:
    async with node(**ASKING) as asking, node(1) as first, node(1) as second:
        await asking.connect(first)
        await so(lambda: dial_backs(asking) == (1, 0))
        await asking.connect(second)
        await so(lambda: all(each.info is not None for each in asking.swarm.all_connections()))
        asking.host.network_changed[-1]()
        await so(lambda: first.answered["reached"] + second.answered["reached"] == 2)


class Liar:
    """Answers requests with what it was told to, and dials nobody."""

    def __init__(self, node: Node) -> None:
        self.asked = 0
        self.answer1 = DialAnswer()
        self.answer2 = Message2()
        self.node = node
        node.swarm.handle(messages.V1_ID, self._serve1)
        node.swarm.handle(messages.DIAL_REQUEST_ID, self._serve2)

    async def _serve1(self, stream: Stream) -> None:
        await stream.read_message(messages.MAX_MESSAGE)
        await self._say(stream, Message1(type=Message1.ANSWER, answer=self.answer1).encode())

    async def _serve2(self, stream: Stream) -> None:
        await stream.read_message(messages.MAX_MESSAGE)
        await self._say(stream, self.answer2.encode())

    async def _say(self, stream: Stream, body: bytes) -> None:
        await stream.write(delimited(body))
        stream.dismiss()
        self.asked += 1


async def lied_to(tell: Callable[[Liar, Node], None]) -> None:
    async with node(**ASKING) as asking, node(1) as server:
        liar = Liar(server)
        tell(liar, asking)
        before = module.log.debug
        failed = asyncio.Event()
        module.log.debug = lambda event, **_: failed.set() if event == "autonat-failed" else None  # type: ignore[assignment]
        try:
            await asking.connect(server)
            await failed.wait()
        finally:
            module.log.debug = before
        assert liar.asked == 1
        assert (dial_backs(asking), asking.host.addresses.nat) == ((0, 0), UNKNOWN)


def _reached_nowhere(liar: Liar, asking: Node) -> None:
    liar.answer1 = DialAnswer(status=messages.OK, addr=asking.address.bytes)
    reached = DialResponse(status=messages.OK2, index=0, dial_status=messages.DIAL_OK)
    liar.answer2 = Message2(response=reached)


def _reached_a_victim(liar: Liar, _: Node) -> None:
    liar.answer1 = DialAnswer(status=messages.OK, addr=liar.node.address.bytes)
    reached = DialResponse(status=messages.OK2, index=1, dial_status=messages.DIAL_OK)
    liar.answer2 = Message2(response=reached)


def _nonsense(liar: Liar, _: Node) -> None:
    liar.answer1 = DialAnswer(status=messages.OK, addr=b"\xff")
    liar.answer2 = Message2()


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("tell", [_reached_nowhere, _reached_a_victim, _nonsense])
def test_a_server_that_lies_confirms_nothing(tell: Callable[[Liar, Node], None]) -> None:
    asynchronous(20)(lambda: lied_to(tell))()


@pytest.mark.parametrize("length", [0, messages.MAX_DATA + 1, 1 << 63])
def test_no_more_data_is_sent_than_the_specification_allows(length: int) -> None:
    def wants_data(liar: Liar, _: Node) -> None:
        liar.answer2 = Message2(data_request=messages.DataRequest(index=0, length=length))

    asynchronous(20)(lambda: lied_to(wants_data))()


@asynchronous(20)
async def test_a_server_that_wants_data_gets_it() -> None:
    async with node(**ASKING) as asking, node(1) as server:
        got = 0

        async def serve(stream: Stream) -> None:
            nonlocal got
            await stream.read_message(messages.MAX_MESSAGE)
            wanted = messages.DataRequest(index=0, length=30_001)
            await stream.write(delimited(Message2(data_request=wanted).encode()))
            while got < 30_001:
                part = Message2.decode(await stream.read_message(messages.MAX_MESSAGE)).data
                assert part is not None
                got += len(part.data or b"")
            failed = DialResponse(status=messages.OK2, dial_status=messages.DIAL_FAILED)
            await stream.write(delimited(Message2(response=failed).encode()))
            stream.dismiss()

        server.swarm.handle(messages.DIAL_REQUEST_ID, serve)
        await asking.connect(server)
        await so(lambda: dial_backs(asking) == (0, 1))
        assert got == 30_001


@asynchronous(20)
async def test_a_dial_back_that_nobody_waits_for_is_refused() -> None:
    async with node(**ASKING) as asking, node(1) as server:
        connection = await server.connect(asking)
        with pytest.raises(StreamReset):
            await ask(connection, messages.DIAL_BACK_ID, messages.DialBack(nonce=1).encode())


@asynchronous(20)
async def test_a_nonce_on_the_clients_own_connection_shows_nothing() -> None:
    async with node(**ASKING) as asking, node(1) as server:
        refused = asyncio.Event()

        async def serve(stream: Stream) -> None:
            request = Message2.decode(await stream.read_message(messages.MAX_MESSAGE)).request
            assert request is not None
            back = messages.DialBack(nonce=request.nonce).encode()
            with pytest.raises(StreamReset):
                await ask(stream.connection, messages.DIAL_BACK_ID, back)
            refused.set()
            stream.reset()

        server.swarm.handle(messages.DIAL_REQUEST_ID, serve)
        await asking.connect(server)
        await refused.wait()
        assert dial_backs(asking) == (0, 0)


@asynchronous(20)
async def test_a_verdict_of_before_the_network_changed_is_dropped() -> None:
    async with node(**ASKING) as asking, node(1) as server:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def serve(stream: Stream) -> None:
            await stream.read_message(messages.MAX_MESSAGE)
            asked.set()
            await go_on.wait()
            failed = DialResponse(status=messages.OK2, dial_status=messages.DIAL_FAILED)
            await stream.write(delimited(Message2(response=failed).encode()))
            stream.dismiss()

        server.swarm.handle(messages.DIAL_REQUEST_ID, serve)
        await asking.connect(server)
        await asked.wait()
        asked.clear()
        asking.host.network_changed[-1]()
        go_on.set()
        await asked.wait()  # it asks anew
        assert asking.host.addresses.nat == UNKNOWN
        await so(lambda: asking.host.addresses.nat == PRIVATE)


@asynchronous(20)
async def test_who_does_not_ask_is_offered_no_dial_back() -> None:
    async with node(autonat_client="no") as silent, node(1) as server:
        connection = await silent.connect(server)
        await so(lambda: connection.info is not None)
        assert messages.DIAL_BACK_ID not in silent.swarm.protocols(connection)
        assert sum(server.answered.values()) == 0

"""The commands about the DHT: what people type, and what they see."""

from pathlib import Path

import pytest

from edge.cli import COMMANDS, parse
from edge.dht import commands, verbs
from edge.dht.errors import DhtError
from edge.wire import dictionary, packed
from edge.wire.errors import RemoteProtocolError
from tests.counterparts.base import PeerError, asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.dht.nodes import nodes

SECONDS = 30
SERVES = ("--dht-enabled", "yes")


@asynchronous(60)
async def test_what_is_put_is_got() -> None:
    async with EdgeNode(options=SERVES) as node:
        assert await node.run("dht", "put", "a key", "a value", "--ttl", "600") == (
            "stored at 1 node\n"
        )
        assert (await node.run("dht", "get", "a key")).startswith('"a value"  (')
        await node.run("dht", "put", "dict", "1", "--subkey", "one", "--ttl", "600")
        await node.run("dht", "put", "dict", "2", "--subkey", "two", "--ttl", "600")
        both = (await node.run("dht", "get", "dict")).splitlines()
        assert [line.partition("  ")[0] for line in both] == ['"one": "1"', '"two": "2"']
        one = await node.run("dht", "get", "dict", "--subkey", "two")
        assert one.startswith('"two": "2"')
        for nothing in (["nothing"], ["a key", "--subkey", "one"]):
            with pytest.raises(PeerError):
                await node.run("dht", "get", *nothing)
        assert (await node.run("dht", "peers")).split() == ["PEER", "NODE"]
        assert "serving" in await node.run("dht", "stats")
        status = await node.status()
        assert status["dht"]["serving"] and status["dht"]["nodes"] == 0
        assert "0 nodes known, stores for others" in await node.run("status")


def test_a_command_may_have_two_words() -> None:
    names = {command.name for command in COMMANDS}
    assert {f"dht {word}" for word in ("get", "put", "find", "peers", "stats")} <= names
    assert parse(["dht", "get", "x"]).positionals == ["dht", "get", "x"]


@asynchronous(SECONDS)
async def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with nodes(tmp_path, 1) as (node,):
        answers = node.host.answers
        for verb, request in (
            ("dht-get", {}),
            ("dht-get", {"key": 1}),
            ("dht-get", {"key": "\udcff"}),
            ("dht-put", {"key": "k", "value": "\ud800", "ttl": 1}),
            ("dht-put", {"key": "k", "value": "v"}),
            ("dht-put", {"key": "k", "value": "v", "ttl": 0}),
            ("dht-put", {"key": "k", "value": "v", "ttl": 1e9}),
            ("dht-put", {"key": "k", "value": "v", "ttl": 1, "subkey": 1}),
        ):
            with pytest.raises(DhtError):
                await answers[verb](request)


def test_values_are_shown_as_json_whatever_they_are() -> None:
    state = packed.Extension(0x40, packed.dumps([2, 1.5, {"start_block": 0}]))
    assert verbs._shown(verbs._loaded(packed.dumps(state))) == {
        "ext": 0x40,
        "value": [2, 1.5, {"start_block": 0}],
    }
    assert verbs._shown(verbs._loaded(b"\xc1")) == "c1"
    assert verbs._shown({1: b"\0"}) == {"1": "00"}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        packed.dumps("x"),
        packed.dumps(packed.Extension(0x50, packed.dumps([1, 2]))),
        packed.dumps(packed.Extension(0x50, packed.dumps([1, 2, [1]]))),
        packed.dumps(packed.Extension(0x50, packed.dumps([1, 2, [["a", "b", 1.0]]]))),
        packed.dumps(packed.Extension(0x50, packed.dumps([1, 2, [["a", b"b", "soon"]]]))),
    ],
)
def test_a_dictionary_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        dictionary.unpack(value)


def test_what_the_other_room_finds_is_printed() -> None:
    assert commands._address_lines({"addresses": ["/ip4/1.2.3.4/tcp/1"], "connected": True}) == [
        "connected",
        "/ip4/1.2.3.4/tcp/1",
    ]
    assert commands._address_lines({"addresses": [], "connected": False}) == []

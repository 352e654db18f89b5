"""Whatever a stranger makes the relay keep, leases cover it, and they come back when it goes.

The relay runs in a process of its own that counts what Python allocates (measured_node.py); the
strangers are tests.soak.hostile's. OpenSSL's memory is not counted: the leases of a connection
leave three times as much as Python takes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import crypto
from edge.wire import multistream, noise, varint, yamux
from edge.wire.circuit import HOP_ID, HopMessage
from edge.wire.identify import PUSH_ID, Identify
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from edge.wire.upgrade import MUXERS, Upgrade
from tests.counterparts.base import asynchronous
from tests.soak.hostile import Stranger, asked, frame

Act = Callable[[Stranger], Awaitable[None]]

_CHECKOUT = Path(__file__).parents[2]
_STREAMS = 256


class MeasuredNode:
    """measured_node.py from the outside."""

    def __init__(self, directory: Path) -> None:
        words = ("-m", "tests.survival.measured_node", str(directory), "512M")
        self._process = subprocess.Popen(
            [sys.executable, *words],
            cwd=_CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        target = Multiaddr.from_string(self._read()["at"]).host_port()
        assert target is not None
        self.at = target[:2]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))

    def look(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    async def settled(self, connections: int) -> dict[str, Any]:
        """What it says once it has so many and has dealt with all that they sent."""
        seen = self.look()
        while True:
            await asyncio.sleep(0.2)  # another process' state has no event
            before, seen = seen, self.look()
            count = seen["status"]["connections"]
            there = count["open"] + count["pending"] == connections
            if there and seen["leased"] == before["leased"]:
                return seen

    def close(self) -> None:
        self._process.communicate("")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredNode]:
    node = MeasuredNode(tmp_path_factory.mktemp("measured"))
    yield node
    node.close()


async def silent(stranger: Stranger) -> None:
    await stranger.connect()


async def half_a_handshake(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.say(Upgrade(noise.Identity(crypto.Ed25519Key.generate(), MUXERS), True).start())


async def a_frame_held_in_the_upgrade(stranger: Stranger) -> None:
    """A peer without early muxers, 64 KiB of the first message behind its handshake."""
    await stranger.connect()
    upgrade = Upgrade(noise.Identity(crypto.Ed25519Key.generate(), []), True)
    await stranger.say(upgrade.start())
    last = upgrade.receive(await stranger.hear())
    handshake = last[: 2 + int.from_bytes(last[:2], "big")]
    await stranger.say(handshake + b"\xff\xff" + bytes(65534))


async def idle(stranger: Stranger) -> None:
    await stranger.connect()
    await stranger.handshake()


async def held_frame(stranger: Stranger) -> None:
    await idle(stranger)
    await stranger.say(stranger.sealed(bytes(noise.MAX_PLAINTEXT))[:-1])


async def on_every_stream(stranger: Stranger, body: bytes) -> None:
    """Open as many streams as may be and say `body` on each."""
    await idle(stranger)
    for number in range(_STREAMS):
        stream = 2 * number + 1
        opened = frame(yamux.WINDOW_UPDATE, yamux.SYN, stream, 0)
        if body:
            opened += frame(yamux.DATA, 0, stream, len(body)) + body
        await stranger.say(stranger.sealed(opened))


async def silent_streams(stranger: Stranger) -> None:
    await on_every_stream(stranger, b"")


async def half_lines(stranger: Stranger) -> None:
    await on_every_stream(stranger, multistream.HEADER + varint.encode(1024) + bytes(1023))


async def refused_proposals(stranger: Stranger) -> None:
    await on_every_stream(stranger, multistream.HEADER + multistream.encode_line("/none") * 30)


def proposing(protocol: str) -> bytes:
    return multistream.HEADER + multistream.encode_line(protocol)


async def silent_hops(stranger: Stranger) -> None:
    await on_every_stream(stranger, proposing(HOP_ID))


async def half_hop_messages(stranger: Stranger) -> None:
    await on_every_stream(stranger, proposing(HOP_ID) + varint.encode(4096) + bytes(4095))


async def half_identifies(stranger: Stranger) -> None:
    whole = delimited(bytes((0x0A, 0)) * 4000)
    await on_every_stream(stranger, proposing(PUSH_ID) + whole + varint.encode(8000) + bytes(7999))


async def identified(stranger: Stranger, said: Identify) -> None:
    await idle(stranger)
    message = delimited(said.encode())
    opened = asked(PUSH_ID, 1) + frame(yamux.DATA, yamux.FIN, 1, len(message)) + message
    await stranger.say(stranger.sealed(opened))


async def long_protocols(stranger: Stranger) -> None:
    names = [f"/{number:03}/{'p' * 50}" for number in range(128)]
    await identified(stranger, Identify(agent_version="x" * 128, protocols=names))


async def many_addresses(stranger: Stranger) -> None:
    names = [f"{number:03}" for number in range(128)]
    addresses = [Multiaddr.from_ip(bytes((1, 2, 3, n)), 1).bytes for n in range(64)]
    await identified(stranger, Identify(protocols=names, listen_addrs=addresses))


async def hop(stranger: Stranger, kind: int) -> None:
    await idle(stranger)
    request = delimited(HopMessage(type=kind).encode())
    opened = asked(HOP_ID, 1) + frame(yamux.DATA, yamux.FIN, 1, len(request)) + request
    await stranger.say(stranger.sealed(opened))


async def reservations(stranger: Stranger) -> None:
    await hop(stranger, HopMessage.RESERVE)


async def refusals(stranger: Stranger) -> None:
    await hop(stranger, HopMessage.STATUS)


@pytest.mark.parametrize(
    ("act", "count"),
    [
        (silent, 64),
        (half_a_handshake, 64),
        (a_frame_held_in_the_upgrade, 16),
        (idle, 64),
        (held_frame, 16),
        (silent_streams, 4),
        (half_lines, 4),
        (refused_proposals, 4),
        (silent_hops, 4),
        (half_hop_messages, 4),
        (half_identifies, 2),
        (long_protocols, 32),
        (many_addresses, 32),
        (reservations, 32),
        (refusals, 32),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@asynchronous(120)
async def test_what_a_stranger_makes_the_relay_keep_is_leased(
    node: MeasuredNode, act: Act, count: int
) -> None:
    warm = Stranger(node.at)  # what is made once and for all is made now
    await act(warm)
    before = await node.settled(1)
    strangers = [Stranger(node.at) for _ in range(count)]
    for stranger in strangers:
        await act(stranger)
    after = await node.settled(1 + count)
    assert after["traced"] - before["traced"] <= total(after) - total(before)
    assert not any(room["refused"] for room in after["status"]["memory"]["rooms"].values())
    for stranger in (warm, *strangers):
        stranger.close()
    last = await node.settled(0)
    assert total(last) == last["leased"]["tables"], "all but the accounts has come back"


def total(seen: dict[str, Any]) -> int:
    return sum(seen["leased"].values())

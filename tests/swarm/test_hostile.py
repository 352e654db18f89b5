"""What a peer may do to the node behind a proper handshake: nothing of it is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

import pytest
import uvloop

from edge import crypto
from edge.swarm.swarm import Swarm
from edge.wire import yamux
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.soak.hostile import Stranger, asked, frame

IDENTIFY = "/ipfs/id/1.0.0"


class Served:
    """A swarm that serves IDENTIFY by `handler`, and a stranger connected to it."""

    def __init__(self) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.calls = 0
        self.swarm.handle(IDENTIFY, self._handle)

    async def _handle(self, _stream: object) -> None:
        self.calls += 1

    async def stranger(self) -> Stranger:
        bound = self.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0")).host_port()
        assert bound is not None
        stranger = Stranger(bound[:2])
        await stranger.connect()
        await stranger.handshake()
        await until(self._one_connection)
        return stranger

    async def gone(self) -> None:
        """Wait until there is no connection any more."""

        async def none() -> bool:
            return not self.swarm.connection_count and not self.swarm.all_connections()

        await until(none)

    async def _one_connection(self) -> bool:
        return self.swarm.connection_count == 1


@asynchronous(10)
async def test_a_connection_that_opens_a_stream_and_breaks_the_protocol_at_once_is_gone() -> None:
    served = Served()
    stranger = await served.stranger()
    opened = frame(yamux.WINDOW_UPDATE, yamux.SYN, 1, 0)
    await stranger.say(stranger.sealed(opened + frame(yamux.DATA, 0, 1, 0xFFFFFFFF)))
    await served.gone()
    assert served.swarm.protocol_errors == 1
    assert all(pool.used == 0 for pool in served.swarm.budget.pools.values())
    stranger.close()
    await served.swarm.stop()


@asynchronous(10)
async def test_streams_opened_and_reset_at_once_start_no_handler_and_end_the_connection() -> None:
    served = Served()
    stranger = await served.stranger()
    once = asked(IDENTIFY, 1) + frame(yamux.WINDOW_UPDATE, yamux.RST, 1, 0)
    await stranger.say(stranger.sealed(once * 1000))
    await stranger.say(stranger.sealed(asked(IDENTIFY, 3)))

    async def called() -> bool:
        return served.calls == 1

    await until(called)
    await stranger.say(stranger.sealed(once * 1000))
    await served.gone()
    assert served.calls == 1
    stranger.close()
    await served.swarm.stop()


@asynchronous(10)
async def test_frames_with_nothing_in_them_end_the_connection() -> None:
    served = Served()
    stranger = await served.stranger()
    await stranger.say(b"".join([stranger.sealed(b"") for _ in range(2000)]))
    await served.gone()
    stranger.close()
    await served.swarm.stop()


@asynchronous(10)
async def test_many_requests_at_once_are_served_in_turns_and_all() -> None:
    served = Served()
    stranger = await served.stranger()
    await stranger.say(stranger.sealed(b"".join([asked(IDENTIFY, 2 * n + 1) for n in range(200)])))

    async def called() -> bool:
        return served.calls == 200

    await until(called)
    stranger.close()
    await served.gone()
    await served.swarm.stop()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_sends_much_and_is_gone_is_gone(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A reset behind more than is read at once, which uvloop tells of only once."""

    async def scene() -> None:
        served = Served()
        served.swarm.limits.keepalive_interval = 3600.0
        stranger = await served.stranger()
        once = frame(yamux.DATA, 0, 9, 60_000) + bytes(60_000)  # for no stream there is
        sealed = stranger.sealed(once) + stranger.sealed(once)
        with contextlib.suppress(BlockingIOError):
            while True:  # the swarm's loop stands still meanwhile
                stranger._sock.send(sealed)
        linger = struct.pack("ii", 1, 0)
        stranger._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        stranger.close()
        await served.gone()
        await served.swarm.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(scene(), 20))

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
from edge.swarm.stream import Stream
from edge.swarm.swarm import Swarm
from edge.wire import multistream, yamux
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


HEADER = multistream.HEADER
SILENT = {
    "nothing": b"",
    "half a header": HEADER[:5],
    "a header": HEADER,
    "half a proposal": HEADER + multistream.encode_line(IDENTIFY)[:-1],
    "what there is not": HEADER + multistream.encode_line("/nothing/1.0.0"),
    "a list": HEADER + multistream.encode_line("ls"),
}


@pytest.mark.parametrize("said", SILENT.values(), ids=SILENT)
@asynchronous(20)
async def test_streams_that_agree_on_nothing_are_reset_and_keep_no_connection(said: bytes) -> None:
    served = Served()
    limits = served.swarm.limits
    limits.idle_timeout = 0.0  # ends with the next sweep
    limits.negotiation_timeout = 3600.0
    stranger = await served.stranger()
    (connection,) = served.swarm.all_connections()
    opened = [frame(yamux.DATA, yamux.SYN, 2 * n + 1, len(said)) + said for n in range(3)]
    await stranger.say(stranger.sealed(b"".join(opened)))
    await served.gone()
    assert connection.closed == "idle"
    assert not served.swarm._shared.negotiating

    limits.idle_timeout = 3600.0
    other = await served.stranger()
    await other.say(other.sealed(b"".join([*opened, asked(IDENTIFY, 7)])))
    (connection,) = served.swarm.all_connections()

    async def open_streams() -> bool:
        return len(connection.session.streams) == 4

    await until(open_streams)
    served.swarm._forgive(3700.0)  # the process was stopped: nobody is to blame
    limits.negotiation_timeout = 3600.0 - 100.0

    async def one_is_left() -> bool:
        return len(connection.session.streams) == 1

    served.swarm._sweep()
    assert len(connection.session.streams) == 4
    limits.negotiation_timeout = -3700.0
    await until(one_is_left)
    assert served.swarm.refusals == {"negotiation-timeout": 3}
    assert connection.closed is None
    for each in (stranger, other):
        each.close()
    await served.gone()
    await served.swarm.stop()


@asynchronous(20)
async def test_a_stream_that_is_done_here_keeps_no_connection_for_its_peer() -> None:
    """The peer has its answer, and does not close its own side."""
    served = Served()

    async def answer(stream: Stream) -> None:
        await stream.write(b"answer")
        stream.dismiss()

    served.swarm.handle("/answer", answer)
    stranger = await served.stranger()
    (connection,) = served.swarm.all_connections()
    served.swarm.handle("/wait", lambda stream: stream.read(1))
    await stranger.say(stranger.sealed(asked("/wait", 1) + asked("/answer", 3)))

    async def answered() -> bool:
        streams = connection.session.streams
        return len(streams) == 2 and streams[3].local_closed

    await until(answered)
    assert connection.busy  # with the other one
    await stranger.say(stranger.sealed(frame(yamux.WINDOW_UPDATE, yamux.RST, 1, 0)))

    async def idles() -> bool:
        return not connection.busy

    await until(idles)
    assert list(connection.session.streams) == [3]
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

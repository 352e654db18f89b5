"""Our node as a peer that listens and dials, driven by JSON lines.

The dialogue is in lines.py, the test protocol in payload.py. Run as `python peer.py DIR SETUP`: a
directory for its state, and the setup in JSON. It ends when its standard input does.
"""

import asyncio
import json
import sys
from typing import Any

from edge.config.load import load
from edge.node import Node
from edge.swarm import ping
from edge.swarm.connection import Connection
from edge.swarm.errors import SwarmError
from edge.swarm.stream import Stream
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from tests.counterparts import payload

_BLOCK = payload.BLOCK


class CutError(Exception):
    def __init__(self, sent: int, received: int, cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.sent = sent
        self.received = received


class Peer:
    def __init__(self, node: Node) -> None:
        self.node = node
        self._served: list[int] = []
        node.host.swarm.handle(payload.PROTOCOL, self.serve)

    async def serve(self, stream: Stream) -> None:
        index = len(self._served)
        self._served.append(0)
        size = payload.parse_header(await stream.read_exactly(payload.HEADER))
        sink = payload.Sink(size)
        try:
            await _receive(stream, sink)
        finally:
            self._served[index] = size - sink.left
        await stream.write(sink.digest())
        source = payload.Source(size)
        await _send(stream, source)
        await stream.write(source.digest())
        await stream.close()

    async def reserved(self, count: int) -> None:
        while len(self.node.host.addresses.circuits) < count:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)

    async def transfer(self, addr: str, size: int) -> dict[str, bool]:
        connection = await self._connection(addr)
        stream = connection.open_stream([payload.PROTOCOL])
        source, sink = payload.Source(size), payload.Sink(size)
        try:
            await stream.write(payload.header(size))
            await _send(stream, source)
            claimed = await stream.read_exactly(payload.DIGEST)
            await _receive(stream, sink)
            trailer = await stream.read_exactly(payload.DIGEST)
            stream.finish()
        except SwarmError as error:
            raise CutError(size - source.left, size - sink.left, error) from error
        return {"damaged": claimed != source.digest() or trailer != sink.digest()}

    async def connect(self, addr: str) -> None:
        await self._connection(addr)

    async def ping(self, addr: str) -> float:
        return await ping.ping(await self._connection(addr))

    async def addrs(self) -> list[str]:
        circuits = self.node.host.addresses.circuits
        return [str(address) for address in [*self.node.host.swarm.listening, *circuits]]

    async def served(self) -> list[int]:
        return self._served

    async def connections(self, peer: str) -> list[str]:
        """The remote addresses of its connections to `peer`."""
        found = self.node.host.swarm.connections.get(PeerId.from_string(peer), ())
        return [str(connection.remote) for connection in found]

    async def report(self, name: str) -> Any:
        """What `kwaainet status --json` has under `name`."""
        merged: dict[str, Any] = {}
        for service in self.node.services:
            merged.update(service.report())
        return merged[name]

    async def peers(self) -> list[str]:
        return [str(peer) for peer in self.node.host.swarm.connections]

    async def _connection(self, addr: str) -> Connection:
        peer = PeerId.from_string(addr.rpartition("/p2p/")[2])
        address = Multiaddr.from_string(addr)
        return await self.node.host.dialer.connect(peer, [address], again=True, trusted=True)


async def _send(stream: Stream, source: payload.Source) -> None:
    while chunk := source.next():
        await stream.write(chunk)


async def _receive(stream: Stream, sink: payload.Sink) -> None:
    while sink.left:
        chunk = await stream.read(min(_BLOCK, sink.left))
        if not chunk:
            raise SwarmError(f"ended {sink.left} bytes too early")
        sink.add(chunk)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def _answer(peer: Peer, line: str) -> None:
    request = json.loads(line)
    number, name = request.pop("id"), request.pop("do")
    try:
        _say({"id": number, "ok": await getattr(peer, name)(**request)})
    except CutError as cut:
        _say({"id": number, "error": str(cut), "sent": cut.sent, "received": cut.received})
    except Exception as error:  # noqa: BLE001 - whatever it was, the test is told
        _say({"id": number, "error": repr(error)})


async def _main(directory: str, setup: dict[str, Any]) -> None:
    flags = {
        "data-dir": [directory],
        "log-level": ["debug"],
        "adapt-enabled": ["no"],
        "portmap-enabled": ["no"],
        "listen": setup["listen"] or [""],
        "relay-service": ["yes" if setup["relay_service"] else "no"],
        "relay-client": ["yes" if setup["relays"] else "no"],
    }
    if setup["relays"]:
        flags["relay-relays"] = setup["relays"]
        flags["relay-reservations"] = [str(len(setup["relays"]))]
    node = Node(load(None, {"KWAAINET_CONFIG": "/dev/null"}, flags))
    peer = Peer(node)
    await node.start()
    await peer.reserved(len(setup["relays"]))
    _say({"id": 0, "ok": {"peer_id": str(node.host.swarm.peer_id)}})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    running = set()
    while line := await reader.readline():
        task = asyncio.create_task(_answer(peer, line.decode()))
        running.add(task)
        task.add_done_callback(running.discard)
    await node.stop()


asyncio.run(_main(sys.argv[1], json.loads(sys.argv[2])))

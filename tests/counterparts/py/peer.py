"""A py-libp2p peer, driven by JSON lines.

The dialogue is in lines.py, the test protocol in payload.py.

Run as `python -I peer.py PACKAGES CHECKOUT SETUP`: where py-libp2p is installed, where the tests'
own modules are, and the setup in JSON. It ends when its standard input does.
"""

import json
import logging
import os
import sys
from functools import partial
from typing import Any

sys.path[:0] = sys.argv[1:3]

import multiaddr  # noqa: E402 - the packages are found only now
import trio  # noqa: E402
from libp2p import new_host  # noqa: E402
from libp2p.abc import IHost, INetStream  # noqa: E402
from libp2p.crypto.ed25519 import create_new_key_pair as create_ed25519_key_pair  # noqa: E402
from libp2p.crypto.keys import KeyPair  # noqa: E402
from libp2p.crypto.serialization import deserialize_private_key  # noqa: E402
from libp2p.host.ping import PingService  # noqa: E402
from libp2p.network.stream.exceptions import StreamError  # noqa: E402
from libp2p.peer.id import ID  # noqa: E402
from libp2p.peer.peerinfo import info_from_p2p_addr  # noqa: E402
from libp2p.relay.circuit_v2 import (  # noqa: E402
    PROTOCOL_ID,
    CircuitV2Protocol,
    CircuitV2Transport,
    RelayLimits,
)
from libp2p.relay.circuit_v2.config import RelayConfig, RelayRole  # noqa: E402
from libp2p.tools.anyio_service import background_trio_service  # noqa: E402

from tests.counterparts import payload  # noqa: E402

DIAL_SECONDS = 20
ED25519_KEY = b"\x08\x01\x12\x40"  # PrivateKey{type, data of 64 bytes}
# Its relay takes 0, the protocol's sign for no limit, as a limit of nothing.
GENEROUS = RelayLimits(
    duration=24 * 3600, data=1 << 40, max_circuit_conns=1024, max_reservations=1024
)


class CutError(Exception):
    def __init__(self, sent: int, received: int, cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.sent = sent
        self.received = received


class Peer:
    def __init__(self, setup: dict[str, Any], nursery: trio.Nursery) -> None:
        self.setup = setup
        self.nursery = nursery
        self.host: IHost = new_host(key_pair=_key_pair(setup["identity"]))
        limits = None if setup["limited"] else GENEROUS
        self.protocol = CircuitV2Protocol(
            self.host, limits=limits, allow_hop=setup["relay_service"]
        )
        roles = RelayRole.STOP | RelayRole.CLIENT
        self.transport = CircuitV2Transport(self.host, self.protocol, RelayConfig(roles=roles))
        self._served: list[int] = []

    async def reserve(self, relay: str) -> None:
        info = info_from_p2p_addr(multiaddr.Multiaddr(relay))
        await self.host.connect(info)
        stream = await self.host.new_stream(info.peer_id, [PROTOCOL_ID])
        taken = await self.transport.reserve(stream, info.peer_id, self.nursery)
        await stream.close()
        if not taken:
            raise ConnectionError(f"no reservation on {relay}")

    async def serve(self, stream: INetStream) -> None:
        index = len(self._served)
        self._served.append(0)
        size = payload.parse_header(await _exactly(stream, payload.HEADER))
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

    async def connect(self, addr: str) -> None:
        target = multiaddr.Multiaddr(addr)
        if "/p2p-circuit" not in addr:
            await self.host.connect(info_from_p2p_addr(target))
        elif not self._connected(_peer_of(addr)):
            await self.transport.dial(target)

    def _connected(self, peer: ID) -> bool:
        return bool(self.host.get_network().connections.get(peer))

    async def transfer(self, addr: str, size: int) -> dict[str, bool]:
        with trio.fail_after(DIAL_SECONDS):
            await self.connect(addr)
            stream = await self.host.new_stream(_peer_of(addr), [payload.PROTOCOL])
        source, sink = payload.Source(size), payload.Sink(size)
        try:
            await stream.write(payload.header(size))
            await _send(stream, source)
            claimed = await _exactly(stream, payload.DIGEST)
            await _receive(stream, sink)
            trailer = await _exactly(stream, payload.DIGEST)
            await stream.close()
        except (StreamError, OSError) as error:
            raise CutError(size - source.left, size - sink.left, error) from error
        return {"damaged": claimed != source.digest() or trailer != sink.digest()}

    async def ping(self, addr: str) -> float:
        await self.connect(addr)
        (milliseconds,) = await PingService(self.host).ping(_peer_of(addr))
        return float(milliseconds) / 1e3

    async def addrs(self) -> list[str]:
        own = f"/p2p/{self.host.get_id()}"
        return [str(addr).removesuffix(own) for addr in self.host.get_addrs()]

    async def served(self) -> list[int]:
        return self._served

    async def peers(self) -> list[str]:
        return [str(peer) for peer in self.host.get_connected_peers()]


def _key_pair(path: str | None) -> KeyPair | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        data = file.read()
    if data.startswith(ED25519_KEY):  # which it keeps without the public half
        return create_ed25519_key_pair(data[len(ED25519_KEY) :][:32])
    private = deserialize_private_key(data)
    return KeyPair(private, private.get_public_key())


def _peer_of(addr: str) -> ID:
    return ID.from_base58(addr.rpartition("/p2p/")[2])


async def _exactly(stream: INetStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = await stream.read(size - len(data))
        if not chunk:
            raise ConnectionError(f"ended {size - len(data)} bytes too early")
        data += chunk
    return data


async def _send(stream: INetStream, source: payload.Source) -> None:
    while chunk := source.next():
        await stream.write(chunk)


async def _receive(stream: INetStream, sink: payload.Sink) -> None:
    while sink.left:
        chunk = await stream.read(min(payload.BLOCK, sink.left))
        if not chunk:
            raise ConnectionError(f"ended {sink.left} bytes too early")
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
    except Exception as error:
        logging.exception("%s failed", name)
        _say({"id": number, "error": repr(error)})


async def _main(setup: dict[str, Any]) -> None:
    listen = [multiaddr.Multiaddr(addr) for addr in setup["listen"]]
    async with trio.open_nursery() as nursery:
        peer = Peer(setup, nursery)
        peer.host.set_stream_handler(payload.PROTOCOL, peer.serve)
        async with peer.host.run(listen), background_trio_service(peer.protocol):
            await peer.protocol.event_started.wait()
            try:
                for relay in setup["relays"]:
                    await peer.reserve(relay)
            except Exception as error:
                _say({"id": 0, "error": repr(error)})
                raise
            _say({"id": 0, "ok": {"peer_id": str(peer.host.get_id())}})
            async for line in trio.wrap_file(sys.stdin):
                nursery.start_soon(partial(_answer, peer, line))
            os._exit(0)  # its own ending can take long and is not what is tested


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
trio.run(_main, json.loads(sys.argv[3]))

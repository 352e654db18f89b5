"""Nodes in this process, over the loopback, of which each /16 passes for a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge import crypto
from edge.autonat.service import AutonatService
from edge.config.load import load
from edge.host import Host
from edge.swarm import addresses
from edge.swarm.connection import Connection
from edge.swarm.swarm import Swarm
from edge.wire import ip
from edge.wire.multiaddr import Multiaddr
from edge.wire.protobuf import delimited
from tests.hosts import host_around


def call_all_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loopback's addresses count as those of the internet do."""
    for module in (ip, addresses):
        monkeypatch.setattr(module, "scope", lambda _: ip.PUBLIC)


class Node:
    """A node that listens at 127.`network`.0.1; it serves and does not ask, or as `options` say."""

    def __init__(self, network: int, **options: str) -> None:
        self.swarm = Swarm(crypto.Ed25519Key.generate())
        self.host: Host = host_around(self.swarm)
        self.service = AutonatService(self.host)
        flags = {"autonat_service": "yes", "autonat_client": "no", **options}
        texts = {name.replace("_", "-"): [value] for name, value in flags.items()}
        self.service.configure(load("/dev/null", {}, texts))
        self.address = self.swarm.listen(Multiaddr.from_string(f"/ip4/127.{network}.0.1/tcp/0"))
        self.swarm.new_socket = self._leave_from_where_it_listens
        self.came: list[Connection] = []  # all that ever did
        self.swarm.opened.append(self._on_open)

    def _leave_from_where_it_listens(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was accepted, and is bound already
            target = self.address.host_port()
            assert target is not None
            sock.bind((target[0], 0))

    def _on_open(self, connection: Connection) -> None:
        if not connection.initiator:
            self.came.append(connection)

    @property
    def answered(self) -> dict[str, int]:
        return dict(self.service.report()["autonat"]["answered"])

    async def connect(self, other: Node) -> Connection:
        return await self.host.dialer.dial(other.address, other.swarm.peer_id)


@asynccontextmanager
async def node(network: int = 0, **options: str) -> AsyncIterator[Node]:
    made = Node(network, **options)
    task = asyncio.ensure_future(made.service.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.swarm.stop()


async def ask(connection: Connection, protocol: str, request: bytes) -> bytes:
    """What the peer answers to `request`."""
    stream = connection.open_stream([protocol])
    await stream.write(delimited(request))
    return await stream.read_message(8192)

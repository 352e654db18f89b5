"""A peer that is driven by JSON lines on its standard input and output.

Request: {"id": N, "do": NAME, ...arguments}; answer: {"id": N, "ok": VALUE} or {"id": N,
"error": TEXT}, with "sent" and "received" where a transfer was cut. Answer 0 comes unasked, when
the peer is ready, and so does {"event": NAME, ...} where a peer tells what happens to it. The setup
is its first argument.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.counterparts.base import (
    Counterpart,
    PeerError,
    PeerProcess,
    Setup,
    TransferCut,
    until,
    with_port,
)
from tests.counterparts.payload import PROTOCOL

_READY = 0


class LinesProcess(PeerProcess):
    """The dialogue with such a peer: all but the command. `events`: in their order."""

    def __init__(self, setup: Setup | None = None) -> None:
        super().__init__(setup)
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(_READY + 1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader: asyncio.Task[None] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program and its first arguments."""

    async def start(self) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        ready = self._expect(_READY)
        await self._spawn(*self.command(), json.dumps(self._arguments()), env=env, pipes=True)
        self._reader = asyncio.create_task(self._read())
        self.peer_id = (await ready)["peer_id"]

    def _arguments(self) -> dict[str, Any]:
        setup = self.setup
        return {
            "protocol": PROTOCOL,
            "listen": [with_port(addr) for addr in setup.listen],
            "relays": list(setup.relays),
            "relay_service": setup.relay_service,
            "limited": setup.limited,
            "over_limited": setup.over_limited,
            "identity": setup.identity and str(setup.identity),
        }

    def _expect(self, number: int) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        return future

    async def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        while line := await self.process.stdout.readline():
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
                continue
            future = self._waiting.pop(answer["id"])
            if future.cancelled():
                continue
            if "ok" in answer:
                future.set_result(answer["ok"])
            else:
                future.set_exception(self._error(answer))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PeerError(f"{self.kind} ended\n{self.log()}"))

    def _error(self, answer: dict[str, Any]) -> PeerError:
        if answer.get("sent") is not None:
            return TransferCut(answer["sent"], answer["received"], answer["error"])
        return PeerError(f"{self.kind}: {answer['error']}")

    async def ask(self, what: str, **arguments: Any) -> Any:
        """Send a request and wait for its answer."""
        assert self.process is not None and self.process.stdin is not None
        if self.process.returncode is not None:
            raise PeerError(f"{self.kind} has ended\n{self.log()}")
        number = next(self._ids)
        future = self._expect(number)
        request = json.dumps({"id": number, "do": what, **arguments})
        self.process.stdin.write(request.encode() + b"\n")
        return await future

    async def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """The first event of that name with these fields, as soon as there is one."""
        wanted = {"event": name, **fields}.items()

        def first() -> dict[str, Any] | None:
            return next((each for each in self.events if wanted <= each.items()), None)

        async def told() -> bool:
            return first() is not None

        await until(told)
        found = first()
        assert found is not None
        return found

    async def stop(self) -> None:
        await super().stop()
        if self._reader is not None:
            await self._reader

    async def addrs(self) -> list[str]:
        return list(await self.ask("addrs"))


class LinesPeer(LinesProcess, Counterpart):
    """What libp2p's peers of JSON lines have in common: all but the command."""

    async def connect(self, addr: str) -> None:
        await self.ask("connect", addr=addr)

    async def transfer(self, addr: str, size: int) -> None:
        if (await self.ask("transfer", addr=addr, size=size))["damaged"]:
            raise PeerError("the bytes that arrived are not those that were sent")

    async def ping(self, addr: str) -> float:
        return float(await self.ask("ping", addr=addr))

    async def served(self) -> list[int]:
        return list(await self.ask("served"))

    async def peers(self) -> list[str]:
        return list(await self.ask("peers"))

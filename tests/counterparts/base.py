"""The one interface to a real peer, and what all of them share: a process and a directory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self

START_SECONDS = 120.0  # a few on a quiet machine
STOP_SECONDS = 20.0
BUSY = 4  # times as long as on a quiet machine is what a test may take beside other work

P = ParamSpec("P")


class PeerError(Exception):
    """A peer did not do what it was asked. Carries its own words."""


class TransferCut(PeerError):
    """A transfer ended early: how many payload bytes the dialer had sent and received."""

    def __init__(self, sent: int, received: int, why: str) -> None:
        super().__init__(f"cut after {sent} bytes out and {received} in: {why}")
        self.sent = sent
        self.received = received


@dataclass(frozen=True)
class Setup:
    """How a peer starts. All peers understand all of it.

    `listen`: multiaddrs, () for a peer that does not listen. `relays`: it takes a reservation on
    each, and start() returns when it holds them. `relay_service`: serve as a relay. `limited`:
    with the peer's default limits, else as generously as its settings allow. `over_limited`:
    speak the test protocol on circuits with limits, too. `identity`: a private key in libp2p's
    protobuf, else a fresh one. `within`: a command that runs its arguments elsewhere, such as in
    a network namespace.
    """

    listen: Sequence[str] = ("/ip4/127.0.0.1/tcp/0",)
    relays: Sequence[str] = ()
    relay_service: bool = False
    limited: bool = True
    over_limited: bool = False
    identity: Path | None = None
    within: Sequence[str] = ()


class PeerProcess(ABC):
    """A peer in a process of its own: `async with P2pd(Setup(...)) as peer`."""

    kind: str

    def __init__(self, setup: Setup | None = None) -> None:
        self.setup = setup or Setup()
        self.peer_id = ""
        self.directory = Path(tempfile.mkdtemp(prefix=f"kwaainet-{self.kind}-"))
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.install)
            await asyncio.wait_for(self.start(), START_SECONDS)
        except TimeoutError:
            log = self.log()
            await self.stop()
            raise PeerError(f"{self.kind} did not start in {START_SECONDS} s\n{log}") from None
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @staticmethod
    @abstractmethod
    def install() -> Path:
        """Where it is installed; installs it when it is not. Blocks."""

    @abstractmethod
    async def start(self) -> None:
        """Start and hold all reservations asked for."""

    @abstractmethod
    async def addrs(self) -> list[str]:
        """The addresses it would tell others, without its peer id."""

    def circuit(self, relay: str) -> str:
        """Its address through `relay`, a multiaddr that ends in a peer id."""
        return f"{relay}/p2p-circuit/p2p/{self.peer_id}"

    async def direct(self) -> str:
        """The first of its own addresses, with its peer id."""
        for addr in await self.addrs():
            if "/p2p-circuit" not in addr:
                return f"{addr}/p2p/{self.peer_id}"
        raise PeerError(f"{self.kind} listens nowhere")

    async def stop(self) -> None:
        """Ask it to end, wait, and remove its directory."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                await self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def kill(self) -> None:
        """End it without a goodbye (SIGKILL)."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def log(self) -> str:
        """The end of what it wrote to its log."""
        path = self.directory / "log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    async def _spawn(self, *command: str | Path, env: dict[str, str], pipes: bool) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.setup.within,
                *(str(word) for word in command),
                stdin=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if pipes else log,
                stderr=log,
                env=env,
                limit=1 << 20,
            )


class Counterpart(PeerProcess):
    """A real peer that can be told what to do. It serves PROTOCOL and ping from the start."""

    @abstractmethod
    async def connect(self, addr: str) -> None:
        """Connect to a multiaddr that ends in a peer id."""

    @abstractmethod
    async def transfer(self, addr: str, size: int) -> None:
        """Exchange `size` bytes each way with the peer at `addr`, checked by SHA-256.

        Raises TransferCut when the stream ends early, PeerError when it cannot be had.
        """

    @abstractmethod
    async def ping(self, addr: str) -> float:
        """The round trip to the peer at `addr` in seconds, by libp2p's ping, as it tells it."""

    @abstractmethod
    async def served(self) -> list[int]:
        """The payload bytes that arrived on each transfer it served, ended or not."""

    @abstractmethod
    async def peers(self) -> list[str]:
        """The ids of the peers it is connected to."""


def free_port() -> int:
    """A free port on the loopback, below those the kernel gives to outgoing connections."""
    for port in random.SystemRandom().sample(
        range(20000, 32000), 200
    ):  # not as hypothesis seeds it
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise PeerError("no free port between 20000 and 32000")


def with_port(listen: str) -> str:
    """`listen` with a free port in the place of tcp/0."""
    return listen.replace("/tcp/0", f"/tcp/{free_port()}")


def split_peer(addr: str) -> tuple[str, str]:
    """A multiaddr that ends in /p2p/ID as (the rest, ID)."""
    transport, mark, peer = addr.rpartition("/p2p/")
    if not mark or "/" in peer:
        raise PeerError(f"{addr} does not end in a peer id")
    return transport, peer


async def until(condition: Callable[[], Awaitable[bool]], every: float = 0.05) -> None:
    """Wait for what only asking again can tell; the caller limits the time."""
    while not await condition():  # noqa: ASYNC110 - another process' state has no event
        await asyncio.sleep(every)


def asynchronous(
    seconds: float,
) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Makes a test of a coroutine function, which fails after `seconds` of a quiet machine."""

    def decorate(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            asyncio.run(asyncio.wait_for(test(*args, **kwargs), BUSY * seconds))

        return run

    return decorate

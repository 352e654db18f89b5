"""The composition root: from a configuration to a running node, and back down in reverse.

Services do not know each other. They are made with the host, and with those services that they
depend on; what else there is to join, they find at the host. To add one, import it and make it
here (docs/architecture.md, "Adding a service").
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from edge import lock, log
from edge.config.errors import ConfigError
from edge.config.load import diff
from edge.config.schema import Node as NodeSection
from edge.host import Host
from edge.qos.service import QosService
from edge.relay.autorelay import AutoRelay
from edge.relay.service import RelayService
from edge.status.service import StatusService
from edge.tiers.bookkeeper import Bookkeeper
from edge.tiers.service import ModeService
from edge.tiers.wake import Waker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from edge.config.load import Config
    from edge.host import Service
    from edge.tiers.fitness import Fitness

GOODBYE = 3.0  # seconds a stop may take
_LAST_MOMENT = 0.1  # seconds that each part of it has when others have used them up


class Node:
    """One running node, between `start` and `stop`; also an asynchronous context manager.

    `config`: what it was started or last reloaded with. `fitness`: what the machine is fit for,
    None if nobody asked or could tell. Raises ConfigError, CryptoError, lock.LockError.
    """

    def __init__(self, config: Config, fitness: Fitness | None = None) -> None:
        self.config = config
        self._lock = lock.hold(config[NodeSection].data_dir)
        self.host = Host(config, fitness.relay_memory if fitness else 0)
        self.qos = QosService(self.host)
        self.modes = ModeService(self.host, self.qos, fitness)
        self.relay = RelayService(self.host)
        # In the order in which they start; they stop in the reverse.
        self.services: list[Service] = [
            self.qos,
            Bookkeeper(self.host, self.modes),
            self.modes,
            AutoRelay(self.host),
            Waker(self.host, self.relay),
            self.relay,
        ]
        self.status = StatusService(self.host, self.services, locked=self._lock >= 0)
        self._ends = AsyncExitStack()
        self._deadline = 0.0
        self.host.settle_budget()
        self._configure(config)

    async def start(self) -> None:
        """Serve. Raises SwarmError, StatusError or HttpError, when all is undone that was begun."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        at_the_end = self._at_the_end
        self._ends.callback(self._unlock)
        self._ends.callback(self.host.store.save, force=True)
        at_the_end(self.host.stop)
        at_the_end(self.status.stop)
        await self.status.start()
        self.host.start()
        self.status.serve_http(self.config)
        for service in self.services:
            at_the_end(service.stop)
            at_the_end(partial(_cancel, self.host.swarm.spawn(service.run())))

    async def stop(self) -> None:
        """End all that `start` began, in reverse, within GOODBYE seconds; save what must last.

        What fails, or takes too long, is logged and does not keep the rest from ending.
        """
        self._deadline = asyncio.get_running_loop().time() + GOODBYE
        await self._ends.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def reload(self, environ: dict[str, str]) -> None:
        """Read the configuration anew, and bring what exists in line with it.

        A wrong configuration is logged and leaves everything as it is.
        """
        try:
            new = self.config.again(environ)
        except ConfigError as error:
            log.error("reload-refused", error=error)
            return
        soft, hard = diff(self.config, new)
        for change in hard:
            log.warning("restart-needed", change=change)
        self._configure(new)
        self.status.configure(new)
        log.info("reloaded", changes="; ".join(str(change) for change in soft) or "none")

    def _configure(self, config: Config) -> None:
        self.config = config
        self.host.configure(config)
        for service in self.services:
            service.configure(config)

    def _at_the_end(self, stop: Callable[[], Awaitable[None]]) -> None:
        async def end() -> None:
            now = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(max(self._deadline, now + _LAST_MOMENT)):
                    await stop()
            except Exception as error:  # noqa: BLE001 - whatever it is, the rest must end
                log.error("stop-failed", error=f"{type(error).__name__}: {error}")

        self._ends.push_async_callback(end)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

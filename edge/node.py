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

from edge import lock, log
from edge.autonat.service import AutonatService
from edge.cache.service import CacheService
from edge.config.errors import ConfigError
from edge.config.load import diff
from edge.config.schema import Node as NodeSection
from edge.config.schema import Relay
from edge.dcutr.service import DcutrService
from edge.dht.service import DhtService
from edge.host import Host
from edge.kad.service import KadService
from edge.mdns.service import MdnsService
from edge.portmap.service import PortMapper
from edge.qos.service import QosService
from edge.relay.autorelay import AutoRelay
from edge.relay.service import RelayService
from edge.status.service import StatusService
from edge.tiers.bookkeeper import Bookkeeper
from edge.tiers.service import ModeService
from edge.tiers.wake import Waker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
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
        share = fitness.relay_memory if fitness else 0
        self.host = Host(config, share, config[Relay].buffer_size)
        self.qos = QosService(self.host)
        self.modes = ModeService(self.host, self.qos, fitness)
        self.relay = RelayService(self.host)
        # In the order in which they start; they stop in the reverse. The first starts before the
        # node listens: its hooks undo what they did when all goodbyes have been said.
        self.services: list[Service] = [
            self.qos,
            Bookkeeper(self.host, self.modes),
            self.modes,
            AutonatService(self.host),
            AutoRelay(self.host),
            PortMapper(self.host),
            DcutrService(self.host),
            MdnsService(self.host),
            Waker(self.host, self.relay),
            self.relay,
            KadService(self.host),
            DhtService(self.host),
            CacheService(self.host),
        ]
        self.status = StatusService(self.host, self.services, locked=self._lock >= 0)
        self._ends = AsyncExitStack()
        self._deadline = 0.0
        self._started_with = config
        self.host.settle_budget()
        for _, configure in self._parts():
            configure(config)

    async def start(self) -> None:
        """Serve. Raises SwarmError, StatusError or HttpError, when all is undone that was begun."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self._ends.callback(self._unlock)
        self._begin(self.services[0])
        self._ends.callback(self.host.store.save, force=True)
        self._at_the_end("host", self.host.stop)
        self._at_the_end("status", self.status.stop)
        await self.status.start()
        self.host.start()
        self.status.serve_http(self.config)
        for service in self.services[1:]:
            self._begin(service)

    def _begin(self, service: Service) -> None:
        name = type(service).__name__
        self._at_the_end(name, service.stop)
        self._at_the_end(name, partial(_cancel, self.host.swarm.spawn(service.run())))

    async def stop(self) -> None:
        """End all that `start` began, in reverse, within GOODBYE seconds; save what must last.

        A part that fails, or takes too long, is logged and does not keep the rest from ending.
        """
        self._deadline = asyncio.get_running_loop().time() + GOODBYE
        self.host.retire()
        await self._ends.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def reload(self, environ: dict[str, str]) -> None:
        """Read the configuration anew, and bring what exists in line with it.

        A wrong configuration is logged and leaves everything as it is; so does one read in a stop.
        """
        if self._deadline:
            return  # it stops
        try:
            new = self.config.again(environ)
        except ConfigError as error:
            log.error("reload-refused", error=error)
            return
        soft, _ = diff(self.config, new)
        _, hard = diff(self._started_with, new)
        for change in hard:
            log.warning("restart-needed", change=change)
        self.config = new
        for part, configure in [*self._parts(), ("StatusService", self.status.configure)]:
            try:
                configure(new)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others follow
                log.error("reload-failed", part=part, error=f"{type(error).__name__}: {error}")
        log.info("reloaded", changes="; ".join(str(change) for change in soft) or "none")

    def _parts(self) -> Iterator[tuple[str, Callable[[Config], None]]]:
        """The parts that follow the configuration, in this order."""
        yield "Host", self.host.configure
        for service in self.services:
            yield type(service).__name__, service.configure

    def _at_the_end(self, part: str, stop: Callable[[], Coroutine[None, None, None]]) -> None:
        async def end() -> None:
            left = max(self._deadline - asyncio.get_running_loop().time(), _LAST_MOMENT)
            task = asyncio.ensure_future(stop())
            done, _ = await asyncio.wait({task}, timeout=left)
            if not done:
                task.cancel()  # whether it obeys or not, the rest goes on
                log.error("stop-failed", part=part, error="not done in time")
            elif (error := task.exception()) is not None:
                log.error("stop-failed", part=part, error=f"{type(error).__name__}: {error}")

        self._ends.push_async_callback(end)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

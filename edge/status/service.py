"""Tells about the node at the status socket, and over HTTP where the owner wants it."""

from __future__ import annotations

import os

from edge import log
from edge.config.schema import Node, Status
from edge.http.errors import HttpError
from edge.status import report
from edge.status.errors import StatusError
from edge.status.history import STEP
from edge.status.overview import Overview
from edge.status.server import StatusServer
from edge.status.verbs import verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from edge.config.load import Config
    from edge.host import Host, Service
    from edge.status.server import Answer, Request
    from edge.status.web import Web


class StatusService:
    """Reports of `host` and `services`. `locked`: the data directory is held by this process."""

    def __init__(self, host: Host, services: Sequence[Service], locked: bool) -> None:
        node = host.config[Node]
        self._host = host
        self._services = services
        self._listens = bool(node.listen)
        self._web: Web | None = None  # once it is wanted
        self.overview = Overview(host, host.swarm.loop.time)
        self._timer: asyncio.TimerHandle | None = None
        answers = {
            "status": self._status,
            "overview": self._overview,
            "health": self._health,
            "peers": self._peers,
            "page": self._page,
            **host.answers,
        }
        locked = locked and os.path.samefile(node.data_dir, node.run_dir)
        self._server = StatusServer(
            node.run_dir, {**answers, **verbs(host.swarm, host.dialer)}, locked=locked
        )

    def report(self) -> dict[str, object]:
        """The answer that `kwaainet status --json` prints."""
        return report.status(self._host, self._services)

    def health(self) -> dict[str, object]:
        """The answer that `kwaainet health` prints."""
        return report.health(self._host, self._listens)

    def condition(self) -> tuple[bool, str]:
        """Whether the node is well, and a line about it for people."""
        found = self.health()
        line = "{status}; mode {mode}: {reason}".format(**found)
        return found["status"] == report.WELL, line

    async def start(self) -> None:
        """Raises StatusError."""
        await self._server.start()
        self._sample()

    def serve_http(self, config: Config) -> None:
        """Serve the pages as configured, from now on. Raises HttpError."""
        section = config[Status]
        if self._web is None:
            if not section.http and not section.page:
                return
            from edge.status import pages
            from edge.status.web import Web

            found = pages.pages(self.report, self.health)
            self._web = Web(self._host, found, self.overview.line)
        self._web.configure(config)

    def configure(self, config: Config) -> None:
        """Follow `config`; what cannot be served is logged, and what is served goes on."""
        try:
            self.serve_http(config)
        except HttpError as error:
            log.error("http-not-served", error=error)

    async def stop(self) -> None:
        """Let everybody go who asks."""
        if self._timer is not None:
            self._timer.cancel()
        await self._server.stop()
        if self._web is not None:
            await self._web.stop()

    def _sample(self) -> None:
        swarm = self._host.swarm
        self._timer = swarm.loop.call_later(STEP * swarm.slowdown, self._sample)
        self.overview.sample()

    async def _status(self, _: Request) -> Answer:
        return self.report()

    async def _overview(self, _: Request) -> Answer:
        return self.overview.line()

    async def _health(self, _: Request) -> Answer:
        well, line = self.condition()
        if not well:
            raise StatusError(line)
        return self.health()

    async def _peers(self, _: Request) -> Answer:
        return report.peers(self._host)

    async def _page(self, _: Request) -> Answer:
        return {"listening": [list(each) for each in self._web.listening] if self._web else []}

"""AutoNAT as a service: the client that learns whether this node is reached, and the server."""

from __future__ import annotations

from edge.autonat.client import Client
from edge.autonat.server import Server
from edge.config.schema import Autonat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status


class AutonatService:
    """Follows [autonat]."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._client = Client(host)
        self._server = Server(host)

    def configure(self, config: Config) -> None:
        """Whether to ask, and whether to answer; peers are told of the protocols that differ."""
        settings = config[Autonat]
        before = self._client.enabled, self._server.service
        self._client.enabled, self._server.service = settings.client, settings.service
        if (self._client.enabled, self._server.service) != before:
            self._host.identify.push_soon()

    async def run(self) -> None:
        """Ask, for ever."""
        await self._client.run()

    async def stop(self) -> None:
        """Nothing outlives the node."""

    def report(self) -> Status:
        """Dial-backs to this node, by networks, and those that it was asked for since the start."""
        reached, failed = self._host.addresses.dial_backs
        found = {"reached": reached, "failed": failed, "answered": dict(self._server.answered)}
        return {"autonat": found}

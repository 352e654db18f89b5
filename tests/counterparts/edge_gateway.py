"""`kwaainet run` as the gateway of a stand-in's hub: nobody else may then ask the stand-in."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.counterparts.base import Setup, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.hub import HubStandIn


class EdgeGateway(EdgeNode):
    """`url` is what its users have as HF_ENDPOINT. The cache is in `data_dir`."""

    def __init__(self, hub: HubStandIn, *options: str, data_dir: Path | None = None) -> None:
        self._port = port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._hub = hub
        of_cache = {
            "gateway": "yes",
            "gateway-listen": f"/ip4/127.0.0.1/tcp/{port}",
            "hub": hub.hub.url,
            "storage-hosts": hub.storage.authority,
            "registry": hub.hub.url,
            "registry-hosts": hub.storage.authority,
            "size": "512M",
        }
        words = [word for name, value in of_cache.items() for word in (f"--cache-{name}", value)]
        super().__init__(Setup(), (*words, *options), data_dir)

    async def start(self) -> None:
        await super().start()
        assert self.process is not None
        self._hub.only(self.process.pid)
        await until(self._listens)

    async def _listens(self) -> bool:
        """Whether the gateway does, which it begins to once its store is open."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

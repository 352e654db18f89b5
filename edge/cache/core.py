"""A cache that is on: its store, what it asks origins with, and the gateway. Made when needed."""

from __future__ import annotations

import socket
import time
from functools import partial

from edge import log
from edge.cache.catalog import Catalog
from edge.cache.fragments.sharing import Sharing
from edge.cache.gateway import Gateway
from edge.cache.hub.registry import Registry
from edge.cache.hub.service import Hub
from edge.cache.jobs import Jobs
from edge.cache.lan import Lan, LocalNames, Reach
from edge.cache.origins import PlainOrigin
from edge.cache.place import default_size, directory_of
from edge.cache.pull.puller import Puller
from edge.cache.remote import Remote
from edge.cache.store.store import Store
from edge.config.schema import Cache, Origin, Tier
from edge.host import by_reason, parsed
from edge.http.client import HttpClient
from edge.http.errors import HttpError
from edge.http.limits import ClientLimits
from edge.http.server import HttpServer
from edge.text import shown
from edge.threads import in_thread
from edge.version import AGENT
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status

_TROUBLE = 160  # characters of it in the overview
SHARE = 0.4  # of the memory to lease: flights, readers, clients, the store's index


class Core:
    """Everything of a cache that runs; what the verbs ask. `fetcher`: gets pieces from peers."""

    def __init__(self, host: Host) -> None:
        loop = host.swarm.loop
        self.pool = pool = host.budget.pool("cache", SHARE)
        self.store = Store(pool, loop)
        self.catalog = Catalog(self.store, host.swarm.key, pool)
        self.jobs = Jobs()
        self.fetcher = Remote(self.store, self.catalog, pool)
        self._sharing = Sharing(host, self.store, self.catalog, self.fetcher, pool)
        self.fetcher.fetcher = self._sharing.fetcher
        self.store.completed = self._sharing.look
        self._tasks = [host.swarm.spawn(self.store.run()), host.swarm.spawn(self._sharing.run())]
        self._host = host
        self._reach = Reach()
        self._lan = Lan(loop.time)
        self._client = HttpClient(loop, ClientLimits(), self._reach.allows, self._mark)
        self._puller = Puller(host.allowance, self.store, pool, self._sharing.server.pace)
        parts = (self._client, self.store.notes, self._puller, pool, loop.time, host.utc)
        self._hub, self._registry = Hub(*parts), Registry(*parts)
        self._gateway = Gateway(AGENT, self._hub.serve, self._registry.serve)
        self._server = HttpServer(self._gateway.serve, pool=pool)
        self._server.names_option = "gateway_names"
        self._server.admits = self._lan.admits
        host.network_changed.append(self._server.listen_anew)

    def _mark(self, sock: socket.socket) -> None:
        self._host.swarm.new_socket(sock)  # which another service sets

    def look(self) -> None:
        """What is kept has changed: peers are to be told soon."""
        self._sharing.look()

    async def follow(self, config: Config) -> None:
        """Be as `config` has it."""
        section = config[Cache]
        directory = directory_of(config)
        size = (
            section.size
            or config[Tier].cache_size
            or await in_thread("cache-size", partial(default_size, directory))
        )
        await self.store.open(directory, size, section.max_written)
        self.fetcher.trusted = frozenset(map(PeerId.from_string, section.trusted))
        self._sharing.configure(section)
        self._puller.whole_files = section.whole_files
        self._hub.configure(section)
        self._registry.configure(section)
        self._gateway.cors = section.cors
        self._gateway.origins = {
            origin.name: (origin.url, self._plain(origin).serve) for origin in config.all(Origin)
        }
        self._serve(config)

    def _plain(self, section: Origin) -> PlainOrigin:
        return PlainOrigin(section, self._client, self._puller, self.store.notes, time.time)

    def _serve(self, config: Config) -> None:
        """Listen as configured; what cannot be had is logged, and what is served goes on."""
        section = config[Cache]
        wanted = parsed(section.gateway_listen) if section.gateway else []
        addresses = [target[:2] for each in wanted if (target := each.host_port()) is not None]
        self._lan.configure(section)
        self._server.names = LocalNames(section.gateway_names)
        try:
            self._server.configure(addresses)
        except HttpError as error:
            log.error("gateway-not-served", error=error)
        ports = {port for _, port in self._server.listening}
        self._reach.configure(section, config.all(Origin), ports)

    async def stop(self) -> None:
        """Let clients and origins go; write what is to last."""
        self._host.network_changed.remove(self._server.listen_anew)
        await self.jobs.stop()
        for task in self._tasks:
            task.cancel()
        self._sharing.stop()
        await self._server.stop()
        self._hub.stop()
        self._registry.stop()
        await self._puller.stop()
        self._client.close()
        await self.store.close()

    @property
    def shares(self) -> bool:
        """Whether anybody is given pieces."""
        return self._sharing.public

    @property
    def given(self) -> tuple[int, int, int]:
        """Bytes to clients, those of them that no origin had to send, and pieces to peers."""
        counters = self._puller.counters
        pieces = self._sharing.server.fragments
        return counters.get("lan_bytes", 0), counters.get("saved_bytes", 0), pieces

    def overview(self) -> Status:
        """The disk, what it saved, and what is wrong with it."""
        store, counters = self.store, self._puller.counters
        return {
            "bytes": store.index.bytes,
            "size": store.space.quota,
            **{name: counters.get(name, 0) for name in ("wan_bytes", "saved_bytes", "lan_bytes")},
            "trouble": shown(store.trouble, _TROUBLE),
        }

    def report(self) -> Status:
        """Keys of `kwaainet status --json`."""
        store, counters, client = self.store, self._puller.counters, self._client.counters
        refused = {name: n for name, n in counters.items() if name.startswith("refused_")}
        told = {name: counters.get(name, 0) for name in _TOLD}
        server = {
            name: count
            for name, count in self._server.counters.items()
            if name not in ("connections", "requests")
        }
        refusals = {
            **{name.removeprefix("refused_"): count for name, count in refused.items()},
            **{f"client_{name}": count for name, count in server.items()},
            **{f"store_{name}": count for name, count in store.refused.items()},
            **self._gateway.refused,
            "address": self._reach.refused,
        }
        listening = [
            f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in self._server.listening
        ]
        return {
            "cache": {
                "listening": listening,
                "clients": self._server.clients,
                "requests": self._server.counters["requests"],
                "downloads": len(self._puller.shared.flights),
                **told,
                "origins": dict(client),
                "files": store.index.files,
                "bytes": store.index.bytes,
                "size": store.space.quota,
                "trouble": store.trouble,
                "flash_bytes_written": store.written,
                "repaired_bytes": store.repaired,
                "evicted_bytes": store.evicted,
                "fragments": self._sharing.report(),
            },
            "refusals": {"cache": by_reason({n: c for n, c in refusals.items() if c})},
        }


_TOLD = (
    *("hits", "misses", "wan_bytes", "saved_bytes", "lan_bytes"),
    *("resumed", "passed_through", "cut", "changed", "wrong_files"),
)

"""What the node serves over HTTP, as configured: /metrics and /health, and the page."""

from __future__ import annotations

import json

from edge import log
from edge.config.schema import Status
from edge.host import parsed
from edge.http.errors import HttpError
from edge.http.server import HttpServer
from edge.status import pages
from edge.status.errors import NO_PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from edge.config.load import Config
    from edge.host import Host
    from edge.http.server import Address
    from edge.page.site import Site
    from edge.wire.multiaddr import Multiaddr


class Web:
    """`found`: the pages for programs, by path. `overview`: a line of JSON, shown on the page."""

    def __init__(self, host: Host, found: pages.Pages, overview: Callable[[], bytes]) -> None:
        self._host = host
        self._found = found
        self._overview = overview
        self._site: Site | None = None  # once it is wanted
        self._served: dict[str, pages.Page] = {}
        self._shown: list[Site] = []  # the site, while it is
        self._server = HttpServer(pages.handler(self._served, self._shown), pages.limits())
        host.network_changed.append(self._server.listen_anew)

    @property
    def listening(self) -> Sequence[Address]:
        """The IP addresses and ports at which the page is."""
        return self._server.listening if self._shown else ()

    def configure(self, config: Config) -> None:
        """Serve what `config` says from now on. Raises HttpError, and goes on as before."""
        section = config[Status]
        site = self._made_site() if section.page else None
        listen = parsed(section.http_listen) if section.http or site is not None else []
        wanted = [_ip_port(address) for address in listen]
        # Nobody may come by a new address before it is known, nor by an old one that stays.
        self._restrict([*self._server.listening, *wanted], section.http_names)
        try:
            self._server.configure(wanted)
        except HttpError:
            self._restrict(self._server.listening, self._server.names)
            raise
        self._restrict(wanted, section.http_names)
        self._server.names = frozenset(section.http_names)
        self._server.limits = pages.limits(browsers=site is not None)
        self._served.clear()
        self._served.update(self._found if section.http else {})
        self._shown[:] = [site] if site is not None else []
        if self._site is not None:
            self._site.feed.close()  # whoever still may listen comes again

    async def stop(self) -> None:
        """Let everybody go."""
        await self._server.stop()

    def _restrict(self, addresses: Sequence[Address], names: Collection[str]) -> None:
        if self._site is not None:
            self._site.access.configure([ip for ip, _ in addresses], names)

    def _made_site(self) -> Site | None:
        """The page; None, with a line in the log, where this build has none."""
        if self._site is None:
            try:
                from edge.page.site import site
            except ImportError:
                log.warning("page-not-served", error=NO_PAGE)
                return None
            host = self._host
            name = f"kwaainet_{str(host.swarm.peer_id)[-8:]}"
            pool = host.budget.pool("page", 0.1)
            self._site = site(self._now, pool, host.data_dir, name)
        return self._site

    def _now(self) -> dict[str, object]:
        return dict(json.loads(self._overview()))


def _ip_port(address: Multiaddr) -> tuple[str, int]:
    """Of an address with a number for a host."""
    target = address.host_port()
    assert target is not None
    return target[0], target[1]

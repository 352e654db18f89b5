"""Keeps the listening TCP ports mapped on the gateway, so that a node behind NAT is reached.

Asked is the gateway of the IPv4 default route. A mapping is renewed after half of its lifetime, at
once when the gateway has restarted or the network has changed, and given back when the node stops,
listens there no more or is told to map nothing. What is mapped is only a candidate for an own
address: edge.swarm.addresses says what confirms it. One whose IP is not public, behind another
NAT or a carrier's, leads nowhere by itself; it is kept, as its port may be reached through both.

A machine with a public IPv4 address, such as a router that is its own gateway, asks nobody. IPv6 is
not mapped.

Source: RFC 6887 sections 8, 11 and 15; RFC 6886 section 3.7
"""

from __future__ import annotations

import asyncio
import random

from edge import log
from edge.config.schema import Portmap
from edge.portmap.announcements import Announcements
from edge.portmap.gateway import Gateway, source_towards
from edge.portmap.mapper import PortMapError
from edge.swarm import interfaces, routes
from edge.swarm.backoff import Backoff
from edge.wire import pcp
from edge.wire.ip import PUBLIC, scope
from edge.wire.multiaddr import Multiaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config
    from edge.host import Host, Status
    from edge.portmap.mapper import Grant, Mapper

MAX_PORTS = 8
FIRST_REST = 10.0  # seconds after a failure,
LONGEST_REST = 1800.0  # doubling up to this
_LOOK = 60.0  # seconds, times the slowdown, between two looks at addresses and routes
_LULL = 5.0  # at most, before all hosts of a gateway that has restarted ask at once
_RESTARTS = 10.0  # seconds in which a gateway restarts once at most, whatever it announces
_GOODBYE = 1.5  # for all that is given back when the node stops
_ANY = b"\0" * 4
_NO_GATEWAY = "there is no IPv4 gateway"


class Mapping:
    """External `address` leads to our `port`: until and from when to renew it, in loop time."""

    __slots__ = ("address", "by", "expires", "port", "renew_at")

    def __init__(self, port: int, by: Mapper, grant: Grant, now: float) -> None:
        self.port = port
        self.by = by
        self.address = Multiaddr.from_ip(grant.ip, grant.port)
        self.expires = now + grant.lifetime
        part = random.uniform(0.5, 0.625)  # noqa: S311 - no secret
        self.renew_at = now + grant.lifetime * part

    @property
    def external_port(self) -> int:
        target = self.address.host_port()
        assert target is not None
        return target[1]


class PortMapper:
    """Has the gateway forward what `host` listens on, while [portmap] says so.

    `failed`: how many requests were not granted. `error`: why the last one was not.
    """

    def __init__(self, host: Host) -> None:
        self.failed = 0
        self.error = ""
        self._host = host
        self._loop = host.swarm.loop
        self._enabled = "no"
        self._mappings: dict[int, Mapping] = {}
        self._gateway: Gateway | None = None
        self._announcements: Announcements | None = None
        self._restarted_at = -_RESTARTS
        self._backoff = Backoff(self._loop.time, LONGEST_REST)
        self._wake = asyncio.Event()
        host.network_changed.append(self._start_afresh)
        host.overviews.append(self._overview)
        host.swarm.listening_changed.append(self._wake.set)

    # --- Service ---

    def configure(self, config: Config) -> None:
        """Follow [portmap]; what is no longer wanted is given back."""
        self._enabled = config[Portmap].enabled
        self._wake.set()

    async def run(self) -> None:
        """Keep the ports mapped, for ever."""
        while True:
            self._wake.clear()
            gateway = await self._look()
            try:
                async with asyncio.timeout(self._pause(gateway)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Give back what is mapped, as far as the gateway answers in time."""
        if self._announcements is not None:
            self._announcements.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                for mapping in list(self._mappings.values()):
                    await self._give_back(mapping)
        except TimeoutError:
            log.info("port-mapping-kept", error="no answer in time")

    def report(self) -> Status:
        """The ports that are mapped, and why others are not."""
        now = self._loop.time()
        confirmed = self._host.addresses.confirmed
        ports = [
            {
                "port": mapping.port,
                "external": str(mapping.address),
                "protocol": mapping.by.NAME,
                "public": mapping.address.scope() == PUBLIC,
                "confirmed": mapping.address in confirmed,
                "renewed_in": max(round(mapping.renew_at - now), 0),
                "expires_in": round(mapping.expires - now),
            }
            for mapping in self._mappings.values()
        ]
        found = {"ports": ports, "failed": self.failed}
        return {"port_mapping": found | ({"error": self.error} if self.error else {})}

    def _overview(self) -> Status:
        mapped = any(mapping.address.scope() == PUBLIC for mapping in self._mappings.values())
        return {"ports": "mapped"} if mapped else {}

    # --- what is wanted, of whom ---

    async def _look(self) -> Gateway | None:
        """Bring the mappings in line with what is wanted now; who is asked for them."""
        if not self._is_on():
            await self._end()
            return None
        gateway = self._find_gateway()
        if gateway is not None:
            ports = self._ports(gateway)
            for mapping in list(self._mappings.values()):
                if mapping.port not in ports:
                    await self._give_back(mapping)
            for port in ports:
                if self._due_in(port) <= 0:
                    await self._ask(gateway, port)
        self._expire()
        self._publish()
        return gateway

    def _is_on(self) -> bool:
        if self._enabled != "auto":
            return self._enabled == "yes"
        own = [ip for ip, _ in interfaces.addresses() if len(ip) == 4]
        return not self._host.addresses.external and PUBLIC not in map(scope, own)

    def _find_gateway(self) -> Gateway | None:
        """That of the default route. What another one has mapped is lost: it cannot be told."""
        route = routes.find()
        ip = route.gateway if route is not None else None
        if ip is None or len(ip) != 4:
            self.error = _NO_GATEWAY
            return None
        try:
            source = source_towards(ip)
        except PortMapError as error:
            self.error = str(error)
            return None
        if self.error == _NO_GATEWAY:
            self.error = ""
        before = self._gateway
        if before is None or (before.ip, before.source) != (ip, source):
            self._forget_gateway()
            self._gateway = Gateway(ip, source, self._nonce, self._on_restart)
            self._announcements = Announcements(self._gateway)
        return self._gateway

    def _ports(self, gateway: Gateway) -> list[int]:
        """Where the node listens for what the gateway forwards."""
        found: dict[int, None] = {}
        for address in self._host.swarm.listening:
            ip, target = address.ip(), address.host_port()
            if ip in (_ANY, gateway.source) and target is not None:
                found[target[1]] = None
        return list(found)[:MAX_PORTS]

    def _due_in(self, port: int) -> float:
        """Seconds until the gateway is to be asked for `port`."""
        mapping = self._mappings.get(port)
        due = 0.0 if mapping is None else mapping.renew_at - self._loop.time()
        return max(due, self._backoff.left(port))

    def _pause(self, gateway: Gateway | None) -> float:
        """Seconds until there is something to do again: a renewal is never late."""
        ports = self._ports(gateway) if gateway is not None else []
        due = [self._due_in(port) for port in ports]
        ends = [mapping.expires - self._loop.time() for mapping in self._mappings.values()]
        return min([_LOOK * self._host.swarm.slowdown, *due, *ends])

    def _nonce(self, port: int) -> bytes:
        """The identity's own, so that a node which was killed can renew what it had."""
        return self._host.swarm.key.sign(b"kwaainet port mapping %d" % port)[: pcp.NONCE]

    # --- mappings ---

    async def _ask(self, gateway: Gateway, port: int) -> None:
        before = self._mappings.get(port)
        try:
            by, grant = await gateway.map(port, before.external_port if before else port)
        except PortMapError as error:
            self.failed += 1
            self.error = str(error)
            wait = self._backoff.failed(port, max(FIRST_REST, error.rest))
            log.info("port-mapping-failed", port=port, error=error, again_in=int(wait))
            return
        self.error = ""
        self._backoff.forget(port)
        mapping = self._mappings[port] = Mapping(port, by, grant, self._loop.time())
        if before is None or before.address != mapping.address:
            at, seconds = mapping.address, grant.lifetime
            log.info("port-mapped", port=port, external=at, by=by.NAME, lifetime=seconds)

    async def _give_back(self, mapping: Mapping) -> None:
        self._mappings.pop(mapping.port, None)
        self._publish()
        try:
            await mapping.by.unmap(mapping.port, mapping.external_port)
        except PortMapError as error:
            log.info("port-mapping-kept", port=mapping.port, by=mapping.by.NAME, error=error)
        else:
            log.info("port-mapping-ended", port=mapping.port, by=mapping.by.NAME)

    def _expire(self) -> None:
        now = self._loop.time()
        for mapping in list(self._mappings.values()):
            if mapping.expires <= now:
                del self._mappings[mapping.port]
                log.info("port-mapping-lost", port=mapping.port, external=mapping.address)

    def _publish(self) -> None:
        self._host.addresses.set_mapped([each.address for each in self._mappings.values()])

    async def _end(self) -> None:
        """Give back all there is, and do nothing more."""
        for mapping in list(self._mappings.values()):
            await self._give_back(mapping)
        self._forget_gateway()

    def _forget_gateway(self) -> None:
        if self._announcements is not None:
            self._announcements.close()
        self._gateway = self._announcements = None
        self._mappings.clear()
        self._backoff.clear()
        self.error = ""
        self._publish()

    # --- what changes ---

    def _start_afresh(self) -> None:
        """The network may be another one: what is mapped may be gone, what failed may work."""
        self._backoff.clear()
        for mapping in self._mappings.values():
            mapping.renew_at = self._loop.time()
        self._wake.set()

    def _on_restart(self) -> None:
        """The gateway has lost what was mapped; it is not asked by all of its hosts at once.

        What it announces soon after it was asked again waits: it may have restarted in between.
        """
        now = self._loop.time()
        soonest = self._restarted_at + _RESTARTS
        if now >= soonest:
            self._restarted_at = now
            log.info("port-mapping-gateway-restarted", mappings=len(self._mappings))
            self._backoff.clear()
        for mapping in self._mappings.values():
            lull = random.uniform(0, _LULL)  # noqa: S311 - no secret
            mapping.renew_at = min(mapping.renew_at, max(now + lull, soonest))
        self._wake.set()

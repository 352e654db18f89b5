"""Asks one gateway for ports: by PCP, by NAT-PMP where it says that it has no PCP, else by UPnP.

Believed is what comes from the gateway's address and port and answers what was asked: whoever else
answers in the LAN is not heard. The protocol that has worked is the first to be tried again.

Sources: RFC 6887, RFC 6886 section 3; edge.portmap.igd for UPnP
"""

from __future__ import annotations

import asyncio
import random
import socket

from edge.portmap.mapper import LIFETIME, Grant, PortMapError
from edge.wire import pcp
from edge.wire.errors import RemoteProtocolError
from edge.wire.ip import format_ip4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge.portmap.mapper import Mapper

_LONGEST = 86400  # seconds; more is not believed
_SHORTEST = 8  # so that a gateway which grants less is not asked without end
_PATIENCE = (3.0, 6.0)  # seconds for an answer of PCP, each +-10 % (RFC 6887 section 8.1.1)
_PATIENCE_0 = (0.25, 0.5, 1.0, 2.0)  # of NAT-PMP (RFC 6886 section 3.1)


class Gateway:
    """The gateway at `ip`, which sees this machine at `source`; 4 bytes each.

    `nonces`: of PCP, by port; what has the same nonce renews or ends a mapping. `restarted()`: told
    when an answer shows that the gateway has lost its mappings.
    """

    def __init__(
        self,
        ip: bytes,
        source: bytes,
        nonces: Callable[[int], bytes],
        restarted: Callable[[], None],
    ) -> None:
        self.ip = ip
        self.source = source
        self._epoch = pcp.Epoch()
        self._restarted = restarted
        self._loop = asyncio.get_running_loop()
        self._pcp = Pcp(self, nonces)
        self._nat_pmp = NatPmp(self)
        self._upnp = _upnp(ip, source)
        self._last: Mapper | None = None

    async def map(self, port: int, wanted: int) -> tuple[Mapper, Grant]:
        """Have TCP `port` forwarded, and by which protocol that was. Raises PortMapError."""
        failures = []
        rest = 0.0
        for mapper in self._protocols():
            try:
                grant = _checked(await mapper.map(port, wanted))
            except PortMapError as error:
                failures.append(f"{mapper.NAME}: {error}")
                rest = max(rest, error.rest)
                continue
            self._last = mapper
            return mapper, grant
        if self._upnp is None:
            failures.append("UPnP: miniupnpc is not installed")
        raise PortMapError("; ".join(failures), rest)

    def _protocols(self) -> Iterator[Mapper]:
        """In the order in which they are tried; what one has learned decides about the next."""
        last = self._last
        if last is not None:
            yield last
        if last is not self._pcp:
            yield self._pcp
        if last is not self._nat_pmp and self._pcp.is_unknown:
            yield self._nat_pmp
        if last is not self._upnp and self._upnp is not None:
            yield self._upnp

    def _heard(self, answer: pcp.Answer) -> None:
        """Its clock tells whether the gateway has restarted."""
        if answer.result != pcp.OK:
            return
        now = self._loop.time()
        restarted = self._epoch.restarted(answer.epoch, now)
        self._epoch.heard(answer.epoch, now)
        if restarted:
            self._restarted()

    def announced(self, data: bytes) -> None:
        """A datagram from the gateway that nobody has asked for; whoever forges one gains little.

        UPnP knows no epoch, so there any announcement may mean a restart.
        """
        try:
            answer = pcp.parse(data)
        except RemoteProtocolError:
            return
        known = self._last in (self._pcp, self._nat_pmp)
        if not known or self._epoch.restarted(answer.epoch, self._loop.time()):
            self._restarted()

    async def ask(
        self,
        request: bytes,
        answers: Callable[[pcp.Answer], bool],
        patience: Sequence[float],
    ) -> pcp.Answer:
        """The gateway's answer to `request`. Raises PortMapError if there is none."""
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.connect((format_ip4(self.ip), pcp.PORT))  # others are not heard
                for wait in patience:
                    sock.send(request)
                    answer = await self._answer(sock, answers, wait)
                    if answer is not None:
                        self._heard(answer)
                        return answer
        except OSError as error:
            raise PortMapError(error.strerror or str(error)) from None
        raise PortMapError("no answer")

    async def _answer(
        self, sock: socket.socket, answers: Callable[[pcp.Answer], bool], wait: float
    ) -> pcp.Answer | None:
        try:
            async with asyncio.timeout(wait):
                while True:
                    data = await self._loop.sock_recv(sock, pcp.MAX_MESSAGE + 1)
                    try:
                        answer = pcp.parse(data)
                    except RemoteProtocolError:
                        continue
                    if answers(answer):
                        return answer
        except TimeoutError:
            return None


class Pcp:
    """RFC 6887. `is_unknown`: the gateway has said that it has no PCP."""

    NAME = "PCP"

    def __init__(self, gateway: Gateway, nonces: Callable[[int], bytes]) -> None:
        self.is_unknown = False
        self._gateway = gateway
        self._nonces = nonces

    async def map(self, port: int, wanted: int) -> Grant:
        answer = await self._ask(port, LIFETIME, wanted, _patience())
        return Grant(answer.external_ip, answer.external_port, answer.lifetime)

    async def unmap(self, port: int, external_port: int) -> None:
        await self._ask(port, 0, external_port, _PATIENCE_0)

    async def _ask(
        self, port: int, lifetime: int, wanted: int, patience: Sequence[float]
    ) -> pcp.Answer:
        nonce = self._nonces(port)

        def answers(answer: pcp.Answer) -> bool:
            if answer.result == pcp.UNSUPP_VERSION:
                return True
            ours = answer.nonce == nonce and answer.internal_port == port
            return answer.version == pcp.PCP and answer.opcode == pcp.MAP and ours

        source = self._gateway.source
        request = pcp.map_request(nonce, source, port, lifetime, wanted)
        answer = await self._gateway.ask(request, answers, patience)
        self.is_unknown = answer.result == pcp.UNSUPP_VERSION
        return _granted(answer)


class NatPmp:
    """RFC 6886."""

    NAME = "NAT-PMP"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def map(self, port: int, wanted: int) -> Grant:
        address = await self._ask(pcp.ADDRESS, pcp.address_request())
        answer = await self._map(port, LIFETIME, wanted)
        return Grant(address.external_ip, answer.external_port, answer.lifetime)

    async def unmap(self, port: int, external_port: int) -> None:
        await self._map(port, 0, 0)  # the external port is 0 in the end of a mapping

    async def _map(self, port: int, lifetime: int, wanted: int) -> pcp.Answer:
        return await self._ask(pcp.MAP_TCP, pcp.map_tcp_request(port, lifetime, wanted), port)

    async def _ask(self, opcode: int, request: bytes, port: int = 0) -> pcp.Answer:
        def answers(answer: pcp.Answer) -> bool:
            refused = answer.result != pcp.OK  # then there is no port in it
            ours = answer.opcode == opcode and (refused or answer.internal_port == port)
            return answer.version == pcp.NAT_PMP and ours

        return _granted(await self._gateway.ask(request, answers, _PATIENCE_0))


def source_towards(gateway: bytes) -> bytes:
    """The IP, 4 bytes, that this machine has for `gateway`. Raises PortMapError."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((format_ip4(gateway), pcp.PORT))
            return socket.inet_aton(sock.getsockname()[0])
    except OSError as error:
        raise PortMapError(error.strerror or str(error)) from None


def _patience() -> list[float]:
    return [wait * random.uniform(0.9, 1.1) for wait in _PATIENCE]  # noqa: S311 - no secret


def _checked(grant: Grant) -> Grant:
    """With a lifetime that can be. Raises PortMapError if it leads nowhere."""
    if len(grant.ip) != 4 or not grant.port or not grant.lifetime:
        raise PortMapError("an answer without an address")
    return grant._replace(lifetime=min(max(grant.lifetime, _SHORTEST), _LONGEST))


def _granted(answer: pcp.Answer) -> pcp.Answer:
    if answer.result != pcp.OK:
        raise PortMapError(answer.meaning, answer.lifetime)
    return answer


def _upnp(gateway: bytes, source: bytes) -> Mapper | None:
    """None where this is left out (the static binary) or its library is not installed."""
    try:
        from edge.portmap.igd import Igd
    except ImportError:
        return None
    return Igd(gateway, source)

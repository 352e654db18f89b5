"""UPnP: asks an Internet Gateway Device for ports, through miniupnpc (the extra `upnp`).

miniupnpc would take whatever device answers first for a gateway. So the search is ours, and what
answers counts only if it comes from the gateway's address; the description and the control URL in
it must lead there, too. What remains, the description's XML and the calls by SOAP, is
miniupnpc's. It blocks, so all of this is done in a thread.

Sources: UPnP Forum, WANIPConnection:1 and InternetGatewayDevice:1; miniupnpc 2.3
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from functools import partial

import miniupnpc

from edge.portmap.mapper import LIFETIME, Grant, PortMapError
from edge.threads import in_thread, running
from edge.wire import ssdp
from edge.wire.errors import RemoteProtocolError
from edge.wire.ip import format_ip4, parse_ip4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

_SEARCHES = 2
_ANSWER_TIME = 1.5  # seconds; a device waits up to one before it answers
_CALL_TIME = 10.0  # for all calls of a request
_MAX_CALLS = 4  # under way: more means that nobody answers
_THREAD = "upnp"
_NAME = "kwaainet"
_OTHERS = 3  # external ports tried when the one wanted is another host's
_PORTS = (20000, 60000)


class Igd:
    """The gateway at `gateway`, asked by the host that it sees at `source`; 4 bytes each."""

    NAME = "UPnP"

    def __init__(self, gateway: bytes, source: bytes) -> None:
        self._gateway = gateway
        self._source = source
        self._location = ""  # of the description, once it was found

    async def map(self, port: int, wanted: int) -> Grant:
        return await self._call(lambda: self._map(port, wanted))

    async def unmap(self, port: int, external_port: int) -> None:
        await self._call(lambda: self._device().deleteportmapping(external_port, "TCP"))

    async def _call(self, work: Callable[[], T]) -> T:
        """What `work` finds, in a thread. Raises PortMapError."""
        if running(_THREAD) >= _MAX_CALLS:
            raise PortMapError("earlier requests still wait for an answer")
        try:
            async with asyncio.timeout(_CALL_TIME):
                return await in_thread(_THREAD, work)
        except TimeoutError:
            raise PortMapError("no answer in time") from None
        except PortMapError:
            raise
        except Exception as error:  # noqa: BLE001 - miniupnpc raises nothing narrower
            raise PortMapError(str(error)) from None

    # --- in the thread ---

    def _map(self, port: int, wanted: int) -> Grant:
        self._location = self._find()
        device = self._device()
        address = device.externalipaddress()
        others = [random.randrange(*_PORTS) for _ in range(_OTHERS)]  # noqa: S311 - no secret
        for external in (wanted, *others):
            try:
                self._add(device, external, port)
            except Exception as error:
                if "Conflict" in str(error):
                    continue
                raise
            return Grant(parse_ip4(address), external, LIFETIME)
        raise PortMapError("the ports are others'")

    def _add(self, device: Any, external: int, port: int) -> None:
        """For LIFETIME seconds, or without an end where the gateway knows no other mapping."""
        add = partial(
            device.addportmapping, external, "TCP", format_ip4(self._source), port, _NAME, ""
        )
        try:
            add(LIFETIME)
        except Exception as error:
            if "OnlyPermanentLeases" not in str(error):
                raise
            add(0)

    def _device(self) -> Any:
        """The gateway as its description has it."""
        device = miniupnpc.UPnP()
        control = device.selectigd(self._location)
        if ssdp.host(control) != format_ip4(self._gateway):
            raise PortMapError("it sends its clients elsewhere")
        return device

    def _find(self) -> str:
        """Where the gateway has its description."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((format_ip4(self._source), 0))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, self._source)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
            for _ in range(_SEARCHES):
                sock.sendto(ssdp.search(), (ssdp.GROUP, ssdp.PORT))
                found = self._answer(sock)
                if found is not None:
                    return found
        raise PortMapError("no answer")

    def _answer(self, sock: socket.socket) -> str | None:
        """Of the first answer from the gateway; others are heard and left alone."""
        gateway = format_ip4(self._gateway)
        end = time.monotonic() + _ANSWER_TIME
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                data, sender = sock.recvfrom(ssdp.MAX_ANSWER + 1)
                found = ssdp.location(data)
            except (TimeoutError, RemoteProtocolError):
                continue
            if sender[0] == ssdp.host(found) == gateway:
                return found
        return None

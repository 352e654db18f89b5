"""UPnP with a gateway that says what a test wants, in its description and when it is called."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Callable

import pytest

from edge.portmap import igd
from edge.portmap.igd import Igd
from edge.portmap.mapper import PortMapError
from edge.threads import running
from tests.counterparts.base import asynchronous, until

SOURCE = bytes((127, 0, 0, 1))
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor>
</specVersion><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service><serviceType>%s</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>%s</controlURL><eventSubURL>/evt</eventSubURL><SCPDURL>/x.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>
"""
Calls = list[tuple[str, dict[str, str]]]
Answer = Callable[[str, dict[str, str]], dict[str, str] | int]


class Web:
    """A gateway's HTTP server. `answer`: of a call, its values or the number of an error."""

    def __init__(self, answer: Answer, control: str) -> None:
        self.calls: Calls = []
        self._answer = answer
        self._control = control

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: *(\d+)", head.lower())
        body = (await reader.readexactly(int(length[1]) if length else 0)).decode()
        status, text = self._page(head, body)
        page = text.encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(page)}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n" + page)
        writer.close()

    def _page(self, head: str, body: str) -> tuple[str, str]:
        action = re.search(r'soapaction: *"[^"]*#(\w+)"', head, re.IGNORECASE)
        if action is None:
            return "200 OK", DESCRIPTION % (SERVICE, self._control)
        values = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        self.calls.append((action[1], values))
        answer = self._answer(action[1], values)
        if isinstance(answer, int):
            detail = f"<UPnPError><errorCode>{answer}</errorCode></UPnPError>"
            return "500 Error", _soap(f"<s:Fault><detail>{detail}</detail></s:Fault>")
        told = "".join(f"<{name}>{value}</{name}>" for name, value in answer.items())
        return "200 OK", _soap(f'<u:{action[1]}Response xmlns:u="{SERVICE}">{told}</u:{action[1]}>')


def _soap(body: str) -> str:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


@contextlib.asynccontextmanager
async def gateway(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, control: str = "/ctl"
) -> AsyncIterator[tuple[Web, Igd]]:
    """One that was found; SSDP is multicast, which has no place on the loopback interface."""
    ip = bytes((127, *random.SystemRandom().choices(range(1, 255), k=3)))
    at = ".".join(map(str, ip))
    web = Web(answer, control)
    async with await asyncio.start_server(web.serve, at, 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(Igd, "_find", lambda _: f"http://{at}:{port}/desc.xml")
        yield web, Igd(ip, SOURCE)


def granting(action: str, _: dict[str, str]) -> dict[str, str] | int:
    return {"NewExternalIPAddress": "9.9.9.9"} if action == "GetExternalIPAddress" else {}


@asynchronous(20)
async def test_mapped_for_an_hour_to_this_host_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(monkeypatch, granting) as (web, device):
        grant = await device.map(4001, 4001)
        assert grant == (bytes((9, 9, 9, 9)), 4001, 3600)
        name, values = web.calls[-1]
        assert (name, values["NewInternalClient"]) == ("AddPortMapping", "127.0.0.1")
        assert (values["NewExternalPort"], values["NewInternalPort"]) == ("4001", "4001")
        assert (values["NewProtocol"], values["NewLeaseDuration"]) == ("TCP", "3600")
        await device.unmap(4001, 4001)
        name, values = web.calls[-1]
        assert (name, values["NewExternalPort"]) == ("DeletePortMapping", "4001")


@asynchronous(20)
async def test_without_an_end_where_the_gateway_has_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(action: str, values: dict[str, str]) -> dict[str, str] | int:
        return 725 if values.get("NewLeaseDuration") == "3600" else granting(action, values)

    async with gateway(monkeypatch, answer) as (web, device):
        assert (await device.map(4001, 4001)).lifetime == 3600  # so it is renewed
        assert web.calls[-1][1]["NewLeaseDuration"] == "0"


@pytest.mark.parametrize("taken", [1, 9])
@asynchronous(20)
async def test_some_other_ports_are_tried(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    tried: list[str] = []

    def answer(action: str, values: dict[str, str]) -> dict[str, str] | int:
        if action != "AddPortMapping":
            return granting(action, values)
        tried.append(values["NewExternalPort"])
        return 718 if len(tried) <= taken else {}

    async with gateway(monkeypatch, answer) as (_, device):
        if taken == 1:
            grant = await device.map(4001, 4001)
            assert [str(4001), str(grant.port)] == tried
        else:
            with pytest.raises(PortMapError, match="the ports are others'"):
                await device.map(4001, 4001)
            assert len(tried) == 4


@pytest.mark.parametrize("ip", ["", "none", "9.9.9", "2a09::9"])
@asynchronous(20)
async def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, ip: str) -> None:
    async with gateway(monkeypatch, lambda *_: {"NewExternalIPAddress": ip}) as (_, device):
        with pytest.raises(PortMapError):
            await device.map(4001, 4001)


@asynchronous(20)
async def test_a_refusal_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(action: str, values: dict[str, str]) -> dict[str, str] | int:
        return 606 if action == "AddPortMapping" else granting(action, values)

    async with gateway(monkeypatch, answer) as (_, device):
        with pytest.raises(PortMapError, match="Action not authorized"):
            await device.map(4001, 4001)


@asynchronous(20)
async def test_calls_go_to_the_gateway_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = "http://127.0.0.1:1/ctl"
    async with gateway(monkeypatch, granting, elsewhere) as (web, device):
        with pytest.raises(PortMapError, match="it sends its clients elsewhere"):
            await device.map(4001, 4001)
        assert web.calls == []


@asynchronous(20)
async def test_who_never_answers_keeps_few_threads_and_not_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(igd, "_CALL_TIME", 0.2)

    enough = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await enough.wait()
        writer.close()

    monkeypatch.setattr(Web, "serve", lambda _, reader, writer: silent(reader, writer))
    async with gateway(monkeypatch, granting) as (_, device):
        for _ in range(igd._MAX_CALLS):
            with pytest.raises(PortMapError, match="no answer in time"):
                await device.map(4001, 4001)
        with pytest.raises(PortMapError, match="still wait"):
            await device.map(4001, 4001)
        enough.set()

        async def ended() -> bool:
            return not running(igd._THREAD)

        await until(ended)

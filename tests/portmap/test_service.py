"""When a port is mapped, renewed, given back and given up; the gateway is a scripted one."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge.host import Host
from edge.portmap import gateway as gateways
from edge.portmap import service
from edge.portmap.service import PortMapper
from edge.portmap.view import VIEW
from edge.swarm.routes import Route
from edge.wire import pcp
from edge.wire.multiaddr import Multiaddr
from tests.counterparts.base import asynchronous, until
from tests.hosts import configured, host
from tests.portmap.scripted import Scripted, granted, is_end, scripted

PRIVATE = bytes((10, 0, 0, 9))


@pytest.fixture(autouse=True)
def no_upnp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is searched for on the loopback interface."""
    monkeypatch.setattr(gateways, "_upnp", lambda *_: None)


class Running:
    """A service on a host that listens at `port`, behind the gateway `there`."""

    def __init__(self, there: Scripted, host: Host, made: PortMapper, directory: Path) -> None:
        self.there = there
        self.host = host
        self.made = made
        self.directory = directory
        target = host.swarm.listening[0].host_port()
        assert target is not None
        self.port = target[1]

    def set(self, enabled: str) -> None:
        self.made.configure(configured(self.directory, portmap_enabled=enabled))

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.made.report()["port_mapping"])

    async def mapped(self) -> dict[str, Any]:
        """What is mapped, once something is."""

        async def something() -> bool:
            return bool(self.report["ports"])

        await until(something)
        return dict(self.report["ports"][0])


@contextlib.asynccontextmanager
async def running(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    async with scripted() as there, host(configured(directory)) as made_host:
        monkeypatch.setattr(service.routes, "find", lambda: Route("lo", there.ip, 1))
        made_host.swarm.listen(Multiaddr.from_string("/ip4/127.0.0.1/tcp/0"))
        made = PortMapper(made_host)
        task = asyncio.ensure_future(made.run())
        try:
            yield Running(there, made_host, made, directory)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await made.stop()


@asynchronous(20)
async def test_renewed_with_the_same_nonce_when_the_network_changes_and_ended_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        one.set("yes")
        first = await one.there.requests.get()
        port = await one.mapped()
        assert port["external"] == f"/ip4/9.9.9.9/tcp/{one.port}"
        assert 1800 <= port["renewed_in"] + 1 <= 2251
        assert [str(each) for each in one.host.addresses.mapped] == [port["external"]]
        one.host.retry()
        assert await one.there.requests.get() == first
        one.set("no")
        end = await one.there.requests.get()
        assert is_end(end)
        assert end[24:36] == first[24:36]

        async def none() -> bool:
            return not one.report["ports"]

        await until(none)
        assert one.host.addresses.mapped == []


@asynchronous(20)
async def test_renewed_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "_SHORTEST", 1)
    async with running(tmp_path, monkeypatch) as one:
        one.there.answers = granted(lifetime=1)
        one.set("yes")
        requests = [await one.there.requests.get() for _ in range(3)]
        assert requests[0] == requests[1] == requests[2]


@asynchronous(20)
async def test_given_back_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, monkeypatch) as one:
        one.set("yes")
        await one.there.requests.get()
        await one.mapped()
        await one.made.stop()
        assert is_end(await one.there.requests.get())


@asynchronous(20)
async def test_behind_another_nat_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        one.there.answers = granted(PRIVATE, port=5001)
        one.set("yes")
        assert not (await one.mapped())["public"]
        ((name, text),) = VIEW.rows(one.made.report())
        assert (name, text.partition(",")[2]) == (
            "port mapping",
            " not public: another NAT is behind the gateway",
        )
        assert one.host.addresses.confirmed == []


@asynchronous(20)
async def test_who_is_refused_rests_until_the_network_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        one.there.answers = granted(result=8, lifetime=1000)
        one.set("yes")
        await one.there.requests.get()

        async def failed() -> bool:
            return bool(one.report["failed"] == 1)

        await until(failed)
        assert "no resources" in one.report["error"]
        assert 990 < one.made._backoff.left(one.port) <= 1000
        assert VIEW.rows(one.made.report())[0][1].startswith("none: PCP: no resources")
        one.there.answers = granted()
        one.host.retry()
        await one.mapped()
        assert "error" not in one.report


@asynchronous(20)
async def test_what_could_not_be_renewed_is_lost_when_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        one.set("yes")
        await one.mapped()
        one.there.answers = granted(result=3)
        now = one.host.swarm.loop.time()
        one.made._mappings[one.port].expires = now
        one.host.retry()

        async def lost() -> bool:
            return not one.report["ports"]

        await until(lost)
        assert one.host.addresses.mapped == []


@asynchronous(20)
async def test_a_restart_renews_within_seconds_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LULL", 0.0)
    async with running(tmp_path, monkeypatch) as one:
        one.there.answers = granted(epoch=1000)
        one.set("yes")
        await one.there.requests.get()
        await one.mapped()
        one.there.answers = granted(epoch=3)
        assert one.made._gateway is not None
        for _ in range(9):
            one.made._gateway.announced(bytes((2, 0x80)) + bytes(22))
        await one.there.requests.get()
        assert one.there.requests.empty()


@asynchronous(20)
async def test_a_restart_soon_after_another_one_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway restarts again once it was asked anew: it is asked a little later."""
    monkeypatch.setattr(service, "_LULL", 0.0)
    async with running(tmp_path, monkeypatch) as one:
        one.set("yes")
        await one.there.requests.get()
        await one.mapped()
        time = asyncio.get_running_loop().time

        async def renewed() -> bool:
            (mapping,) = one.made._mappings.values()
            return mapping.renew_at > time() + service._RESTARTS

        one.made._on_restart()
        await one.there.requests.get()
        await until(renewed)
        one.made._on_restart()
        (mapping,) = one.made._mappings.values()
        assert time() < mapping.renew_at <= time() + service._RESTARTS


@asynchronous(20)
async def test_another_gateway_is_asked_and_the_old_mapping_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one, scripted() as other:
        one.set("yes")
        await one.mapped()
        other.answers = granted(port=6001)
        monkeypatch.setattr(service.routes, "find", lambda: Route("lo", other.ip, 1))
        one.host.retry()
        await other.requests.get()

        async def moved() -> bool:
            return bool(one.report["ports"]) and one.report["ports"][0]["external"].endswith("6001")

        await until(moved)


@asynchronous(20)
async def test_without_file_descriptors_it_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        one.set("yes")
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:

            async def said() -> bool:
                return bool(one.report.get("error"))

            await until(said)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        one.host.retry()
        await one.mapped()


@pytest.mark.parametrize("gateway", [None, bytes(15) + b"\1"])
@asynchronous(20)
async def test_without_an_ipv4_gateway_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: bytes | None
) -> None:
    async with running(tmp_path, monkeypatch) as one:
        monkeypatch.setattr(service.routes, "find", lambda: Route("lo", gateway, 1))
        one.set("yes")

        async def said() -> bool:
            return bool(one.report.get("error") == "there is no IPv4 gateway")

        await until(said)


@pytest.mark.parametrize(
    ("external", "own", "asks"),
    [
        ([], ["192.168.1.2", "fd00::1"], True),
        ([], ["192.168.1.2", "100.64.0.2"], True),
        ([], ["192.168.1.2", "2a09::9"], True),  # of IPv6, which nobody maps
        ([], ["192.168.1.2", "9.9.9.9"], False),
        (["/dns4/relay.example.org/tcp/4001"], ["192.168.1.2"], False),
    ],
)
@asynchronous(20)
async def test_auto_asks_for_who_has_no_public_address(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    external: list[str],
    own: list[str],
    asks: bool,
) -> None:
    ips = [Multiaddr.from_string(f"/ip{6 if ':' in ip else 4}/{ip}").ip() for ip in own]
    monkeypatch.setattr(service.interfaces, "addresses", lambda: [(ip, "lan") for ip in ips])
    async with host(configured(tmp_path)) as made_host:
        made_host.addresses.configure(map(Multiaddr.from_string, external))
        made = PortMapper(made_host)
        made.configure(configured(tmp_path, portmap_enabled="auto"))
        assert made._is_on() is asks


@asynchronous(20)
async def test_nonces_are_of_the_identity_and_the_port(tmp_path: Path) -> None:
    async with host(configured(tmp_path)) as made_host:
        made = PortMapper(made_host)
        assert len(made._nonce(1)) == pcp.NONCE
        assert made._nonce(1) == PortMapper(made_host)._nonce(1) != made._nonce(2)

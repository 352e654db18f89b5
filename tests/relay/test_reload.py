"""How a reload changes limits and rates, and that what was granted before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.budget import default_limit
from edge.config.load import load
from edge.config.schema import SOFT
from edge.config.schema import Node as NodeSection
from edge.config.schema import Relay as RelaySection
from edge.host import Host
from edge.relay.resources import Resources
from edge.relay.service import RelayService
from edge.swarm.limits import Limits
from edge.units import KIB, MIB
from edge.wire import circuit
from tests.counterparts.base import asynchronous
from tests.relay.hosts import peers, relaying

NODE = {
    "memory_limit": 4096 * MIB,  # more than the process of the tests has
    "max_connections": 101,
    "max_connections_per_peer": 3,
    "max_connections_per_ip": 99,
    "max_pending_handshakes": 5,
    "max_streams_per_connection": 9,
    "handshake_timeout": 7,
    "idle_timeout": 77,
    "keepalive_interval": 17,
}
RELAY = {
    "max_reservations": 11,
    "max_reservations_per_ip": 10,
    "max_circuits": 12,
    "max_circuits_per_peer": 13,
    "max_circuits_per_ip": 14,
    "reservation_ttl": 600,
    "duration": 300,
    "data": 4 * MIB,
    "rate": 10 * MIB,
    "rate_per_peer": 64 * KIB,
    "private": True,
    "foreign_share": 75,
}


def test_the_options_tried_here_are_all_that_limit() -> None:
    limits = set(Limits().__slots__) | set(Resources().__slots__)
    soft = {o.name for o in [*NodeSection.options(), *RelaySection.options()] if o.reload == SOFT}
    assert soft & limits <= NODE.keys() | RELAY.keys() <= soft


@asynchronous(30)
async def test_every_limit_is_taken_over_and_given_up_again(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    file.write_text("")
    config = load(str(file), {}, {"data-dir": [str(tmp_path)]})
    host = Host(config)
    relay = RelayService(host)

    def set_to(node: dict[str, object], options: dict[str, object]) -> dict[str, object]:
        file.write_text("\n".join(["[node]", *_lines(node), "[relay]", *_lines(options), ""]))
        new = config.again({})
        host.configure(new)
        relay.configure(new)
        return in_force(host, relay)

    before = set_to({}, {})
    after = set_to(NODE, RELAY)
    assert after == {**before, **NODE, **RELAY, "max_window": after["max_window"]}
    assert set_to({}, {}) == before
    assert host.budget.limit == default_limit()
    await host.stop()


def _lines(section: dict[str, object]) -> list[str]:
    return [
        f"{name} = {value if type(value) is int else repr(value).lower()}"
        for name, value in section.items()
    ]


def in_force(host: Host, relay: RelayService) -> dict[str, object]:
    found: dict[str, object] = {"memory_limit": host.budget.limit}
    for limits in (host.limits, relay.limits):
        found.update({name: getattr(limits, name) for name in limits.__slots__})
    found["rate"], found["rate_per_peer"] = relay.shaper.rate, relay.shaper.peer_rate
    found["private"] = relay.admission.private
    found["foreign_share"] = relay.admission.foreign_share
    return found


@asynchronous(60)
async def test_what_was_granted_stays_and_what_comes_is_measured_anew() -> None:
    async with relaying() as relay, peers(relay, 3) as (listener, dialer, late):
        assert await listener.reserve() == circuit.OK
        assert await dialer.connect(listener) == circuit.OK
        relay.configure(max_reservations=1, max_circuits=1, foreign_share=100)
        assert await late.reserve() == circuit.RESERVATION_REFUSED
        assert await late.connect(listener) == circuit.RESOURCE_LIMIT_EXCEEDED
        assert await listener.reserve() == circuit.OK  # a renewal
        assert len(relay.service.circuits) == 1
        relay.configure(foreign_share=100, duration=60, data=MIB)
        assert await late.reserve() == circuit.OK
        answer = await late.ask(circuit.HopMessage.CONNECT, listener.id)
        assert answer.status == circuit.OK
        assert answer.limit is not None
        assert (answer.limit.duration, answer.limit.data) == (60, MIB)
        assert len(relay.service.circuits) == 2


@pytest.mark.parametrize("per", ["peer", "ip"])
@asynchronous(60)
async def test_shares_of_a_peer_and_of_an_address_change(per: str) -> None:
    async with relaying() as relay, peers(relay, 2) as (first, second):
        assert await first.reserve() == circuit.OK
        if per == "ip":
            relay.configure(max_reservations_per_ip=1)
            assert await second.reserve() == circuit.RESERVATION_REFUSED
        relay.configure(**{f"max_circuits_per_{per}": 1})
        assert await second.connect(first) == circuit.OK
        assert await second.connect(first) == circuit.RESOURCE_LIMIT_EXCEEDED
        relay.configure(**{f"max_circuits_per_{per}": 2})
        assert await second.connect(first) == circuit.OK
        usage = relay.service.accounts.get(second.id)
        assert usage is not None
        assert usage.circuits == 2
        assert usage.refusals.pop("RESOURCE_LIMIT_EXCEEDED") == 1
        assert usage.refusals == ({"RESERVATION_REFUSED": 1} if per == "ip" else {})


@asynchronous(30)
async def test_the_least_of_the_rates_holds() -> None:
    async with relaying(rate=MIB, rate_per_peer=64 * KIB) as relay:
        shaper, allowance = relay.service.shaper, relay.host.allowance
        assert (shaper.rate, shaper.peer_rate) == (MIB, 64 * KIB)
        allowance.limit("line", 256 * KIB)
        assert (shaper.rate, shaper.peer_rate) == (256 * KIB, 64 * KIB)
        relay.configure(rate=128 * KIB)
        assert (shaper.rate, shaper.peer_rate) == (128 * KIB, 0)
        relay.configure()
        assert shaper.rate == 256 * KIB
        allowance.limit("line", 0)
        assert not shaper.active

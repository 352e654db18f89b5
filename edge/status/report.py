"""What the node knows of itself, gathered into the dictionaries that the status socket answers.

The keys are an interface for scripts: docs/status.md lists them; add, but do not rename. Sizes are
bytes, times seconds, round trips milliseconds. A room that is not there is left out, not shown as
zero. The Protocols below say what each room must offer; node.py hands the rooms in by `Sources`.
"""

from __future__ import annotations

import time

from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
    from typing import Any, Protocol

    from edge.budget import Budget
    from edge.swarm.connection import Connection
    from edge.swarm.swarm import Swarm
    from edge.wire.multiaddr import Multiaddr
    from edge.wire.peerid import PeerId

    class AddressBook(Protocol):
        """What is known of this node's own addresses."""

        @property
        def nat(self) -> str:
            """One of: public, private, unknown."""

        @property
        def advertised(self) -> Iterable[Multiaddr]:
            """What identify and reservation answers say."""

        @property
        def observed(self) -> Mapping[Multiaddr, int]:
            """Where peers have seen us, and how many of them."""

        @property
        def confirmed(self) -> Iterable[Multiaddr]:
            """Those of `observed` that enough peers agree on."""

    class RelayLimits(Protocol):
        """The [relay] section of the configuration is one. 0: without limit."""

        @property
        def max_reservations(self) -> int: ...
        @property
        def max_circuits(self) -> int: ...
        @property
        def duration(self) -> float:
            """Seconds of a circuit."""

        @property
        def data(self) -> int:
            """Bytes of a circuit in one direction."""

    class RelayStats(Protocol):
        """Counted since the start."""

        @property
        def circuits(self) -> int:
            """Circuits that were opened."""

        @property
        def bytes_to_listeners(self) -> int:
            """Relayed from those who dial to those who hold reservations."""

        @property
        def bytes_to_dialers(self) -> int:
            """And back."""

        @property
        def refusals(self) -> Mapping[str, int]:
            """By the name of the status code that was answered."""

    class PeerUsage(Protocol):
        """What one peer makes of the relay."""

        @property
        def circuits(self) -> int:
            """Open now, with the peer at either end."""

        @property
        def circuits_total(self) -> int:
            """Circuits that have ended."""

        @property
        def seconds(self) -> float:
            """How long those were open, together."""

        @property
        def refusals(self) -> Mapping[str, int]:
            """By the name of the status code that was answered."""

        @property
        def bytes_from(self) -> int: ...
        @property
        def bytes_to(self) -> int: ...

    class Relay(Protocol):
        """The relay service."""

        @property
        def limits(self) -> RelayLimits: ...
        @property
        def reservations(self) -> Mapping[PeerId, object]:
            """Held for others."""

        @property
        def circuits(self) -> Sized:
            """Open now."""

        @property
        def stats(self) -> RelayStats: ...
        def usage(self, peer: PeerId) -> PeerUsage | None:
            """None if the peer has relayed nothing lately."""

    class OwnReservation(Protocol):
        """A slot of ours on another relay."""

        @property
        def expires(self) -> float:
            """On the event loop's clock."""

        @property
        def addresses(self) -> Iterable[Multiaddr]:
            """Circuit addresses of ours by way of that relay."""

    class RelayClient(Protocol):
        """Keeps reservations of ours on other relays."""

        @property
        def reservations(self) -> Mapping[PeerId, OwnReservation]: ...
        @property
        def wanted(self) -> int:
            """How many it tries to hold; 0 while this node needs none."""

    class Decision(Protocol):
        """What the mode controller has decided."""

        @property
        def mode(self) -> str: ...
        @property
        def reason(self) -> str: ...
        @property
        def cause(self) -> str: ...
        @property
        def admits(self) -> bool:
            """Whether new circuits and slots are given."""

        @property
        def rate(self) -> int:
            """Bytes a second that may be relayed, 0 for any number."""

        @property
        def since(self) -> float:
            """On the clock that does not jump."""

    class Modes(Protocol):
        """The mode controller."""

        @property
        def decision(self) -> Decision: ...
        @property
        def measured(self) -> Mapping[str, float]:
            """What is known of the machine; shares are 0 to 1, heat is in degrees Celsius."""

    class Qos(Protocol):
        """How the node gives way to others on the line."""

        def report(self) -> dict[str, Any]:
            """As it is shown: docs/status.md lists the keys."""

    Status = dict[str, Any]  # a tree of str, int, float, bool, list and dict

MAX_PEERS = 1024  # listed, those with the most bytes
_KIB = 1024
_MEMORY = {"VmRSS": "rss", "RssAnon": "anonymous", "VmHWM": "peak"}


class Sources:
    """The rooms that status is gathered from. What may be None is set when its room exists.

    `decision`: what the machine is fit for. `flash_written`: bytes put into files since the start.
    """

    __slots__ = (
        "addresses",
        "budget",
        "client",
        "data_dir",
        "decision",
        "flash_written",
        "modes",
        "qos",
        "relay",
        "started_at",
        "swarm",
    )

    def __init__(self, swarm: Swarm, data_dir: str, modes: Modes) -> None:
        self.swarm = swarm
        self.data_dir = data_dir
        self.modes = modes
        self.started_at = swarm.loop.time()
        self.decision: Status | None = None
        self.budget: Budget | None = None
        self.addresses: AddressBook | None = None
        self.relay: Relay | None = None
        self.client: RelayClient | None = None
        self.qos: Qos | None = None
        self.flash_written: Callable[[], int] | None = None


def status(sources: Sources) -> Status:
    """Everything about the node as a whole."""
    swarm = sources.swarm
    decision = sources.modes.decision
    found: Status = {
        "version": VERSION,
        "peer_id": str(swarm.peer_id),
        "uptime": round(swarm.loop.time() - sources.started_at, 1),
        "mode": decision.mode,
        "mode_reason": decision.reason,
        "step": {
            "cause": decision.cause,
            "new_work": decision.admits,
            "rate": decision.rate,
            "seconds": round(time.monotonic() - decision.since),
        },
        "data_dir": sources.data_dir,
        "addresses": _addresses(sources),
        "memory": _memory(sources.budget),
        "connections": {
            "open": swarm.connection_count,
            "pending": len(swarm.pending),
            "max": swarm.limits.max_connections,
            "peers": len(swarm.connections),
            "protocol_errors": swarm.protocol_errors,
        },
        "refusals": {"connections": _by_reason(swarm.refusals)},
    }
    measured = sources.modes.measured
    if measured:
        found["machine"] = {name: round(value, 3) for name, value in measured.items()}
    if sources.decision is not None:
        found["decision"] = sources.decision
    if sources.addresses is not None:
        found["nat"] = sources.addresses.nat
    if sources.relay is not None:
        _add_relay(found, sources.relay)
    if sources.client is not None:
        _add_client(found, sources.client, swarm.loop.time())
    if sources.qos is not None:
        found["qos"] = sources.qos.report()
    if sources.flash_written is not None:
        found["flash"] = {"written": sources.flash_written()}
    return found


def peers(sources: Sources) -> Status:
    """The connected peers, those with the most relayed bytes first; at most MAX_PEERS of them."""
    connections, relay = sources.swarm.connections, sources.relay
    ranked = sorted(connections, key=lambda peer: _relayed(peer, relay), reverse=True)
    return {
        "total": len(ranked),
        "peers": [_peer(peer, connections[peer], sources) for peer in ranked[:MAX_PEERS]],
    }


def process_memory(path: str = "/proc/self/status") -> dict[str, int]:
    """Bytes resident, anonymous and at the peak, as far as this kernel tells them (proc(5))."""
    found = {}
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                name, _, rest = line.partition(":")
                if name in _MEMORY:
                    found[_MEMORY[name]] = int(rest.split()[0]) * _KIB
    except FileNotFoundError:  # no /proc in this jail
        return {}
    return found


def _memory(budget: Budget | None) -> Status:
    found: Status = dict(process_memory())
    if budget is not None:
        found["limit"] = budget.limit
        found["short"] = budget.short
        if budget.sizing is not None:
            found["profile"] = budget.sizing.name
            found["profile_reason"] = budget.sizing.why
        found["rooms"] = {
            name: {"used": pool.used, "limit": pool.ceiling, "refused": pool.refused}
            for name, pool in budget.pools.items()
        }
    return found


def _addresses(sources: Sources) -> Status:
    found: Status = {"listening": [str(address) for address in sources.swarm.listening]}
    book = sources.addresses
    if book is not None:
        confirmed = set(book.confirmed)
        found["advertised"] = [str(address) for address in book.advertised]
        found["observed"] = [
            {"address": str(address), "peers": count, "confirmed": address in confirmed}
            for address, count in book.observed.items()
        ]
    return found


def _add_relay(found: Status, relay: Relay) -> None:
    limits, stats = relay.limits, relay.stats
    found["reservations"] = {"held": len(relay.reservations), "max": limits.max_reservations}
    found["circuits"] = {
        "open": len(relay.circuits),
        "total": stats.circuits,
        "max": limits.max_circuits,
        "max_duration": limits.duration,
        "max_data": limits.data,
    }
    found["bytes"] = {
        "relayed": stats.bytes_to_listeners + stats.bytes_to_dialers,
        "to_listeners": stats.bytes_to_listeners,
        "to_dialers": stats.bytes_to_dialers,
    }
    found["refusals"]["relay"] = _by_reason(stats.refusals)


def _add_client(found: Status, client: RelayClient, now: float) -> None:
    entry = found.setdefault("reservations", {})
    entry["wanted"] = client.wanted
    entry["own"] = [
        {
            "relay": str(relay),
            "expires_in": round(own.expires - now),
            "addresses": [str(address) for address in own.addresses],
        }
        for relay, own in client.reservations.items()
    ]


def _by_reason(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts under snake_case names, whatever the rooms call them inside."""
    found: dict[str, int] = {}
    for reason, count in counts.items():
        name = reason.lower().replace("-", "_").replace(" ", "_")
        found[name] = found.get(name, 0) + count
    return found


def _peer(peer: PeerId, links: Sequence[Connection], sources: Sources) -> Status:
    best = sources.swarm.connection_to(peer)
    assert best is not None
    row: Status = {
        "peer_id": str(peer),
        "remote": str(best.remote),
        "direct": best.direct,
        "initiator": best.initiator,
        "connections": len(links),
        "streams": sum([len(link.session.streams) for link in links]),
        "age": round(sources.swarm.loop.time() - min([link.opened_at for link in links]), 1),
    }
    if best.session.rtt:
        row["rtt"] = best.session.rtt / 1000
    if best.info is not None:
        row["agent"] = best.info.agent
    if sources.relay is not None:
        _add_usage(row, peer, sources.relay)
    return row


def _add_usage(row: Status, peer: PeerId, relay: Relay) -> None:
    usage = relay.usage(peer)
    row["reserved"] = peer in relay.reservations
    row["circuits"] = usage.circuits if usage else 0
    row["bytes_from"] = usage.bytes_from if usage else 0
    row["bytes_to"] = usage.bytes_to if usage else 0
    row["circuits_ended"] = usage.circuits_total if usage else 0
    row["seconds"] = round(usage.seconds, 1) if usage else 0.0
    row["refusals"] = _by_reason(usage.refusals) if usage else {}


def _relayed(peer: PeerId, relay: Relay | None) -> int:
    usage = relay.usage(peer) if relay is not None else None
    return usage.bytes_from + usage.bytes_to if usage else 0

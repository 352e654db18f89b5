"""The report on the node, gathered into the dictionaries that the status socket answers with.

The keys are an interface for scripts: docs/status.md lists them; add, but do not rename. Sizes are
bytes, times seconds, round trips milliseconds. Each service reports its own keys; where two have
one in common, it is a dictionary that holds the keys of both.
"""

from __future__ import annotations

from edge import atomic, log
from edge.host import by_reason
from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge.host import Host, Service, Status
    from edge.swarm.connection import Connection
    from edge.wire.peerid import PeerId

MAX_PEERS = 1024  # listed, those with the most bytes
WELL = "ok"
_KIB = 1024
_MEMORY = {"VmRSS": "rss", "RssAnon": "anonymous", "VmHWM": "peak"}


def status(host: Host, services: Iterable[Service]) -> Status:
    """Everything about the node as a whole."""
    swarm = host.swarm
    found: Status = {
        "version": VERSION,
        "peer_id": str(swarm.peer_id),
        "uptime": round(swarm.loop.time() - host.started_at, 1),
        "data_dir": host.data_dir,
        "addresses": _addresses(host),
        "nat": host.addresses.nat,
        "memory": _memory(host),
        "connections": {
            "open": swarm.connection_count,
            "pending": len(swarm.pending),
            "max": swarm.limits.max_connections,
            "peers": len(swarm.connections),
            "protocol_errors": swarm.protocol_errors,
        },
        "refusals": {"connections": by_reason(swarm.refusals)},
        "flash": {"written": atomic.flash.written},
        **swarm.clones.report(),
    }
    return merged(found, [service.report for service in services])


def health(host: Host, listens: bool) -> Status:
    """Whether the node does what it was started for: it `listens`, or was never to.

    "status" is WELL, or says what is wrong. A pause is no illness. No table is gone through.
    """
    state = merged({}, host.overviews)
    well = host.swarm.accepting or not listens
    found = {"status": WELL if well else "not accepting connections"}
    return {**found, "mode": state.get("mode"), "reason": state.get("reason")}


def merged(found: Status, parts: Iterable[Callable[[], Status]]) -> Status:
    """`found` and the keys of all `parts`; a dictionary that two have holds the keys of both."""
    for part in parts:
        for key, value in _reported(part).items():
            if isinstance(value, dict) and key in found:
                found[key].update(value)
            else:
                found[key] = value
    return found


def _reported(part: Callable[[], Status]) -> Status:
    """Its keys; none, with a line in the log, if it fails."""
    try:
        return part()
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are reported
        log.error("report-failed", part=part.__qualname__, error=f"{type(error).__name__}: {error}")
        return {}


def peers(host: Host) -> Status:
    """The connected peers, those with the most bytes moved first; at most MAX_PEERS of them."""
    connections = host.swarm.connections
    ranked = sorted(connections, key=lambda peer: _moved(peer, host), reverse=True)
    return {
        "total": len(ranked),
        "peers": [_peer(peer, connections[peer], host) for peer in ranked[:MAX_PEERS]],
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
    except OSError:  # no /proc in this jail, or no descriptor left
        return {}
    return found


def _memory(host: Host) -> Status:
    budget = host.budget
    found: Status = dict(process_memory())
    found["limit"] = budget.limit
    found["short"] = budget.short
    if budget.sizing is not None:
        found["profile"] = budget.sizing.name
        found["profile_reason"] = budget.sizing.why
    found["rooms"] = {
        pool.name: {"used": pool.used, "limit": pool.ceiling, "refused": pool.refused}
        for pool in budget.pools.values()
    }
    return found


def _addresses(host: Host) -> Status:
    book = host.addresses
    confirmed = set(book.confirmed)
    return {
        "listening": [str(address) for address in host.swarm.listening],
        "missing": [str(address) for address in host.swarm.missing],
        "advertised": [str(address) for address in book.advertised],
        "observed": [
            {"address": str(address), "peers": count, "confirmed": address in confirmed}
            for address, count in book.observed.items()
        ],
    }


def _peer(peer: PeerId, links: Sequence[Connection], host: Host) -> Status:
    best = host.swarm.connection_to(peer) or links[0]
    row: Status = {
        "peer_id": str(peer),
        "remote": str(best.remote),
        "direct": best.direct,
        "initiator": best.initiator,
        "connections": len(links),
        "streams": sum([len(link.session.streams) for link in links]),
        "age": round(host.swarm.loop.time() - min([link.opened_at for link in links]), 1),
    }
    if best.session.rtt:
        row["rtt"] = best.session.rtt / 1000
    if best.info is not None:
        row["agent"] = best.info.agent
    for report in host.peer_reports:
        row.update(report(peer)[1])
    return row


def _moved(peer: PeerId, host: Host) -> int:
    return sum([report(peer)[0] for report in host.peer_reports])

"""What a node answers, for views, in the shapes of docs/status.md; and how views are looked at."""

import copy
from typing import Any

from tests.counterparts.chromium import DESKTOP, PHONE, Page

PEER_ID = "12D3KooWD1qvkyE29h4UCuVVwmhcrozDsFzLujoAUDytx9WFmYLc"
OTHER_ID = "12D3KooWGzBnnLHeXbA4NQmNo7Wp1ZYwvqJzYrRh6xTzLDNYyxwb"
RELAY_ID = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
MIB = 1 << 20

SCREENS = {"desktop": DESKTOP, "phone": PHONE}
POLL = "() => Promise.all(L.Poll.queue.map((entry) => entry.fn()))"  # what the next seconds bring


def overview(**changed: Any) -> dict[str, Any]:
    """Of a node that relays behind a closed port; `changed`: other values of its keys."""
    return copy.deepcopy(_OVERVIEW) | changed


def peers(count: int) -> dict[str, Any]:
    """Of `count` peers: every fourth comes through a relay, every fifth was refused something."""
    return {"state": "running", "total": count, "peers": [_peer(i) for i in range(count)]}


def log_line(second: int, level: str, text: str) -> str:
    """As logread prints a line of the node."""
    at = f"{second // 60:02d}:{second % 60:02d}"
    syslog = "err" if level in ("warning", "error") else "info"
    return (
        f"Tue Dec  1 10:{at} 2026 daemon.{syslog} kwaainet[812]: 2026-12-01T09:{at}Z {level} {text}"
    )


def held_nodes(page: Page) -> tuple[int, int]:
    """Nodes in the page's tree, and all that it holds, those outside of the tree too."""
    inside = "() => document.evaluate('count(//node())', document, null, 1).numberValue"
    page.call("HeapProfiler.collectGarbage")
    page.call("Performance.enable")
    metrics = page.call("Performance.getMetrics")["metrics"]
    every = next(each["value"] for each in metrics if each["name"] == "Nodes")
    return page.evaluate(inside), every


def assert_nothing_held_since(page: Page, before: tuple[int, int]) -> None:
    """As many nodes as then, but for what the next collection takes."""
    inside, every = held_nodes(page)
    assert inside == before[0]
    assert every < before[1] + 3000  # 120 polls that left a row each would leave more


def _peer(number: int) -> dict[str, Any]:
    direct = number % 4 != 3
    far = f"/ip4/198.51.100.9/tcp/4001/p2p/{RELAY_ID}/p2p-circuit"
    row: dict[str, Any] = {
        "peer_id": f"{OTHER_ID[:-4]}{number:04d}",
        "remote": f"/ip4/203.0.113.{number % 250}/tcp/{4001 + number}" if direct else far,
        "direct": direct,
        "initiator": number % 2 == 0,
        "connections": 1,
        "streams": number % 7,
        "age": 60.0 * number,
        "reserved": True,
        "circuits": 1,
        "bytes_from": number * MIB,
        "bytes_to": number * 1000,
        "circuits_ended": 2,
        "seconds": 12.5,
        "refusals": {"no_reservation": 2, "resource_limit_exceeded": 7} if number % 5 == 4 else {},
    }
    if number:  # the first has not identified itself
        row |= {"rtt": 10.0 + number, "agent": f"go-libp2p/0.38.{number}"}
    return row


_OVERVIEW: dict[str, Any] = {
    "state": "running",
    "version": "0.1.0",
    "peer_id": PEER_ID,
    "time": 1764560000,
    "uptime": 98123.4,
    "mode": "relay",
    "reason": "fit for light, but this version relays only",
    "tier": 2,
    "fit": "light",
    "why": ["It has 2 cores and 512 MB of memory.", "It has no GPU."],
    "day": [[86400, "relay"], [43200, "paused"], [36000, "full"], [7200, "relay"]],
    "rate": 131072,
    "new_work": True,
    "reachable": "private",
    "ports": "closed",
    "listening": ["/ip4/192.0.2.1/tcp/4002", "/ip6/2001:db8::1/tcp/4002"],
    "advertised": [f"/ip4/198.51.100.9/tcp/4001/p2p/{RELAY_ID}/p2p-circuit"],
    "connections": {"open": 21, "peers": 19, "max": 128},
    "reservations": {"held": 16, "max": 64},
    "circuits": {"open": 5, "max": 64, "total": 911},
    "memory": {"rss": 14 * MIB, "limit": 24 * MIB, "short": False},
    "bytes": {"relayed": 9 << 30, "to_listeners": 6 << 30, "to_dialers": 3 << 30},
    "refused": {"connections": 3, "relay": 41},
    "line": 0.34,
    "cache": {
        "bytes": 3 << 30,
        "size": 20 << 30,
        "wan_bytes": 4 << 30,
        "lan_bytes": 15 << 30,
        "saved_bytes": 11 << 30,
        "trouble": "",
    },
    "samples": {
        "step": 5,
        "down": [(i * 7919 % 97) * 1024 for i in range(60)],
        "up": [(i * 6271 % 41) * 1024 for i in range(60)],
        "line": [-1] * 10 + [(i * 5417 % 60) for i in range(50)],
    },
    "days": [
        [f"2026-11-{17 + i}", (i * 37 % 11) << 29, (i * 17 % 5) << 29, (i * 17 % 7) << 29]
        for i in range(14)
    ],
}

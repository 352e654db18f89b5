"""Overviews as a node gives them: of a busy one, of one that has just begun, of a hostile one."""

from __future__ import annotations

import math
from typing import Any

ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


def wave(top: float, length: float) -> list[int]:
    return [round(top * (1 + math.sin(i / length)) / 2) for i in range(60)]


BUSY: dict[str, Any] = {
    "version": "0.1.0",
    "peer_id": ID,
    "time": 1764560000,
    "uptime": 273603.2,
    "mode": "relay",
    "reason": "fit for light, but this version only relays",
    "tier": 2,
    "fit": "light",
    "why": ["It copies 2680 MB/s.", "Its disk (sd) is no place for a full node's cache."],
    "day": [
        [86400, "relay"],
        [64000, "paused"],
        [50000, "relay"],
        [20000, "light"],
        [9000, "relay"],
    ],
    "reachable": "public",
    "listening": ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"],
    "advertised": ["/ip4/203.0.113.5/tcp/4001"],
    "ports": "mapped",
    "connections": {"open": 14, "peers": 12, "max": 512},
    "reservations": {"held": 9, "max": 128},
    "circuits": {"open": 2, "max": 256, "total": 41},
    "memory": {"rss": 24117248, "limit": 67108864, "short": False},
    "bytes": {"relayed": 1324097536, "to_listeners": 1288490188, "to_dialers": 35607348},
    "rate": 0,
    "new_work": True,
    "line": 0.37,
    "cache": {
        "bytes": 8 << 30,
        "size": 20 << 30,
        "wan_bytes": 9 << 30,
        "saved_bytes": 31 << 30,
        "lan_bytes": 40 << 30,
        "trouble": "",
    },
    "refused": {"connections": 33, "relay": 4},
    "samples": {"step": 5, "down": wave(2e6, 6), "up": wave(8e5, 9), "line": wave(80, 11)},
    "days": [[f"2026-11-{17 + i}", (i % 5) << 30, (i % 4) << 28, (i % 3) << 30] for i in range(14)],
}

YOUNG: dict[str, Any] = {
    "version": "0.1.0",
    "peer_id": ID,
    "time": None,
    "uptime": 2.5,
    "reachable": "unknown",
    "ports": "unknown",
    "listening": [],
    "advertised": [],
    "connections": {"open": 0, "peers": 0, "max": 64},
    "memory": {"rss": 24117248, "limit": 67108864, "short": True},
    "refused": {"connections": 0},
    "samples": {"step": 5, "down": [], "up": [], "line": []},
}

# Texts that would run, close what they stand in, or fill the page, if they were more than texts.
HOSTILE = (
    "<script>__owned()</script>",
    '"><img src=x onerror=__owned()>',
    "' onmouseover='__owned()",
    "</style><svg onload=__owned()>",
    "javascript:__owned()",
    "{{why}}",
    "\u2028\u2029\u202e\0\x1b[2J",
    "\ud800",
    "A" * 5000,
    "data: \n\nevent: x\ndata: <b>\n\n",
)


def hostile(text: str) -> dict[str, Any]:
    """With `text` wherever a text may stand."""
    return {
        **BUSY,
        "version": text,
        "peer_id": text,
        "mode": text,
        "reason": text,
        "fit": text,
        "why": [text],
        "day": [[3600, text]],
        "listening": [text],
        "advertised": [f"/ip4/1.2.3.4/tcp/{text}"],
        "reachable": text,
        "ports": text,
        "cache": {**BUSY["cache"], "trouble": text},
        "refused": {text: 1},
        "days": [[text, 1, 2, 3]],
    }

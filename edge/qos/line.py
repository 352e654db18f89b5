"""The line to the internet as the kernel tells of it: its bytes, and whose they are.

Readable by everyone. Interface counters have the frames' headers in them and our own counts do
not; what is left over after a tenth on top of ours is somebody else's.

Source: proc_net(5)
"""

from __future__ import annotations

from edge.swarm.routes import read

UP, DOWN = 0, 1  # what a pair (up, down) holds

_COUNTERS = "/proc/net/dev"
_OVERHEAD = 1.1  # headers, acknowledgements, handshakes


def counters(interface: str) -> tuple[int, int] | None:
    """Bytes (sent, received) since the interface came up; None if there is none such."""
    return parse_counters(read(_COUNTERS), interface)


def parse_counters(text: str, interface: str) -> tuple[int, int] | None:
    """As `counters`, from the text of /proc/net/dev."""
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and name.strip() == interface and len(words) >= 9:
            return int(words[8]), int(words[0])
    return None


def household(total: tuple[float, float], own: tuple[float, float]) -> tuple[float, float]:
    """The part of the line's bytes a second (up, down) that is not the node's own."""
    up, down = [max(0.0, all_ - mine * _OVERHEAD) for all_, mine in zip(total, own, strict=True)]
    return up, down

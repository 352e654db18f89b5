"""The links to the internet and to the LAN, by the routing table (proc(5)) and sysfs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_UP = 0x1  # RTF_UP of a route


def fill(profile: Profile, tree: Tree, speeds: dict[str, int]) -> None:
    """Fill in the links. `speeds`: Mbit/s by interface, where known."""
    profile.wan = _default_route(tree)
    if profile.wan is not None:
        profile.wan_speed = speeds.get(profile.wan)
    others = [speed for name, speed in speeds.items() if name != profile.wan]
    profile.lan_speed = max(others, default=None)


def _default_route(tree: Tree) -> str | None:
    """The interface of the default route with the lowest metric, IPv4 first."""
    routes = []
    for line in tree.text("proc/net/route").splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == words[7] == "00000000" and _flag(words[3]):
            routes.append((int(words[6]) if words[6].isdecimal() else 0, words[0]))
    if not routes:
        for line in tree.text("proc/net/ipv6_route").splitlines():
            words = line.split()
            if (
                len(words) == 10
                and words[0].strip("0") == ""
                and words[1] == "00"
                and words[9] != "lo"
            ):
                routes.append((0, words[9]))
    return min(routes)[1] if routes else None


def _flag(text: str) -> bool:
    try:
        return bool(int(text, 16) & _UP)
    except ValueError:
        return False

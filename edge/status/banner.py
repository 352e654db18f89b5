"""The banner of `kwaainet run` on a terminal: the node's identity, and the steps left to do."""

import sys

from edge import rooms
from edge.text import bold, has_colour, listed, pairs, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.host import Status

_FAMILIES = ("/ip4/", "/ip6/")
_LOOPBACK = ("/ip4/127.", "/ip6/::1/")


def banner(info: "Status") -> str:
    """The text for standard output, in the encoding and colour that it takes."""
    return banner_text(info, sys.stdout.encoding or "ascii", has_colour(sys.stdout))


def banner_text(info: "Status", encoding: str, colour: bool = False) -> str:
    """About a dozen lines, each ended, that `encoding` can write. `info`: a status report."""
    arrow = "→" if _writable("→", encoding) else "->"
    head = f"kwaainet {info['version']}"
    rows = [("peer id", info["peer_id"])]
    rows += [row for view in rooms.views() for row in view.banner(info)]
    rows += _addresses(info)
    if "limit" in info["memory"]:
        rows.append(("memory", f"up to {size(info['memory']['limit'])}"))
    rows.append(("data", info["data_dir"]))
    steps = [f"  {arrow} {step}" for step in _steps(info)]
    lines = ["", "  " + bold(head, colour), "", *pairs(rows, indent="  "), "", *steps, ""]
    text = "\n".join(lines) + "\n"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _writable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _addresses(info: "Status") -> list[tuple[str, str]]:
    addresses = info["addresses"]
    rows = listed("listens at", addresses["listening"] or ["nowhere: this node only dials"])
    return rows + listed("advertises", addresses.get("advertised", ()))


def _steps(info: "Status") -> list[str]:
    return [*_reach(info), "Another terminal: kwaainet status. To stop: Ctrl-C."]


def _reach(info: "Status") -> list[str]:
    listening: Sequence[str] = info["addresses"]["listening"]
    ports = [port for port in map(_port, listening) if port]
    if not ports:
        return []
    if all(text.startswith(_LOOPBACK) for text in listening):
        return ["Only this machine reaches it: it listens on loopback addresses alone."]
    advertised = info["addresses"].get("advertised", ())
    if advertised:
        address = f"{advertised[0]}/p2p/{info['peer_id']}"
        return [f"Give others this address: {address}"]
    wanted = " and ".join(dict.fromkeys(ports))
    if info.get("nat") == "private":
        return [
            f"This node is behind NAT: forward TCP port {wanted} on your router to this machine.",
            "Until then others reach it through relays only.",
        ]
    return [
        f"Open TCP port {wanted} in your router's firewall.",
        f"Give others: /ip4/<your public address>/tcp/{ports[0]}/p2p/{info['peer_id']}",
    ]


def _port(address: str) -> str | None:
    words = address.split("/")
    if address.startswith(_FAMILIES) and len(words) > 4 and words[3] == "tcp":
        return words[4]
    return None

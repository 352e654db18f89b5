"""The answers of the status socket in the form people read: lines of text, no I/O.

An answer may come from a node of another version: what it does not hold is not shown. What is of a
service, its room's view adds (edge.rooms).
"""

from edge import rooms
from edge.text import bold, counted, listed, pairs, short_peer, shown, size, span, table
from edge.view import Column

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.view import Answer

WIDE = 140  # columns a terminal must have for whole peer ids
REACHABLE = {
    "public": "yes, at a public address",
    "private": "no, behind NAT or a firewall",
    "unknown": "not known yet",
}


def status_lines(answer: "Answer", colour: bool = False) -> list[str]:
    """`kwaainet status`."""
    head = f"kwaainet {shown(answer['version'])}, up {span(answer['uptime'])}"
    views = list(rooms.views())
    rows = [
        ("peer id", shown(answer["peer_id"])),
        *_clone_rows(answer),
        *[row for view in views for row in view.head(answer)],
        *_address_rows(answer),
        *[row for view in views for row in view.rows(answer)],
        *_use_rows(answer),
        *_refusal_rows(answer.get("refusals", {})),
    ]
    return [bold(head, colour), *pairs(rows)]


def peers_lines(answer: "Answer", width: int = 0, colour: bool = False) -> list[str]:
    """`kwaainet peers`: the head of the table, a line for each peer, what was left out.

    `width`: columns of the terminal to which lines are cut, 0 where there is none.
    """
    peers: Sequence[Answer] = answer["peers"]
    if not peers:
        return ["no peer is connected"]
    columns = _columns(peers, whole=width == 0 or width >= WIDE)
    rows = [[column.name for column in columns]]
    rows += [[column.cell(peer) for column in columns] for peer in peers]
    lines = table(rows, right=[i for i, column in enumerate(columns) if column.right])
    if width:
        lines = [line[:width] for line in lines]
    lines[0] = bold(lines[0], colour)
    left = answer["total"] - len(peers)
    return [*lines, f"and {left} more"] if left > 0 else lines


def _columns(peers: "Sequence[Answer]", whole: bool) -> list[Column]:
    """`whole`: there is room for peer ids in full."""
    more = [column for view in rooms.views() for column in view.columns]
    return [
        Column("PEER", "peer_id", lambda peer: _peer_name(peer, whole), right=False),
        Column("REMOTE", "remote", endpoint, right=False),
        Column("UP", "age", lambda peer: span(peer["age"])),
        Column("RTT", "rtt", lambda peer: f"{peer['rtt']:.1f} ms" if "rtt" in peer else "-"),
        Column("STREAMS", "streams", lambda peer: str(peer["streams"])),
        *[column for column in more if any(column.key in peer for peer in peers)],
        Column("AGENT", "agent", lambda peer: shown(peer.get("agent", "-"), 40) or "-", False),
    ]


def _peer_name(peer: "Answer", whole: bool) -> str:
    name = shown(peer["peer_id"])
    return name if whole else short_peer(name)


def ping_line(result: "Answer") -> str:
    """One answer, or why there was none."""
    if "error" in result:
        return f"no answer: {shown(result['error'])}"
    return f"{shown(result['peer_id'])} via {endpoint(result)}: {result['rtt']:.1f} ms"


def ping_summary(sent: int, rtts: "Sequence[float]") -> str:
    """`rtts`: milliseconds of those that were answered."""
    text = f"{sent} sent, {len(rtts)} answered"
    if not rtts:
        return text
    mean = sum(rtts) / len(rtts)
    return f"{text}; min/avg/max {min(rtts):.1f}/{mean:.1f}/{max(rtts):.1f} ms"


def connect_lines(answer: "Answer") -> list[str]:
    """`kwaainet connect`."""
    how = "directly" if answer["direct"] else "through a relay"
    if answer.get("limited"):
        how += " that limits the circuit's time or data"
    rows = [("peer id", shown(answer["peer_id"])), ("connected", f"{how}, {endpoint(answer)}")]
    if "agent" not in answer:
        return pairs([*rows, ("agent", "has not said who it is")])
    rows.append(("agent", shown(answer["agent"]) or "-"))
    names = [shown(protocol) for protocol in answer["protocols"]] or ["-"]
    return pairs([*rows, *listed("protocols", names)])


def endpoint(answer: "Answer") -> str:
    """The far end of a connection: host:port, or the relay it goes through."""
    words = shown(answer["remote"]).split("/")
    if "p2p-circuit" in words:
        end = words.index("p2p-circuit")
        relay = words[end - 1] if words[end - 2] == "p2p" else _host_port(words)
        return f"relay {short_peer(relay)}"
    return _host_port(words)


def _host_port(words: "Sequence[str]") -> str:
    if len(words) < 5 or words[3] != "tcp":
        return "/".join(words)
    host = f"[{words[2]}]" if words[1] == "ip6" else words[2]
    return f"{host}:{words[4]}"


def _clone_rows(answer: "Answer") -> list[tuple[str, str]]:
    if "clone" not in answer:
        return []
    clone = answer["clone"]
    where = f"{endpoint(clone)}, met {span(clone['seconds'])} ago"
    return [("a clone", f"has this node's identity too: {where}; delete identity.key on one")]


def _address_rows(answer: "Answer") -> list[tuple[str, str]]:
    addresses: Answer = answer["addresses"]
    rows = []
    if "nat" in answer:
        rows.append(("reachable", REACHABLE.get(answer["nat"], shown(answer["nat"]))))
    for name, none in (("advertised", "nothing yet"), ("listening", "nowhere")):
        if name in addresses:
            rows += listed(name, [shown(address) for address in addresses[name]] or [none])
    rows += listed("not yet at", [shown(address) for address in addresses.get("missing", ())])
    waiting = [seen for seen in addresses.get("observed", ()) if not seen["confirmed"]]
    rows += listed(
        "unconfirmed",
        [f"{shown(seen['address'])} (by {counted(seen['peers'], 'peer')})" for seen in waiting],
    )
    return rows


def _use_rows(answer: "Answer") -> list[tuple[str, str]]:
    connections = answer["connections"]
    open_text = f"{connections['open']} open with {counted(connections['peers'], 'peer')}"
    pending, most = connections["pending"], connections["max"]
    rows = [("connections", f"{open_text}, {pending} pending (limit {most})")]
    memory = answer["memory"]
    if "rss" in memory:
        limit = f" of {size(memory['limit'])}" if "limit" in memory else ""
        parts = [f"{name} {size(memory[name])}" for name in ("anonymous", "peak") if name in memory]
        rest = f" ({', '.join(parts)})" if parts else ""
        rows.append(("memory", f"{size(memory['rss'])}{limit}{rest}"))
    if memory.get("profile_reason"):
        why = shown(memory["profile_reason"])
        rows.append(("machine", f"{why}: smaller windows, buffers and tables"))
    if memory.get("short"):
        rows.append(("machine", "nearly out of memory: new work is refused"))
    if "flash" in answer:
        rows.append(("flash", f"{size(answer['flash']['written'])} written since start"))
    return rows


def _refusal_rows(refusals: "Answer") -> list[tuple[str, str]]:
    rows = []
    for room, counts in refusals.items():
        if counts:
            most_first = sorted(counts.items(), key=lambda item: -item[1])
            words = [f"{count} {shown(why).replace('_', ' ')}" for why, count in most_first]
            rows.append(("refused", f"{shown(room)}: {', '.join(words)}"))
    return rows

"""The answers of the status socket in the form people read: lines of text, no I/O.

An answer may come from a node of another version: what it does not hold is not shown.
"""

from edge.status.text import bold, counted, pairs, short_peer, shown, size, span, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Answer = Mapping[str, Any]

WIDE = 140  # columns a terminal must have for whole peer ids
_BACKOFF = {
    "off": "",
    "free": "",
    "line": ": others need the line",
    "queue": ": the way to the gateway is slow",
}
_REACHABLE = {
    "public": "yes, at a public address",
    "private": "no, behind NAT",
    "unknown": "not known yet",
}


def status_lines(answer: "Answer", colour: bool = False) -> list[str]:
    """`kwaainet status`."""
    head = f"kwaainet {shown(answer['version'])}, up {span(answer['uptime'])}"
    rows = [("peer id", shown(answer["peer_id"])), ("mode", mode_text(answer))]
    if "decision" in answer:
        rows.append(("fit for", _fitness(answer["decision"])))
    rows += [
        *_step_rows(answer.get("step", {})),
        *_address_rows(answer),
        *_relay_rows(answer),
        *_use_rows(answer),
        *_qos_rows(answer.get("qos", {})),
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
    whole = width == 0 or width >= WIDE
    relayed = any("circuits" in peer for peer in peers)
    names = ("PEER", "REMOTE", "UP", "RTT", "STREAMS")
    more = ("SLOT", "CIRCUITS", "FROM", "TO") if relayed else ()
    rows = [(*names, *more, "AGENT"), *[_peer_row(peer, whole, relayed) for peer in peers]]
    lines = table(rows, right=(2, 3, 4, 6, 7, 8) if relayed else (2, 3, 4))
    if width:
        lines = [line[:width] for line in lines]
    lines[0] = bold(lines[0], colour)
    left = answer["total"] - len(peers)
    return [*lines, f"and {left} more"] if left > 0 else lines


def mode_text(answer: "Answer") -> str:
    """The mode, and why it is this one."""
    reason = answer.get("mode_reason")
    return f"{shown(answer['mode'])} ({shown(reason)})" if reason else shown(answer["mode"])


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
    return f"{text}; least {min(rtts):.1f}, mean {mean:.1f}, most {max(rtts):.1f} ms"


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


def listed(name: str, values: "Sequence[str]") -> list[tuple[str, str]]:
    """Rows of one name, which stands at the first."""
    return [(name if i == 0 else "", value) for i, value in enumerate(values)]


def _step_rows(step: "Answer") -> list[tuple[str, str]]:
    """What the mode controller holds back."""
    words = [] if step.get("new_work", True) else ["no new slots or circuits"]
    words += [f"at most {size(step['rate'])} a second"] if step.get("rate") else []
    return [("holds back", ", ".join(words))] if words else []


def _fitness(decision: "Answer") -> str:
    """In a few words."""
    low, high = decision["contribution"]
    words = [", ".join([shown(role) for role in decision["roles"]]), blocks_text(decision)]
    words.append(f"{range_text(low, high)} VDA an hour")
    text = "; ".join([word for word in words if word])
    return f"{shown(decision['mode'])}, tier {decision['tier']}: {text}"


def blocks_text(decision: "Answer") -> str:
    low, high = decision["blocks"]
    return f"{range_text(low, high)} model block{'s' if high > 1 else ''}" if high else ""


def range_text(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _address_rows(answer: "Answer") -> list[tuple[str, str]]:
    addresses: Answer = answer["addresses"]
    rows = []
    if "nat" in answer:
        rows.append(("reachable", _REACHABLE.get(answer["nat"], shown(answer["nat"]))))
    for name, none in (("advertised", "nothing yet"), ("listening", "nowhere")):
        if name in addresses:
            rows += listed(name, [shown(address) for address in addresses[name]] or [none])
    waiting = [seen for seen in addresses.get("observed", ()) if not seen["confirmed"]]
    rows += listed(
        "unconfirmed",
        [f"{shown(seen['address'])} (by {counted(seen['peers'], 'peer')})" for seen in waiting],
    )
    return rows


def _relay_rows(answer: "Answer") -> list[tuple[str, str]]:
    rows = []
    reservations = answer.get("reservations", {})
    if "held" in reservations:
        held, most = reservations["held"], reservations["max"]
        rows.append(("reservations", f"{held} held for others, at most {most}"))
    own = [
        f"{short_peer(shown(slot['relay']))}, renewed within {span(slot['expires_in'])}"
        for slot in reservations.get("own", ())
    ]
    if reservations.get("wanted") or own:
        rows += listed("own relays", own or [f"none yet, {reservations['wanted']} wanted"])
    if "circuits" in answer:
        circuits = answer["circuits"]
        text = f"{circuits['open']} open, {circuits['total']} since start"
        rows.append(("circuits", f"{text}, at most {circuits['max']}"))
    if "bytes" in answer:
        there, back = answer["bytes"]["to_listeners"], answer["bytes"]["to_dialers"]
        rows.append(("relayed", f"{size(there)} to listeners, {size(back)} to dialers"))
    return rows


def _use_rows(answer: "Answer") -> list[tuple[str, str]]:
    connections = answer["connections"]
    open_text = f"{connections['open']} open with {counted(connections['peers'], 'peer')}"
    pending, most = connections["pending"], connections["max"]
    rows = [("connections", f"{open_text}, {pending} pending, at most {most}")]
    memory = answer["memory"]
    if "rss" in memory:
        limit = f" of {size(memory['limit'])}" if "limit" in memory else ""
        parts = [f"{name} {size(memory[name])}" for name in ("anonymous", "peak") if name in memory]
        rest = f" ({', '.join(parts)})" if parts else ""
        rows.append(("memory", f"{size(memory['rss'])}{limit}{rest}"))
    if memory.get("profile_reason"):
        why = shown(memory["profile_reason"])
        rows.append(("machine", f"small, {why}: less for windows, buffers and tables"))
    if memory.get("short"):
        rows.append(("machine", "next to no memory left: nothing new is taken on"))
    if "flash" in answer:
        rows.append(("flash", f"{size(answer['flash']['written'])} written since start"))
    return rows


def _qos_rows(qos: "Answer") -> list[tuple[str, str]]:
    if not qos:
        return []
    marks = [f"DSCP {shown(qos['dscp']['relay'])}", f"priority {qos['priority']}"]
    if qos["mark"]:
        marks.append(f"mark {qos['mark']:#x}")
    if qos["refused"]:
        marks.append(f"not permitted: {', '.join([shown(name) for name in qos['refused']])}")
    rows = [("marks", ", ".join(marks))]
    why = _BACKOFF.get(qos["backoff"], shown(qos["backoff"]))
    rate = f"{size(qos['rate'])}/s" if qos["rate"] else "any number of bytes"
    if qos["rate"] or qos["backoff"] != "off":
        rows.append(("may relay", f"{rate}{why}"))
    wan = qos.get("wan", {})
    if "others_up" in wan:
        use = f"others {size(wan['others_up'])}/s up, {size(wan['others_down'])}/s down"
        delay = f"; {wan['delay']} ms of queue to the gateway" if "delay" in wan else ""
        rows.append((f"on {shown(wan['interface'])}", f"{use}{delay}"))
    return rows


def _refusal_rows(refusals: "Answer") -> list[tuple[str, str]]:
    rows = []
    for room, counts in refusals.items():
        if counts:
            most_first = sorted(counts.items(), key=lambda item: -item[1])
            words = [f"{count} {shown(why).replace('_', ' ')}" for why, count in most_first]
            rows.append(("refused", f"{shown(room)}: {', '.join(words)}"))
    return rows


def _peer_row(peer: "Answer", whole: bool, relayed: bool) -> tuple[str, ...]:
    name = shown(peer["peer_id"])
    row = [
        name if whole else short_peer(name),
        endpoint(peer),
        span(peer["age"]),
        f"{peer['rtt']:.1f} ms" if "rtt" in peer else "-",
        str(peer["streams"]),
    ]
    if relayed:
        row += [
            "yes" if peer["reserved"] else "-",
            str(peer["circuits"]),
            size(peer["bytes_from"]),
            size(peer["bytes_to"]),
        ]
    return (*row, shown(peer.get("agent", "-"), 40) or "-")

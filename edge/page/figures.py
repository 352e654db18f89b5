"""The overview as the texts and shapes of the page, by the place where each stands.

A place is the id of an element of page.html, and its attribute behind an "@" where it is not the
element's text. So the words are made once, here: the page as it is served and what the script puts
in later are the same, and what strangers have chosen is text in either.

An overview may come from a node of another version: what it does not hold is not shown.
"""

from __future__ import annotations

from edge.page import shapes
from edge.text import counted, short_peer, size, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Overview = Mapping[str, Any]
    Figures = dict[str, str]

DAYS = 14  # of the contribution
_TITLES = {
    "full": "Giving all it can",
    "light": "Giving what it can spare",
    "relay": "Relaying for others",
    "paused": "Taking a break",
}
_REACH = {
    "public": ("Others reach this node", "good"),
    "private": ("Others cannot reach this node directly", "poor"),
    "unknown": ("Not known yet whether others reach this node", "open"),
}
_MAPPED = (
    "The router forwards the port, and yet nobody gets through: there may be a second router, or"
    " your provider shares one address among customers. Ask it for a public address, or use IPv6."
    " Until then others reach this node through relays only."
)
_CLOSED = (
    "Forward TCP port {port} on your router to this machine, or allow UPnP or PCP there, by which"
    " the node does so itself. Until then others reach it through relays only."
)
_MAX_TEXT = 400  # characters of one text


def figures(overview: Overview) -> Figures:
    """Every place of the page, filled."""
    return {
        **_state(overview),
        **_reach(overview),
        **_relayed(overview),
        **_uses(overview),
        **_cache(overview.get("cache", {})),
        **_days(overview.get("days", ())),
    }


# --- parts of the page ---


def _state(overview: Overview) -> Figures:
    mode = _word(overview.get("mode", "relay"))
    peer = str(overview.get("peer_id", ""))
    reason = str(overview.get("reason", ""))
    return {
        "version": f"version {_text(overview.get('version', '?'))}",
        "peer": _text(short_peer(peer)),
        "peer@title": _text(peer),
        "state@data-mode": mode if mode in _TITLES else "relay",
        "title": _TITLES.get(mode, f"In mode {mode}"),
        "mode": mode,
        "reason": _sentence(reason) or "Nothing holds it back.",
        "limits": _limits(overview),
        "fit": _fit(overview),
        "why": "\n".join([_text(each) for each in overview.get("why", ())]),
        "uptime": span(overview.get("uptime", 0)),
        **_day(overview.get("day", ())),
    }


def _limits(overview: Overview) -> str:
    """What the mode holds back now."""
    words = [] if overview.get("new_work", True) else ["It takes on nothing new for now."]
    rate = overview.get("rate", 0)
    words += [f"It relays at most {size(rate)}/s."] if rate else []
    words += ["Memory is short."] if overview.get("memory", {}).get("short") else []
    words += ["" if overview.get("time", 0) is not None else "Its clock is not set yet."]
    return " ".join([word for word in words if word])


def _fit(overview: Overview) -> str:
    if "fit" not in overview:
        return ""
    return f"This machine is fit for mode {_word(overview['fit'])}, tier {overview.get('tier', 0)}."


def _day(day: Sequence[tuple[float, str]]) -> Figures:
    """The bar of the last 24 hours, and how much of them each mode has."""
    spans = shapes.day_spans([(float(ago), _word(mode)) for ago, mode in day])
    found = {}
    for mode in _TITLES:
        of_mode = [(start, length) for start, length, name in spans if name == mode]
        total = sum([length for _, length in of_mode])
        found[f"day-{mode}@d"] = shapes.strips(of_mode)
        found[f"hours-{mode}"] = f"{mode} {span(total)}" if total else ""
    return found


def _reach(overview: Overview) -> Figures:
    listening = [str(each) for each in overview.get("listening", ())]
    reachable = _word(overview.get("reachable", "unknown"))
    title, colour = _REACH.get(reachable, _REACH["unknown"])
    advice = _advice(reachable, _word(overview.get("ports", "unknown")), listening)
    if not listening:
        title, colour = "This node listens nowhere", "open"
        advice = "It only dials others. Set listen under [node] to be reached."
    return {
        "reach": title,
        "reach@data-state": colour,
        "advice": advice,
        "advertised": _lines(overview.get("advertised", ())) or "nothing yet",
        "listening": _lines(listening) or "nowhere",
    }


def _advice(reachable: str, ports: str, listening: Sequence[str]) -> str:
    """What there is to do, and for whom to wait."""
    if reachable == "public":
        by = "Your router forwards its port; there is" if ports == "mapped" else "There is"
        return f"{by} nothing to do."
    if reachable == "private":
        return _MAPPED if ports == "mapped" else _CLOSED.format(port=_port(listening))
    return "Peers try it, which takes some minutes after a start."


def _port(listening: Sequence[str]) -> str:
    """That of the first address for TCP."""
    for address in listening:
        words = address.split("/")
        if len(words) > 4 and words[3] == "tcp":
            return _text(words[4])
    return "4001"


def _relayed(overview: Overview) -> Figures:
    samples = overview.get("samples", {})
    moved = overview.get("bytes", {})
    step = samples.get("step", 5)
    down, up = samples.get("down", ()), samples.get("up", ())
    line = samples.get("line", ())
    top = shapes.scale(max([*down, *up], default=0))
    share = overview.get("line")
    return {
        "down": f"{size(down[-1] if down else 0)}/s",
        "up": f"{size(up[-1] if up else 0)}/s",
        "down-total": size(moved.get("to_listeners", 0)),
        "up-total": size(moved.get("to_dialers", 0)),
        "relayed": size(moved.get("relayed", 0)),
        "top": f"{size(top)}/s",
        "since": f"{span(step * shapes.SAMPLES)} ago",
        "down-line@d": shapes.line(down, top),
        "down-area@d": shapes.area(down, top),
        "up-line@d": shapes.line(up, top),
        "up-area@d": shapes.area(up, top),
        "line": "" if share is None else f"{100 * share:.0f} %",
        "line-note": "not measured here" if share is None else "of it now",
        "line-area@d": shapes.area(line, 100),
        "line-line@d": shapes.line(line, 100),
    }


def _uses(overview: Overview) -> Figures:
    links = overview.get("connections", {})
    memory = overview.get("memory", {})
    refused = overview.get("refused", {})
    circuits = overview.get("circuits", {})
    words = [f"{count} {_text(what)}" for what, count in refused.items() if count]
    return {
        **_use("links", links.get("open", 0), links.get("max", 0)),
        "links-note": f"with {counted(links.get('peers', 0), 'peer')}",
        **_use("held", overview.get("reservations", {}).get("held", 0), _most(overview)),
        "held-note": "peers that others reach here",
        **_use("circuits", circuits.get("open", 0), circuits.get("max", 0)),
        "circuits-note": f"{circuits.get('total', 0)} since the start",
        "memory": size(memory.get("rss", 0)),
        "memory-most": f"of {size(memory['limit'])}" if memory.get("limit") else "",
        "memory-bar@width": shapes.portion(memory.get("rss", 0), memory.get("limit", 0)),
        "memory-note": "short: new work is refused" if memory.get("short") else "of this process",
        "refused": ", ".join(words) or "nobody",
    }


def _most(overview: Overview) -> int:
    return int(overview.get("reservations", {}).get("max", 0))


def _use(name: str, used: int, most: int) -> Figures:
    return {
        name: str(used),
        f"{name}-most": f"of {most}",
        f"{name}-bar@width": shapes.portion(used, most),
    }


def _cache(cache: Overview) -> Figures:
    trouble = _text(cache.get("trouble", ""))
    kept, room = cache.get("bytes", 0), cache.get("size", 0)
    return {
        "cache@data-there": "yes" if cache else "no",
        "saved": size(cache.get("saved_bytes", 0)),
        "kept": size(kept),
        "kept-most": f"of {size(room)}",
        "kept-bar@width": shapes.portion(kept, room),
        "fetched": size(cache.get("wan_bytes", 0)),
        "served": size(cache.get("lan_bytes", 0)),
        "trouble": f"It keeps nothing new: {trouble}." if trouble else "",
    }


def _days(days: Sequence[tuple[str, int, int, int]]) -> Figures:
    days = days[-DAYS:]
    relayed = [day[1] for day in days]
    served = [day[3] for day in days]
    top = shapes.scale(max([a + b for a, b in zip(relayed, served, strict=True)], default=0))
    found = {
        "days-top": size(top),
        "days-first": _text(days[0][0]) if len(days) == DAYS else "",
        "days-relayed@d": shapes.bars(relayed, [0] * len(days), top, DAYS),
        "days-served@d": shapes.bars(served, relayed, top, DAYS),
        "days-sum": size(sum(relayed) + sum(served)),
        "today": size(relayed[-1] + served[-1]) if days else size(0),
        "days-count": counted(len(days), "day"),
    }
    for place in range(DAYS):  # the newest first
        day = days[-1 - place] if place < len(days) else None
        texts = [_text(day[0]), *[size(count) for count in day[1:4]]] if day else [""] * 4
        found |= {f"day{place}-{column}": text for column, text in enumerate(texts)}
    return found


# --- words ---


def _text(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


def _word(value: object) -> str:
    return _text(value)[:40]


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = _text(text).strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def _lines(values: Sequence[object]) -> str:
    return "\n".join([_text(value) for value in values])

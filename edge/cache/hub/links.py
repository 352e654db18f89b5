"""Addresses in the hub's headers: what leads to the hub leads to us, the storage is not named.

Source: RFC 8288 section 3 (Link), RFC 9110 section 10.2.2 (Location)
"""

from __future__ import annotations

MAX_LINK = 8192  # characters of a header


def at_hub(location: str, hub: str, prefix: str = "") -> str | None:
    """The target at the hub that `location` leads to, None where it leads elsewhere.

    `hub`: scheme and authority; `prefix`: the path that the hub's address has of its own.
    """
    if location.startswith("/") and not location.startswith("//"):
        target = location
    elif location.startswith((hub + "/", hub + "?")):
        target = location[len(hub) :]
    else:
        return None
    target = target.partition("#")[0]
    if not target.startswith(prefix + "/") or not _is_plain(target):
        return None
    return target[len(prefix) :]


def links(header: str) -> list[tuple[str, str]]:
    """The addresses of a header Link, and the parameters of each, as they stand."""
    found = []
    rest = header[:MAX_LINK]
    while "<" in rest and ">" in rest:
        _, _, rest = rest.partition("<")
        address, _, rest = rest.partition(">")
        parameters, mark, more = rest.partition("<")
        if mark:
            parameters = parameters.rstrip().removesuffix(",")
        found.append((address, parameters.strip()))
        rest = mark + more
    return found


def next_page(header: str) -> str:
    """The address of rel="next", "" for none."""
    return next((address for address, how in links(header) if _rel(how) == "next"), "")


def our_link(header: str, hub: str, prefix: str, ours: str) -> str:
    """A header Link for a client of ours: those that lead to us, "" for none."""
    kept = []
    for address, how in links(header):
        target = at_hub(address, hub, prefix)
        if target is not None and not _rel(how).startswith("xet"):
            kept.append(f"<{ours}{target}>{how if how.startswith(';') else ''}")
    return ", ".join(kept)


def _rel(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "rel":
            return value.strip().strip('"').lower()
    return ""


def _is_plain(target: str) -> bool:
    return all(32 < ord(char) < 127 and char not in '"<>\\' for char in target)

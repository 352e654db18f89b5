"""Where strangers come from."""

from edge.wire.ip import ip_group, parse_ip4, parse_ip6


def group(text: str) -> bytes:
    """What the IP `text` is counted under."""
    return ip_group(parse_ip6(text) if ":" in text else parse_ip4(text))

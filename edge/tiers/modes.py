"""The modes a node can be in, from the one that gives most to the one that gives nothing."""

FULL, LIGHT, RELAY, PAUSED = "full", "light", "relay", "paused"
MODES = (FULL, LIGHT, RELAY, PAUSED)


def lower(one: str, other: str) -> str:
    """The mode of the two that gives less."""
    return max(one, other, key=MODES.index)

"""The modes a node can be in, from the one that gives most to the one that gives nothing."""

FULL, LIGHT, RELAY, PAUSED = "full", "light", "relay", "paused"
MODES = (FULL, LIGHT, RELAY, PAUSED)
# VDA an hour, the least and the most, as the network's plan has it: an estimate, nothing is paid.
VDA_PER_HOUR = {FULL: (100, 100), LIGHT: (20, 40), RELAY: (5, 10)}


def lower(one: str, other: str) -> str:
    """The mode of the two that gives less."""
    return max(one, other, key=MODES.index)

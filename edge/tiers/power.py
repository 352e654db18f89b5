"""How much the node contributes by what feeds it: a box on a battery, a UPS or the sun.

    aggressive     above 80 % and charging, or no battery at all
    balanced       50 to 80 %, and above that when nothing charges
    conservative   20 to 50 %
    suspended      below 20 %

A level is left upwards only a little above its border, so that a charge that wavers there does not.
"""

AGGRESSIVE, BALANCED, CONSERVATIVE, SUSPENDED = (
    "aggressive",
    "balanced",
    "conservative",
    "suspended",
)
_LEVELS = (SUSPENDED, CONSERVATIVE, BALANCED, AGGRESSIVE)
_BORDERS = (0.2, 0.5, 0.8)  # of the charge, between them
_MARGIN = 0.03


class Power:
    """`level`: the contribution now."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = AGGRESSIVE

    def update(self, battery: float | None, charging: bool | None) -> str:
        """The level at a charge from 0 to 1; None for either where it is not known."""
        if battery is None:
            self.level = AGGRESSIVE
            return self.level
        before = _LEVELS.index(self.level)
        reached = sum(battery >= border for border in _BORDERS)
        if reached > before:
            reached = max(before, sum(battery >= border + _MARGIN for border in _BORDERS))
        level = _LEVELS[reached]
        self.level = BALANCED if level == AGGRESSIVE and not charging else level
        return self.level

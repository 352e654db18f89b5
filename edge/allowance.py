"""How much the node may do for others now: new work or none, and how many bytes a second.

Each cause that limits it (the mode, the line, a configured rate) sets its own part; the least of
all parts holds. Services read it and are told when it changes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Allowance:
    """`admits`: new work is taken on. `rate`: bytes a second in all, 0 for any number.

    `paused`: work under way is to end, too. `changed` are called after each change.
    """

    __slots__ = ("_rates", "admits", "changed", "paused")

    def __init__(self) -> None:
        self.admits = True
        self.paused = False
        self.changed: list[Callable[[], None]] = []
        self._rates: dict[str, int] = {}

    @property
    def rate(self) -> int:
        return least(*self._rates.values())

    def limit(self, cause: str, rate: int) -> None:
        """`cause` leaves `rate` bytes a second (0: any number), until it says otherwise."""
        if self._rates.get(cause, 0) != rate:
            self._rates[cause] = rate
            self.tell()

    def tell(self) -> None:
        """Call `changed`."""
        for tell in self.changed:
            tell()


def least(*rates: int) -> int:
    """The least of `rates`, of which 0 is any number."""
    return min([rate for rate in rates if rate], default=0)

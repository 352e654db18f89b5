"""Which rooms of services there are. Each has a `service.py`, a `view.py` and a `commands.py`.

`edge/node.py` makes the services; the command line and the status pages find the rest here.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.commands import Command
    from edge.view import View

ROOMS = (  # in the order in which `kwaainet status` shows them
    "tiers",
    "relay",
    "qos",
)


def views() -> "Iterator[View]":
    """What each room shows."""
    for room in ROOMS:
        yield import_module(f"edge.{room}.view").VIEW


def commands() -> "Iterator[Command]":
    """What each room does for the command line."""
    for room in ROOMS:
        yield from import_module(f"edge.{room}.commands").COMMANDS

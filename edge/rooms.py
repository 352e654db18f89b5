"""Which rooms of services there are. Each has a `service.py`, a `view.py` and a `commands.py`.

`edge/node.py` makes the services; the command line and the status pages find the rest here.
"""

from contextlib import suppress
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.budget import Budget
    from edge.commands import Command
    from edge.config.load import Config
    from edge.tiers.fitness import Fitness as Fitness  # noqa: PLC0414 - for run.py
    from edge.view import View

ROOMS = (  # in the order in which `kwaainet status` shows them
    "tiers",
    "relay",
    "cache",
    "kad",
    "dht",
    "autonat",
    "portmap",
    "dcutr",
    "mdns",
    "qos",
)


def views() -> "Iterator[View]":
    """The view of each room."""
    for room in ROOMS:
        yield import_module(f"edge.{room}.view").VIEW


def commands() -> "Iterator[Command]":
    """The commands of all rooms."""
    for room in ROOMS:
        yield from import_module(f"edge.{room}.commands").COMMANDS


def commands_of_computers() -> "Iterator[Command]":
    """Those for what is no router, and for devices set up from a computer: where they are there."""
    for room in ("edge.update", "esp32"):
        with suppress(ModuleNotFoundError):
            yield from import_module(f"{room}.commands").COMMANDS


def quiet_hours(config: "Config", utc: "float | None") -> bool:
    """Whether the owner's windows pause the node at `utc`, or none of them ever does.

    `utc`: in seconds from 1970, None while the time is not known.
    """
    from edge.tiers.schedule import schedule

    timetable = schedule(config)
    if not any(window.mode == "paused" for window in timetable.windows):
        return True
    now = timetable.current(utc)
    return now is not None and now.mode == "paused"


def look_around(config: "Config") -> "Callable[[], Fitness | None]":
    """Have a child process find out what the machine is fit for; the result waits for its answer.

    A node that is told to relay need not know what else the machine could do.
    """
    from edge.config.schema import Node, Tier
    from edge.tiers import decide

    node = config[Node]
    if node.mode == "relay":
        return lambda: None
    child = decide.start(node.data_dir, node.mode, config[Tier], relay_counts)
    return lambda: decide.finish(child)


def relay_counts(budget: "Budget") -> tuple[int, int]:
    """Reservations and circuits that there is memory for, in a relay of this budget."""
    from edge.relay.resources import fitting_counts

    return fitting_counts(budget)

"""The parts of a command of the program; each room lists its commands in its `commands.py`.

A command's function imports what it needs when it is called: listing them all costs little.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config.load import Config

USAGE_ERROR = 2  # the exit status for wrong arguments and configuration


class Arguments:
    """A command line taken apart. `switches`: by name, the text of those with a value, else "".

    `positionals`: the command's name first, then its operands.
    """

    __slots__ = ("file", "flags", "positionals", "switches")

    def __init__(self) -> None:
        self.file: str | None = None
        self.flags: dict[str, list[str]] = {}
        self.switches: dict[str, str] = {}
        self.positionals: list[str] = []


class Command:
    """`call(config, arguments)` returns the exit status. `operands`: names of what must follow it,
    the last with "..." if there may be more of it.

    `switches`: (name, value's name or "", help). All commands and options share their names: a
    name that two have means the same in both (tests/test_cli.py).
    """

    __slots__ = ("call", "help", "name", "operands", "switches")

    def __init__(
        self,
        name: str,
        call: "Callable[[Config, Arguments], int]",
        help_text: str,
        operands: tuple[str, ...] = (),
        switches: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        self.name = name
        self.call = call
        self.help = help_text
        self.operands = operands
        self.switches = switches


JSON = ("json", "", "print JSON, for programs")

"""The command about the line: the hooks, run for a node that is in a jail."""

from edge.commands import Command
from edge.config.errors import ConfigError, shown
from edge.config.schema import Node, Qos

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.commands import Arguments
    from edge.config.load import Config


def _hooks(config: "Config", args: "Arguments") -> int:
    from edge.qos import hooks

    event = args.positionals[1]
    uid, rate = args.switches.get("uid", "0"), args.switches.get("rate", "0")
    if event not in hooks.EVENTS:
        expected = f"{', '.join(hooks.EVENTS[:-1])} or {hooks.EVENTS[-1]}"
        raise ConfigError(f"kwaainet hooks: got {shown(event)}; expected {expected}")
    if not (uid.isascii() and uid.isdecimal() and len(uid) < 11):
        raise ConfigError(f"--uid: got {shown(uid)}; expected a user's number")
    if not (rate.isascii() and rate.isdecimal() and len(rate) < 16):
        raise ConfigError(f"--rate: got {shown(rate)}; expected bytes a second")
    if "list" in args.switches:
        print("".join([f"{path}\n" for path in hooks.asking(config[Qos], event)]), end="")
        return 0
    ports = [int(address.split("/")[4]) for address in config[Node].listen]
    return 1 if hooks.call_once(config[Qos], event, ports, int(uid), int(rate)) else 0


COMMANDS = (
    Command(
        "hooks",
        _hooks,
        "run the [qos] hooks on behalf of a jailed node, for init scripts",
        operands=("EVENT",),
        switches=(
            ("uid", "N", "user id that the node runs as; default 0"),
            ("rate", "N", "relay rate in bytes a second; default 0, unlimited"),
            ("list", "", "print the hooks in which EVENT occurs, and run none"),
        ),
    ),
)

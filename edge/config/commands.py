"""The command that reads the configuration."""

from edge.commands import Command
from edge.config.errors import ConfigError
from edge.config.load import UCI_FILE, hard, on_router
from edge.log import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.commands import Arguments
    from edge.config.load import Config


def _check_config(config: "Config", args: "Arguments") -> int:
    if on_router(config.file) and config.script is None:
        raise ConfigError(f"{config.file}: [kwaainet]: missing; expected config kwaainet 'main'")

    from edge import preflight

    preflight.check(config)
    if "hard" in args.switches:
        print("\n".join(hard(config)))
        return 0

    from edge.config import render

    everything = "show" in args.switches
    if not everything:
        print("OK")
        for name in config.ignored:
            print(f"# ignored: environment {escape(name)}")
    for line in render.toml(config, everything=everything):
        print(line)
    return 0


COMMANDS = (
    Command(
        "check-config",
        _check_config,
        "validate the configuration and print what differs from the defaults",
        switches=(
            ("show", "", "print every option as TOML, with its origin"),
            ("hard", "", "print the options that only a restart changes, for init scripts"),
            ("uci", "", f"read {UCI_FILE} unless --config names another file"),
        ),
    ),
)

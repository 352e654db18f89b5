"""The command line: arguments apart, configuration loaded, one function of a room called.

Not argparse: it costs memory for as long as the node runs, and its errors are not the schema's.
The flags are the schema's options; commands and their switches stand in the rooms' `commands.py`.
"""

import errno
import sys

from edge import process, rooms, run
from edge.commands import USAGE_ERROR, Arguments, Command
from edge.config import commands as config_commands
from edge.config.errors import ConfigError, shown, suggestion
from edge.config.load import UCI_FILE, load
from edge.config.schema import option_by_flag
from edge.log import escape
from edge.status import commands as status_commands
from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = {"-h": "help", "-V": "version", "-o": "output"}
_SERVES = "run"  # the command that acts on signals itself
# How write(2) fails where the output goes: a full disk or quota, a limit, a terminal that hung up.
_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EAGAIN)

COMMANDS = (
    *run.COMMANDS,
    *config_commands.COMMANDS,
    *status_commands.COMMANDS,
    *rooms.commands(),
    *rooms.commands_of_computers(),
)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except ConfigError as error:
        process.complain(error)
        return USAGE_ERROR
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        process.discard(sys.stdout)
        return 1
    except OSError as error:
        if error.errno not in _LOST or error.filename is not None:
            raise
        process.discard(sys.stdout)
        process.complain(f"kwaainet: cannot write the output: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return 130


def _main(argv: list[str]) -> int:
    args = parse(argv)
    if args.positionals[:1] != [_SERVES] or "help" in args.switches:
        process.release_signals()
    if "version" in args.switches:
        print("\n".join(_version()))
        return 0
    if not args.positionals:
        print("\n".join(_overview()), file=sys.stdout if "help" in args.switches else sys.stderr)
        return 0 if "help" in args.switches else USAGE_ERROR
    _join_name(args.positionals)
    name, *operands = args.positionals
    if name == "help":
        _join_name(operands)
        about = [operand for operand in operands[:1] if operand != "help"]
        print("\n".join(_help_on(_command(about[0])) if about else _overview()))
        return 0
    command = _command(name)
    if "help" in args.switches:
        print("\n".join(_help_on(command)))
        return 0
    _check(command, args)

    import os

    file = UCI_FILE if "uci" in args.switches and args.file is None else args.file
    return command.call(load(file, os.environ, args.flags), args)


def _join_name(words: list[str]) -> None:
    """Make one word of the two that some commands are called."""
    two = " ".join(words[:2])
    if any(command.name == two for command in COMMANDS):
        words[:2] = [two]


def parse(argv: list[str]) -> Arguments:
    """Takes `argv` (without the program's name) apart. Raises ConfigError."""
    args = Arguments()
    rest = iter(argv)
    for word in rest:
        if word == "--":
            args.positionals += rest
        elif word.startswith("--"):
            _flag(args, word[2:], rest)
        elif word in _SHORT:
            _flag(args, _SHORT[word], rest)
        elif word.startswith("-") and word != "-":
            raise ConfigError(
                f"{escape(word, 80)}: unknown flag; `kwaainet help` shows what there is"
            )
        else:
            args.positionals.append(word)
    return args


def _flag(args: Arguments, word: str, rest: "Iterator[str]") -> None:
    name, equals, value = word.partition("=")
    switches = {switch: operand for command in COMMANDS for switch, operand, _ in command.switches}
    switches["help"] = switches["version"] = ""
    if name in switches and not switches[name]:
        if equals:
            raise ConfigError(f"--{name}: got {shown(value)}; expected no value")
        args.switches[name] = ""
        return
    if name == "config":
        expected = "a path"
    elif name in switches:
        expected = f"a value, {switches[name]}"
    else:
        expected = option_by_flag(name).expected()
    if not equals:
        value = next(rest, "--")
        if value.startswith("--"):
            raise ConfigError(f"--{name}: got nothing; expected {expected}")
    if name == "config":
        args.file = value
    elif name in args.switches:
        raise ConfigError(f"--{name}: given twice")
    elif name in switches:
        args.switches[name] = value
    else:
        args.flags.setdefault(name, []).append(value)


def _command(name: str) -> Command:
    for command in COMMANDS:
        if command.name == name:
            return command
    names = [*[command.name for command in COMMANDS], "help"]
    advice = suggestion(name, names, otherwise="`kwaainet help` lists them all")
    raise ConfigError(f'kwaainet: unknown command "{escape(name, 80)}"; {advice}')


def _check(command: Command, args: Arguments) -> None:
    """Whether operands and switches are those of `command`."""
    known = [name for name, _, _ in command.switches]
    for switch in args.switches:
        if switch not in known:
            raise ConfigError(f"--{switch}: not a flag of `kwaainet {command.name}`")
    given = args.positionals[1:]
    many = command.operands[-1:] and command.operands[-1].endswith("...")
    missing = len(command.operands) - len(given)
    if missing > 0 or (missing and not many):
        got = " ".join([shown(each) for each in given]) or "nothing"
        expected = " ".join(command.operands) or "nothing"
        raise ConfigError(f"kwaainet {command.name}: got {got}; expected {expected}")


def _version() -> list[str]:
    """Which version this is and what it is made of."""
    from edge.crypto import BACKEND

    lines = [f"kwaainet {VERSION}"]
    try:
        import _image  # type: ignore[import-not-found]  # built in there

        lines += [f"target   {_image.TARGET}", f"commit   {_image.COMMIT}"]
    except ImportError:
        lines.append("target   source install")
    version = ".".join([str(number) for number in sys.version_info[:3]])
    return [*lines, f"python   {sys.implementation.name} {version}", f"ciphers  {BACKEND}"]


def _overview() -> list[str]:
    rows = [(_synopsis(command), command.help) for command in COMMANDS]
    rows.append(("help [COMMAND]", "show help for a command; `help run` lists every option"))
    rows.append(("--version", "print the version"))
    width = max([len(left) for left, _ in rows])
    return [
        "Usage: kwaainet COMMAND [FLAG ...]",
        "",
        *[f"  {left:<{width}}  {right}" for left, right in rows],
        "",
        "Every command takes --config FILE, --data-dir DIR and the other options of `run`.",
    ]


def _synopsis(command: Command) -> str:
    return " ".join([command.name, *command.operands])


def _help_on(command: Command) -> list[str]:
    from edge.config import render

    out = [f"Usage: kwaainet {_synopsis(command)} [FLAG ...]", "", command.help, ""]
    for name, operand, text in command.switches:
        out += [f"  --{name} {operand}".rstrip(), f"      {text}"]
    if command.name == "run":
        return out + render.flags()
    return [*out, "  --config FILE, --data-dir DIR and the other options of `kwaainet help run`"]

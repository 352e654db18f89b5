"""The command line: arguments apart, configuration loaded, one function of a room called.

Not argparse: it costs memory for as long as the node runs, and its errors are not the schema's.
The flags are the schema's options; verbs and their switches stand in VERBS.
"""

import sys

from edge.config.errors import ConfigError, shown, suggestion
from edge.config.load import UCI_FILE, hard, load
from edge.config.schema import option_by_flag
from edge.log import escape
from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.config.load import Config

_BACKEND = "KWAAINET_CRYPTO"
USAGE_ERROR = 2  # the status for wrong arguments and configuration


class Arguments:
    """A command line taken apart. `switches`: by name, the text of those with a value, else ""."""

    __slots__ = ("file", "flags", "positionals", "switches")

    def __init__(self) -> None:
        self.file: str | None = None
        self.flags: dict[str, list[str]] = {}
        self.switches: dict[str, str] = {}
        self.positionals: list[str] = []


class Verb:
    """`operands`: names of what must follow it. `switches`: (name, value's name or "", help)."""

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


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the exit
        return 1
    except KeyboardInterrupt:
        return 130


def _main(argv: list[str]) -> int:
    args = parse(argv)
    if "version" in args.switches:
        print("\n".join(_version()))
        return 0
    if not args.positionals:
        print("\n".join(_overview()), file=sys.stdout if "help" in args.switches else sys.stderr)
        return 0 if "help" in args.switches else USAGE_ERROR
    name, *operands = args.positionals
    if name == "help":
        print("\n".join(_help_on(_verb(operands[0])) if operands else _overview()))
        return 0
    verb = _verb(name)
    if "help" in args.switches:
        print("\n".join(_help_on(verb)))
        return 0
    _check(verb, args)

    import os

    file = UCI_FILE if "uci" in args.switches and args.file is None else args.file
    return verb.call(load(file, os.environ, args.flags), args)


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
            args.switches[_SHORT[word]] = ""
        elif word.startswith("-") and word != "-":
            raise ConfigError(
                f"{escape(word, 80)}: unknown flag; `kwaainet help` shows what there is"
            )
        else:
            args.positionals.append(word)
    return args


def _flag(args: Arguments, word: str, rest: "Iterator[str]") -> None:
    name, equals, value = word.partition("=")
    switches = {switch: operand for verb in VERBS for switch, operand, _ in verb.switches}
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
    elif name in switches:
        args.switches[name] = value
    else:
        args.flags.setdefault(name, []).append(value)


def _verb(name: str) -> Verb:
    for verb in VERBS:
        if verb.name == name:
            return verb
    names = [*[verb.name for verb in VERBS], "help"]
    raise ConfigError(f'kwaainet: unknown command "{escape(name, 80)}"; {suggestion(name, names)}')


def _check(verb: Verb, args: Arguments) -> None:
    """Whether operands and switches are those of `verb`."""
    known = [name for name, _, _ in verb.switches]
    for switch in args.switches:
        if switch not in known:
            raise ConfigError(f"--{switch}: not a flag of `kwaainet {verb.name}`")
    given = args.positionals[1:]
    if len(given) != len(verb.operands):
        got = " ".join([shown(each) for each in given]) or "nothing"
        expected = " ".join(verb.operands) or "nothing"
        raise ConfigError(f"kwaainet {verb.name}: got {got}; expected {expected}")


def _load_crypto(config: "Config") -> None:
    """Imports edge.crypto, which picks its backend at that moment by KWAAINET_CRYPTO alone.

    Must come before anything that imports it. Raises ConfigError if there is no native backend.
    """
    import os

    wanted = config.node.crypto
    before = os.environ.get(_BACKEND, "")
    os.environ[_BACKEND] = "pure" if wanted == "pure" else ""
    try:
        import edge.crypto

        if wanted == "native" and edge.crypto.BACKEND == "pure Python":
            import edge.crypto.native  # raises what is missing
    except ImportError as missing:
        origin = config.origin("node", "crypto")
        raise ConfigError(
            f'{origin}: [node] crypto: got "native"; expected auto or pure, as {missing}'
        ) from None
    finally:
        os.environ[_BACKEND] = before  # a reload reads it again; empty counts as unset


def _version() -> list[str]:
    """Which version this is and what it is made of."""
    from edge.crypto import BACKEND

    lines = [f"kwaainet {VERSION}"]
    try:
        import _image  # type: ignore[import-not-found]  # built in there

        lines += [f"target   {_image.TARGET}", f"commit   {_image.COMMIT}"]
    except ImportError:
        lines.append("target   none, this is no static binary")
    version = ".".join([str(number) for number in sys.version_info[:3]])
    return [*lines, f"python   {sys.implementation.name} {version}", f"ciphers  {BACKEND}"]


def _run(config: "Config", args: Arguments) -> int:
    import importlib.util

    from edge import slim

    installed = importlib.util.find_spec("uvloop") is not None
    uvloop = config.node.loop == "uvloop" or (config.node.loop == "auto" and installed)
    if uvloop and not installed:
        origin = config.origin("node", "loop")
        raise ConfigError(
            f'{origin}: [node] loop: got "uvloop"; expected auto: it is not installed'
        )
    slim.trim(keep_ssl=uvloop)
    if config.node.mode == "relay":  # need not know what else the machine could be
        _load_crypto(config)
        from edge import node

        return node.main(config, uvloop, None)

    from edge.relay.resources import fitting_counts
    from edge.tiers import decide

    child = decide.start(config.node.data_dir, config.node.mode, config.tier, fitting_counts)
    _load_crypto(config)
    from edge import node  # while the child looks around

    return node.main(config, uvloop, decide.finish(child))


def _check_config(config: "Config", args: Arguments) -> int:
    if "hard" in args.switches:
        print("\n".join(hard(config)))
        return 0

    from edge.config import document

    everything = "show" in args.switches
    if not everything:
        print("OK")
        for name in config.ignored:
            print(f"# ignored: environment {escape(name)}")
    for line in document.toml(config, everything=everything):
        print(line)
    return 0


def _id(config: "Config", args: Arguments) -> int:
    _load_crypto(config)
    import os

    from edge.crypto.errors import IdentityError
    from edge.crypto.identity import load_or_create
    from edge.wire.peerid import ED25519, PublicKey

    try:
        os.makedirs(config.node.data_dir, mode=0o700, exist_ok=True)
        key = load_or_create(config.identity_file())
    except OSError as error:
        directory = escape(config.node.data_dir)
        print(f"{directory}: cannot be created: {error.strerror}", file=sys.stderr)
        return 1
    except IdentityError as error:
        print(error, file=sys.stderr)
        return 1
    print(PublicKey(type=ED25519, data=key.public).peer_id())
    return 0


def _selftest(config: "Config", args: Arguments) -> int:
    from edge.status import selftest

    return selftest.run()


def _status(config: "Config", args: Arguments) -> int:
    from edge.status import client

    return client.status(config, "json" in args.switches)


def _tier(config: "Config", args: Arguments) -> int:
    from edge.relay.resources import fitting_counts
    from edge.tiers.decide import look

    answer = look(config.node.data_dir, config.node.mode, config.tier, fitting_counts)
    if "json" in args.switches:
        import json

        print(json.dumps(answer, indent=2))
        return 0

    from edge.status.text import has_colour
    from edge.status.tier import tier_lines

    print("\n".join(tier_lines(answer, has_colour(sys.stdout))))
    return 0


def _peers(config: "Config", args: Arguments) -> int:
    from edge.status import client

    return client.peers(config, "watch" in args.switches, "json" in args.switches)


def _ping(config: "Config", args: Arguments) -> int:
    count = args.switches.get("count", "4")
    if not (count.isascii() and count.isdecimal() and len(count) < 8 and int(count) > 0):
        raise ConfigError(f"--count: got {shown(count)}; expected a whole number from 1 to 9999999")

    from edge.status import client

    return client.ping(config, args.positionals[1], int(count))


def _connect(config: "Config", args: Arguments) -> int:
    from edge.status import client

    return client.connect(config, args.positionals[1])


def _ledger(config: "Config", args: Arguments) -> int:
    from edge.status import client
    from edge.status.errors import NotRunning, StatusError
    from edge.tiers import ledger

    if "csv" in args.switches and "json" in args.switches:
        raise ConfigError("--csv: got --json as well; expected one of the two")
    try:
        days = client.ledger(config)
    except NotRunning:
        days = ledger.report(ledger.Ledger(config.node.data_dir))
    except StatusError as error:
        print(f"kwaainet: {error}", file=sys.stderr)
        return 1
    if "json" in args.switches:
        import json

        print(json.dumps(days, indent=2))
    else:
        lines = ledger.as_csv(days) if "csv" in args.switches else ledger.as_table(days)
        print("\n".join(lines))
    return 0


def _hooks(config: "Config", args: Arguments) -> int:
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
    ports = [int(address.split("/")[4]) for address in config.node.listen]
    return 1 if hooks.call_once(config.qos, event, ports, int(uid), int(rate)) else 0


_JSON = ("json", "", "as JSON, for programs")
_SHORT = {"-h": "help", "-V": "version"}

VERBS = (
    Verb("run", _run, "be a node, until SIGTERM; SIGHUP reads the configuration again"),
    Verb(
        "check-config",
        _check_config,
        "read the configuration as `run` would and say what differs from the defaults",
        switches=(
            ("show", "", "every option's value as TOML, with its origin"),
            ("hard", "", "the options that take effect at a start only, for init scripts"),
            ("uci", "", f"without --config the file is {UCI_FILE}, whatever else there is"),
        ),
    ),
    Verb(
        "tier",
        _tier,
        "what this machine is, and what it is fit for; needs no running node",
        switches=(_JSON,),
    ),
    Verb("id", _id, "print this node's peer id; makes the key if there is none yet"),
    Verb("status", _status, "what the running node does and uses", switches=(_JSON,)),
    Verb(
        "peers",
        _peers,
        "the peers of the running node",
        switches=(("watch", "", "again and again, until interrupted"), _JSON),
    ),
    Verb(
        "ping",
        _ping,
        "measure round trips to a peer",
        operands=("ADDR",),
        switches=(("count", "N", "how many; default 4"),),
    ),
    Verb("connect", _connect, "have the running node connect to a peer", operands=("ADDR",)),
    Verb("selftest", _selftest, "check that the static binary computes right on this machine"),
    Verb(
        "ledger",
        _ledger,
        "what this node has given, by the day, and an estimate of it in VDA",
        switches=(_JSON, ("csv", "", "as CSV, for spreadsheets")),
    ),
    Verb(
        "hooks",
        _hooks,
        "call the programs of [qos] as a node does that may not, for init scripts",
        operands=("EVENT",),
        switches=(
            ("uid", "N", "the user that the node runs as; default 0"),
            ("rate", "N", "bytes a second that it may relay now; default 0, any number"),
        ),
    ),
)


def _overview() -> list[str]:
    rows = [(_synopsis(verb), verb.help) for verb in VERBS]
    rows.append(("help [COMMAND]", "all about a command; `help run` lists every option"))
    rows.append(("--version", "which one this is"))
    return [
        "Usage: kwaainet COMMAND [FLAG ...]",
        "",
        *[f"  {left:<14}  {right}" for left, right in rows],
        "",
        "Every command takes --config FILE, --data-dir DIR and the other options of `run`.",
    ]


def _synopsis(verb: Verb) -> str:
    return " ".join([verb.name, *verb.operands])


def _help_on(verb: Verb) -> list[str]:
    from edge.config import document

    out = [f"Usage: kwaainet {_synopsis(verb)} [FLAG ...]", "", verb.help, ""]
    for name, operand, text in verb.switches:
        out += [f"  --{name} {operand}".rstrip(), f"      {text}"]
    if verb.name == "run":
        return out + document.flags()
    return [*out, "  --config FILE, --data-dir DIR and the other options of `kwaainet help run`"]


if __name__ == "__main__":
    sys.exit(main())

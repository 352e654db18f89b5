"""The commands that ask a running node, and the binary's test of itself."""

from edge.commands import JSON, Command
from edge.config.errors import ConfigError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.commands import Arguments
    from edge.config.load import Config


_VERB = "abcdefghijklmnopqrstuvwxyz-"


def _status(config: "Config", args: "Arguments") -> int:
    from edge.status import client

    return client.status(config, "watch" in args.switches, "json" in args.switches)


def _ask(config: "Config", args: "Arguments") -> int:
    verb = args.positionals[1]
    if verb[:1] == "-" or not 0 < len(verb) <= 32 or verb.strip(_VERB):
        raise ConfigError(
            f"kwaainet ask: got {shown(verb)}; expected 1 to 32 lower-case letters and dashes"
        )

    from edge.status import client

    return client.forward(config, verb)


def _health(config: "Config", _: "Arguments") -> int:
    from edge.status import client

    return client.health(config)


def _peers(config: "Config", args: "Arguments") -> int:
    from edge.status import client

    return client.peers(config, "watch" in args.switches, "json" in args.switches)


def _top(config: "Config", _: "Arguments") -> int:
    from edge.status import client

    return client.top(config)


def _ping(config: "Config", args: "Arguments") -> int:
    count = args.switches.get("count", "4")
    if not (count.isascii() and count.isdecimal() and len(count) < 8 and int(count) > 0):
        raise ConfigError(f"--count: got {shown(count)}; expected a whole number from 1 to 9999999")

    from edge.status import client

    return client.ping(config, args.positionals[1], int(count))


def _connect(config: "Config", args: "Arguments") -> int:
    from edge.status import client

    return client.connect(config, args.positionals[1])


def _selftest(config: "Config", args: "Arguments") -> int:
    from edge.status import selftest

    url = args.switches.get("fetch")
    return selftest.run() if url is None else selftest.fetch(url)


def _page(config: "Config", args: "Arguments") -> int:
    try:
        from edge.status import where
    except ImportError:
        from edge import process
        from edge.status.errors import NO_PAGE

        process.complain(f"kwaainet: {NO_PAGE}")
        return 1
    return where.show(config, "new" in args.switches)


_WATCH = ("watch", "", "repeat every 2 seconds until interrupted")

COMMANDS = (
    Command("status", _status, "show what the running node does and uses", switches=(_WATCH, JSON)),
    Command("top", _top, "show the running node on one screen, live"),
    Command("ask", _ask, "print the running node's answer to a verb", operands=("VERB",)),
    Command(
        "health", _health, "check that the running node accepts connections: exit status 0 or 1"
    ),
    Command(
        "peers",
        _peers,
        "list the peers of the running node",
        switches=(_WATCH, JSON),
    ),
    Command(
        "ping",
        _ping,
        "measure round trips to a peer",
        operands=("ADDR",),
        switches=(("count", "N", "number of pings; default 4"),),
    ),
    Command("connect", _connect, "connect the running node to a peer", operands=("ADDR",)),
    Command(
        "selftest",
        _selftest,
        "verify this binary's ciphers and codecs on this machine",
        switches=(("fetch", "URL", "fetch URL instead; verifies DNS, clock, ca-bundle and TLS"),),
    ),
    Command(
        "page",
        _page,
        "show where the node's page is, with the token that opens it",
        switches=(("new", "", "replace the token; open pages need the new link"),),
    ),
)

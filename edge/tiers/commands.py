"""The commands about tiers: what the machine is, and what the node has given."""

import sys

from edge import process
from edge.commands import JSON, Command
from edge.config.errors import ConfigError
from edge.config.schema import Node, Tier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.commands import Arguments
    from edge.config.load import Config


def _tier(config: "Config", args: "Arguments") -> int:
    from edge.rooms import relay_counts
    from edge.tiers.decide import look

    answer = look(config[Node].data_dir, config[Node].mode, config[Tier], relay_counts)
    if "json" in args.switches:
        import json

        print(json.dumps(answer, indent=2))
        return 0

    from edge.text import has_colour
    from edge.tiers.report import tier_lines

    print("\n".join(tier_lines(answer, has_colour(sys.stdout))))
    return 0


def _ledger(config: "Config", args: "Arguments") -> int:
    from edge.status import client
    from edge.status.errors import NotRunning, StatusError
    from edge.tiers import ledger

    if "csv" in args.switches and "json" in args.switches:
        raise ConfigError("--csv: got --json as well; expected one of the two")
    try:
        days = client.ask(config, "ledger").get("days", [])
    except NotRunning:
        days = ledger.report(ledger.Ledger(config[Node].data_dir))
    except StatusError as error:
        process.complain(f"kwaainet: {error}")
        return 1
    if "json" in args.switches:
        import json

        print(json.dumps(days, indent=2))
    else:
        lines = ledger.as_csv(days) if "csv" in args.switches else ledger.as_table(days)
        print("\n".join(lines))
    return 0


COMMANDS = (
    Command(
        "tier",
        _tier,
        "show what this machine is and what it is fit for; needs no running node",
        switches=(JSON,),
    ),
    Command(
        "ledger",
        _ledger,
        "show what this node has contributed, by day, with an estimate in VDA",
        switches=(JSON, ("csv", "", "print CSV, for spreadsheets")),
    ),
)

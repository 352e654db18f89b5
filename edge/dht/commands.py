"""The commands about the DHT. All ask the running node."""

import sys

from edge import process
from edge.commands import JSON, Command
from edge.config.errors import ConfigError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edge.commands import Arguments
    from edge.config.load import Config

    Lines = Callable[[dict[str, Any]], list[str]]

_SUBKEY = ("subkey", "S", "the subkey of the record; default none")
_MAX_TTL = 86400
_TTL = ("ttl", "SECONDS", f"how long the record lasts, at most {_MAX_TTL}; default 3600")


def _get(config: "Config", args: "Arguments") -> int:
    fields = {"key": args.positionals[1], **_subkey(args)}
    return _asked(config, args, "dht-get", fields, _found_lines)


def _put(config: "Config", args: "Arguments") -> int:
    ttl = args.switches.get("ttl", "3600")
    if not (ttl.isascii() and ttl.isdecimal() and len(ttl) < 6 and 0 < int(ttl) <= _MAX_TTL):
        raise ConfigError(f"--ttl: got {shown(ttl)}; expected seconds, 1 to {_MAX_TTL}")
    _, key, value = args.positionals
    fields = {"key": key, "value": value, "ttl": int(ttl), **_subkey(args)}
    return _asked(config, args, "dht-put", fields, _stored_lines)


def _find(config: "Config", args: "Arguments") -> int:
    return _asked(config, args, "dht-find", {"peer": args.positionals[1]}, _address_lines)


def _peers(config: "Config", args: "Arguments") -> int:
    return _asked(config, args, "dht-peers", {}, _peer_lines)


def _stats(config: "Config", args: "Arguments") -> int:
    return _asked(config, args, "dht-stats", {}, _stats_lines)


def _subkey(args: "Arguments") -> "dict[str, str]":
    return {"subkey": args.switches["subkey"]} if "subkey" in args.switches else {}


def _asked(
    config: "Config", args: "Arguments", verb: str, fields: "dict[str, Any]", lines: "Lines"
) -> int:
    """Print the node's answer; 1 if it says nothing, or refuses."""
    import json

    from edge.status import client
    from edge.status.errors import NotRunning, StatusError

    try:
        answer = client.ask(config, verb, **fields)
    except StatusError as error:
        process.complain(f"kwaainet: {error}")
        return client.NO_NODE if isinstance(error, NotRunning) else client.FAILED
    said = [json.dumps(answer, indent=2)] if "json" in args.switches else lines(answer)
    sys.stdout.write("".join([f"{line}\n" for line in said]))
    return 0 if said else client.FAILED


def _found_lines(answer: "dict[str, Any]") -> list[str]:
    import json

    from edge.text import span

    if not answer.get("found"):
        process.complain("kwaainet: nothing is stored under this key")
        return []
    if "values" not in answer:
        return [f"{json.dumps(answer['value'])}  ({span(answer['expires_in'])} left)"]
    return [
        f"{json.dumps(name)}: {json.dumps(each['value'])}  ({span(each['expires_in'])} left)"
        for name, each in answer["values"].items()
    ]


def _stored_lines(answer: "dict[str, Any]") -> list[str]:
    from edge.text import counted

    if not answer.get("stored"):
        process.complain("kwaainet: no node has stored the record")
        return []
    return [f"stored at {counted(answer['stored'], 'node')}"]


def _address_lines(answer: "dict[str, Any]") -> list[str]:
    from edge.text import shown as printable

    if answer.get("connected"):
        return ["connected", *map(printable, answer["addresses"])]
    if not answer.get("addresses"):
        process.complain("kwaainet: the peer was not found")
    return [printable(address) for address in answer.get("addresses", ())]


def _peer_lines(answer: "dict[str, Any]") -> list[str]:
    from edge.text import table

    rows = [(each["peer_id"], each["node_id"]) for each in answer["peers"]]
    return table([("PEER", "NODE"), *rows])


def _stats_lines(answer: "dict[str, Any]") -> list[str]:
    from edge.text import flat, pairs

    return pairs(flat(answer.get("dht", {}))) or ["the DHT is off"]


COMMANDS = (
    Command(
        "dht get",
        _get,
        "find a record in the DHT",
        operands=("KEY",),
        switches=(_SUBKEY, JSON),
    ),
    Command(
        "dht put",
        _put,
        "store a record in the DHT",
        operands=("KEY", "VALUE"),
        switches=(_SUBKEY, _TTL, JSON),
    ),
    Command(
        "dht find", _find, "find the addresses of a peer", operands=("PEER",), switches=(JSON,)
    ),
    Command("dht peers", _peers, "list the nodes that the DHT knows", switches=(JSON,)),
    Command("dht stats", _stats, "show what the DHT holds and has done", switches=(JSON,)),
)

"""The form of LuCI's page "Settings": every option of the schema, as the module schema.js.

What a value must be, its range, default and help are the schema's. Titles and help are texts to
translate; what is expected of a value is the node's own sentence, and stays so. What the schema
does not know stands in this file alone: how the sections are spread over tabs, which options come
first, and which are of no use unless a flag is set. An option or a section that is not named here
is shown all the same, under "Advanced".
"""

import json

from edge.config import address_rules
from edge.config.kinds import (
    HARD,
    MAX_ITEMS,
    WEEKDAYS,
    Address,
    Addresses,
    Bool,
    Choice,
    Choices,
    Days,
    Integer,
    Option,
    Path,
    PathName,
    _List,
)
from edge.config.render import _default
from edge.config.schema import MAX_REPEATED, SECTIONS, Section
from edge.config.uci import InitScript

ADVANCED = "advanced"
# Each tab: its name and title, and the sections on it with their headings.
TABS = (
    ("service", "Service", {"kwaainet": "Service", "node": "Node"}),
    ("relay", "Relay", {"relay": "Relay"}),
    ("cache", "Cache", {"cache": "Cache", "origin": "Origins"}),
    ("line", "Line", {"qos": "Yielding to the household"}),
    ("schedule", "Schedule", {"schedule": "Time windows", "adapt": "Throttling"}),
    ("wake", "Sleepers", {"wake": "Sleepers"}),
    ("peers", "Peers", {"peer": "Peers", "mdns": "Local network", "portmap": "Port mapping"}),
    (
        ADVANCED,
        "Advanced",
        {
            "kad": "Peer routing",
            "dht": "DHT",
            "autonat": "Reachability",
            "dcutr": "Hole punching",
            "tier": "Hardware",
            "status": "Metrics",
        },
    ),
)
# The options that matter first, in this order; all others of their section are "Advanced".
BASIC = {
    "kwaainet": ("enabled", "open_port"),
    "node": ("network", "memory_limit", "listen", "external_address"),
    "relay": ("service", "rate", "private", "allow_peers", "allow_networks", "deny_peers"),
    "cache": ("gateway", "directory", "size", "fragments"),
    "qos": ("backoff", "line_up", "line_down", "rate_up", "rate_down", "shaper"),
    "adapt": ("enabled", "reduced_rate", "max_cpu", "max_temperature"),
    "mdns": ("enabled", "interfaces"),
    "portmap": ("enabled",),
    "peer": ("address",),
    "origin": ("name", "url", "hosts"),
    "schedule": ("days", "start", "end", "mode", "rate"),
    "wake": ("peer", "mac", "interface", "days", "start", "end"),
}
# Options without use unless a flag of their section is set.
_GATEWAY = ("listen", "names", "networks")
NEEDS = {
    "cache": {
        **{f"gateway_{name}": "gateway" for name in _GATEWAY},
        **dict.fromkeys(("cors", "hub", "storage_hosts", "registry"), "gateway"),
        **dict.fromkeys(("registry_hosts", "whole_files"), "gateway"),
    },
    "relay": {"allow_networks": "private"},
    "qos": {"max_delay": "backoff"},
    "adapt": dict.fromkeys(("max_cpu", "max_temperature", "max_wan"), "enabled"),
    "mdns": {"interfaces": "enabled"},
    "status": {"http_listen": "http", "http_names": "http"},
}

_WORDS = {
    **{word: word.upper() for word in ("cors", "cpu", "dscp", "gpu", "http", "ip", "ipfs", "mac")},
    **{word: word.upper() for word in ("ttl", "url", "wan")},
    "max": "maximum",
    "dir": "directory",
}
_RULES = {
    id(address_rules.LISTEN): "listen",
    id(address_rules.EXTERNAL): "external",
    id(address_rules.PEER): "peer",
    id(address_rules.RELAY): "relay",
}
_HEAD = """'use strict';
'require baseclass';

// Made from edge/config/schema.py by `make luci-schema`; openwrt/luci/form.py says what it is.
"""


class Text(str):
    """A text to translate."""

    __slots__ = ()


def javascript() -> str:
    """The module schema.js."""
    tabs = [{"name": name, "title": Text(title)} for name, title, _ in TABS]
    sections = [_section(section) for section in _in_order()]
    lines = [_HEAD, "return baseclass.extend({", f"\tmaxItems: {MAX_ITEMS},"]
    lines += [f"\tmaxRepeated: {MAX_REPEATED},", "\ttabs: ["]
    lines += [f"\t\t{_script(tab)}," for tab in tabs]
    lines += ["\t],", "\tsentences: {"]
    lines += [f"\t\t'{kind}': {_script(text)}," for kind, text in sorted(_sentences().items())]
    lines += ["\t},", "\tsections: ["]
    for section, options in sections:
        lines.append(f"\t\t{_script(section)[:-2]}, options: [")
        lines += [f"\t\t\t{_script(option)}," for option in options]
        lines.append("\t\t] },")
    return "\n".join([*lines, "\t],", "});", ""])


def _in_order() -> list[type[Section]]:
    every: list[type[Section]] = [InitScript, *SECTIONS]
    known = {section.NAME: section for section in every}
    placed = [name for _, _, names in TABS for name in names]
    return [known[name] for name in placed] + [
        section for name, section in known.items() if name not in placed
    ]


def _section(section: type[Section]) -> tuple[dict[str, object], list[dict[str, object]]]:
    """What the form is told of `section`, and of its options, those that matter first."""
    name = section.NAME
    tab, title = next(
        ((tab, names[name]) for tab, _, names in TABS if name in names), (ADVANCED, _title(name))
    )
    told: dict[str, object] = {"name": name, "tab": tab, "title": Text(title)}
    told["help"] = Text(section.HELP)
    if section.MANY:
        told["many"] = True
    first = BASIC.get(name, ())
    options = [section.option(each) for each in first]
    options += [option for option in section.options() if option.name not in first]
    return told, [_option(section, option) for option in options]


def _option(section: type[Section], option: Option) -> dict[str, object]:
    told: dict[str, object] = {"name": option.name, "kind": _kind(option)}
    told["title"] = Text(_title(option.name))
    told["help"] = Text(option.help)
    if option.default is None:
        told["required"] = True
    elif isinstance(option, Bool):
        told["initial"] = "1" if option.default else "0"
    else:
        told["initial"] = _initial(option)
    told.update(_bounds(option))
    if _expected(option) != _sentence(told):
        told["expected"] = _expected(option)
    if option.many:
        told["many"] = True
    if option.name in BASIC.get(section.NAME, ()):
        told["basic"] = True
    if option.reload == HARD:
        told["hard"] = True
    needed = NEEDS.get(section.NAME, {}).get(option.name)
    if needed is not None:
        told["needs"] = needed
    return told


def _title(name: str) -> str:
    words = " ".join([_WORDS.get(word, word) for word in name.split("_")])
    return words[:1].upper() + words[1:]


def _kind(option: Option) -> str:
    """The kind of `option`, or of the items of a list."""
    if isinstance(option, Choices | Days):
        return Choice.kind
    return option.kind.removeprefix("list of ")


def _expected(option: Option) -> str:
    return option.item_expected() if isinstance(option, _List) else option.expected()


def _sentences() -> dict[str, str]:
    """What is expected by kind or rule; of numbers, the words before the range."""
    found = {}
    for option in [option for section in _in_order() for option in section.options()]:
        if isinstance(option, Integer):
            found[option.kind] = option.wanted()
        elif "choices" not in _bounds(option):
            found[str(_bounds(option).get("rule", _kind(option)))] = _expected(option)
    return found


def _sentence(told: dict[str, object]) -> str:
    """What options.js makes of `told`: what follows "expected"."""
    choices = told.get("choices")
    if isinstance(choices, tuple):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}"
    text = _sentences()[str(told.get("rule", told["kind"]))]
    if "range" in told:
        text += f" from {told['range']}" + (f', or "{told["zero"]}"' if "zero" in told else "")
    return text


def _initial(option: Option) -> str:
    """The default as a person reads it; of a path on OpenWrt."""
    if isinstance(option, Path):
        return option.auto.rpartition("on OpenWrt ")[2]
    if isinstance(option, _List):
        return ", ".join(option.initial())
    return _default(option).split(" ")[0]


def _bounds(option: Option) -> dict[str, object]:
    """What else the check of the kind needs."""
    if isinstance(option, Integer):
        found: dict[str, object] = {"range": option.allowed().partition(",")[0]}
        if option.zero:
            found["zero"] = option.zero
        if option.unit and type(option) is Integer:
            found["unit"] = Text(option.unit)
        return found
    if isinstance(option, Choice | Choices):
        return {"choices": option.choices}
    if isinstance(option, Days):
        return {"choices": WEEKDAYS}
    if isinstance(option, Address | Addresses):
        return {"rule": _RULES[id(option.rule)]}
    return {"taken": option.TAKEN} if isinstance(option, PathName) else {}


def _script(value: object) -> str:
    """`value` as JavaScript: texts to translate as _('...')."""
    if isinstance(value, dict):
        return "{ " + ", ".join([f"{name}: {_script(each)}" for name, each in value.items()]) + " }"
    if isinstance(value, tuple):
        return "[ " + ", ".join([_script(each) for each in value]) + " ]"
    if isinstance(value, str):
        text = "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"
        text = text[0] + text[1:-1].replace("'", "\\'") + text[-1]
        return f"_({text})" if isinstance(value, Text) else text
    return json.dumps(value)

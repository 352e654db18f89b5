"""Renders the schema and a configuration: TOML, the command line's help, docs/configuration.md.

`python -m edge.config.render > docs/configuration.md` writes the page.
"""

from edge.config.kinds import MAX_ITEMS, Choice, Integer, Option, Path
from edge.config.load import DEFAULT_FILE, UCI_FILE
from edge.config.schema import ENVIRONMENT, SECTIONS, Relay, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config

_WIDTH = 96
_EXAMPLE = f"kwaainet.toml:12: [relay] max_circuits: {Relay.option('max_circuits').refuse(70000)}"

_HEAD = f"""\
# Configuration

Generated from `edge/config/schema.py` by
`python -m edge.config.render > docs/configuration.md`.

An option can be set in four places. Each overrides those before it:

1. the default, listed below;
2. the file: `--config FILE`, else `${ENVIRONMENT}CONFIG`, else `{DEFAULT_FILE}` or
   `{UCI_FILE}`, whichever exists. A file whose name ends in `.toml` is read as TOML,
   any other as OpenWrt's UCI, with the same sections and options (see
   [openwrt.md](openwrt.md));
3. the environment: `{ENVIRONMENT}`, section and option in capitals, for example
   `{ENVIRONMENT}RELAY_MAX_CIRCUITS=64`. Options of `[node]` omit the section:
   `{ENVIRONMENT}MODE=relay`. Lists are separated by commas or spaces. An empty variable counts as
   unset. Variables of this prefix that belong to other programs are ignored;
4. command-line flags: `--relay-max-circuits 64`, `--mode relay`. A flag that takes a list may
   be repeated.

The last source that sets a list replaces it as a whole; the same holds for the `[[peer]]`
sections together. `[[schedule]]` and `[[wake]]` can be set in files only.

An invalid value, an unknown option or an unknown section prevents the start: the exit status is
2, and one line names the place, the value and the allowed values:

    {_EXAMPLE}

`kwaainet check-config` reads all sources and prints `OK` and the settings that differ from the
defaults. It also refuses what would keep the node from starting on this machine: addresses that
clash, ciphers or an event loop that are not installed, a `data_dir` that is a file, a
`memory_limit` that is too low by an estimate. `kwaainet check-config --show` prints the whole
effective configuration as TOML with the origin of each value. For scripts, the exit status is 0,
or 2 with one line on standard error.

Sizes are bytes, or a number with `K`, `M`, `G` or `T` (powers of 1024); rates are sizes per
second. Durations are seconds, or a number with `s`, `m`, `h` or `d`. A list has at most {MAX_ITEMS}
items.

SIGHUP reloads all sources. *Soft* options take effect at once, for what exists as well; *hard*
options take effect at the next start.
"""


def toml(config: "Config", *, everything: bool) -> list[str]:
    """Lines of TOML, each value with its origin. Without `everything`: only non-default values."""
    out: list[str] = []
    for section in config.sections():
        rows = [
            (f"{option.name} = {option.toml(section.value(option))}", section.origins[option.name])
            for option in section.options()
            if everything or _differs(section, option)
        ]
        if rows:
            out.append(f"[[{section.NAME}]]" if section.MANY else f"[{section.NAME}]")
            out += [f"{row}  # {origin}" for row, origin in rows]
    return out


def _differs(section: Section, option: Option) -> bool:
    chosen = section.origins[option.name] != "default"
    return chosen and section.value(option) != option.initial()


def flags() -> list[str]:
    """Lines of help for every flag, by section."""
    out = [
        "  --config FILE",
        "      Configuration file: TOML if its name ends in .toml, else UCI.",
        f"      Default: {DEFAULT_FILE} or {UCI_FILE}, whichever exists.",
    ]
    for section in SECTIONS:
        flags = [option for option in section.options() if option.flag]
        if not flags:
            continue
        out += ["", f"[{section.NAME}] {section.HELP}"]
        for option in flags:
            repeated = " ..." if option.many or section.MANY else ""
            out.append(f"  --{option.flag} {option.placeholder}{repeated}")
            out += _wrapped(f"{option.help} {_allowed(option)}", "      ")
    return out


def _allowed(option: Option) -> str:
    facts = [] if isinstance(option, Choice) else [option.allowed()]
    if option.default is not None:
        facts.append(f"default {_default(option)}")
    return "(" + "; ".join(facts) + ")"


def _default(option: Option) -> str:
    if isinstance(option, Path):
        return option.auto
    text = option.text(option.initial())
    unit = option.unit if isinstance(option, Integer) else ""
    if unit and text.isdecimal():
        return f"{text} {unit}"
    return text or "none"


def _wrapped(text: str, indent: str) -> list[str]:
    out = [indent]
    for word in text.split():
        if len(out[-1]) + 1 + len(word) > _WIDTH and out[-1] != indent:
            out.append(indent)
        out[-1] += word if out[-1] == indent else " " + word
    return out


def markdown() -> str:
    """The page docs/configuration.md."""
    out = [_HEAD]
    for section in SECTIONS:
        title = f"[[{section.NAME}]]" if section.MANY else f"[{section.NAME}]"
        out += [f"## {title}", "", section.HELP, ""]
        out += ["| option | kind | default | allowed | reload | |", "|---|---|---|---|---|---|"]
        out += [_row(option) for option in section.options()]
        out.append("")
    out += ["## A file with every default", "", "```toml"]
    for section in SECTIONS:
        out += _sample(section)
    out[-1] = "```"
    return "\n".join(out) + "\n"


def _row(option: Option) -> str:
    default = "none: required" if option.default is None else _default(option)
    cells = [
        f"`{option.name}`",
        option.kind,
        default,
        option.allowed(),
        option.reload,
        option.help,
    ]
    return "| " + " | ".join([cell.replace("|", "\\|") for cell in cells]) + " |"


def _sample(section: type[Section]) -> list[str]:
    if section.MANY:
        lines = [f"[[{section.NAME}]]", *section.EXAMPLE.splitlines()]
        return [*[f"# {line}" for line in lines], ""]
    lines = [f"{option.name} = {option.toml(option.initial())}" for option in section.options()]
    return [f"[{section.NAME}]", *lines, ""]


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())

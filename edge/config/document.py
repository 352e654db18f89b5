"""The schema and a configuration written out: TOML, the command line's help, docs/configuration.md.

`python -m edge.config.document > docs/configuration.md` writes the page.
"""

from edge.config.kinds import Choice, Integer, Option, Path
from edge.config.load import DEFAULT_FILE, UCI_FILE
from edge.config.schema import ENVIRONMENT, SECTIONS, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.load import Config

_WIDTH = 96

_HEAD = f"""\
# Configuration

Generated from `edge/config/schema.py` by `python -m edge.config.document > docs/configuration.md`.

An option can be set in four places. Each overrides those before it:

1. the default below;
2. the file: `--config FILE`, else `$KWAAINET_CONFIG`, else `{DEFAULT_FILE}` or
   `{UCI_FILE}`, whichever exists. A name that ends in `.toml` is TOML, any other is
   OpenWrt's UCI with the same sections and options (see [openwrt.md](openwrt.md));
3. the environment: `{ENVIRONMENT}` and the option in capitals, as in
   `{ENVIRONMENT}RELAY_MAX_CIRCUITS=64`. Options of `[node]` go without the section:
   `{ENVIRONMENT}MODE=relay`. Lists are separated by commas or spaces. An empty variable counts as
   unset. Variables of this prefix that belong to other programs are left alone;
4. flags of the command line: `--relay-max-circuits 64`, `--mode relay`. A flag that takes a list
   may be repeated.

A list, and the peers as a whole, are those of the last source that names any. The sections
`[[schedule]]` and `[[wake]]` stand in files only.

A value that is not allowed, an unknown option or an unknown section stops the start with status 2
and one line that says where it stands, what was given and what is allowed:

    kwaainet.toml:12: [relay] max_circuits: got 70000; expected a whole number from 0 to 65536

`kwaainet check-config` reads all sources, says `OK` and what differs from the defaults;
`kwaainet check-config --show` writes the whole effective configuration as TOML with the origin of
each value. Scripts ask for its exit status: 0, or 2 and one line on standard error.

Sizes are bytes, or a number with `K`, `M`, `G` or `T` (powers of 1024). Durations are seconds, or a
number with `s`, `m`, `h` or `d`.

SIGHUP reads the sources again. What is *soft* below changes at once, and connections and
reservations stay; what is *hard* takes effect at the next start.
"""


def toml(config: "Config", *, everything: bool) -> list[str]:
    """Lines of TOML, each value with its origin; without `everything` what is not default."""
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
    """Help on every option's flag, by section."""
    out = [
        "  --config FILE",
        f"      TOML if it ends in .toml, else UCI. Default: {DEFAULT_FILE} or",
        f"      {UCI_FILE}, whichever exists",
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

"""Reads environment variables and flags, whose values are text, into Layers."""

from edge.config.errors import ConfigError, RefusedError, suggestion
from edge.config.layer import Found, Layer
from edge.config.schema import (
    ENVIRONMENT,
    MAX_REPEATED,
    SECTIONS,
    Peer,
    every_option,
    option_by_flag,
)
from edge.log import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.config.kinds import Option

_NUMBER = r"\d+$"
_URL = r"(tcp|udp|sctp)://"
# The end of a link's name, the start of its value: by its name alone it may be a misspelt option.
_LINKS = (
    ("_SERVICE_HOST$", r"[\w.:-]+$"),
    (r"_SERVICE_PORT(_\w+)?$", _NUMBER),
    (r"_PORT(_\d+_(TCP|UDP|SCTP)(_START|_END)?)?$", _URL),
    (r"_PORT_\d+_(TCP|UDP|SCTP)_(ADDR|PORT|PROTO|PORT_START|PORT_END)$", ""),
    ("_NAME$", "/"),
    (r"_ENV_\w+$", ""),
)


def read_environment(environ: "Mapping[str, str]", also_ours: str) -> Layer:
    """Read KWAAINET_* variables. An empty variable counts as unset. Raises ConfigError.

    `also_ours`: a variable that sets no option. Other programs of KwaaiNet use the same prefix, as
    do services whose names begin with it, so an unknown variable is an error only if it resembles
    one of this program.
    """
    layer = Layer()
    options = {option.environment: option for option in every_option() if option.flag}
    for name, value in environ.items():
        if not value or not name.startswith(ENVIRONMENT) or name == also_ours:
            continue
        if name in options:
            _set(layer, options[name], [value], f"environment {name}")
            continue
        if not _is_link(name, value):
            _refuse_if_misspelt(name, [*options, also_ours])
        layer.ignored.append(name)
    return layer


def read_flags(flags: "Mapping[str, Sequence[str]]") -> Layer:
    """Read `flags`: values by name without dashes. Raises ConfigError.

    The last of several single values counts; lists are concatenated.
    """
    layer = Layer()
    for flag, values in flags.items():
        _set(layer, option_by_flag(flag), values, f"--{flag}")
    return layer


def _set(layer: Layer, option: "Option", texts: "Sequence[str]", origin: str) -> None:
    try:
        if option.section == Peer.NAME:
            layer.repeated[Peer.NAME] = _peers(option, texts, origin)
            return
        value = option.from_text(",".join(texts) if option.many else texts[-1])
    except RefusedError as error:
        raise ConfigError(f"{origin}: {error}") from None
    layer.values[option.section, option.name] = Found(value, origin)


def _peers(option: "Option", texts: "Sequence[str]", origin: str) -> list[dict[str, Found]]:
    addresses = ",".join(texts).replace(",", " ").split()
    if len(addresses) > MAX_REPEATED:
        raise ConfigError(f"{origin}: got {len(addresses)}; expected at most {MAX_REPEATED}")
    return [{option.name: Found(option.from_text(each), origin)} for each in addresses]


def _is_link(name: str, value: str) -> bool:
    """Whether Kubernetes or Docker tells a container where a service is, such as `kwaainet-relay`.

    Source: Kubernetes, "Service": environment variables; Docker, "Legacy container links"
    """
    import re  # needed only for unknown variables

    return any(re.search(end, name) and re.match(start, value) for end, start in _LINKS)


def _refuse_if_misspelt(name: str, known: list[str]) -> None:
    import difflib  # needed only for unknown variables

    short = [each.removeprefix(ENVIRONMENT) for each in known]
    wanted = name.removeprefix(ENVIRONMENT)
    sections = [section.NAME.upper() + "_" for section in SECTIONS]
    near = difflib.get_close_matches(wanted[:80], short, 1, 0.75)
    if near or wanted.startswith(tuple(sections)):
        advice = suggestion(wanted, short, ENVIRONMENT)
        raise ConfigError(f"environment {escape(name, 80)}: unknown variable; {advice}")

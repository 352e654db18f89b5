"""The effective configuration: defaults, under the file, under the environment, under flags.

A mistake in any source is a ConfigError of one line that names its place, even if a later source
overrides the option: the file stays invalid without the flag.
"""

import os

from edge.config import env_flags
from edge.config.errors import ConfigError, shown
from edge.config.kinds import HARD, SOFT, Path
from edge.config.layer import Found, Layer
from edge.config.schema import ENVIRONMENT, SECTIONS, Node, Section, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    SectionType = TypeVar("SectionType", bound=Section)

DEFAULT_FILE = "/etc/kwaainet/kwaainet.toml"
UCI_FILE = "/etc/config/kwaainet"
# The init script's copies of it: of the running node, the next one, and the last valid one.
UCI_COPIES = (
    "/var/etc/kwaainet/config",
    "/var/etc/kwaainet/config.new",
    "/etc/kwaainet/config.good",
)
ROUTER_DATA_DIR = "/etc/kwaainet/data"  # on flash, kept by sysupgrade
_ROUTER_DIR = "/etc/kwaainet"  # the data directory once, and root's since: hooks are in it
ROUTER_RUN_DIR = "/var/run/kwaainet"  # in memory
_EVERYWHERE = ("0.0.0.0", "::")
FILE_VARIABLE = ENVIRONMENT + "CONFIG"


class Config:
    """The effective configuration: `config[Relay]` is a section, `config.all(Peer)` all of a kind.

    `file`: the one that was read, None if there is none. `ignored`: KWAAINET_* variables that are
    none of ours (KwaaiNet's other programs have some too). `script`: the file's section for an init
    script, None if it has none.
    """

    __slots__ = ("_flags", "_requested", "_sections", "file", "ignored", "script")

    def __init__(
        self,
        sections: "Sequence[Section]",
        ignored: list[str],
        file: str | None,
        requested: str | None,
        flags: "Mapping[str, Sequence[str]]",
        script: Section | None = None,
    ) -> None:
        self.script = script
        self._sections = sections
        self.ignored = ignored
        self.file = file
        self._requested = requested
        self._flags = flags

    def __getitem__(self, cls: "type[SectionType]") -> "SectionType":
        """The section that stands once."""
        return self.all(cls)[0]

    def all(self, cls: "type[SectionType]") -> "list[SectionType]":
        """Every section of this kind, in the order of the file."""
        return [section for section in self._sections if isinstance(section, cls)]

    def sections(self) -> list[Section]:
        return list(self._sections)

    def origin(self, section: str, option: str, index: int = 0) -> str:
        """Where a value is from: "default", "kwaainet.toml:12", "environment KWAAINET_MODE" or
        "--mode". `index`: of which of its sections.
        """
        named = [found for found in self._sections if section == found.NAME]
        return named[index].origins[option]

    def identity_file(self) -> str:
        """The path of the node's private key."""
        return os.path.join(self[Node].data_dir, "identity.key")

    def again(self, environ: "Mapping[str, str]") -> "Config":
        """The configuration as it is now, from the same sources. Raises ConfigError."""
        return load(self._requested, environ, self._flags)


class Change:
    """One option that differs between two configurations."""

    __slots__ = ("name", "new", "old")

    def __init__(self, name: str, old: str, new: str) -> None:
        self.name = name
        self.old = old
        self.new = new

    def __str__(self) -> str:
        return f"{self.name}: {self.old or 'none'} -> {self.new or 'none'}"


def load(
    file: str | None, environ: "Mapping[str, str]", flags: "Mapping[str, Sequence[str]]"
) -> Config:
    """The effective configuration. Raises ConfigError.

    `file`: the path of --config; None means $KWAAINET_CONFIG, else DEFAULT_FILE or UCI_FILE where
    it exists. A file whose name ends in .toml is TOML, any other is UCI.
    `flags`: by flag without its dashes ("relay-max-circuits"), the values in the order given.
    """
    path = file or environ.get(FILE_VARIABLE) or _default_file()
    merged = Layer()
    if path is not None:
        merged.put(_read(path))
    merged.put(env_flags.read_environment(environ, FILE_VARIABLE))
    merged.put(env_flags.read_flags(flags))
    sections: list[Section] = []
    for section in SECTIONS:
        sections += _sections(section, merged) if section.MANY else [_section(section, merged)]
    config = Config(sections, merged.ignored, path, file, flags, merged.script)
    _settle_directories(config[Node], path, environ)
    _refuse_clashes(config)
    return config


def diff(old: Config, new: Config) -> tuple[list[Change], list[Change]]:
    """The changed options: (soft, hard)."""
    soft: list[Change] = []
    hard: list[Change] = []
    for section in SECTIONS:
        if section.MANY:
            was, now = _written(old, section), _written(new, section)
            if was != now:
                soft.append(Change(section.NAME, was, now))
            continue
        for option in section.options():
            was, now = (option.text(config[section].value(option)) for config in (old, new))
            if was != now:
                change = Change(f"{section.NAME}.{option.name}", was, now)
                (soft if option.reload == SOFT else hard).append(change)
    return soft, hard


def _written(config: Config, section: type[Section]) -> str:
    """All sections of a class on one line."""
    return ",".join(
        " ".join([option.text(each.value(option)) for option in each.options()])
        for each in config.all(section)
    )


def default_data_dir(environ: "Mapping[str, str]") -> str:
    """Raises ConfigError for a user without a home.

    Relative paths in the environment are ignored, which would be other ones from each directory.

    Source: XDG Base Directory Specification 0.8, "Environment variables"
    """
    if os.geteuid() == 0:
        return "/var/lib/kwaainet"
    base = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(_home(environ), ".local/share")
    return os.path.join(base, "kwaainet")


def _home(environ: "Mapping[str, str]") -> str:
    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        try:
            import pwd

            home = pwd.getpwuid(os.geteuid()).pw_dir
        except (ImportError, KeyError):  # not in the static binary; a user of a number alone
            home = ""
    if not os.path.isabs(home):
        raise ConfigError(
            "default: [node] data_dir: this user has no home directory; set data_dir, or $HOME"
        )
    return home


def hard(config: Config) -> list[str]:
    """A line `section.option=value` for each hard option, and for all of the init script's."""
    return [
        f"{section.NAME}.{option.name}={option.text(section.value(option))}"
        for section in [*config.sections(), *([config.script] if config.script else [])]
        for option in section.options()
        if option.reload == HARD or section is config.script
    ]


def on_router(file: str | None) -> bool:
    """Whether `file` is OpenWrt's, or a copy of it."""
    return file == UCI_FILE or file in UCI_COPIES


def _settle_directories(node: Node, file: str | None, environ: "Mapping[str, str]") -> None:
    router = on_router(file) and node.data_dir in (Path.AUTO, _ROUTER_DIR)
    if router:
        node.set("data_dir", ROUTER_DATA_DIR)
    elif node.data_dir == Path.AUTO:
        node.set("data_dir", default_data_dir(environ))
    if node.run_dir == Path.AUTO:
        node.set("run_dir", ROUTER_RUN_DIR if router else node.data_dir)


def _refuse_clashes(config: Config) -> None:
    """Whether each listening address can be had beside the others. Raises ConfigError."""
    node, status = config[Node], config[Status]
    wanted = [("node", "listen", text) for text in node.listen]
    if status.http or status.page:
        wanted += [("status", "http_listen", text) for text in status.http_listen]
    taken: list[tuple[str, str, str, str]] = []  # kind, IP, port; the address
    for section, option, text in wanted:
        _, kind, ip, _, port = text.split("/")
        for other_kind, other_ip, other_port, other in taken:
            if (kind, port) == (other_kind, other_port) and (
                ip == other_ip or not {ip, other_ip}.isdisjoint(_EVERYWHERE)
            ):
                raise ConfigError(
                    f"{config.origin(section, option)}: [{section}] {option}: got {shown(text)};"
                    f" expected an address that does not clash with {other}"
                )
        if port != "0":
            taken.append((kind, ip, port, text))


def _default_file() -> str | None:
    return next((path for path in (DEFAULT_FILE, UCI_FILE) if os.path.exists(path)), None)


def _read(path: str) -> Layer:
    if path.endswith(".toml"):
        from edge.config import toml  # tomllib costs 2 MB

        return toml.read(path)
    from edge.config import uci

    return uci.read(path, copy=path in UCI_COPIES)


def _section(cls: "type[SectionType]", layer: Layer) -> "SectionType":
    values = {}
    origins = {}
    for option in cls.options():
        found = layer.values.get((cls.NAME, option.name)) or Found(option.initial(), "default")
        values[option.name] = found.value
        origins[option.name] = found.origin
    return cls(values, origins)


def _sections(cls: "type[SectionType]", layer: Layer) -> "list[SectionType]":
    return [
        cls(
            {name: each.value for name, each in found.items()},
            {name: each.origin for name, each in found.items()},
        )
        for found in layer.repeated.get(cls.NAME, ())
    ]

"""Reads an OpenWrt configuration file into a Layer; /etc/config/kwaainet is one.

Sections and options are those of the schema: `config node`, `config relay`, named or not, and an
anonymous `config peer`, `config schedule` or `config wake` for each one. A list is one `list` per
item, or one `option` with its items separated by blanks. `config kwaainet` is for the init script,
which gets it from `kwaainet check-config --hard`.
"""

from edge.config.errors import ConfigError, RefusedError, suggestion
from edge.config.files import read_text
from edge.config.kinds import HARD, SOFT, Bool, Integer, Path
from edge.config.layer import Found, Layer, missing
from edge.config.schema import MAX_REPEATED, SECTIONS, Section
from edge.config.uci_syntax import UciSyntaxError, parse
from edge.log import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.kinds import Option
    from edge.config.uci_syntax import UciOption, UciSection

# The last line of the init script's copies: one that lacks it was cut short.
END = "# kwaainet: end of the checked copy"
_SPLIT = frozenset(" \t*?[\\")  # in a path: what procd's functions, as shell scripts, take apart
_MORE_BOOLS = {"enabled": "yes", "disabled": "no"}  # as in OpenWrt's get_bool()


# fmt: off
class InitScript(Section):
    NAME = "kwaainet"
    HELP = "The OpenWrt service: settings of its init script."

    enabled = Bool(False, SOFT,
        "Run the service, now and at boot.")
    open_port = Bool(False, SOFT,
        "Open the listen ports to TCP connections from the wan zone.")
    nice = Integer(5, 0, 19, HARD,
        "Nice level of the process: 0 is the system default, 19 the lowest priority.")
# fmt: on


def read(path: str, copy: bool = False) -> Layer:
    """Read the file `path`. `copy`: it must end with END. Raises ConfigError."""
    text = read_text(path, "utf-8")
    if copy and not text.endswith(f"\n{END}\n"):
        raise ConfigError(f"{escape(path)}: incomplete: its end is missing")
    try:
        sections = parse(text)
    except UciSyntaxError as error:
        problem = escape(str(error), 160)
        raise ConfigError(f"{escape(path)}:{error.line}: not valid UCI: {problem}") from None
    return _File(escape(path)).layer(sections)


class _File:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def layer(self, sections: "list[UciSection]") -> Layer:
        layer = Layer()
        seen: dict[type[Section], int] = {}
        for section in sections:
            cls = self.section_at(section)
            if cls in seen and not cls.MANY:
                raise ConfigError(
                    f"{self.name}:{section.line}: [{cls.NAME}]: duplicate section;"
                    f" the first is in line {seen[cls]}"
                )
            seen[cls] = section.line
            found = self.options(cls, section)
            if cls.MANY:
                self.add(layer, cls, section, found)
            elif cls is InitScript:
                layer.script = _script(found)
            else:
                layer.values.update({(cls.NAME, name): each for name, each in found.items()})
        return layer

    def add(
        self, layer: Layer, cls: type[Section], section: "UciSection", found: dict[str, Found]
    ) -> None:
        """Add one repeated section to `layer`."""
        where = f"{self.name}:{section.line}: [{cls.NAME}]"
        option = missing(cls, found)
        if option is not None:
            raise ConfigError(f"{where} {option.name}: missing; expected {option.expected()}")
        others = layer.repeated.setdefault(cls.NAME, [])
        if len(others) >= MAX_REPEATED:
            raise ConfigError(f"{where}: got {len(others) + 1}; expected at most {MAX_REPEATED}")
        others.append(found)

    def section_at(self, section: "UciSection") -> type[Section]:
        sections: tuple[type[Section], ...] = (*SECTIONS, InitScript)
        known = {each.NAME: each for each in sections}
        if section.type in known:
            return known[section.type]
        advice = suggestion(section.type, list(known), "[", "]")
        where = f"{self.name}:{section.line}: [{escape(section.type, 80)}]"
        raise ConfigError(f"{where}: unknown section; {advice}")

    def options(self, cls: type[Section], section: "UciSection") -> dict[str, Found]:
        found = {}
        for name, given in section.options.items():
            line = given.values[0].line
            try:
                value = _value(cls.option(name), given)
            except ConfigError as error:
                if isinstance(error, RefusedError) and error.item is not None and given.is_list:
                    line = given.values[error.item].line
                where = f"{self.name}:{line}: [{cls.NAME}] {name}"
                raise ConfigError(f"{where}: {error}") from None
            found[name] = Found(value, f"{self.name}:{line}")
        return found


def _script(found: dict[str, Found]) -> InitScript:
    missing(InitScript, found)
    return InitScript(
        {name: each.value for name, each in found.items()},
        {name: each.origin for name, each in found.items()},
    )


def _value(option: "Option", given: "UciOption") -> object:
    texts = [value.text for value in given.values]
    if given.is_list:
        if not option.many:
            raise RefusedError(texts, f"option instead of list: {option.expected()}")
        return option.check(texts)
    text = texts[0]
    if isinstance(option, Bool):
        text = _MORE_BOOLS.get(text, text)
    value = option.from_text(text)
    plain = text == Path.AUTO or (text.startswith("/") and _SPLIT.isdisjoint(text))
    if isinstance(option, Path) and not plain:
        raise RefusedError(text, "a path from / on, without blanks and * ? [ \\")
    return value

"""Reads a TOML file into a Layer. Every error is one line with file name and line number."""

from edge.config.errors import ConfigError, RefusedError, shown
from edge.config.files import read_text
from edge.config.layer import Found, Layer, missing
from edge.config.schema import MAX_REPEATED, Section, section_named
from edge.config.toml_lines import lines
from edge.log import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.config.toml_lines import Path


def read(path: str) -> Layer:
    """Read the file `path`. Raises ConfigError."""
    return _Document(path).layer()


class _Document:
    """A parsed file: `data` from tomllib, and the `lines` of its paths."""

    __slots__ = ("data", "file", "lines")

    def __init__(self, path: str) -> None:
        self.file = escape(path)
        text = read_text(path).replace("\r\n", "\n")
        try:
            self.data = self.parse(text)
            self.lines = lines(text)
        except RecursionError:
            raise ConfigError(f"{self.file}: not valid TOML: nested too deeply") from None

    def parse(self, text: str) -> dict[str, object]:
        import tomllib

        try:
            return tomllib.loads(text)
        except ValueError as error:  # TOMLDecodeError, or int() on a number of 4301 digits
            raise ConfigError(self.syntax_error(text, str(error))) from None

    def syntax_error(self, text: str, message: str) -> str:
        """Convert a message of tomllib, which ends in "(at line 3, column 7)" or similar."""
        problem, _, where = message.rpartition(" (at ")
        problem = problem[:200]  # printable, because tomllib quotes by repr()
        words = where.rstrip(")").replace(",", "").split()
        if words[:1] == ["line"]:
            return f"{self.file}:{words[1]}: not valid TOML: {problem}, column {words[3]}"
        if words[:1] == ["end"]:
            last = text.rstrip("\n").count("\n") + 1
            return f"{self.file}:{last}: not valid TOML: {problem} at the end of the file"
        return f"{self.file}: not valid TOML: {message[:200]}"

    def layer(self) -> Layer:
        layer = Layer()
        for name, content in self.data.items():
            section = self.section_at(name)
            if section.MANY:
                layer.repeated[name] = self.repeated(section, content)
                continue
            for option, found in self.section(section, content, (name,)).items():
                layer.values[name, option] = found
        return layer

    def section_at(self, name: str) -> type[Section]:
        try:
            return section_named(name)
        except ConfigError as error:
            raise ConfigError(f"{self.place((name,))}: [{escape(name, 80)}]: {error}") from None

    def repeated(self, section: type[Section], content: object) -> list[dict[str, Found]]:
        name = section.NAME
        place = self.place((name,))
        if not isinstance(content, list):
            raise ConfigError(f"{place}: [{name}]: expected [[{name}]], one section per {name}")
        if len(content) > MAX_REPEATED:
            raise ConfigError(
                f"{place}: [[{name}]]: got {len(content)}; expected at most {MAX_REPEATED}"
            )
        sections = []
        for index, item in enumerate(content):
            found = self.section(section, item, (name, index))
            option = missing(section, found)
            if option is not None:
                where = f"{self.place((name, index))}: [{name}] {option.name}"
                raise ConfigError(f"{where}: missing; expected {option.expected()}")
            sections.append(found)
        return sections

    def section(self, section: type[Section], content: object, path: "Path") -> dict[str, Found]:
        if not isinstance(content, dict):
            place = self.place(path)
            raise ConfigError(
                f"{place}: [{section.NAME}]: got {shown(content)}; expected a section"
            )
        found = {}
        for name, value in content.items():
            where = (*path, name)
            try:
                option = section.option(name)
                checked = option.check(value)
            except ConfigError as error:
                if isinstance(error, RefusedError) and error.item is not None:
                    where = (*where, error.item)
                label = f"[{section.NAME}] {escape(name, 80)}"
                raise ConfigError(f"{self.place(where)}: {label}: {error}") from None
            found[name] = Found(checked, self.place(where))
        return found

    def place(self, path: "Path") -> str:
        return f"{self.file}:{self.lines[path]}"

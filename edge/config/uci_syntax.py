"""The grammar of OpenWrt's configuration files, as libuci reads them: text in, sections out.

Source: file.c of libuci, strict mode. Its surprising rules, implemented here as well:
- commands may be abbreviated to one letter (`c`, `o`, `l`, `p`), and several may share a line,
  separated by ";"; but a ";" right after an unquoted word ends the line, and nothing may follow
  the last ";";
- "#" starts a comment anywhere outside quotes, also inside a word;
- adjacent quoted and unquoted parts form one word; quotes may span lines; a backslash outside
  single quotes escapes the next character, or joins the next line;
- a byte order mark is part of the first word;
- an empty value leaves an option unchanged; `list` after `option` makes a list of both; a repeated
  section name continues that section.
"""

MAX_SECTIONS = 256

_SPACE = " \t\n\v\f\r"  # isspace() in the C locale
_BLANK = " \t"
_COMMANDS = ("package", "config", "option", "list")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class UciSyntaxError(Exception):
    """A mistake in the file. `line`: 1-based, its line or the line on which it begins."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class Value:
    """A text, and the line of its command."""

    __slots__ = ("line", "text")

    def __init__(self, text: str, line: int) -> None:
        self.text = text
        self.line = line


class UciOption:
    """An option or list; `values`: one for an `option`, one or more for a `list`."""

    __slots__ = ("is_list", "values")

    def __init__(self, value: Value, is_list: bool) -> None:
        self.values = [value]
        self.is_list = is_list


class UciSection:
    """A section. `name`: "" if it is anonymous. `line`: that of its first `config`."""

    __slots__ = ("line", "name", "options", "type")

    def __init__(self, type_: str, name: str, line: int) -> None:
        self.type = type_
        self.name = name
        self.line = line
        self.options: dict[str, UciOption] = {}


def parse(text: str) -> list[UciSection]:
    """The sections of a file. Raises UciSyntaxError."""
    if "\0" in text:  # libuci would join the lines before and after it
        raise UciSyntaxError(text.count("\n", 0, text.index("\0")) + 1, "a zero byte")
    parser = _Parser(text)
    while parser.next_line():
        parser.commands()
    return parser.sections


class _Parser:
    """Parses line by line. `buf`, `pos`: the current line and the position; `line`: its number."""

    __slots__ = ("_ahead", "buf", "line", "pos", "section", "sections")

    def __init__(self, text: str) -> None:
        last = text.rpartition("\n")[2]
        whole = [line + "\n" for line in text.split("\n")[:-1]]
        self._ahead = iter(whole + [last] * bool(last))
        self.buf = ""
        self.pos = 0
        self.line = 0
        self.sections: list[UciSection] = []
        self.section: UciSection | None = None

    def next_line(self) -> bool:
        """Read the next line. False at the end of the file; the current line is then empty."""
        self.buf = next(self._ahead, "")
        self.pos = 0
        self.line += bool(self.buf)
        return bool(self.buf)

    # --- commands ---

    def commands(self) -> None:
        """Parse all commands of a line."""
        self.skip(_SPACE)
        while True:
            self.skip(_BLANK)
            if not self.char() or self.char() == "#":
                return
            self.command(self.line)

    def command(self, line: int) -> None:
        start = self.pos
        while self.char() and self.char() not in _BLANK:
            self.pos += 1
        word = self.buf[start : self.pos].removesuffix("\n")
        name = next((each for each in _COMMANDS if word in (each, each[0])), None)
        if name is None:
            raise UciSyntaxError(line, f'unknown command "{word.strip()}"; {_ADVICE}')
        if not self.char():
            raise UciSyntaxError(line, f"{name}: missing name")
        self.pos += 1
        if name == "package":
            self.name(line, "-")
            self.end(line)
        elif name == "config":
            self.config(line)
        else:
            self.option(line, name == "list")

    def config(self, line: int) -> None:
        type_ = self.required(line)
        if not all("!" <= char <= "~" for char in type_):
            raise UciSyntaxError(line, "invalid section type; expected printable ASCII")
        name = self.argument()
        if name:
            _check_name(name, line, "")
        self.end(line)
        self.section = self.named(name) if name else None
        if self.section is None:
            if len(self.sections) == MAX_SECTIONS:
                raise UciSyntaxError(line, f"more than {MAX_SECTIONS} sections")
            self.section = UciSection(type_, name, line)
            self.sections.append(self.section)
        if self.section.type != type_:
            raise UciSyntaxError(line, f"section {name} already has the type {self.section.type}")

    def named(self, name: str) -> UciSection | None:
        return next((each for each in self.sections if each.name == name), None)

    def option(self, line: int, is_list: bool) -> None:
        if self.section is None:
            raise UciSyntaxError(line, "option or list before the first config")
        name = self.name(line, "")
        value = Value(self.argument(), line)
        self.end(line)
        known = self.section.options.get(name)
        if is_list and known is not None:
            known.values.append(value)
            known.is_list = True
        elif is_list or value.text:
            self.section.options[name] = UciOption(value, is_list)

    # --- words ---

    def name(self, line: int, also: str) -> str:
        name = self.required(line)
        _check_name(name, line, also)
        return name

    def required(self, line: int) -> str:
        word = self.argument()
        if not word:
            raise UciSyntaxError(line, "missing argument")
        return word

    def end(self, line: int) -> None:
        if self.argument():
            raise UciSyntaxError(line, "too many arguments; quote a value that contains blanks")

    def argument(self) -> str:
        """The next word of the command, "" if there is none."""
        self.skip(_SPACE)
        if self.char() == ";":
            self.pos += 1
            return ""
        return self.word()

    def word(self) -> str:
        out: list[str] = []
        plain = True  # libuci terminates a word in place, so an unquoted one hides the ";" after it
        while True:
            char = self.char()
            if char == "#" or not char or (char == ";" and plain):
                self.buf = self.buf[: self.pos]
                return "".join(out)
            if char == ";":
                return "".join(out)
            if char in "'\"":
                plain = False
                self.quoted(char, out)
            elif char == "\\":
                plain = False
                self.escaped(out)
            else:
                self.take(out)
            if self.char() and self.char() in _SPACE:
                self.pos += 1
                return "".join(out)

    def quoted(self, quote: str, out: list[str]) -> None:
        opened = self.line
        self.pos += 1
        while self.char() != quote:
            if not self.char():
                if not self.next_line():
                    raise UciSyntaxError(opened, f"missing closing {quote}")
            elif self.char() == "\\" and quote == '"':
                self.escaped(out)
            else:
                self.take(out)
        self.pos += 1

    def escaped(self, out: list[str]) -> None:
        self.pos += 1
        if self.buf[self.pos :] in ("", "\n", "\r\n"):
            self.next_line()
        else:
            self.take(out)

    def take(self, out: list[str]) -> None:
        out.append(self.buf[self.pos])
        self.pos += 1

    def char(self) -> str:
        """The current character, "" at the end of the line."""
        return self.buf[self.pos : self.pos + 1]

    def skip(self, chars: str) -> None:
        while self.char() and self.char() in chars:
            self.pos += 1


def _check_name(name: str, line: int, also: str) -> None:
    if not all(char in _NAME or char in also for char in name):
        raise UciSyntaxError(line, "invalid name; expected letters, digits and _")


_ADVICE = "expected config, option, list or package"

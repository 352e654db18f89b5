"""The line of every key, table and array item of a TOML document, which tomllib discards.

tomllib has parsed the text before, so it is valid TOML 1.0 and its lines end in LF; nothing is
checked again. Source: https://toml.io/en/v1.0.0
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Path = tuple[str | int, ...]  # keys and array indices, as in tomllib's result

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_BLANK = " \t"
_BLANK_LINES = " \t\n"


def lines(text: str) -> "dict[Path, int]":
    """The 1-based lines by path. Raises RecursionError on deep nesting, as tomllib does."""
    scanner = _Scanner(text.replace("\r\n", "\n"))  # as tomllib does
    scanner.document()
    return scanner.lines


class _Scanner:
    """Scans the text once. Each method starts at `pos` and advances it past its input."""

    __slots__ = ("_line", "_line_pos", "elements", "lines", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text = text + "\n"  # so that every token is followed by a character
        self.pos = 0
        self.lines: dict[Path, int] = {}
        self.elements: dict[Path, int] = {}  # [[headers]] so far of each array of tables
        self._line = 1
        self._line_pos = 0

    def document(self) -> None:
        table: Path = ()
        while self.skip(_BLANK_LINES):
            if self.text[self.pos] == "[":
                table = self.header()
            else:
                self.pair(table)

    def header(self) -> "Path":
        double = self.text.startswith("[[", self.pos)
        self.pos += 2 if double else 1
        line = self.line()
        keys = self.keys()
        self.pos += 2 if double else 1
        path: Path = ()
        for key in keys[:-1]:
            path = self.inside((*path, key), line)
        path = (*path, keys[-1])
        if double:
            self.elements[path] = self.elements.get(path, 0) + 1
        return self.inside(path, line)

    def inside(self, path: "Path", line: int) -> "Path":
        """The `path`, or its last element if it is an array of tables."""
        self.lines.setdefault(path, line)
        if path in self.elements:
            path = (*path, self.elements[path] - 1)
            self.lines.setdefault(path, line)
        return path

    def pair(self, table: "Path") -> None:
        line = self.line()
        path = table
        for key in self.keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.pos += 1  # "="
        self.skip(_BLANK)
        self.value(path)

    def keys(self) -> list[str]:
        """Scan a dotted key, up to the following "=" or "]"."""
        keys = []
        while True:
            self.skip(_BLANK)
            keys.append(self.key())
            self.skip(_BLANK)
            if self.text[self.pos] != ".":
                return keys
            self.pos += 1

    def key(self) -> str:
        start = self.pos
        quote = self.text[start]
        if quote in "'\"":
            self.string(quote)
            body = self.text[start + 1 : self.pos - 1]
            return body if quote == "'" else _unescape(body)
        while self.text[self.pos] not in " \t.=]":
            self.pos += 1
        return self.text[start : self.pos]

    def value(self, path: "Path") -> None:
        first = self.text[self.pos]
        if first in "'\"":
            triple = self.text.startswith(first * 3, self.pos)
            self.string(first * 3 if triple else first)
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            while self.text[self.pos] not in ",]}#\n":
                self.pos += 1

    def string(self, quote: str) -> None:
        self.pos += len(quote)
        while not self.text.startswith(quote, self.pos):
            # Only basic strings have escapes.
            self.pos += 2 if quote[0] == '"' and self.text[self.pos] == "\\" else 1
        self.pos += len(quote)
        if len(quote) == 3:  # up to two quotes may precede the closing three
            while self.text[self.pos] == quote[0]:
                self.pos += 1

    def array(self, path: "Path") -> None:
        self.pos += 1
        index = 0
        while self.skip(_BLANK_LINES) and self.text[self.pos] != "]":
            if self.text[self.pos] == ",":
                self.pos += 1
                continue
            item = (*path, index)
            self.lines[item] = self.line()
            self.value(item)
            index += 1
        self.pos += 1

    def inline_table(self, path: "Path") -> None:
        self.pos += 1
        while self.skip(_BLANK) and self.text[self.pos] != "}":
            if self.text[self.pos] == ",":
                self.pos += 1
                continue
            self.pair(path)
        self.pos += 1

    def skip(self, blanks: str) -> bool:
        """Skip `blanks` and, if they include line ends, comments. False at the end of the text."""
        while self.pos < len(self.text):
            char = self.text[self.pos]
            if char == "#" and "\n" in blanks:
                self.pos = self.text.index("\n", self.pos)
            elif char not in blanks:
                return True
            self.pos += 1
        return False

    def line(self) -> int:
        """The line of `pos`; counts from the last result on."""
        self._line += self.text.count("\n", self._line_pos, self.pos)
        self._line_pos = self.pos
        return self._line


def _unescape(body: str) -> str:
    out = []
    pos = 0
    while pos < len(body):
        char = body[pos]
        if char != "\\":
            out.append(char)
            pos += 1
            continue
        kind = body[pos + 1]
        digits = {"u": 4, "U": 8}.get(kind, 0)
        out.append(chr(int(body[pos + 2 : pos + 2 + digits], 16)) if digits else _ESCAPES[kind])
        pos += 2 + digits
    return "".join(out)

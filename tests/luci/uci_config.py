"""The rpcd object `uci` for one configuration file: staged changes, and what a commit leaves.

A stand-in of rpcd's, written from its documented methods and from how `uci commit` writes a file:
no comment survives, and an anonymous section has a made-up name that is never written.
"""

import copy
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from edge.config.uci_syntax import UciSyntaxError, parse

Value = str | list[str]


@dataclass
class Section:
    type: str
    name: str
    anonymous: bool
    options: dict[str, Value] = field(default_factory=dict)


class UciError(Exception):
    """`status`: ubus's code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ubus status {status}")
        self.status = status


INVALID, NOT_FOUND, NO_DATA, UNKNOWN = 2, 4, 5, 9


class UciConfig:
    """The file `path`, and what is staged for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed: list[list[str]] = []
        self._sections = self._load()

    def get(self) -> dict[str, dict[str, object]]:
        """What is staged, as `uci get` of a whole configuration tells it."""
        if self._damaged:
            raise UciError(UNKNOWN)
        return {
            each.name: {
                ".anonymous": each.anonymous,
                ".type": each.type,
                ".name": each.name,
                ".index": index,
                **each.options,
            }
            for index, each in enumerate(self._sections)
        }

    def add(self, type: str, name: str | None, values: dict[str, object]) -> str:
        """The name of the new section."""
        if name and any(each.name == name for each in self._sections):
            raise UciError(INVALID)
        made = name or _made_up(len(self._sections), type)
        self._sections.append(Section(type, made, not name))
        self.changed.append(["add", made, type])
        self.set(made, values)
        return made

    def set(self, name: str, values: dict[str, object]) -> None:
        section = self._section(name)
        for option, value in values.items():
            text = [_text(item) for item in value] if isinstance(value, list) else _text(value)
            if isinstance(text, str) and text == section.options.get(option):
                continue
            if text:
                section.options[option] = text
                self.changed.append(["set", name, option, str(text)])
            elif section.options.pop(option, None):
                self.changed.append(["remove", name, option])

    def delete(self, name: str, options: list[str] | None) -> None:
        """Options, or the section."""
        section = self._section(name)
        if options is None:
            self._sections.remove(section)
            self.changed.append(["remove", name])
        for option in options or []:
            if section.options.pop(option, None) is not None:
                self.changed.append(["remove", name, option])

    def order(self, names: list[str]) -> None:
        self._sections = [self._section(name) for name in names]
        self.changed += [["order", name, str(index)] for index, name in enumerate(names)]

    def revert(self) -> None:
        self.changed = []
        self._sections = self._load()

    def apply(self) -> None:
        """Write what is staged to the file; fails if nothing is, as rpcd does."""
        if not self.changed:
            raise UciError(NO_DATA)
        self.path.write_text(_written(self._sections))
        self.revert()

    def _section(self, name: str) -> Section:
        for each in self._sections:
            if each.name == name:
                return each
        raise UciError(NOT_FOUND)

    def _load(self) -> list[Section]:
        try:
            parsed = parse(self.path.read_text())
            self._damaged = False
        except UciSyntaxError:
            parsed = []
            self._damaged = True
        found = []
        for index, each in enumerate(parsed):
            section = Section(each.type, each.name or _made_up(index, each.type), not each.name)
            for name, option in each.options.items():
                texts = [value.text for value in option.values]
                section.options[name] = texts if option.is_list else texts[0]
            found.append(section)
        return copy.deepcopy(found)


def _made_up(index: int, type: str) -> str:
    return f"cfg{index + 1:02x}{zlib.crc32(f'{index}{type}'.encode()) & 0xFFFF:04x}"


def _text(value: object) -> str:
    """As rpcd takes what JSON has."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int):
        return str(value)
    raise UciError(INVALID)


def _written(sections: list[Section]) -> str:
    lines = []
    for each in sections:
        name = "" if each.anonymous else f" '{each.name}'"
        lines += ["", f"config {each.type}{name}"]
        for option, value in each.options.items():
            if isinstance(value, list):
                lines += [f"\tlist {option} {_quoted(item)}" for item in value]
            else:
                lines.append(f"\toption {option} {_quoted(value)}")
    return "\n".join([*lines, "", ""])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

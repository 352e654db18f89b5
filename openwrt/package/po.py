"""Catalogues of translations as text: GNU gettext's .po and .pot files, as far as LuCI uses them.

A text is one line in the file and has no line feed: LuCI's tools know no other.
"""

import re
from dataclasses import dataclass

from openwrt.package.recipe import RecipeError

_FIELD = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[(\d)\]) (".*")')
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Message:
    """`id`: the text in English. `plural`, `context`: "" for none. `texts`: the translation, or one
    for each plural form. `places`: the files in which it stands.
    """

    id: str
    plural: str = ""
    context: str = ""
    texts: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same message in another catalogue."""
        return self.context, self.id, self.plural


def read(text: str) -> tuple[list[str], list[Message]]:
    """The lines `Name: value` of the header, and the messages. Raises RecipeError."""
    header: list[str] = []
    messages = []
    for block in re.split(r"\n\s*\n", text.strip()):
        message = _message(block.splitlines())
        if message.id:
            messages.append(message)
        else:
            header = "".join(message.texts).replace("\\n", "\n").splitlines()
    return header, messages


def written(header: list[str], messages: list[Message]) -> str:
    """The catalogue as a file."""
    blocks = ['msgid ""\nmsgstr ""\n' + "".join([f'"{line}\\n"\n' for line in header])]
    return "\n".join([*blocks, *[_block(message) for message in messages]])


def _message(lines: list[str]) -> Message:
    found: dict[str, str] = {}
    places = []
    name = ""
    for line in lines:
        field = _FIELD.fullmatch(line)
        if line.startswith("#: "):
            places.append(line[3:])
        elif field is not None:
            name = field[1]
            found[name] = _unquoted(field[3])
        elif line.startswith('"') and name:
            found[name] += _unquoted(line)
        elif not line.startswith("#"):
            raise RecipeError(f"not a line of a catalogue: {line}")
    texts = [found[each] for each in sorted(found) if each.startswith("msgstr")]
    return Message(
        id=found.get("msgid", ""),
        plural=found.get("msgid_plural", ""),
        context=found.get("msgctxt", ""),
        texts=tuple(texts),
        places=tuple(places),
    )


def _block(message: Message) -> str:
    lines = [f"#: {place}" for place in message.places]
    if message.context:
        lines.append(f"msgctxt {_quoted(message.context)}")
    lines.append(f"msgid {_quoted(message.id)}")
    if message.plural:
        lines.append(f"msgid_plural {_quoted(message.plural)}")
        forms = message.texts or ("", "")
        lines += [f"msgstr[{number}] {_quoted(text)}" for number, text in enumerate(forms)]
    else:
        lines.append(f"msgstr {_quoted(''.join(message.texts))}")
    return "".join([f"{line}\n" for line in lines])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(word: str) -> str:
    """Escapes but those of a quote and a backslash stay, as LuCI's po2lmo leaves them."""
    string = _STRING.fullmatch(word.strip())
    if string is None:
        raise RecipeError(f"not a string of a catalogue: {word}")
    return re.sub(r'\\(["\\])', r"\1", string[1])

"""The texts of the LuCI app that are translated: found in its views, kept in po/.

What LuCI's build/i18n-scan.pl would find: `_('text')`, `_('text', 'context')` and
`N_(n, 'one', 'many')` in scripts, titles in menus, descriptions of rights. A text is written as one
literal, or as several with `+` between them; anything else would be translated nowhere, so it is an
error.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

from openwrt.package import po
from openwrt.package.po import Message
from openwrt.package.recipe import HERE, RecipeError

APP = HERE / "luci-app-kwaainet"
TEMPLATE = APP / "po" / "templates" / "kwaainet.pot"

_CALL = re.compile(r"(?<![\w$.])(?:_\(|N_\((?:[^,()']|\([^()]*\))+,)\s*")
_LITERAL = re.compile(r"""'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)\"""")
_NEXT = re.compile(r"\s*([+,)])\s*")
_TITLES = {"menu.d": "title", "acl.d": "description"}
_HEADER = ["Content-Type: text/plain; charset=UTF-8"]


def update() -> list[Path]:
    """Write the template and bring the translations up to date; returns the files.

    Raises RecipeError.
    """
    found = messages()
    TEMPLATE.write_text(po.written(_HEADER, found))
    for path in translations():
        path.write_text(merged(path.read_text(), found))
    return [TEMPLATE, *translations()]


def translations() -> list[Path]:
    return sorted([path for path in APP.glob("po/*/*.po") if path.parent.name != "templates"])


def merged(text: str, found: list[Message]) -> str:
    """The catalogue `text` with the messages of the template, and its own translations."""
    header, before = po.read(text)
    known = {message.key: message.texts for message in before}
    return po.written(header, [replace(each, texts=known.get(each.key, ())) for each in found])


def messages() -> list[Message]:
    """All of the app, by their text. Raises RecipeError."""
    found: dict[tuple[str, str, str], Message] = {}
    for path in sorted([*APP.rglob("htdocs/**/*.js"), *APP.rglob("root/**/*.json")]):
        place = str(path.relative_to(APP))
        for message in _in_file(path, place):
            known = found.get(message.key, message)
            places = tuple(sorted({*known.places, place}))
            found[message.key] = replace(message, places=places)
    return sorted(found.values(), key=lambda message: (message.id, message.context))


def _in_file(path: Path, place: str) -> list[Message]:
    if path.suffix == ".json":
        name = _TITLES.get(path.parent.name, "")
        entries = json.loads(path.read_text()).values()
        return [Message(entry[name]) for entry in entries if name in entry]
    try:
        return in_script(path.read_text())
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from None


def in_script(text: str) -> list[Message]:
    """The messages of a script. Raises RecipeError with the line of one that is no literal."""
    found = []
    for call in _CALL.finditer(text):
        words = _arguments(text, call.end())
        if not words:
            line = text.count("\n", 0, call.start()) + 1
            raise RecipeError(f"line {line}: what is translated is not a plain text")
        if call[0].startswith("N_"):
            found.append(Message(words[0], plural=words[1], context="".join(words[2:])))
        else:
            found.append(Message(words[0], context="".join(words[1:])))
    return found


def _arguments(text: str, at: int) -> list[str]:
    """The literals from `at` to the end of the call, or none if there is anything else."""
    words = [""]
    while (literal := _LITERAL.match(text, at)) is not None:
        words[-1] += _unescaped(literal[1] if literal[2] is None else literal[2])
        mark = _NEXT.match(text, literal.end())
        if mark is None:
            return []
        if mark[1] == ")":
            return [" ".join(word.split()) for word in words]
        if mark[1] == ",":
            words.append("")
        at = mark.end()
    return []


def _unescaped(literal: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        if len(escape[1]) == 5:
            return chr(int(escape[1][1:], 16))
        return {"n": " ", "t": " "}.get(escape[1], escape[1])

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", meant, literal)

"""Scripts and style sheets of the LuCI app without comments and needless blanks.

luci.mk does the same to them by jsmin and csstidy, unless it is told otherwise. Source: ECMA-262,
clause 12, for what a token is and where a line feed ends a statement. No token is changed, so names
stay as they are written; what can be read in two ways keeps its blanks.
"""

import re
from collections.abc import Iterator

from openwrt.package.recipe import RecipeError

_TEXT = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_TOKEN = re.compile(
    rf"(?P<blank>[^\S\n]+|//[^\n]*)|(?P<line>\n)|(?P<comment>/\*.*?\*/)"
    rf"|(?P<text>{_TEXT}|`(?:[^`\\]|\\.)*`)|[\w$]+|\+\+|--|=>|.",
    re.DOTALL,
)
_PATTERN = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
# Behind these a slash begins a pattern; behind other words, and the end of an operand, it divides.
_BEFORE_PATTERN = {"return", "typeof", "case", "in", "of", "new", "delete", "void", "throw", "else"}
# No statement begins with the first, none ends with the second: there a line feed means nothing.
_GOES_ON = {*")]},;:.?=&|*%<>^", "=>"}
_WANTS_MORE = {*"([{,;:.?=&|*%<>^!~+-/", "=>"}
_RUNS_TOGETHER = {"++", "--", "//", "/*"}

_STYLE = re.compile(rf"(?P<comment>/\*.*?\*/)|(?P<text>{_TEXT})|\s+|[{{}};,:]|.", re.DOTALL)


def script(text: str) -> str:
    """Raises RecipeError for what is not read here, such as a template in a template."""
    out: list[str] = []
    last, gap = ";", ""
    for token in _tokens(text):
        if token in (" ", "\n"):
            gap = max(gap, token, key=["", " ", "\n"].index)
            continue
        out += [_kept(last, gap, token), token]
        last, gap = token, ""
    return "".join(out) + "\n"


def style(text: str) -> str:
    """The same for a style sheet."""
    out = ["{"]
    for found in _STYLE.finditer(text):
        if found["comment"] or found[0].isspace():
            if out[-1] not in " {};,:":
                out.append(" ")
            continue
        if found[0] in "{};," and out[-1] == " ":
            out.pop()
        out.append(found[0])
    return "".join(out[1:]).strip() + "\n"


def _tokens(text: str) -> Iterator[str]:
    """Those of a script; a comment, or blanks, as one blank or line feed."""
    last = ";"
    at = 0
    while at < len(text):
        pattern = _PATTERN.match(text, at) if _may_begin_pattern(last) else None
        found = _TOKEN.match(text, at)
        assert found is not None
        if found["comment"] or found["blank"] or found["line"]:
            yield "\n" if "\n" in found[0] else " "
            at = found.end()
            continue
        last = found[0] if pattern is None else pattern[0]
        if last in ("'", '"', "`") or last.count("${") > last.count("}"):
            line = text.count("\n", 0, at) + 1
            raise RecipeError(f"line {line}: a text without an end, or a template in a template")
        yield last
        at += len(last)


def _may_begin_pattern(last: str) -> bool:
    """Whether a slash behind the token `last` does not divide."""
    if re.match(r"[\w$]", last):
        return last in _BEFORE_PATTERN
    return last not in (")", "]", "}", "++", "--") and (len(last) == 1 or last == "=>")


def _kept(last: str, gap: str, token: str) -> str:
    """What stays of the blanks between two tokens."""
    if gap == "\n" and token not in _GOES_ON and last not in _WANTS_MORE:
        return "\n"
    edge = last[-1] + token[0]
    if gap and (re.fullmatch(r"[\w$]{2}|\d\.", edge) or edge in _RUNS_TOGETHER):
        return " "
    return ""

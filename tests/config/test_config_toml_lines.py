"""The line scanner against tomllib (same paths) and against documents whose lines are known."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.toml_lines import lines


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path into what tomllib has read."""
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*path, index))
    return found


EXAMPLE = '''\
# comment with [brackets] and "quotes
title = "a # b [c] = 'd'"   # comment

[relay]          # line 4
max_circuits = 5
"quoted key".'lit.eral'."\\u0041\\t" = 1
limits = { duration = 3, deep.data = "}]", list = [
   "x",   # a comment ] inside
   [1, 2], { k = 1 }
] }
text = """
[not.a.table]
key = "not a key" \\
escaped \\""" quotes ""\\""""
literal = \'\'\'
key = 1 \\\'\'\'
when = 1979-05-27 07:32:00Z
[[peer]]
address = "a"
[peer.more]
x = 1

[[peer]]
address = [ "b",
            "c" ]
[[peer.sub]]
y = 1
[[peer.sub]]
y = 2
[a.b.c]
z=1'''


def test_example() -> None:
    found = lines(EXAMPLE)
    assert set(found) == paths(tomllib.loads(EXAMPLE))
    expected = {
        ("title",): 2,
        ("relay",): 4,
        ("relay", "max_circuits"): 5,
        ("relay", "quoted key", "lit.eral", "A\t"): 6,
        ("relay", "limits"): 7,
        ("relay", "limits", "deep"): 7,
        ("relay", "limits", "deep", "data"): 7,
        ("relay", "limits", "list", 0): 8,
        ("relay", "limits", "list", 1): 9,
        ("relay", "limits", "list", 2, "k"): 9,
        ("relay", "text"): 11,
        ("relay", "literal"): 15,
        ("relay", "when"): 17,
        ("peer",): 18,
        ("peer", 0): 18,
        ("peer", 0, "address"): 19,
        ("peer", 0, "more"): 20,
        ("peer", 0, "more", "x"): 21,
        ("peer", 1): 23,
        ("peer", 1, "address"): 24,
        ("peer", 1, "address", 1): 25,
        ("peer", 1, "sub", 0): 26,
        ("peer", 1, "sub", 1, "y"): 29,
        ("a",): 30,
        ("a", "b", "c", "z"): 31,
    }
    assert {path: found[path] for path in expected} == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "\n\n",
        "a=1",
        "a=1#",
        "a=[]",
        "a={}",
        "a=[[],[[]]]",
        "a=''",
        'a=""',
        'a=""""""',
        'a=""""x"""""',
        "a=''''x'''''",
        'a="\\\\"',
        "a='\\'",
        'a="""\\\\"""',
        "a=[\"\"\"\n]\"\"\", '''\n,''']\nb=1",
        "a.b=1\na.c=2",
        '"" = 1',
        "'' = {'' = ''}",
        "[ a . 'b' ]\nc . d = 1",
        "[[ a . b ]]\n[a.b.c]\n[[a.b]]",
        "1.2 = 3",
        "a = [ # ] \n 1 # , 2\n , # \n]",
        "\t a\t=\t1",
    ],
)
def test_paths_are_those_of_tomllib(text: str) -> None:
    assert set(lines(text)) == paths(tomllib.loads(text))


class Writer:
    """Writes TOML and keeps the line on which each thing starts."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    def here(self, path: tuple[str | int, ...]) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def basic(self, text: str) -> str:
        escaped = [f"\\U{ord(c):08x}" if c in '"\\' or not c.isprintable() else c for c in text]
        return '"' + "".join(escaped) + '"'


KEYS = st.text(st.sampled_from("ab.=[]#\"'\\ \n{},é"), max_size=4)
BLANK = st.sampled_from(["", " ", "\t "])
FILLER = st.sampled_from(["", "\n", " # ]}\"'''\n", "\n\n\t", "# [x]\n"])
STRINGS = st.sampled_from(
    ["'x'", "'\\'", '"\\""', "'''\n[a]\n'''", '"""\nb = 1 \\"""\n"""', '""""q"" """', "'''''a'''''"]
)
SCALARS = st.sampled_from(["1", "-0.5e3", "true", "1979-05-27 07:32:00", "inf", "0xff"])
SHAPES = st.recursive(
    STRINGS | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def write_value(draw, out: Writer, value: object, path: tuple[str | int, ...]) -> None:  # type: ignore[no-untyped-def]
    if isinstance(value, str):
        out.text += value
    elif isinstance(value, list):
        out.text += "["
        for index, item in enumerate(value):
            out.text += draw(FILLER)
            out.here((*path, index))
            write_value(draw, out, item, (*path, index))
            out.text += draw(FILLER) + ","
        out.text += draw(FILLER) + "]"
    else:
        assert isinstance(value, dict)
        out.text += "{"
        for index, (key, item) in enumerate(value.items()):
            out.text += ("," if index else "") + draw(BLANK)
            out.here((*path, key))
            out.text += out.basic(key) + draw(BLANK) + "=" + draw(BLANK)
            write_value(draw, out, item, (*path, key))
            out.text += draw(BLANK)
        out.text += "}"


@st.composite
def documents(draw) -> Writer:  # type: ignore[no-untyped-def]
    out = Writer()
    counts: dict[str, int] = {}
    for name in draw(st.lists(KEYS, max_size=4)):
        array = counts.get(name, 0) > 0 or (name not in counts and draw(st.booleans()))
        if not array and name in counts:
            continue
        out.text += draw(FILLER) + "\n"
        if array:
            index = counts.get(name, 0)
            counts[name] = index + 1
            path: tuple[str | int, ...] = (name, index)
        else:
            counts[name] = 0
            path = (name,)
        out.lines.setdefault((name,), out.text.count("\n") + 1)
        out.here(path)
        brackets = 2 if array else 1
        out.text += "[" * brackets + draw(BLANK) + out.basic(name) + draw(BLANK) + "]" * brackets
        out.text += draw(BLANK) + "\n"
        for key, value in draw(st.dictionaries(KEYS, SHAPES, max_size=4)).items():
            out.text += draw(FILLER) + "\n"
            where = (*path, key)
            out.here(where)
            out.text += out.basic(key) + draw(BLANK)
            if draw(st.booleans()):  # dotted
                where = (*where, "dot")
                out.here(where)
                out.text += "." + draw(BLANK) + "dot"
            out.text += draw(BLANK) + "=" + draw(BLANK)
            write_value(draw, out, value, where)
            out.text += draw(BLANK) + draw(st.sampled_from(["\n", "# end\n"]))
    return out


@settings(max_examples=300, deadline=None)
@given(documents())
def test_lines_of_generated_documents(document: Writer) -> None:
    assert paths(tomllib.loads(document.text)) == set(document.lines)
    assert lines(document.text) == document.lines

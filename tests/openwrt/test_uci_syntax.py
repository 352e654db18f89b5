"""The grammar of UCI files, case by case as libuci's file.c has it, and against uciparse 0.3."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uciparse.uci import UciFile

from edge.config.uci_syntax import MAX_SECTIONS, UciSyntaxError, parse

Plain = list[tuple[str, str, dict[str, list[str] | str]]]


def plain(text: str) -> Plain:
    """What parse() found: (type, name, {option: text, or texts of a list})."""
    return [
        (
            section.type,
            section.name,
            {
                name: [value.text for value in option.values]
                if option.is_list
                else option.values[0].text
                for name, option in section.options.items()
            },
        )
        for section in parse(text)
    ]


def value(written: str) -> str:
    """What `option a` gets from `written`."""
    ((_, _, options),) = plain(f"config t\n\toption a {written}\n\toption end 1\n")
    assert options.pop("end") == "1"
    (text,) = options.values() or [""]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("b", "b"),
        ("'b'", "b"),
        ('"b"', "b"),
        ("'a b\tc'", "a b\tc"),
        ("'a'\"b\"c", "abc"),
        ("'it'\\''s'", "it's"),
        ("'it'\"'\"'s'", "it's"),
        ("'a\\b'", "a\\b"),  # no escapes in single quotes
        ('"a\\"b\\\\c\\d"', 'a"b\\cd'),
        ("a\\ b\\'c", "a b'c"),
        ("a#b", "a"),  # a comment begins inside a word
        ("'a'#b", "a"),
        ("'a#b'", "a#b"),
        ("a\\#b", "a#b"),
        ("#b", ""),
        ("'a' # why", "a"),
        ("'a;b'", "a;b"),
        ("a\\;b", "a;b"),
        ("'one\ntwo'", "one\ntwo"),
        ('"one\ntwo"', "one\ntwo"),
        ('"one\\\ntwo"', "onetwo"),
        ("'one\\\ntwo'", "one\\\ntwo"),
        ("one\\\ntwo", "onetwo"),
        ("one\\\n two", None),  # the blank ends the word, "two" is one too many
        ("one\\\r\ntwo", "onetwo"),
        ("one\r", "one"),
        ("", ""),
        ("''", ""),
        ("\v'x'\f", "x"),
        ("'\u00e9\u4e2d'", "\u00e9\u4e2d"),
        ("a;option c d", "a"),  # libuci's own ";": what follows an unquoted word is lost
        ("one two", None),
        ("'a';", None),  # nothing may follow the last ";", not even the end of the line
    ],
)
def test_values(written: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(UciSyntaxError):
            value(written)
        return
    assert value(written) == meant


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# nothing\n\n \t\n", []),
        ("config a\n", [("a", "", {})]),
        ("config 'a' \"b\"\n", [("a", "b", {})]),
        ("config a ''\n", [("a", "", {})]),
        ("package kwaainet\nconfig a b", [("a", "b", {})]),
        ("c a\no b c\nl d e\n", [("a", "", {"b": "c", "d": ["e"]})]),
        ("config a\noption b 1\noption b 2\n", [("a", "", {"b": "2"})]),
        ("config a\noption b 1\noption b ''\n", [("a", "", {"b": "1"})]),
        ("config a\nlist b 1\nlist b '2 3'\n", [("a", "", {"b": ["1", "2 3"]})]),
        ("config a\noption b 1\nlist b 2\n", [("a", "", {"b": ["1", "2"]})]),
        ("config a\nlist b 1\noption b 2\n", [("a", "", {"b": "2"})]),
        ("config a\nlist b ''\n", [("a", "", {"b": [""]})]),
        ("config a x\noption b 1\nconfig c\nconfig a x\noption d 2\n",
         [("a", "x", {"b": "1", "d": "2"}), ("c", "", {})]),
        ("config a\nconfig a\n", [("a", "", {}), ("a", "", {})]),
        ("config a;option b c\n", [("a", "", {})]),
        ("config a 'x';option b 'c';option d e\n", [("a", "x", {"b": "c", "d": "e"})]),
        ("config a x ; option b c ; o d e\n", [("a", "x", {"b": "c", "d": "e"})]),
        ("config a-b.c!\n", [("a-b.c!", "", {})]),
        ("config\ta\r\n\toption\tb\t'c'\r\n", [("a", "", {"b": "c"})]),
    ],
)  # fmt: skip
def test_sections(text: str, found: Plain) -> None:
    assert plain(text) == found


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("\nconfig\n", 2, "config: missing name"),
        ("config", 1, "config: missing name"),
        ("config \n", 1, "missing argument"),
        (
            "config a\n\n optoin b c\n",
            3,
            'unknown command "optoin"; expected config, option, list or package',
        ),
        ("option a b\n", 1, "option or list before the first config"),
        ("config a\noption b-c d\n", 2, "invalid name; expected letters, digits and _"),
        ("config a b-c\n", 1, "invalid name"),
        ("config \u00e9\n", 1, "invalid section type; expected printable ASCII"),
        ("config a\noption\n", 2, "option: missing name"),
        ("config a\noption b 'c\n\n\n", 2, "missing closing '"),
        ('config a\noption b "c\\"\n', 2, 'missing closing "'),
        ("config a\noption b c d\n", 2, "too many arguments"),
        ("config a b c\n", 1, "too many arguments"),
        ("config 'a'; option b c\n", 1, "too many arguments"),  # the ";" stands for the name
        ("config a\noption b 'one\ntwo' three\noption c d\n", 2, "too many arguments"),
        ("config a x\nconfig b x\n", 2, "section x already has the type a"),
        ("package a b\n", 1, "too many arguments"),
        ("package a.b\n", 1, "invalid name"),
        ("config a\n" * (MAX_SECTIONS + 1), MAX_SECTIONS + 1, "more than 256 sections"),
    ],
)
def test_mistakes(text: str, line: int, problem: str) -> None:
    with pytest.raises(UciSyntaxError, match=problem[:40].replace("(", r"\(")) as caught:
        parse(text)
    assert caught.value.line == line
    assert str(caught.value).startswith(problem)


def test_lines_are_those_of_the_command() -> None:
    sections = parse("# one\nconfig a\n\tlist b '1\n2'\n\n\tlist b 3\noption c \\\nd\n")
    assert sections[0].line == 2
    assert [value.line for value in sections[0].options["b"].values] == [3, 6]
    assert sections[0].options["c"].values[0].line == 7


def test_a_line_of_a_megabyte_in_a_quote_takes_no_more_than_its_length() -> None:
    assert len(value("'" + "\n" * (1 << 20) + "'")) == 1 << 20


# --- hypothesis ---

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=8)


def single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def double(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bare(text: str) -> str:
    # A line feed cannot be escaped: the backslash would take it away.
    return "".join("'\n'" if char == "\n" else "\\" + char for char in text) or "''"


WAYS = st.lists(st.tuples(st.sampled_from([single, double, bare]), TEXT), min_size=1, max_size=4)


@given(WAYS)
def test_however_a_text_is_quoted_it_comes_back(parts: list) -> None:  # type: ignore[type-arg]
    # "\\\r\n" joins lines, so a bare "\r" may not stand before a line feed.
    meant = "".join(text for _, text in parts)
    written = "".join(way(text) for way, text in parts)
    if "\\\r" in written:
        written = single(meant)
    if meant:
        assert value(written) == meant


@given(st.text(st.sampled_from("config option list a'\"\\#;\t\r\n\v")))
def test_any_text_is_read_or_refused_with_a_line_of_it(text: str) -> None:
    try:
        parse(text)
    except UciSyntaxError as error:
        assert 1 <= error.line <= text.count("\n") + 1


ORDINARY = st.text(string.ascii_letters + string.digits + " /.:-_#;", min_size=1, max_size=12)
SECTION = st.tuples(
    NAMES, NAMES | st.just(""), st.lists(st.tuples(st.booleans(), NAMES, ORDINARY), max_size=4)
)


@given(st.lists(SECTION, max_size=4, unique_by=lambda section: section[1] or object()))
def test_uciparse_reads_the_same_in_ordinary_files(sections: list) -> None:  # type: ignore[type-arg]
    lines = []
    for type_, name, options in sections:
        lines.append(f"config {type_} {name!r}\n" if name else f"config {type_} # anonymous\n")
        lines += [f"\t{'list' if many else 'option'} {o}  '{v}' # why\n" for many, o, v in options]
    theirs = UciFile.from_lines(lines).normalized()
    assert plain("".join(theirs)) == plain("".join(lines))

"""The form refuses what the node refuses, and in its words: every kind of option."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config import uci
from edge.config.errors import ConfigError
from edge.config.kinds import MAX_ITEMS, Option
from edge.config.schema import SECTIONS, Section
from edge.config.uci import InitScript
from edge.config.uci_syntax import UciOption, Value
from openwrt.luci import form
from openwrt.luci.__main__ import SCHEMA
from tests.luci.modules import Modules
from tests.luci.values import CORPUS

EVERY = [(section, option) for section in (InitScript, *SECTIONS) for option in section.options()]
# One option for each that a value may be checked by.
KINDS = {
    (
        form._kind(option),
        option.expected() if "rule" not in form._bounds(option) else option.allowed(),
    ): (
        section,
        option,
    )
    for section, option in EVERY
}


@pytest.fixture(scope="module")
def modules() -> Iterator[Modules]:
    with Modules() as modules:
        yield modules


@pytest.fixture(scope="module")
def told(modules: Modules) -> dict[tuple[str, str], dict[str, Any]]:
    """What the form is told of each option."""
    return {
        (section["name"], option["name"]): option
        for section in modules.call("kwaainet.schema", "sections")
        for option in section["options"]
    }


def nodes(option: Option, texts: list[str]) -> str:
    """What the node says of an option, or of a list, that has these values."""
    values = [Value(text, 1) for text in texts]
    given = UciOption(values[0] if values else Value("", 1), option.many)
    given.values = values
    try:
        uci._value(option, given)
    except ConfigError as error:
        return str(error)
    return ""


def mutated() -> st.SearchStrategy[str]:
    """A text of the corpus with a character too many, too few, or another."""
    return st.builds(
        lambda text, at, length, other: (
            text[: at % (len(text) + 1)] + other + text[at % (len(text) + 1) + length :]
        ),
        st.sampled_from(CORPUS),
        st.integers(0, 5000),
        st.integers(0, 2),
        st.text(CHARACTERS, max_size=2),
    )


# Characters that each side's version of Unicode has a name for, those of our syntaxes more often.
CHARACTERS = st.one_of(
    st.sampled_from("0123456789abcdefKMTsmhd/:.,-+_*?[]<>'\"\\% \n\0"),
    st.characters(exclude_categories=("Cs", "Cn")),
)


def test_schema_js_is_what_the_schema_makes() -> None:
    assert SCHEMA.read_text() == form.javascript(), "run `make luci-schema`"


def test_form_has_every_option(told: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert set(told) == {(section.NAME, option.name) for section, option in EVERY}


def test_layout_names_what_exists() -> None:
    sections: dict[str, type[Section]] = {each.NAME: each for each in (InitScript, *SECTIONS)}
    placed = [name for _, _, names in form.TABS for name in names]
    assert len(placed) == len(set(placed))
    assert set(placed) <= set(sections)
    for section, names in form.BASIC.items():
        for name in names:
            sections[section].option(name)
    for section, needs in form.NEEDS.items():
        for name, flag in needs.items():
            sections[section].option(name)
            assert form._kind(sections[section].option(flag)) == "bool"


@pytest.mark.parametrize(("section", "option"), EVERY, ids=[f"{s.NAME}.{o.name}" for s, o in EVERY])
def test_verdict_and_words_are_the_nodes(
    section: type[Section],
    option: Option,
    modules: Modules,
    told: dict[tuple[str, str], dict[str, Any]],
) -> None:
    mine = told[section.NAME, option.name]
    for text in CORPUS:
        said = modules.call("kwaainet.options", "check", mine, text)
        assert said == nodes(option, [text]), repr(text)


@pytest.mark.parametrize(
    ("section", "option"), KINDS.values(), ids=[f"{s.NAME}.{o.name}" for s, o in KINDS.values()]
)
def test_verdict_and_words_are_the_nodes_for_any_text(
    section: type[Section],
    option: Option,
    modules: Modules,
    told: dict[tuple[str, str], dict[str, Any]],
) -> None:
    mine = told[section.NAME, option.name]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.one_of(mutated(), st.text(CHARACTERS, max_size=100)))
    def check(text: str) -> None:
        assert modules.call("kwaainet.options", "check", mine, text) == nodes(option, [text])

    check()


def test_lists_are_refused_in_the_nodes_words(
    modules: Modules, told: dict[tuple[str, str], dict[str, Any]]
) -> None:
    for section, option in EVERY:
        if option.many:
            mine = told[section.NAME, option.name]
            for texts in (["x"] * (MAX_ITEMS + 1), ["1.2.3.4", "mon", "x\n"], ["a"] * MAX_ITEMS):
                said = modules.call("kwaainet.options", "checkList", mine, texts)
                assert said == nodes(option, texts)


def test_what_is_missing_is_said_in_the_nodes_words(
    modules: Modules, told: dict[tuple[str, str], dict[str, Any]]
) -> None:
    for section, option in EVERY:
        mine = told[section.NAME, option.name]
        assert mine.get("required", False) == (option.default is None)
        if option.default is None:
            said = modules.call("kwaainet.options", "missing", mine)
            assert said == f"missing; expected {option.expected()}"

"""The documents say what is so: links, commands, options, messages, constants, pictures."""

import ast
import hashlib
import re
from pathlib import Path

import pytest

from edge import cli
from edge.config.errors import RefusedError
from edge.config.kinds import Option
from edge.config.render import _default
from edge.config.schema import ENVIRONMENT, every_option
from edge.config.uci import InitScript
from edge.tiers import classify
from tests.test_rooms import BASE, EDGE, room_imports

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
WRITTEN = [page for page in PAGES if page.name != "configuration.md"]  # that one is generated
PICTURES = sorted(DOCS.glob("*.dot"))
# Where two sections have a name in common, the first: [node] and [relay] are what pages speak of.
OPTIONS = {option.name: option for option in reversed(every_option())}
VERBS = {verb.name: verb for verb in cli.COMMANDS}
SOURCE = "\n".join(path.read_text() for path in sorted(EDGE.rglob("*.py")))
TESTS = {
    name
    for path in sorted(Path(__file__).parent.rglob("test_*.py"))
    for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}
# Words in `code` that look like options and are names of something else.
OTHER_NAMES = {
    "addrs_signed",  # of records
    "peer_id",
    "oom_score_adj",
    "layer_cake",
    "pfifo_fast",
    "piece_of_cake",
    "buffer_updated",
    "get_buffer",
    "recv_into",
    "reload_config",
    "stream_muxers",
    "test_docs",
    "test_rooms",
}
# Constants of the protocols' modules that are no bound a peer can run into.
UNEXPLAINED = {
    "MAX_PLAINTEXT",  # follows from MAX_MESSAGE
    "MAX_SEND_WINDOW",  # nothing is allocated by it
    "MAX_AGENT",  # characters of a text for people
    "MAX_ADDRESSES",  # of a reservation; a message's own limit comes first
}


def name_of(path: Path) -> str:
    return path.name


def code_in(page: Path) -> list[str]:
    """What stands in `backticks`."""
    return re.findall(r"`([^`\n]+)`", page.read_text())


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that starts with `heading`."""
    lines = (DOCS / page).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    assert found
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            assert (page.parent / path).exists(), target
            assert not anchor, f"{target}: name the page; headings change"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_exist(page: Path) -> None:
    ignored = (ROOT / ".gitignore").read_text().split()  # made by a command, not kept
    for path in re.findall(r"`((?:edge|tests|docs|bench|tools)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists() or f"/{path}" in ignored, path


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"(?:`|^    )make ([a-z0-9-]+)", page.read_text(), re.MULTILINE):
        assert target in targets


def test_the_readme_has_its_two_commands_and_every_verb() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^    make ([a-z]+)", text, re.MULTILINE) == ["run", "test"]
    (verbs,) = re.findall(r"`kwaainet (run \|[^`]*)`", text)
    names = [re.sub(r" [A-Z].*", "", verb) for verb in re.split(r"\s\|\s", verbs)]
    assert [" ".join(name.split()) for name in names] == list(VERBS)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_commands_have_verbs_and_flags_that_exist(page: Path) -> None:
    flags = {f"--{option.flag}" for option in OPTIONS.values()} | {"--config"}
    for command in re.findall(r"(?:kwaainet|^ExecStart=\S+) ([a-z-]+ ?[^`\n]*)", page.read_text()):
        words = command.split()
        name = next((two for n in (2, 1) if (two := " ".join(words[:n])) in VERBS), "")
        if not name:
            continue  # a sentence that goes on behind the name
        known = flags | {f"--{switch}" for switch, _, _ in VERBS[name].switches}
        for flag in re.findall(r"--[a-z-]+", " ".join(words)):
            assert flag in known, command


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_options_exist(page: Path) -> None:
    if page.name == "status.md":
        return  # its words are keys of the report, which tests/status compares
    names = set(OPTIONS) | {option.name for option in InitScript.options()} | OTHER_NAMES
    for word in code_in(page):
        name, _, value = word.partition(" = ")
        if value or re.fullmatch(r"[a-z]+(_[a-z]+)+", word):
            assert name in names or name in TESTS, word
    for variable in re.findall(rf"`({ENVIRONMENT}[A-Z_]+)`", page.read_text()):
        assert variable in {option.environment for option in OPTIONS.values()}


def test_settings_given_as_examples_are_accepted() -> None:
    examples = [word for page in WRITTEN for word in code_in(page) if " = " in word]
    assert len(examples) >= 4
    for example in examples:
        name, _, value = example.partition(" = ")
        read = ast.literal_eval(value.replace("true", "True").replace("false", "False"))
        assert any(_accepts(option, read) for option in every_option() if option.name == name)


def _accepts(option: Option, value: object) -> bool:
    try:
        option.check(value)
    except RefusedError:
        return False
    return True


def test_defaults_in_the_operating_guide_are_the_schemas() -> None:
    for option, default, _ in rows("operating.md", "option"):
        assert default == _default(OPTIONS[option.strip("`")]), option


def test_the_services_options_are_those_of_the_router_page() -> None:
    documented = {option.strip("`"): default for option, default, _ in rows("openwrt.md", "option")}
    assert documented == {
        option.name: str(int(option.initial()))  # type: ignore[call-overload]
        for option in InitScript.options()
    }


def templates() -> list[str]:
    """Every text in the sources, with dots where a value is put in."""
    found = []
    for path in EDGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "..." for v in node.values]
                found.append("".join([str(part) for part in parts]))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return [text for text in found if len(text.replace("...", "")) >= 12]


def test_messages_in_the_operating_guide_are_the_programs() -> None:
    known = [(text, re.escape(text).replace(r"\.\.\.", ".+")) for text in templates()]
    for cell, _ in rows("operating.md", "it says"):
        message = cell.strip("`")
        assert any(message in text or re.fullmatch(way, message) for text, way in known), message


def test_log_lines_in_the_operating_guide_are_the_programs() -> None:
    for line, _ in rows("operating.md", "log line"):
        events = [word.split() for word in re.findall(r"`([^`]+)`", line)]
        assert any(f'"{words[0]}"' in SOURCE for words in events)
        for event, *words in events:
            assert f'"{event}"' in SOURCE, line
            for word in words:
                key, equals, value = word.partition("=")
                if equals:
                    assert re.search(rf"\b{key}=", SOURCE), line
                    assert value in ("...", "30") or f'"{value}"' in SOURCE, line


def test_constants_in_the_wire_formats_are_the_codes() -> None:
    for constant, value, _ in rows("wire-formats.md", "constant"):
        path, name = re.fullmatch(r"`(\S+)` `(\S+)`", constant).groups()  # type: ignore[union-attr]
        module = __import__(path.removesuffix(".py").replace("/", "."), fromlist=[name])
        assert getattr(module, name) == int(value), constant


def test_every_bound_of_a_protocol_is_in_the_wire_formats() -> None:
    """A new MAX_ constant of a state machine or of messages has to be explained there."""
    named = {constant for constant, _, _ in rows("wire-formats.md", "constant")}
    for module in ("multistream", "noise", "identify", "circuit", "yamux"):
        path = f"edge/wire/{module}.py"
        text = (ROOT / path).read_text()
        for name in re.findall(r"^(MAX_\w+) = ", text, re.MULTILINE):
            assert f"`{path}` `{name}`" in named or name in UNEXPLAINED, (path, name)


def test_the_rules_of_the_tiers_are_the_codes() -> None:
    assert rows("tiers.md", "mode at most") == [[rule.cap, rule.name] for rule in classify.RULES]


def test_every_threshold_of_the_tiers_is_explained() -> None:
    text = (EDGE / "tiers" / "classify.py").read_text()
    named = re.findall(r"^([A-Z][A-Z_]+) = [^{\n]*[0-9]", text, re.MULTILINE)
    stated = {
        name.strip("`"): ast.literal_eval(value) for name, value, _ in rows("tiers.md", "constant")
    }
    assert stated == {name: getattr(classify, name) for name in named}


def test_portable_modules_are_those_marked() -> None:
    marked = set(re.findall(r"`(\w+)` \*", (DOCS / "wire-formats.md").read_text()))
    scripts = (ROOT / "tests" / "wire" / "portable").glob("check_*.py")
    assert marked == {path.stem.removeprefix("check_") for path in scripts}


@pytest.mark.parametrize("dot", PICTURES, ids=name_of)
def test_pictures_are_drawn_from_their_sources(dot: Path) -> None:
    digest = hashlib.sha256(dot.read_bytes()).hexdigest()
    last = dot.with_suffix(".svg").read_text().splitlines()[-1]
    assert last == f"<!-- source: sha256 {digest} -->", "run: make docs-pictures"


@pytest.mark.parametrize("dot", PICTURES, ids=name_of)
def test_pictures_are_shown_on_a_page(dot: Path) -> None:
    shown = [page for page in WRITTEN if f"{dot.stem}.svg" in page.read_text()]
    assert shown


def test_the_picture_of_the_rooms_has_the_arrows_of_the_code() -> None:
    """Each arrow is an import, and each import is an arrow or a way along several."""
    text = (DOCS / "architecture.dot").read_text()
    arrows = {(a.rstrip("_"), b.rstrip("_")) for a, b in re.findall(r"(\w+) -> (\w+);", text)}
    real = {
        (a, "base" if b in BASE else b) for a, b in room_imports() if a not in BASE | {"__main__"}
    }
    assert arrows <= real
    ways = set(arrows)
    while longer := {(a, d) for a, b in ways for c, d in arrows if b == c} - ways:
        ways |= longer
    assert real <= ways

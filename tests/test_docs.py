"""The documents say what is so: links lead somewhere, options and commands exist."""

import re
from pathlib import Path

import pytest

from edge import cli
from edge.config.schema import every_option
from edge.wire import circuit, identify, multiaddr, multistream, noise, yamux

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test"} <= set(re.findall(r"^    make ([a-z]+)", text, re.MULTILINE)) <= targets
    (verbs,) = re.findall(r"`kwaainet (run \|[^`]*)`", text)
    assert {verb.split()[0] for verb in verbs.split("|")} <= {verb.name for verb in cli.VERBS}


def test_options_named_in_the_operating_guide_exist() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    names = {option.name for option in every_option()}
    for name in re.findall(r"`([a-z]+_[a-z_]+)`", text):
        assert name in names, name


@pytest.mark.parametrize("dot", sorted((ROOT / "docs").glob("*.dot")), ids=lambda dot: dot.name)
def test_pictures_show_what_their_sources_say(dot: Path) -> None:
    svg = dot.with_suffix(".svg").read_text()
    for label in re.findall(r'label="([^"]+)"', dot.read_text()):
        for line in label.split("\\n"):
            assert line.replace("&", "&amp;") in svg.replace("&#45;", "-").replace("&#160;", " ")


@pytest.mark.parametrize(
    "bound",
    [
        f"lines of {multistream.MAX_LINE} bytes, {multistream.MAX_PROPOSALS} proposals",
        f"handshake messages of {noise.MAX_HANDSHAKE} bytes",
        f"windows of {yamux.INITIAL_WINDOW // 1024} KiB",
        f"{yamux.MAX_UNACKNOWLEDGED} unacknowledged",
        f"{identify.MAX_MESSAGE // 1024} KiB a message, {identify.MAX_STREAM // 1024} KiB in all",
        f"messages of {circuit.MAX_MESSAGE} bytes",
        f"{multiaddr.MAX_BYTES} bytes, {multiaddr.MAX_COMPONENTS} components",
    ],
)
def test_bounds_in_the_wire_formats_are_those_of_the_code(bound: str) -> None:
    assert bound in (ROOT / "docs" / "wire-formats.md").read_text()

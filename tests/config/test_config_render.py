"""What the schema is written out to: docs/configuration.md, TOML that reads back, help."""

import tomllib
from pathlib import Path

import pytest

from edge.config import render
from edge.config.errors import ConfigError, RefusedError
from edge.config.kinds import Option
from edge.config.load import load
from edge.config.schema import Peer, every_option

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
PEER = "/ip4/192.0.2.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
NO_FILE = {"KWAAINET_CONFIG": "/dev/null"}


def test_the_page_in_docs_is_current() -> None:
    made = render.markdown()
    assert PAGE.read_text() == made, "run: python -m edge.config.render > docs/configuration.md"


def allowed_on_the_page() -> dict[tuple[str, str], str]:
    """The column "allowed" by section and option."""
    found = {}
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:].strip("[]")
        elif line.startswith("| `"):
            name, _, _, allowed, _, _ = line.replace("\\|", "\0")[2:-2].split(" | ")
            found[section, name.strip("`")] = allowed.replace("\0", "|")
    return found


@pytest.mark.parametrize("option", every_option(), ids=lambda o: f"{o.section}.{o.name}")
def test_the_page_allows_what_an_error_of_the_program_says(option: Option) -> None:
    with pytest.raises(RefusedError) as caught:
        option.check(None)
    assert str(caught.value).endswith(allowed_on_the_page()[option.section, option.name])


def test_the_page_shows_an_error_as_the_program_prints_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kwaainet.toml").write_text("\n" * 10 + "[relay]\nmax_circuits = 70000\n")
    with pytest.raises(ConfigError) as caught:
        load("kwaainet.toml", {}, {})
    assert f"\n    {caught.value}\n" in PAGE.read_text()


def test_the_sample_file_sets_every_default(tmp_path: Path) -> None:
    sample = render.markdown().partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "kwaainet.toml"
    file.write_text(sample)
    config = load(str(file), {}, {})
    for section, plain in zip(config.sections(), load(None, NO_FILE, {}).sections(), strict=True):
        for option in section.options():
            assert section.value(option) == plain.value(option)
            assert section.origins[option.name].startswith(f"{file}:")


def test_a_config_written_as_toml_reads_back(tmp_path: Path) -> None:
    flags = {
        "data-dir": ['/a "b" \\c # d'],
        "listen": [""],
        "relay-data": ["3K"],
        "memory-limit": ["24M"],
        "idle-timeout": ["90"],
        "peer": [PEER, PEER],
    }
    config = load(None, NO_FILE, flags)
    file = tmp_path / "kwaainet.toml"
    file.write_text("\n".join(render.toml(config, everything=True)))
    again = load(str(file), {}, {})
    assert len(again.all(Peer)) == 2
    for section, copy in zip(config.sections(), again.sections(), strict=True):
        assert [section.value(option) for option in section.options()] == [
            copy.value(option) for option in copy.options()
        ]


def test_what_differs_is_shown_with_its_origin() -> None:
    environ = {**NO_FILE, "KWAAINET_RELAY_MAX_CIRCUITS": "256", "KWAAINET_MODE": "relay"}
    config = load(None, environ, {"relay-max-circuits": ["32"]})
    assert render.toml(config, everything=False) == [
        "[node]",
        'mode = "relay"  # environment KWAAINET_MODE',
        "[relay]",
        "max_circuits = 32  # --relay-max-circuits",
    ]


@pytest.mark.parametrize("everything", [True, False])
def test_an_origin_cannot_break_out_of_its_comment(everything: bool, tmp_path: Path) -> None:
    file = tmp_path / "a\nmode = 'full'\n.toml"
    file.write_text("node.log_level = 'debug'")
    written = "\n".join(render.toml(load(str(file), {}, {}), everything=everything))
    assert tomllib.loads(written)["node"].get("mode", "auto") == "auto"


def test_help_lists_every_option_once_and_fits_a_terminal() -> None:
    lines = render.flags()
    assert max(len(line) for line in lines) <= 100
    flags = [line.split()[0] for line in lines if line.startswith("  --")]
    assert len(flags) == len(set(flags))
    assert {"--config", "--listen", "--relay-max-circuits", "--peer"} <= set(flags)

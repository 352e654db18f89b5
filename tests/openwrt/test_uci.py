"""UCI files by the schema: what they set, the exact line of every mistake, the command line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import load as loading
from edge.config.errors import ConfigError
from edge.config.files import MAX_FILE
from edge.config.load import Config, load
from edge.config.schema import MAX_REPEATED, Node, Peer, Relay, Schedule, Wake, every_option
from edge.config.uci import END

PEER = "/ip4/192.0.2.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
OTHER = "/dns4/b.example/tcp/1/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
SHIPPED = Path(__file__).parents[2] / "openwrt/files/etc/config/kwaainet"

Read = Callable[[str | bytes], Config]


@pytest.fixture
def uci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    def read(text: str | bytes) -> Config:
        monkeypatch.chdir(tmp_path)
        Path("kwaainet").write_bytes(text.encode() if isinstance(text, str) else text)
        return load("kwaainet", {}, {})

    return read


def test_a_file_of_every_section(uci: Read) -> None:
    config = uci(f"""
# A router in the hall
config kwaainet 'main'
	option enabled 'disabled'
	option nice '10'

config node 'node'
	list listen '/ip4/0.0.0.0/tcp/4001'
	list listen "/ip6/::/tcp/4001"
	option memory_limit '32M'	# of 128

config relay
	option private 'enabled'
	option max_circuits auto
	option deny_networks '192.0.2.0/24, 2001:db8::/32'
	option data ''

config peer
	option address '{PEER}'

config peer 'second'
	option address '{OTHER}'
""")
    assert config[Node].listen == ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"]
    assert config.origin("node", "listen") == "kwaainet:8"
    assert (config[Node].memory_limit, config.origin("node", "memory_limit")) == (
        32 << 20,
        "kwaainet:10",
    )
    assert config[Relay].private is True
    assert config[Relay].max_circuits == 0
    assert config[Relay].deny_networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert config.origin("relay", "data") == "default"
    assert [peer.address for peer in config.all(Peer)] == [PEER, OTHER]
    assert config.origin("peer", "address", 1) == "kwaainet:22"


AN_ITEM = {
    "external_address": "/ip4/192.0.2.9/tcp/4001",
    "relays": PEER,
    "roles": "relay,cache",
    "allow_peers": PEER.rpartition("/")[2],
    "deny_peers": PEER.rpartition("/")[2],
    "allow_networks": "192.0.2.0/24",
    "deny_networks": "2001:db8::/32",
    "http_names": "router.lan",
    "gateway_names": "router.lan",
    "gateway_networks": "192.0.2.0/24",
    "trusted": PEER.rpartition("/")[2],
    "interfaces": "br-lan",
}


@pytest.mark.parametrize(
    "option", [option for option in every_option() if option.flag], ids=lambda option: option.flag
)
def test_every_option_is_read_as_in_toml(option, uci: Read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = PEER
    if option.section != "peer":
        text = AN_ITEM.get(option.name) or option.text(option.initial())
    ways = [f"\toption {option.name} '{text}'\n"]
    if option.many:
        ways.append("".join(f"\tlist {option.name} '{each}'\n" for each in text.split(",")))
    header = "[[peer]]" if option.section == "peer" else f"[{option.section}]"
    toml = tmp_path / "kwaainet.toml"
    toml.write_text(f"{header}\n{option.name} = {option.toml(option.from_text(text))}\n")
    wanted = load(str(toml), {}, {})
    for way in ways:
        config = uci(f"config {option.section}\n{way}")
        assert config.origin(option.section, option.name) == "kwaainet:2"
        values = [
            next(s for s in each.sections() if option.section == s.NAME).value(option)
            for each in (config, wanted)
        ]
        assert values[0] == values[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "config relay\n\n\toption max_circuits '70000'\n",
            'kwaainet:3: [relay] max_circuits: got "70000"; '
            'expected a whole number from 1 to 65536, or "auto"',
        ),
        (
            "config node\n\toption mdoe 'relay'\n",
            "kwaainet:2: [node] mdoe: unknown option; did you mean mode?",
        ),
        (
            "config node\n\n\nconfig realy\n",
            "kwaainet:4: [realy]: unknown section; did you mean [relay]?",
        ),
        (
            "config node\n\tlist listen '/ip4/0.0.0.0/tcp/1'\n\tlist listen 'x'\n",
            'kwaainet:3: [node] listen: got "x"; '
            "expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT "
            "(not an address: 'x': it does not start with /)",
        ),
        (
            "config relay\n\tlist private '1'\n",
            'kwaainet:2: [relay] private: got ["1"]; expected option instead of list: '
            "true or false",
        ),
        (
            "config relay\n\toption private 'maybe'\n",
            'kwaainet:2: [relay] private: got "maybe"; expected true or false',
        ),
        (
            "config kwaainet 'main'\n\toption nice '20'\n",
            'kwaainet:2: [kwaainet] nice: got "20"; expected a whole number from 0 to 19',
        ),
        (
            "config relay\nconfig node\nconfig relay\n",
            "kwaainet:3: [relay]: duplicate section; the first is in line 1",
        ),
        (
            "\nconfig peer\n",
            "kwaainet:2: [peer] address: missing; expected a multiaddr that ends in /p2p/PEER_ID",
        ),
        (
            f"config peer\n\toption address '{PEER}'\n" * (MAX_REPEATED + 1),
            f"kwaainet:{2 * MAX_REPEATED + 1}: [peer]: got 65; expected at most 64",
        ),
        *(
            (
                f"config node\n\toption {option} '{path}'\n",
                f'kwaainet:2: [node] {option}: got "{shown}"; '
                "expected a path from / on, without blanks and * ? [ \\",
            )
            for option, path, shown in (
                ("data_dir", "/mnt/my disk", "/mnt/my disk"),
                ("run_dir", "/mnt/*", "/mnt/*"),
                ("data_dir", "/mnt/a?", "/mnt/a?"),
                ("data_dir", "/mnt/[a]", "/mnt/[a]"),
                ("data_dir", "/mnt/a\\b", "/mnt/a\\\\b"),
                ("data_dir", "mnt", "mnt"),
                ("data_dir", "./mnt", "./mnt"),
            )
        ),
        ("config node\n\toption mode 'relay\n", "kwaainet:2: not valid UCI: missing closing '"),
        (b"config node\n\toption mode '\xff'\n", "kwaainet:2: not UTF-8 text: byte 0xff"),
        (b"#" * (MAX_FILE + 1), "kwaainet: cannot be read: larger than 1 MiB"),
        (
            "\ufeffconfig node\n",
            'kwaainet:1: not valid UCI: unknown command \\"\\ufeffconfig\\"; '
            "expected config, option, list or package",
        ),
        ("config node\n\toption mode relay\n\0\0\0", "kwaainet:3: not valid UCI: a zero byte"),
        ("config node\n".encode("utf-16"), "kwaainet:1: not UTF-8 text: byte 0xff"),
    ],
)
def test_the_line_of_a_mistake(text: str | bytes, line: str, uci: Read) -> None:
    with pytest.raises(ConfigError) as caught:
        uci(text)
    assert str(caught.value) == line


def test_the_default_file_is_toml_then_uci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml, uci_file = tmp_path / "kwaainet.toml", tmp_path / "kwaainet"
    monkeypatch.setattr(loading, "DEFAULT_FILE", str(toml))
    monkeypatch.setattr(loading, "UCI_FILE", str(uci_file))
    assert load(None, {}, {}).file is None
    uci_file.write_text("config node\n\toption mode relay\n")
    assert load(None, {}, {})[Node].mode == "relay"
    toml.write_text("[node]\nmode = 'light'\n")
    assert load(None, {}, {})[Node].mode == "light"


def test_the_routers_file_splits_what_is_kept_from_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kwaainet"
    file.write_text("")
    monkeypatch.setattr(loading, "UCI_FILE", str(file))
    node = load(str(file), {}, {})[Node]
    assert (node.data_dir, node.run_dir) == ("/etc/kwaainet/data", "/var/run/kwaainet")
    file.write_text("config node\n\toption data_dir '/etc/kwaainet'\n")  # as it once was
    node = load(str(file), {}, {})[Node]
    assert (node.data_dir, node.run_dir) == ("/etc/kwaainet/data", "/var/run/kwaainet")
    file.write_text("config node\n\toption data_dir '/mnt/kwaainet'\n")
    node = load(str(file), {}, {})[Node]
    assert (node.data_dir, node.run_dir) == ("/mnt/kwaainet", "/mnt/kwaainet")


def test_a_copy_that_was_cut_short_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever: what is left may be valid, and say that a private relay is a public one."""
    copy = tmp_path / "config"
    monkeypatch.setattr(loading, "UCI_COPIES", (str(copy),))
    text = f"config kwaainet 'main'\nconfig relay\n\toption private '1'\n\n{END}\n"
    copy.write_text(text)
    config = load(str(copy), {}, {})
    assert config[Relay].private is True
    assert config[Node].run_dir == "/var/run/kwaainet"
    for size in range(len(text)):
        copy.write_text(text[:size])
        with pytest.raises(ConfigError, match="incomplete: its end is missing"):
            config.again({})


def check_config(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge", "check-config", *words]
    environ = {name: text for name, text in os.environ.items() if "KWAAINET" not in name}
    return subprocess.run(command, capture_output=True, text=True, env=environ)


def test_check_config_for_scripts(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet"
    main = "config kwaainet 'main'\n\toption enabled 'on'\n"
    file.write_text(main + "config node\n\toption mode 'relay'\n\toption idle_timeout '60'\n")
    done = check_config("--config", str(file), "--hard")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == [
        "node.mode=relay",
        "node.listen=/ip4/0.0.0.0/tcp/4001,/ip6/::/tcp/4001",
    ]
    assert "idle_timeout" not in done.stdout
    script = [line for line in done.stdout.splitlines() if line.startswith("kwaainet.")]
    assert script == ["kwaainet.enabled=yes", "kwaainet.open_port=no", "kwaainet.nice=5"]
    file.write_text("config node\n\toption mode 'relais'\n")
    done = check_config("--config", str(file), "--hard")
    assert done.returncode == 2
    assert done.stdout == ""
    expected = 'got "relais"; expected auto, full, light or relay'
    assert done.stderr == f"{file}:2: [node] mode: {expected}\n"


@pytest.mark.skipif(os.path.exists("/etc/config/kwaainet"), reason="this is a router")
def test_check_config_uci_is_about_the_routers_file() -> None:
    done = check_config("--uci")
    assert done.returncode == 2
    assert done.stderr == "/etc/config/kwaainet: cannot be read: No such file or directory\n"


def test_hours_and_sleepers(uci: Read) -> None:
    config = uci(f"""
config schedule
	list days 'fri'
	list days 'sat'
	option start '22:00'
	option end '06:30'

config schedule 'evening'
	option mode 'paused'

config wake
	option peer '{PEER.rpartition("/")[2]}'
	option mac '00:16:3e:12:34:56'
	option interface 'br-lan'
""")
    assert [each.days for each in config.all(Schedule)] == [["fri", "sat"], []]
    assert [each.mode for each in config.all(Schedule)] == ["full", "paused"]
    assert [each.interface for each in config.all(Wake)] == ["br-lan"]

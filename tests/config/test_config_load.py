"""Sources over each other, the exact line of every mistake, origins, what a reload may change."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.config.errors import ConfigError
from edge.config.load import Config, diff, load
from edge.config.schema import (
    MAX_REPEATED,
    SECTIONS,
    Node,
    Origin,
    Peer,
    Relay,
    Schedule,
    Wake,
    every_option,
)

PEER_A = "/ip4/192.0.2.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
PEER_B = "/dns4/b.example/tcp/1/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
NO_FILE = {"KWAAINET_CONFIG": "/dev/null"}  # not the machine's own

Load = Callable[..., Config]


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a text as kwaainet.toml; environment and flags may follow."""

    def load_text(
        text: str | bytes,
        environ: dict[str, str] | None = None,
        flags: dict[str, list[str]] | None = None,
    ) -> Config:
        monkeypatch.chdir(tmp_path)
        data = text.encode() if isinstance(text, str) else text
        Path("kwaainet.toml").write_bytes(data)
        return load("kwaainet.toml", environ or {}, flags or {})

    return load_text


def refused(load_text: Load, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    return str(caught.value)


def test_defaults() -> None:
    config = load(None, {**NO_FILE, "XDG_DATA_HOME": "/x"}, {})
    assert config[Node].mode == "auto"
    assert config[Node].listen == ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001"]
    assert config[Node].memory_limit == 0
    assert config[Relay].max_circuits == 0  # auto
    assert config[Relay].buffer_size == 0
    assert config.all(Peer) == []
    assert config.origin("relay", "max_circuits") == "default"
    assert diff(config, load(None, {**NO_FILE, "XDG_DATA_HOME": "/x"}, {})) == ([], [])


def test_values_carry_the_types_the_checker_sees() -> None:
    config = load(None, NO_FILE, {"peer": [PEER_A]})
    ports: int = config[Node].max_connections + config[Relay].reservation_ttl
    words: str = config[Node].mode + config.all(Peer)[0].address
    addresses: list[str] = config[Node].listen + config[Relay].relays
    assert isinstance(ports, int)
    assert isinstance(words, str)
    assert isinstance(addresses, list)


def test_a_config_never_shares_its_lists_with_the_schema() -> None:
    load(None, NO_FILE, {})[Node].listen.clear()
    assert load(None, NO_FILE, {})[Node].listen


def test_later_sources_win(toml: Load) -> None:
    text = "[node]\nmode = 'full'\nlog_level = 'debug'\n[relay]\n\nmax_circuits = 1\ndata = '1G'\n"
    environ = {"KWAAINET_RELAY_MAX_CIRCUITS": "2", "KWAAINET_MODE": "light", "KWAAINET_CRYPTO": ""}
    config = toml(text, environ, {"mode": ["full", "relay"]})
    assert (config[Node].log_level, config.origin("node", "log_level")) == (
        "debug",
        "kwaainet.toml:3",
    )
    assert (config[Relay].data, config.origin("relay", "data")) == (1 << 30, "kwaainet.toml:7")
    assert config[Relay].max_circuits == 2
    assert config.origin("relay", "max_circuits") == "environment KWAAINET_RELAY_MAX_CIRCUITS"
    assert (config[Node].mode, config.origin("node", "mode")) == ("relay", "--mode")
    assert config.origin("node", "crypto") == "default"


def test_list_flags_add_up_and_replace_lower_sources(toml: Load) -> None:
    text = '[node]\nlisten = ["/ip4/127.0.0.1/tcp/1"]\n'
    flags = {"listen": ["/ip4/127.0.0.1/tcp/2,/ip4/127.0.0.1/tcp/3", "/ip4/127.0.0.1/tcp/4"]}
    assert toml(text, {}, flags)[Node].listen == [f"/ip4/127.0.0.1/tcp/{n}" for n in (2, 3, 4)]
    assert toml(text, {}, {"listen": [""]})[Node].listen == []
    assert toml(text).origin("node", "listen") == "kwaainet.toml:2"


def test_peers_of_the_last_source_replace_all(toml: Load) -> None:
    text = f'[[peer]]\naddress = "{PEER_A}"\n\n[[peer]]\naddress = "{PEER_B}"\n'
    config = toml(text)
    assert [peer.address for peer in config.all(Peer)] == [PEER_A, PEER_B]
    assert config.origin("peer", "address", 1) == "kwaainet.toml:5"
    environ = {"KWAAINET_PEER": f"{PEER_B} {PEER_A}"}
    assert [peer.address for peer in toml(text, environ).all(Peer)] == [PEER_B, PEER_A]
    config = toml(text, environ, {"peer": [PEER_A]})
    assert [peer.address for peer in config.all(Peer)] == [PEER_A]
    assert config.origin("peer", "address") == "--peer"


AN_ITEM = {  # of the lists that are empty by default
    "roles": "relay,cache",
    "external_address": "/ip4/192.0.2.9/tcp/4001",
    "relays": PEER_A,
    "allow_peers": PEER_A.rpartition("/")[2],
    "deny_peers": PEER_A.rpartition("/")[2],
    "allow_networks": "192.0.2.0/24",
    "deny_networks": "2001:db8::/32",
    "http_names": "router.lan",
    "gateway_names": "router.lan",
    "gateway_networks": "192.0.2.0/24",
    "trusted": PEER_A.rpartition("/")[2],
    "interfaces": "br-lan",
}


@pytest.mark.parametrize(
    "option", [option for option in every_option() if option.flag], ids=lambda option: option.flag
)
def test_every_option_is_set_by_every_source(option, toml: Load) -> None:  # type: ignore[no-untyped-def]
    value = option.initial() if option.section != "peer" else PEER_A
    header = "[[peer]]" if option.section == "peer" else f"[{option.section}]"
    text = option.text(value) or AN_ITEM[option.name]
    literal = option.toml(option.from_text(text))
    from_file = toml(f"{header}\n{option.name} = {literal}\n")
    assert from_file.origin(option.section, option.name) == "kwaainet.toml:2"
    from_environment = load(None, {**NO_FILE, option.environment: text}, {})
    assert (
        from_environment.origin(option.section, option.name) == f"environment {option.environment}"
    )
    from_flag = load(None, NO_FILE, {option.flag: [text]})
    assert from_flag.origin(option.section, option.name) == f"--{option.flag}"
    sections = [config.sections() for config in (from_file, from_environment, from_flag)]
    values = [
        section.value(option)
        for found in sections
        for section in found
        if option.section == section.NAME
    ]
    assert values[0] == values[1] == values[2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[relay]\nmax_circuits = 70000\n",
            "kwaainet.toml:2: [relay] max_circuits: got 70000; "
            'expected a whole number from 1 to 65536, or "auto"',
        ),
        (
            "[relay]\n\n# why\nmax_circuits = '7'\n",
            'kwaainet.toml:4: [relay] max_circuits: got "7"; '
            'expected a whole number from 1 to 65536, or "auto"',
        ),
        (
            "[node]\nmode = true\n",
            "kwaainet.toml:2: [node] mode: got true; expected auto, full, light or relay",
        ),
        (
            "node.memory_limit = '8M'\n",
            'kwaainet.toml:1: [node] memory_limit: got "8M"; expected a size (bytes, or with K, M, '
            'G or T) from 16M to 1T, or "auto"',
        ),
        (
            "[node]\nidle_timeout = 1.5\n",
            "kwaainet.toml:2: [node] idle_timeout: got 1.5; expected a duration (seconds, or with "
            "s, m, h or d) from 5s to 1d",
        ),
        (
            '[node]\nlisten = [\n  "/ip4/0.0.0.0/tcp/1",\n  "/ip4/0.0.0.0/udp/1", # no\n]\n',
            'kwaainet.toml:4: [node] listen: got "/ip4/0.0.0.0/udp/1"; '
            "expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT",
        ),
        (
            "[node]\nlisten = 4001\n",
            "kwaainet.toml:2: [node] listen: got 4001; expected a list of at most 64, "
            "each /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT",
        ),
        (
            "[relay]\nx = 1\nmax_circuit = 1\n",
            "kwaainet.toml:2: [relay] x: unknown option; `kwaainet help run` lists them all",
        ),
        (
            "relay = {max_circuit = 1}\n",
            "kwaainet.toml:1: [relay] max_circuit: unknown option; did you mean max_circuits?",
        ),
        (
            "\n[rellay]\nmax_circuits = 1\n",
            "kwaainet.toml:2: [rellay]: unknown section; did you mean [relay]?",
        ),
        (
            "[firewall]\n",
            "kwaainet.toml:1: [firewall]: unknown section; expected "
            + " or ".join(f"[{section.NAME}]" for section in SECTIONS),
        ),
        ("relay = 3\n", "kwaainet.toml:1: [relay]: got 3; expected a section"),
        ("[[relay]]\n", "kwaainet.toml:1: [relay]: got [a table]; expected a section"),
        ("[peer]\n", "kwaainet.toml:1: [peer]: expected [[peer]], one section per peer"),
        ("peer = [1]\n", "kwaainet.toml:1: [peer]: got 1; expected a section"),
        (
            f'[[peer]]\naddress = "{PEER_A}"\n[[peer]]\n',
            "kwaainet.toml:3: [peer] address: missing; "
            "expected a multiaddr that ends in /p2p/PEER_ID",
        ),
        (
            '[[peer]]\naddress = "/ip4/192.0.2.1/tcp/4001"\n',
            'kwaainet.toml:2: [peer] address: got "/ip4/192.0.2.1/tcp/4001"; '
            "expected a multiaddr that ends in /p2p/PEER_ID",
        ),
        (
            f'[[peer]]\naddress = "{PEER_A}"\n' * (MAX_REPEATED + 1),
            "kwaainet.toml:1: [[peer]]: got 65; expected at most 64",
        ),
        ("[node]\nx = " + "[" * 50000, "kwaainet.toml: not valid TOML: nested too deeply"),
        (b"[node]\n\nmode = '\xff'\n", "kwaainet.toml:3: not UTF-8 text: byte 0xff"),
        ("#" * (1 << 20) + "\n", "kwaainet.toml: cannot be read: larger than 1 MiB"),
    ],
)
def test_mistakes_in_a_file(text: str | bytes, line: str, toml: Load) -> None:
    assert refused(toml, text) == line


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("[node]\nmode = full\n", r"kwaainet.toml:2: not valid TOML: .+, column 8"),
        ("[node]\nmode = 'a'\nmode = 'b'\n", r"kwaainet.toml:3: not valid TOML: .+, column \d+"),
        ("[node]\n[node]\n", r"kwaainet.toml:2: not valid TOML: .*node.*, column \d+"),
        ('\n\nx = "\x1b[2J"', r"kwaainet.toml:3: not valid TOML: .+, column 6"),
        ("[node]\nmode = 'a\n", r"kwaainet.toml:2: not valid TOML: .+ at the end of the file"),
        ("[node]\nlisten = [", r"kwaainet.toml:2: not valid TOML: .+ at the end of the file"),
    ],
)
def test_syntax_errors_name_line_and_column(text: str, pattern: str, toml: Load) -> None:
    # The words between are tomllib's and differ by the version of Python.
    line = refused(toml, text)
    assert re.fullmatch(pattern, line), line
    assert line.isprintable()


def test_number_too_long_for_python(toml: Load) -> None:
    assert refused(toml, "node.mode = " + "9" * 5000).startswith("kwaainet.toml: not valid TOML: ")
    assert "got a number of 40000 bits;" in refused(toml, "node.max_connections = 0x" + "f" * 10000)


def test_names_and_values_in_a_file_cannot_forge_lines(toml: Load) -> None:
    evil = '"\\u001b[2J\\nkwaainet.toml:9: [x] y\\u202e\\\\"'
    for text in (f"{evil} = 1", f"node.{evil} = 1", f"node.mode = {evil}", f"[{evil}]"):
        line = refused(toml, text)
        assert line.isascii()
        assert line.isprintable()


@pytest.mark.parametrize("text", ["\ufeff[node]\nmode = 'full'\n", "[node]\r\nmode = 'full'\r\n"])
def test_files_of_other_editors(text: str, toml: Load) -> None:
    config = toml(text)
    assert config[Node].mode == "full"
    assert config.origin("node", "mode") == "kwaainet.toml:2"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/", "/: cannot be read: Is a directory"),
        ("/nonexistent/a\nb", "/nonexistent/a\\nb: cannot be read: No such file or directory"),
        ("a\0b", "a\\x00b: cannot be read: not a path"),
        ("/dev/zero", "/dev/zero: cannot be read: not a regular file"),
    ],
)
def test_files_that_cannot_be_read(path: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    assert str(caught.value) == line


@pytest.mark.parametrize("name", ["kwaainet.toml", "kwaainet"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    """A node that was told to reload stood still until somebody wrote to it."""
    path = tmp_path / name
    path.write_text("")
    config = load(str(path), {}, {})
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError) as caught:
        config.again({})
    assert str(caught.value) == f"{path}: cannot be read: not a regular file"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"KWAAINET_RELAY_MAX_CIRCUITS": "-1"},
            'environment KWAAINET_RELAY_MAX_CIRCUITS: got "-1"; '
            'expected a whole number from 1 to 65536, or "auto"',
        ),
        (
            {"KWAAINET_LISTEN": "/ip4/1.2.3.4/tcp/1 /ip4/1.2.3.4/udp/2"},
            'environment KWAAINET_LISTEN: got "/ip4/1.2.3.4/udp/2"; '
            "expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT",
        ),
        (
            {"KWAAINET_PEER": "/ip4/1.2.3.4/tcp/1"},
            'environment KWAAINET_PEER: got "/ip4/1.2.3.4/tcp/1"; '
            "expected a multiaddr that ends in /p2p/PEER_ID",
        ),
        (
            {"KWAAINET_PEER": f"{PEER_A} " * 65},
            "environment KWAAINET_PEER: got 65; expected at most 64",
        ),
        (
            {"KWAAINET_RELAY_MAX_CIRCUTS": "1"},
            "environment KWAAINET_RELAY_MAX_CIRCUTS: unknown variable; "
            "did you mean KWAAINET_RELAY_MAX_CIRCUITS?",
        ),
        (
            {"KWAAINET_NODE_MODE": "full"},
            "environment KWAAINET_NODE_MODE: unknown variable; did you mean KWAAINET_MODE?",
        ),
        (
            {"KWAAINET_CONFIGG": "x"},
            "environment KWAAINET_CONFIGG: unknown variable; did you mean KWAAINET_CONFIG?",
        ),
        (
            {"KWAAINET_DATA_DIR": "/\udcff\x1b"},
            'environment KWAAINET_DATA_DIR: got "/\\udcff\\x1b"; '
            "expected a path of 1 to 4096 printable characters",
        ),
    ],
)
def test_mistakes_in_the_environment(environ: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {**NO_FILE, **environ}, {})
    assert str(caught.value) == line


def links(service: str) -> dict[str, str]:
    """What Kubernetes (services) and Docker (legacy links) tell a container of one."""
    return {
        f"{service}_SERVICE_HOST": "10.96.0.10",
        f"{service}_SERVICE_PORT": "4001",
        f"{service}_SERVICE_PORT_LIBP2P_TCP": "4001",
        f"{service}_PORT": "tcp://10.96.0.10:4001",
        f"{service}_PORT_4001_TCP": "tcp://10.96.0.10:4001",
        f"{service}_PORT_4001_TCP_ADDR": "10.96.0.10",
        f"{service}_PORT_4001_TCP_PORT": "4001",
        f"{service}_PORT_4001_TCP_PROTO": "tcp",
        f"{service}_PORT_53_UDP": "udp://[fd00::1]:53",
        f"{service}_PORT_4001_TCP_START": "tcp://172.17.0.2:4001",
        f"{service}_PORT_4001_TCP_PORT_END": "4009",
        f"{service}_NAME": "/web/relay",
        f"{service}_ENV_KWAAINET_MODE": "relay",
    }


@pytest.mark.parametrize(
    "service", ["KWAAINET", "KWAAINET_RELAY", "KWAAINET_RELAY_2", "KWAAINET_STATUS", "KWAAINET_MOD"]
)
def test_links_to_services_of_our_name_are_ignored(service: str) -> None:
    config = load(None, {**NO_FILE, **links(service)}, {})
    assert config.ignored == list(links(service))
    assert config[Node].mode == "auto"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KWAAINET_RELAY_PORT", "4001"),
        ("KWAAINET_RELAY_SERVISE", "yes"),
        ("KWAAINET_RELAY_SERVICES", "tcp://10.96.0.10:4001"),
        ("KWAAINET_RELAY_NAME", "relay"),
        ("KWAAINET_RELAY_SERVICE_PORT", "yes"),
        ("KWAAINET_RELAY_PORT_4001", "tcp://10.96.0.10:4001"),
    ],
)
def test_what_only_looks_like_a_link_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^environment {name}: unknown variable; "):
        load(None, {**NO_FILE, name: value}, {})


def test_variables_of_other_programs_are_left_alone() -> None:
    # All of them used by KwaaiNet's own programs.
    others = ["KWAAINET_HOME", "KWAAINET_SOCKET", "KWAAINET_BLOCKS", "KWAAINET_GRPC_PORT"]
    config = load(None, {**NO_FILE, **dict.fromkeys(others, "x"), "PATH": "/bin"}, {})
    assert config.ignored == others


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            {"listen": ["/ip4/1.2.3.4/tcp/1", "1.2.3.4"]},
            '--listen: got "1.2.3.4"; expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT',
        ),
        ({"mode": ["ful"]}, '--mode: got "ful"; expected auto, full, light or relay'),
        (
            {"max-circuits": ["1"]},
            "--max-circuits: unknown flag; did you mean --relay-max-circuits?",
        ),
    ],
)
def test_mistakes_in_flags(flags: dict[str, list[str]], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, NO_FILE, flags)
    # What the address parser has to say follows in parentheses.
    assert str(caught.value).partition(" (")[0] == line


def test_a_wrong_value_below_is_an_error_even_where_it_is_overridden(toml: Load) -> None:
    with pytest.raises(ConfigError, match=r"^kwaainet.toml:1: "):
        toml("node.mode = 'x'", {}, {"mode": ["full"]})


def test_which_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {}
    for name in ("flag", "environment", "default"):
        files[name] = str(tmp_path / name)
        Path(files[name]).write_text("")
    monkeypatch.setattr("edge.config.load.DEFAULT_FILE", files["default"])
    environ = {"KWAAINET_CONFIG": files["environment"]}
    assert load(files["flag"], environ, {}).file == files["flag"]
    assert load(None, environ, {}).file == files["environment"]
    assert load(None, {}, {}).file == files["default"]
    Path(files["default"]).unlink()
    assert load(None, {}, {}).file is None


def test_data_dir_follows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert load(None, NO_FILE, {})[Node].data_dir == "/var/lib/kwaainet"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    xdg = {**NO_FILE, "XDG_DATA_HOME": "/data"}
    assert load(None, xdg, {})[Node].data_dir == "/data/kwaainet"
    config = load(None, {**NO_FILE, "HOME": "/home/me"}, {"data-dir": ["auto"]})
    assert config[Node].data_dir == "/home/me/.local/share/kwaainet"
    assert config.identity_file() == "/home/me/.local/share/kwaainet/identity.key"
    assert load(None, NO_FILE, {"data-dir": ["/x"]})[Node].data_dir == "/x"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.local/share/kwaainet"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, "/data/kwaainet"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "data"}, "/home/a/.local/share/kwaainet"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "~/data"}, "/home/a/.local/share/kwaainet"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": ""}, "/home/a/.local/share/kwaainet"),
        *[({"HOME": home}, "/home/b/.local/share/kwaainet") for home in ("", "a", ".", "~")],
        ({}, "/home/b/.local/share/kwaainet"),
        ({"XDG_DATA_HOME": "/data"}, "/data/kwaainet"),
    ],
)
def test_homes_that_are_none_are_passed_over(
    environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG: all paths in the variables must be absolute, and relative ones ignored."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_dir="/home/b"))
    assert load(None, {**NO_FILE, **environ}, {})[Node].data_dir == expected


@pytest.mark.parametrize("pw_dir", ["", "relative"])
def test_a_user_without_a_home_is_told_what_to_set(
    pw_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_dir=pw_dir))
    line = r"data_dir: this user has no home directory; set data_dir, or \$HOME$"
    with pytest.raises(ConfigError, match=line):
        load(None, NO_FILE, {})
    monkeypatch.setitem(sys.modules, "pwd", None)  # as in the static binary
    with pytest.raises(ConfigError, match=line):
        load(None, NO_FILE, {})
    assert load(None, NO_FILE, {"data-dir": ["/x"]})[Node].data_dir == "/x"


@pytest.mark.parametrize("path", ["~/kwaainet", "$HOME/kwaainet"])
def test_what_only_a_shell_expands_is_refused_in_every_source(path: str, toml: Load) -> None:
    rest = f'got "{path}"; expected a path in full: only a shell knows what ~ and $ stand for'
    assert refused(toml, f'[node]\ndata_dir = "{path}"\n') == (
        f"kwaainet.toml:2: [node] data_dir: {rest}"
    )
    for environ, flags in (({"KWAAINET_DATA_DIR": path}, {}), ({}, {"data-dir": [path]})):
        with pytest.raises(ConfigError, match=re.escape(rest)):
            load(None, {**NO_FILE, **environ}, flags)


def test_diff_sorts_by_what_a_reload_can_do(toml: Load) -> None:
    old = toml("[node]\nmode = 'full'\n[relay]\nmax_circuits = 5\n")
    new = toml("[node]\nmode = 'light'\n[relay]\ndata = '1M'\n", {}, {"peer": [PEER_A]})
    soft, hard = diff(old, new)
    assert [str(change) for change in soft] == [
        "relay.max_circuits: 5 -> auto",
        "relay.data: unlimited -> 1M",
        f"peer: none -> {PEER_A}",
    ]
    assert [str(change) for change in hard] == ["node.mode: full -> light"]


def test_again_reads_the_same_sources_anew(toml: Load) -> None:
    old = toml("relay.max_circuits = 5", {}, {"mode": ["relay"]})
    Path("kwaainet.toml").write_text("relay.max_circuits = 6")
    new = old.again({"KWAAINET_LOG_LEVEL": "debug"})
    assert (
        new[Relay].max_circuits,
        new[Node].mode,
        new[Node].log_level,
    ) == (6, "relay", "debug")
    assert [len(changes) for changes in diff(old, new)] == [2, 0]


SCHEDULE = """
[[schedule]]
days = ["fri", "sat"]
start = "22:00"
end = "06:30"
rate = "2M"
[[schedule]]
mode = "paused"
"""
ORIGIN = """
[[origin]]
name = "mirror"
url = "http://Mirror.lan/models/"
hosts = ["*.cdn.example", "[2001:DB8::1]:8443"]
"""
WAKE = f"""
[[wake]]
peer = "{PEER_A.rpartition("/")[2]}"
mac = "00-16-3E-12-34-56"
interface = "br-lan"
"""


def test_sections_that_stand_in_files_alone(toml: Load) -> None:
    config = toml(SCHEDULE + WAKE + ORIGIN)
    first, second = config.all(Schedule)
    assert (first.days, first.start, first.end) == (["fri", "sat"], "22:00", "06:30")
    assert (first.mode, first.rate) == ("full", 2 << 20)
    assert (second.days, second.start, second.end) == ([], "00:00", "24:00")
    assert (config.all(Wake)[0].mac, config.all(Wake)[0].port) == ("00:16:3e:12:34:56", 9)
    mirror = config.all(Origin)[0]
    assert (mirror.name, mirror.url) == ("mirror", "http://mirror.lan/models")
    assert mirror.hosts == ["*.cdn.example:443", "[2001:db8::1]:8443"]
    assert config.origin("schedule", "mode", 1) == "kwaainet.toml:8"
    assert config.origin("schedule", "mode") == "default"
    soft, hard = diff(toml(""), config)
    assert [change.name for change in soft] == ["origin", "schedule", "wake"]
    assert not hard


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[schedule]]\nstart = "24:01"\n', '2: [schedule] start: got "24:01"; expected a time'),
        ('[[schedule]]\nstart = "7:00"\n', '2: [schedule] start: got "7:00"; expected a time'),
        ("[[schedule]]\nend = 07:00:00\n", "2: [schedule] end: got 07:00:00; expected a time"),
        ('[[schedule]]\ndays = ["mon", "day"]\n', '2: [schedule] days: got "day"; expected mon,'),
        ('[node]\ntimezone = "Europe/Rome"\n', '2: [node] timezone: got "Europe/Rome"; expected'),
        ('[[wake]]\nmac = "00:16:3e:12:34"\n', '2: [wake] mac: got "00:16:3e:12:34"; expected'),
        ('[[wake]]\npeer = "me"\n', '2: [wake] peer: got "me"; expected a peer id'),
        ('[[wake]]\ninterface = "br lan"\n', '2: [wake] interface: got "br lan"; expected a'),
        (WAKE.replace("mac", "#"), "2: [wake] mac: missing; expected a MAC address"),
        ('[[origin]]\nname = "v2"\n', '2: [origin] name: got "v2"; expected a name of 1 to 32'),
        ('[[origin]]\nurl = "ftp://a"\n', '2: [origin] url: got "ftp://a"; expected an address'),
        ('[[origin]]\nhosts = ["a/b"]\n', '2: [origin] hosts: got "a/b"; expected a host such'),
        (ORIGIN.replace("url", "#"), "2: [origin] url: missing; expected an address"),
        ("[schedule]\n", "1: [schedule]: expected [[schedule]], one section per schedule"),
    ],
)
def test_mistakes_in_repeated_sections(text: str, line: str, toml: Load) -> None:
    assert refused(toml, text).startswith(f"kwaainet.toml:{line}")


def test_sections_are_those_of_the_schema() -> None:
    config = load(None, NO_FILE, {"peer": [PEER_A]})
    kinds = [section for section in SECTIONS if section not in (Origin, Schedule, Wake)]
    assert [type(section) for section in config.sections()] == kinds
    for section in config.sections():
        assert set(section.origins) == {option.name for option in section.options()}

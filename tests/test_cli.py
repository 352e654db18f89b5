"""The command line: as a program (status, streams, exact lines) and its parser."""

import json
import os
import platform
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge import cli
from edge.config.errors import ConfigError
from edge.config.schema import every_option
from edge.version import VERSION

PEER = "/ip4/192.0.2.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


def kwaainet(*args: str, cwd: Path | None = None, **environ: str) -> tuple[int, str, str]:
    """(status, standard output, standard error) of `kwaainet ARGS`."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("KWAAINET_")}
    env["KWAAINET_CONFIG"] = "/dev/null"
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "edge", *args],
        capture_output=True,
        text=True,
        timeout=30,
        env={**env, **environ},
        cwd=cwd,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_version() -> None:
    for flag in ("--version", "-V"):
        status, out, err = kwaainet(flag)
        assert (status, err) == (0, "")
        version, target, python, ciphers = out.splitlines()
        assert version == f"kwaainet {VERSION}"
        assert target == "target   source install"
        assert python == f"python   cpython {platform.python_version()}"
        assert ciphers.startswith("ciphers  cryptography ")


def test_selftest_is_for_the_binary() -> None:
    assert kwaainet("selftest") == (
        2,
        "",
        "selftest is for the static binary; here, use `make unit`\n",
    )


def test_help_is_an_answer_and_no_command_is_a_mistake() -> None:
    status, out, err = kwaainet("help")
    assert (status, err) == (0, "")
    for verb in cli.COMMANDS:
        assert f"\n  {verb.name}" in out
    assert kwaainet("--help") == (0, out, "")
    assert kwaainet() == (2, "", out)


def test_help_on_a_command() -> None:
    status, out, err = kwaainet("help", "run")
    assert (status, err) == (0, "")
    assert (
        "  --relay-max-circuits N\n"
        "      Maximum number of open circuits; auto: derived from the memory limit."
        ' (1 to 65536, or\n      "auto"; default auto)\n'
    ) in out
    assert kwaainet("run", "--help") == (0, out, "")
    status, out, err = kwaainet("peers", "-h")
    assert (status, err) == (0, "")
    assert "--watch" in out


def test_output_cut_by_its_reader_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "edge", "help", "run"]
    program = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(writer)
    assert (program.returncode, program.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["stauts"], 'kwaainet: unknown command "stauts"; did you mean status?'),
        (["help", "rum"], 'kwaainet: unknown command "rum"; did you mean run?'),
        (["run", "--lisen", "x"], "--lisen: unknown flag; did you mean --listen?"),
        (["run", "--comfig=x"], "--comfig: unknown flag; did you mean --config?"),
        (["-x"], "-x: unknown flag; `kwaainet help` shows what there is"),
        (["run", "--mode"], "--mode: got nothing; expected auto, full, light or relay"),
        (
            ["run", "--mode", "--listen", "x"],
            "--mode: got nothing; expected auto, full, light or relay",
        ),
        (["run", "--config"], "--config: got nothing; expected a path"),
        (["ping", "x", "--count"], "--count: got nothing; expected a value, N"),
        (
            ["ping", "x", "--count", "-1"],
            '--count: got "-1"; expected a whole number from 1 to 9999999',
        ),
        (["dht", "get", "k", "--subkey", "a", "--subkey", "b"], "--subkey: given twice"),
        (["status", "--json=1"], '--json: got "1"; expected no value'),
        (["run", "--json"], "--json: not a flag of `kwaainet run`"),
        (["run", "extra"], 'kwaainet run: got "extra"; expected nothing'),
        (["connect"], "kwaainet connect: got nothing; expected ADDR"),
        (["ping", "a", "b\n"], 'kwaainet ping: got "a" "b\\n"; expected ADDR'),
        (
            ["run", "--config", "/nonexistent"],
            "/nonexistent: cannot be read: No such file or directory",
        ),
        (["run", "--mode", "x\x1b"], '--mode: got "x\\x1b"; expected auto, full, light or relay'),
    ],
)
def test_mistakes_are_one_line_and_status_2(args: list[str], line: str) -> None:
    assert kwaainet(*args) == (2, "", line + "\n")


def test_check_config_says_ok_and_what_differs(tmp_path: Path) -> None:
    (tmp_path / "k.toml").write_text("[relay]\n\nmax_circuits = 12\n")
    args = ["check-config", "--config", "k.toml", "--relay-data=5M", "--peer", PEER]
    status, out, err = kwaainet(*args, cwd=tmp_path, KWAAINET_MODE="relay", KWAAINET_HOME="x")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "OK",
        "# ignored: environment KWAAINET_HOME",
        "[node]",
        'mode = "relay"  # environment KWAAINET_MODE',
        "[relay]",
        "max_circuits = 12  # k.toml:3",
        'data = "5M"  # --relay-data',
        "[[peer]]",
        f'address = "{PEER}"  # --peer',
    ]


def test_check_config_show_writes_a_file_that_says_the_same(tmp_path: Path) -> None:
    status, out, err = kwaainet("check-config", "--show", "--mode", "light", "--data-dir", "é")
    assert (status, err) == (0, "")
    (tmp_path / "k.toml").write_text(out)
    _, again, _ = kwaainet("check-config", "--show", KWAAINET_CONFIG=str(tmp_path / "k.toml"))
    values = [[line.split("  # ")[0] for line in text.splitlines()] for text in (out, again)]
    assert values[0] == values[1]
    assert 'mode = "light"' in values[0]


def test_check_config_refuses_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "k.toml").write_text("[relay]\nmax_circuits = 'many'\n")
    assert kwaainet("check-config", "--config", "k.toml", cwd=tmp_path) == (
        2,
        "",
        'k.toml:2: [relay] max_circuits: got "many"; expected a whole number from 1'
        ' to 65536, or "auto"\n',
    )


def test_tier_needs_no_node_and_writes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "missing"
    status, out, err = kwaainet("tier", "--data-dir", str(directory))
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if line[:1].isalpha()] == [
        "Hardware",
        "Tier",
        "Reasons",
        "This version does not serve inference yet, whatever the mode.",
    ]
    assert not directory.exists()


def test_tier_as_json_with_forced_parts() -> None:
    args = ["tier", "--json", "--tier-router=yes", "--tier-blocks", "5"]
    status, out, err = kwaainet(*args)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["profile"]["memory"] > 0
    assert (found["decision"]["mode"], found["decision"]["tier"]) == ("relay", 3)
    _, out, _ = kwaainet(*args, "--mode", "full")
    decision = json.loads(out)["decision"]
    assert (decision["mode"], decision["blocks"]) == ("full", [5, 5])
    assert decision["reasons"][0].endswith("left to itself it would be relay.")


def test_unprintable_environment_is_no_traceback() -> None:
    status, out, err = kwaainet("check-config", **{"KWAAINET_\udcff\n": "x"})
    assert (status, err) == (0, "")
    assert out == "OK\n# ignored: environment KWAAINET_\\udcff\\n\n"


def test_id_is_made_once_and_kept_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    status, out, err = kwaainet("id", "--data-dir", str(directory))
    assert (status, err) == (0, "")
    assert out.startswith("12D3KooW")
    assert kwaainet("id", KWAAINET_DATA_DIR=str(directory)) == (0, out, "")
    assert stat.S_IMODE((directory / "identity.key").stat().st_mode) == 0o600


def test_id_says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = kwaainet("id", "--data-dir", str(tmp_path / "file" / "x"))
    assert (status, out) == (1, "")
    assert err == f"{tmp_path}/file/x: cannot be created: Not a directory\n"
    (tmp_path / "identity.key").write_bytes(b"nonsense")
    (tmp_path / "identity.key").chmod(0o600)
    status, out, err = kwaainet("id", "--data-dir", str(tmp_path))
    assert (status, out) == (1, "")
    assert err.startswith(f"{tmp_path}/identity.key: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "flag", "backend"),
    [("", "pure", "pure"), ("pure", "native", "cryptography"), ("auto", "auto", "cryptography")],
)
def test_the_chosen_ciphers_are_used(
    variable: str, flag: str, backend: str, tmp_path: Path
) -> None:
    program = (
        "import os; from edge import cli;"
        f"assert cli.main(['id', '--crypto={flag}', '--data-dir={tmp_path}']) == 0;"
        "from edge import crypto; print(crypto.BACKEND.split()[0], os.environ['KWAAINET_CRYPTO'])"
    )
    env = {**os.environ, "KWAAINET_CONFIG": "/dev/null", "KWAAINET_CRYPTO": variable}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30, env=env)
    assert done.stdout.splitlines()[1] == f"{backend} {variable}"


def test_missing_native_ciphers_are_one_line(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None; from edge import cli;"
        f"sys.exit(cli.main(['id', '--crypto=native', '--data-dir={tmp_path}']))"
    )
    env = {**os.environ, "KWAAINET_CONFIG": "/dev/null"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        '--crypto: [node] crypto: got "native"; expected auto or pure, as '
    )
    assert done.stderr.count("\n") == 1


def test_flags_may_stand_anywhere_and_take_both_forms() -> None:
    args = cli.parse(["--config", "k", "--mode=full", "ping", "--listen", "-", "ADDR", "--count=3"])
    assert args.positionals == ["ping", "ADDR"]
    assert args.file == "k"
    assert args.flags == {"mode": ["full"], "listen": ["-"]}
    assert args.switches == {"count": "3"}


def test_two_dashes_end_the_flags() -> None:
    assert cli.parse(["ping", "--", "--mode"]).positionals == ["ping", "--mode"]


def test_repeated_flags_are_kept_in_order() -> None:
    args = cli.parse(["run", "--listen", "a", "--peer=", "--listen", "b"])
    assert args.flags == {"listen": ["a", "b"], "peer": [""]}


def test_an_equals_sign_in_a_value_stays() -> None:
    assert cli.parse(["run", "--data-dir=a=b"]).flags == {"data-dir": ["a=b"]}


def test_the_parser_leaves_the_heavy_modules_alone() -> None:
    program = (
        "import sys; from edge import cli; from edge.config.load import load;"
        "load(None, {'KWAAINET_CONFIG': ''}, cli.parse(['run', '--mode', 'relay']).flags);"
        "print(*sorted({'argparse', 'difflib', 'tomllib', 'typing', 're', 'logging', 'dataclasses',"
        " 'enum', 'inspect', 'ipaddress'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); {program}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = done.stdout.split()
    if Path("/etc/kwaainet/kwaainet.toml").exists():
        loaded = [name for name in loaded if name not in ("tomllib", "re", "typing", "enum")]
    assert loaded == []


@pytest.mark.parametrize("word", ["--", "-", "--=", "---", "--=x", "--\n", "--" + "x" * 100000])
def test_odd_words_are_refused_or_taken_never_worse(word: str) -> None:
    try:
        cli.parse([word])
    except ConfigError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 300


def test_a_switch_means_the_same_in_every_command_that_has_it() -> None:
    """The command line is taken apart before the command is known."""
    operands: dict[str, set[str]] = {}
    for command in cli.COMMANDS:
        for name, operand, _ in command.switches:
            operands.setdefault(name, set()).add(operand)
    assert all(len(given) == 1 for given in operands.values()), operands
    flags = {option.flag for option in every_option() if option.flag} | {"config", "help"}
    assert not operands.keys() & flags

"""The Debian package by Debian's own tools: dpkg-deb, lintian, man, bash, systemd-analyze.

The program in it is a stand-in. images_tests/ installs the real one in a machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from email import message_from_string
from pathlib import Path

import pytest

from cross.targets import TARGETS
from debian.package import manual, recipe
from edge.cli import COMMANDS
from edge.config.load import load
from edge.config.schema import every_option
from edge.version import VERSION

ARCHITECTURES = {"amd64", "arm64", "armhf"}


def output(*command: str | Path, **more: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True, **more).stdout  # type: ignore[call-overload, no-any-return]


def test_the_fields(package: Path, standin: Path) -> None:
    fields = message_from_string(output("dpkg-deb", "-f", package))
    assert (fields["Package"], fields["Version"]) == ("kwaainet", VERSION)
    assert fields["Architecture"] == "amd64"
    assert int(fields["Installed-Size"]) * 1024 >= standin.stat().st_size
    assert package.name == f"kwaainet_{VERSION}_amd64.deb"


def test_what_is_in_it(package: Path) -> None:
    found = {}
    for line in output("dpkg-deb", "-c", package).splitlines():
        mode, owner, *_, path = line.split()
        assert owner == "0/0"
        assert mode in ("drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x")
        found[path.removeprefix("./")] = mode
    files = {path for path in found if not path.endswith("/")}
    assert {path for path in files if found[path] == "-rwxr-xr-x"} == {"usr/bin/kwaainet"}
    assert {path for path in files if path.startswith("etc/")} == {"etc/kwaainet/kwaainet.toml"}
    assert "usr/lib/systemd/system/kwaainet.service" in files
    assert output("dpkg-deb", "-I", package, "conffiles") == "/etc/kwaainet/kwaainet.toml\n"


def test_the_sums_are_those_of_the_files(package: Path, root: Path) -> None:
    output(
        "md5sum",
        "--check",
        "--strict",
        input=output("dpkg-deb", "-I", package, "md5sums"),
        cwd=root,
    )


def test_the_same_files_give_the_same_bytes(package: Path, standin: Path) -> None:
    assert recipe.build("x86_64", standin, VERSION)[1] == package.read_bytes()


def test_every_architecture_has_its_target(standin: Path) -> None:
    assert set(recipe.ARCHITECTURES.values()) == ARCHITECTURES
    assert set(recipe.ARCHITECTURES) <= set(TARGETS)
    for target, arch in recipe.ARCHITECTURES.items():
        assert recipe.build(target, standin, VERSION)[0] == f"kwaainet_{VERSION}_{arch}.deb"


def test_lintian_has_nothing_to_say(package: Path) -> None:
    """Overrides count, hints that are not needed do not."""
    words = [
        "lintian",
        "--allow-root",
        "--fail-on",
        "error,warning",
        "--display-level",
        ">=warning",
    ]
    assert output(*words, package) == ""


def test_the_scripts_are_sh(tmp_path: Path) -> None:
    scripts = [str(recipe.FILES / name) for name in ("postinst", "prerm", "postrm")]
    output("shellcheck", *scripts)


def test_systemd_takes_the_unit(root: Path) -> None:
    """As it lies in the package, on a system that has little more than that."""
    (root / "bin").mkdir()
    (root / "bin/kill").symlink_to("../usr/bin/kwaainet")
    unit = "kwaainet.service"
    for name in ("sysinit.target", "basic.target", "shutdown.target", "network.target"):
        (root / "usr/lib/systemd/system" / name).write_text("[Unit]\nDescription=there\n")
    said = output("systemd-analyze", "verify", "--man=no", f"--root={root}", unit)
    assert said == ""


def test_systemd_rates_the_unit() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    said = output(*command, recipe.FILES / "kwaainet.service")
    found = re.search(r"Overall exposure level for kwaainet\.service: ([\d.]+)", said)
    assert found is not None
    assert float(found[1]) <= 2.0  # of 10


def test_the_user_is_one_that_sysusers_makes(root: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    output("systemd-sysusers", f"--root={tmp_path}", root / "usr/lib/sysusers.d/kwaainet.conf")
    user = (tmp_path / "etc/passwd").read_text()
    assert re.fullmatch(r"kwaainet:x:\d+:\d+:KwaaiNet node:/var/lib/kwaainet:\S*/nologin\n", user)


def test_the_configuration_is_valid_as_it_is_and_with_everything_in_it(tmp_path: Path) -> None:
    shipped = (recipe.FILES / "kwaainet.toml").read_text()
    assert all(not values for values in tomllib.loads(shipped).values())
    file = tmp_path / "kwaainet.toml"
    file.write_text(re.sub(r"^#(?=\[|\w+ = )", "", shipped, flags=re.MULTILINE))
    given = tomllib.loads(file.read_text())
    assert given["node"]["network"] and given["schedule"][0]["mode"] == "paused"
    load(str(file), {}, {"data-dir": [str(tmp_path)]})


def test_the_manual_page_has_every_command_and_option(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.1"
    file.write_text(manual.page())
    env = {**os.environ, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["man", "--warnings", "-l", str(file)], capture_output=True, text=True, env=env, check=True
    )
    assert done.stderr == ""
    lines = [line.strip() for line in done.stdout.splitlines()]
    for command in COMMANDS:
        assert any(line.startswith(" ".join([command.name, *command.operands])) for line in lines)
    for option in every_option():
        assert not option.flag or any(line.startswith(f"--{option.flag} ") for line in lines)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["he"], {"health", "help"}),
        (["cache", "pi"], {"pin"}),
        (["status", "--js"], {"--json"}),
        (
            ["run", "--relay-max-cir"],
            {
                "--relay-max-circuits",
                "--relay-max-circuits-per-ip",
                "--relay-max-circuits-per-peer",
            },
        ),
    ],
)
def test_bash_completes(words: list[str], offered: set[str], tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(manual.completion())
    line = " ".join(["kwaainet", *words])
    script = f"""
        . {file}
        COMP_WORDS=({line}) COMP_CWORD={len(words)}
        _kwaainet && printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert set(output("bash", "-euc", script).split()) == offered


def test_the_changelog_begins_with_this_version() -> None:
    assert (recipe.FILES / "changelog").read_text().startswith(f"kwaainet ({VERSION}) ")

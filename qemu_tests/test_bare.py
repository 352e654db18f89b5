"""On a machine that lacks nearly everything: one clear line, never an abort.

The x86_64 binary alone in a root directory of its own: no libc, no /proc, no /dev, no /etc.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from cross.targets import TARGETS
from edge.version import VERSION
from qemu_tests.emulated import build

pytestmark = pytest.mark.netns  # needs root, for chroot and mounts
PEER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
LISTEN = ("--listen", "/ip4/127.0.0.1/tcp/0")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with the binary in it."""
    binary = tmp_path / "kwaainet"
    binary.write_bytes(build(TARGETS["x86_64"]).read_bytes())
    binary.chmod(0o755)
    return tmp_path


def run(root: Path, *args: str, writable: bool = True, memory: str = "") -> tuple[int, str, str]:
    """(status, output, errors) of `kwaainet ARGS` in `root`; a node is stopped when it is ready.

    `memory`: a directory in `root` that can be written in any case.
    """
    mount = (
        f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && " if not writable else ""
    )
    if memory:
        mount += f"mount -t tmpfs tmpfs {root}{memory} && "
    command = ["unshare", "--mount", "sh", "-c", f'{mount} exec chroot {root} /kwaainet "$@"', "sh"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, *args], stdout=subprocess.PIPE, stderr=log, text=True, env={}
        )
        assert process.stdout is not None
        out = process.stdout.readline()
        if out.startswith("ready "):
            process.send_signal(signal.SIGTERM)
        out += process.stdout.read()
        status = process.wait(60)
        log.seek(0)
        return status, out, log.read()


def complaints(errors: str) -> list[str]:
    """The lines that are not the log's."""
    return [line for line in errors.splitlines() if " info " not in line]


def test_runs_with_nothing_around_it(root: Path) -> None:
    status, out, errors = run(root, "run", *LISTEN, "--data-dir", "/data")
    assert status == 0
    assert out.startswith("ready peer_id=12D3Koo")
    assert "Traceback" not in errors
    assert {line.split()[1] for line in errors.splitlines()} <= {"info", "warning"}


def test_says_what_it_is_without_proc_and_dev(root: Path) -> None:
    status, out, errors = run(root, "--version")
    assert (status, errors) == (0, "")
    assert out.startswith(f"kwaainet {VERSION}\n")


def test_a_name_without_resolv_conf_is_no_failure(root: Path) -> None:
    (root / "c.toml").write_text(f'[[peer]]\naddress = "/dnsaddr/nowhere.invalid/p2p/{PEER}"\n')
    status, out, errors = run(root, "run", *LISTEN, "--data-dir", "/data", "--config", "/c.toml")
    assert status == 0, errors
    assert out.startswith("ready ")
    assert "Traceback" not in errors


def test_a_read_only_root_without_data_is_one_line(root: Path) -> None:
    status, out, errors = run(root, "run", *LISTEN, "--data-dir", "/data", writable=False)
    assert (status, out) == (1, "")
    line = "kwaainet: /data: cannot be the data directory: Read-only file system"
    assert complaints(errors) == [line]


def test_a_read_only_data_directory_is_one_line(root: Path) -> None:
    (root / "data").mkdir()
    status, out, errors = run(root, "run", *LISTEN, "--data-dir", "/data", writable=False)
    assert (status, out) == (1, "")
    (line,) = complaints(errors)
    assert "Read-only file system" in line


def test_a_read_only_data_directory_with_a_key_will_do(root: Path) -> None:
    """There is nothing to keep in it, and so nothing to lock against; status goes elsewhere."""
    (root / "run").mkdir()
    assert run(root, "id", "--data-dir", "/data")[0] == 0
    args = ("run", *LISTEN, "--data-dir", "/data", "--run-dir", "/run/kwaainet")
    status, out, errors = run(root, *args, writable=False, memory="/run")
    assert (status, out[:6]) == (0, "ready ")
    assert "Traceback" not in errors


def test_a_missing_configuration_is_one_line(root: Path) -> None:
    status, out, errors = run(root, "run", "--config", "/etc/kwaainet.toml")
    assert (status, out) == (2, "")
    assert errors.count("\n") == 1


def test_time_zones_need_no_files(root: Path) -> None:
    status, out, errors = run(root, "selftest")
    assert (status, errors) == (0, "")
    assert "passed time zones from TZ strings\n" in out
    assert out.endswith("all passed\n")

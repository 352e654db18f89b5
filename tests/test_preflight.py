"""`check-config` refuses what `run` would refuse, in the same words, and starts nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config.errors import shown

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "KWAAINET_CONFIG": "/dev/null"}
WITHOUT = "import sys; sys.modules[{!r}] = None; from edge.__main__ import main; sys.exit(main())"


def kwaainet(*words: str, missing: str = "") -> tuple[int, str, str]:
    """(status, standard output, standard error); `missing`: a module that is not installed."""
    program = ["-c", WITHOUT.format(missing)] if missing else ["-m", "edge"]
    done = subprocess.run(
        [sys.executable, *program, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=ENVIRONMENT,
    )
    return done.returncode, done.stdout, done.stderr


def refused(directory: Path, *words: str, missing: str = "") -> str:
    """The line of both commands."""
    words = (*(() if "--data-dir" in words else ("--data-dir", str(directory))), *words)
    checked = kwaainet("check-config", *words, missing=missing)
    assert checked[:2] == (2, "")
    assert kwaainet("check-config", "--hard", *words, missing=missing) == checked
    assert kwaainet("run", "--mode", "relay", *words, missing=missing) == checked
    return checked[2]


@pytest.mark.parametrize(
    ("listen", "other"),
    [
        ("/ip4/0.0.0.0/tcp/4001", "/ip4/127.0.0.1/tcp/4001"),
        ("/ip4/127.0.0.1/tcp/4001", "/ip4/0.0.0.0/tcp/4001"),
        ("/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001"),
        ("/ip6/::/tcp/4001", "/ip6/::1/tcp/4001"),
        ("/ip6/::1/tcp/4001", "/ip6/0:0:0:0:0:0:0:1/tcp/4001"),
    ],
)
def test_addresses_that_clash(listen: str, other: str, tmp_path: Path) -> None:
    other_shown = other.replace("0:0:0:0:0:0:0:1", "::1")
    rest = f'got "{other_shown}"; expected an address that does not clash with {listen}\n'
    assert refused(tmp_path, "--listen", listen, "--listen", other) == (
        f"--listen: [node] listen: {rest}"
    )
    http = ("--status-http", "yes", "--status-http-listen", other)
    assert refused(tmp_path, "--listen", listen, *http) == (
        f"--status-http-listen: [status] http_listen: {rest}"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--listen", "/ip4/0.0.0.0/tcp/4001", "--listen", "/ip6/::/tcp/4001"),
        ("--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.1/tcp/0"),
        ("--listen", "/ip4/127.0.0.1/tcp/1", "--listen", "/ip4/127.0.0.2/tcp/1"),
        ("--listen", "/ip4/127.0.0.1/tcp/9464"),  # http is off
        ("--memory-limit", "64M"),
        ("--loop", "asyncio", "--crypto", "pure"),
        ("--run-dir", "nosuch/../nosuch"),
    ],
)
def test_what_can_be_run_is_not_refused_and_nothing_is_made(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    directory = tmp_path / "a" / "b"
    status, out, err = kwaainet("check-config", "--data-dir", str(directory), *words)
    assert (status, err) == (0, "")
    assert out.startswith("OK\n")
    assert list(tmp_path.iterdir()) == []


def test_a_loop_that_is_not_installed(tmp_path: Path) -> None:
    assert refused(tmp_path, "--loop", "uvloop", missing="uvloop") == (
        '--loop: [node] loop: got "uvloop"; expected auto: it is not installed\n'
    )


def test_ciphers_that_are_not_installed(tmp_path: Path) -> None:
    line = refused(tmp_path, "--crypto", "native", missing="cryptography")
    assert line.startswith('--crypto: [node] crypto: got "native"; expected auto or pure, as ')


def test_directories_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for path, fault in (
        (tmp_path / "file", tmp_path / "file"),
        (tmp_path / "file" / "below" / "it", tmp_path / "file"),
        (tmp_path / "link", tmp_path / "link"),
    ):
        rest = f"got {shown(str(path))}; expected a directory, but {shown(str(fault))} is none\n"
        assert refused(tmp_path, "--data-dir", str(path)) == f"--data-dir: [node] data_dir: {rest}"
        assert refused(tmp_path / "data", "--run-dir", str(path)) == (
            f"--run-dir: [node] run_dir: {rest}"
        )
    assert not (tmp_path / "data").exists()


def test_no_file_of_the_node_is_opened(tmp_path: Path) -> None:
    """Root asks before a start, and the node's user may have laid anything there: a FIFO blocks."""
    os.mkfifo(tmp_path / "identity.key")
    status, out, _ = kwaainet("check-config", "--data-dir", str(tmp_path), "--memory-limit", "60M")
    assert (status, out[:3]) == (0, "OK\n")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("crypto", ["auto", "pure"])
def test_too_little_memory_by_an_estimate(loop: str, crypto: str, tmp_path: Path) -> None:
    """Which is below the truth, so that nothing is refused that could be run."""
    words = ("--data-dir", str(tmp_path), "--loop", loop, "--crypto", crypto)
    needed = []
    for command in ("check-config", "run"):
        status, out, err = kwaainet(command, *words, "--memory-limit", "16M")
        assert (status, out) == (2, "")
        (line,) = [line for line in err.splitlines() if "memory_limit" in line]
        found = re.fullmatch(
            r"--memory-limit: \[node\] memory_limit: got 16M; expected (\d+)M or more, as the node"
            r" itself takes \d+M here",
            line,
        )
        assert found, line
        needed.append(int(found[1]))
    estimated, real = needed
    assert real - 4 <= estimated <= real

"""The systemd unit of the Debian package: a node serves under its filter of system calls.

systemd itself does not run here, but in images_tests/. Its groups of system calls are those of its
systemd-analyze, and libseccomp has the kernel enforce them.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.go_peer import P2pd
from tests.counterparts.syscalls import filtered

UNIT = Path(__file__).parents[1] / "debian" / "files" / "kwaainet.service"
MIB = 1 << 20


def setting(name: str) -> list[str]:
    """The values of all its lines."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


def group(name: str) -> set[str]:
    """The system calls of one of systemd's groups."""
    command = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    words = [
        line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith("#")
    ]
    return expanded(words)


def expanded(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        found |= group(word) if word.startswith("@") else {word}
    return found


def allowed() -> set[str]:
    """Lists with a ~ take away. @default is there whenever there is a list at all."""
    found = group("@default")
    for value in setting("SystemCallFilter"):
        words = value.removeprefix("~").split()
        found = found - expanded(words) if value.startswith("~") else found | expanded(words)
    return found


def families() -> list[int]:
    return [getattr(socket, name) for name in setting("RestrictAddressFamilies")[0].split()]


@pytest.mark.peers
@asynchronous(60)
async def test_a_node_relays_under_the_filter() -> None:
    within = filtered(sorted(allowed()), families())
    async with EdgeNode(Setup(within=within)) as relay:
        assert relay.process is not None
        assert is_filtered(relay.process.pid)
        at = await relay.direct()
        async with (
            P2pd(Setup(listen=(), relays=[at])) as listener,
            P2pd(Setup(listen=())) as dialer,
        ):
            await dialer.transfer(listener.circuit(at), MIB)
        assert (await relay.status())["bytes"]["to_listeners"] >= MIB
        assert not [line for line in relay.log().splitlines() if "not permitted" in line]


def is_filtered(pid: int) -> bool:
    return "Seccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()


RAW = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
PLAIN = "import socket; socket.socket()"


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (["python3", "-c", RAW], True),
        (["chroot", "/", "true"], True),
        (["python3", "-c", PLAIN], False),
    ],
    ids=["a raw socket", "another root", "a connection"],
)
def test_the_filter_refuses_what_a_node_does_not_do(command: list[str], refused: bool) -> None:
    """Tried by root, to whom the kernel alone would not refuse it."""
    within = filtered(sorted(allowed()), families())
    done = subprocess.run([*within, *command], capture_output=True, text=True, check=False)
    assert ("Operation not permitted" in done.stderr) == refused, done.stderr
    assert (done.returncode != 0) == refused

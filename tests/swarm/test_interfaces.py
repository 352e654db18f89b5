"""The machine's addresses as rtnetlink tells them, compared to iproute2 in a namespace."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.swarm import interfaces
from edge.wire.ip import format_ip4, format_ip6, parse_ip4, parse_ip6

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFIT = {"tentative", "dadfailed", "deprecated", "temporary"}

READ = """
from edge.swarm.interfaces import addresses
for ip, name in addresses():
    print(ip.hex(), name)
"""


def shown(found: list[interfaces.Address]) -> list[tuple[str, str]]:
    return [(format_ip4(ip) if len(ip) == 4 else format_ip6(ip), name) for ip, name in found]


class Namespace:
    def __init__(self, name: str) -> None:
        self.name = name
        self.enter = ["ip", "netns", "exec", name]

    def ip(self, *words: str) -> str:
        command = ["ip", "-n", self.name, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def read(self) -> list[tuple[str, str]]:
        """What addresses() says inside."""
        command = [*self.enter, sys.executable, "-c", READ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        return shown([(bytes.fromhex(ip), name) for ip, name in lines])

    def known_to_iproute(self) -> list[tuple[str, str]]:
        return [
            (address["local"], link["ifname"].partition("@")[0])
            for link in json.loads(self.ip("-j", "addr"))
            for address in link["addr_info"]
            if not UNFIT & {key for key, value in address.items() if value is True}
        ]


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A namespace with lo and one end of a veth pair up, the other one down."""
    assert os.getuid() == 0, "needs root"
    namespace = Namespace(f"kwif{os.getpid()}")
    subprocess.run(["ip", "netns", "add", namespace.name], check=True)
    try:
        namespace.ip("link", "set", "lo", "up")
        namespace.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        namespace.ip("link", "set", "v0", "up")
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "del", namespace.name], check=True)


# --- one reading ---


def test_this_machine_has_a_loopback() -> None:
    assert (b"\x7f\0\0\x01", "lo") in interfaces.addresses()


@pytest.mark.netns
def test_as_iproute_has_it(netns: Namespace) -> None:
    netns.ip("addr", "add", "192.0.2.1/24", "dev", "v0")
    netns.ip("addr", "add", "192.0.2.2/24", "dev", "v0")  # secondary: IPv6's flag "temporary"
    netns.ip("addr", "add", "10.0.0.1", "peer", "10.0.0.2", "dev", "v0")
    netns.ip("addr", "add", "198.51.100.1/24", "dev", "v1", "label", "v1:label")  # a link down
    netns.ip("addr", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    netns.ip("addr", "add", "fd00::1", "peer", "fd00::2", "dev", "lo")
    netns.ip("addr", "add", "2001:db8::de/64", "dev", "v0", "nodad", "preferred_lft", "0")
    netns.ip("addr", "add", "2001:db8::7e/64", "dev", "v0")  # no carrier: tentative for long
    found = netns.read()
    assert sorted(found) == sorted(netns.known_to_iproute())
    assert set(found) >= {
        ("127.0.0.1", "lo"),
        ("192.0.2.2", "v0"),
        ("10.0.0.1", "v0"),
        ("198.51.100.1", "v1"),
        ("2001:db8::1", "v0"),
        ("fd00::1", "lo"),
    }
    gone = {"2001:db8::de", "2001:db8::7e", "10.0.0.2", "fd00::2"}
    assert not gone & {ip for ip, _ in found}


@pytest.mark.netns
def test_temporary_addresses_are_left_out(netns: Namespace) -> None:
    set_up = "echo 2 > /proc/sys/net/ipv6/conf/v0/use_tempaddr"
    subprocess.run([*netns.enter, "sh", "-c", set_up], check=True)
    netns.ip("link", "set", "v1", "up")
    netns.ip("addr", "add", "2001:db8::1/64", "dev", "v0", "nodad", "mngtmpaddr")
    deadline = time.monotonic() + 60
    while "temporary" not in netns.ip("addr"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    of_v0 = [ip for ip, name in netns.read() if name == "v0" and ip.startswith("2001")]
    assert of_v0 == ["2001:db8::1"]


@pytest.mark.netns
def test_a_dump_of_many_messages(netns: Namespace) -> None:
    batch = "".join(f"addr add 10.1.{i // 250}.{i % 250 + 1}/32 dev v0\n" for i in range(900))
    subprocess.run(["ip", "-n", netns.name, "-batch", "-"], input=batch, text=True, check=True)
    found = netns.read()
    assert len(found) > 900
    assert sorted(found) == sorted(netns.known_to_iproute())


@pytest.mark.netns
def test_a_table_has_a_capacity(netns: Namespace) -> None:
    batch = "".join(f"addr add 10.1.{i // 250}.{i % 250 + 1}/32 dev v0\n" for i in range(1100))
    subprocess.run(["ip", "-n", netns.name, "-batch", "-"], input=batch, text=True, check=True)
    assert len(netns.read()) == interfaces.MAX_ADDRESSES


# --- changes ---

WATCH = """
import asyncio, os, socket, sys, time
from edge.swarm.interfaces import Watcher
async def main():
    loop = asyncio.get_running_loop()
    def changed():
        print("changed", *sorted(ip.hex() for ip, *_ in watcher.networks), flush=True)
    watcher = Watcher(loop, changed)
    print("watching", flush=True)
    done = loop.create_future()
    def command():
        word = sys.stdin.readline().strip()
        if word == "close":
            watcher.close()
        elif word == "block":
            print("blocking", flush=True)
            sys.stdin.readline()
        else:
            return done.set_result(None)
        print("done", flush=True)
    loop.add_reader(0, command)
    await done
    watcher.close()
main = main()
if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main)
else:
    asyncio.run(main)
"""


class Watching:
    """A process with a Watcher, inside."""

    def __init__(self, netns: Namespace, loop: str = "asyncio") -> None:
        self.process = subprocess.Popen(
            [*netns.enter, sys.executable, "-u", "-c", WATCH, loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "watching"

    def line(self) -> str:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        return out.readline().strip()

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def rest(self) -> str:
        """What it says until its end."""
        return self.process.communicate("end\n", timeout=10)[0]


@pytest.mark.netns
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_change_is_told_once(netns: Namespace, loop: str) -> None:
    watching = Watching(netns, loop)
    began = time.monotonic()
    netns.ip("addr", "add", "192.0.2.1/24", "dev", "v0")
    netns.ip("addr", "add", "192.0.2.2/24", "dev", "v0")
    line = watching.line()
    assert time.monotonic() - began > interfaces.DEBOUNCE * 0.9
    assert {"c0000201", "c0000202"} <= set(line.split())
    netns.ip("addr", "del", "192.0.2.1/24", "dev", "v0")
    line = watching.line()
    assert "c0000201" not in line
    assert watching.rest() == ""


@pytest.mark.netns
def test_an_ipv6_address_is_told_when_it_is_usable(netns: Namespace) -> None:
    watching = Watching(netns)
    netns.ip("addr", "add", "2001:db8::1/64", "dev", "v0")
    time.sleep(1.5)
    netns.ip("link", "set", "v1", "up")  # a carrier: the check for duplicates can begin
    wanted = parse_ip6("2001:db8::1").hex()
    deadline = time.monotonic() + 60
    while wanted not in watching.line():
        assert time.monotonic() < deadline
    watching.rest()


def lives(seconds: str) -> tuple[str, ...]:
    return "valid_lft", seconds, "preferred_lft", seconds


@pytest.mark.netns
def test_what_changes_nothing_is_not_told(netns: Namespace) -> None:
    netns.ip("addr", "add", "2001:db8::1/64", "dev", "v0", "nodad", *lives("1000"))
    watching = Watching(netns)
    netns.ip("addr", "change", "2001:db8::1/64", "dev", "v0", *lives("2000"))
    netns.ip("addr", "add", "192.0.2.1/24", "dev", "v0")
    netns.ip("addr", "del", "192.0.2.1/24", "dev", "v0")
    time.sleep(interfaces.DEBOUNCE + 0.5)
    assert watching.rest() == ""


@pytest.mark.netns
def test_lost_messages_lose_no_change(netns: Namespace) -> None:
    watching = Watching(netns)
    watching.say("block")
    assert watching.line() == "blocking"
    batch = "".join(f"addr add 10.1.{i // 250}.{i % 250 + 1}/32 dev v0\n" for i in range(800))
    subprocess.run(["ip", "-n", netns.name, "-batch", "-"], input=batch, text=True, check=True)
    assert dropped(netns, watching.process.pid) > 0
    watching.say("go on")
    assert watching.line() == "done"
    line = watching.line()
    assert parse_ip4("10.1.3.50").hex() in line
    assert len(line.split()) > 800
    netns.ip("addr", "flush", "dev", "v0")  # and it goes on watching
    assert len(watching.line().split()) < 10
    watching.rest()


def dropped(netns: Namespace, pid: int) -> int:
    """Messages the kernel could not put into the process's netlink sockets."""
    command = [*netns.enter, "cat", "/proc/net/netlink"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in lines.splitlines()[1:]]
    return sum(int(row[8]) for row in rows if int(row[2]) == pid)


@pytest.mark.netns
def test_nothing_is_told_after_close(netns: Namespace) -> None:
    watching = Watching(netns)
    netns.ip("addr", "add", "192.0.2.1/24", "dev", "v0")
    watching.say("close")
    assert watching.line() == "done"
    netns.ip("addr", "add", "192.0.2.2/24", "dev", "v0")
    time.sleep(interfaces.DEBOUNCE + 0.5)
    assert watching.rest() == ""


# --- refused ---

# A seccomp filter under which socket(AF_NETLINK, ...) fails with EACCES, as in a strict sandbox.
REFUSED = """
import asyncio, ctypes, platform, struct
number = {"x86_64": 41, "aarch64": 198, "armv7l": 281}[platform.machine()]
def step(code, yes, no, value):
    return struct.pack("=HBBI", code, yes, no, value)
program = b"".join([
    step(0x20, 0, 0, 0), step(0x15, 0, 3, number),  # the system call
    step(0x20, 0, 0, 16), step(0x15, 0, 1, 16),  # its first argument
    step(0x06, 0, 0, 0x50000 | 13), step(0x06, 0, 0, 0x7FFF0000),
])
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(6, ctypes.addressof(buffer))), 0, 0) == 0
from edge.swarm.interfaces import Watcher, addresses
assert addresses() == addresses() == []
async def main():
    watcher = Watcher(asyncio.get_running_loop(), lambda: print("changed"))
    assert watcher.networks == []
    watcher.close()
asyncio.run(main())
"""


def test_refused_netlink_is_said_once() -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1)[1] for line in done.stderr.splitlines()]
    assert lines == [
        'warning interfaces-unknown reason="Permission denied"',
        'warning interfaces-unwatched reason="Permission denied"',
    ]


# --- parsing ---


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def test_wide_flags_rule_over_narrow_ones() -> None:
    head = struct.pack("=BBBBI", 10, 64, 0x40, 0, 7)
    ip = attribute(1, b"\x20\x01" + b"\0" * 14)
    assert interfaces.parse_address(head + ip) is None
    assert interfaces.parse_address(head + ip + attribute(8, b"\0\0\0\0")) is not None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("=BBBBI", 2, 24, 0, 0, 1)[:-1],
        struct.pack("=BBBBI", 2, 24, 0, 0, 1) + attribute(1, b"\x7f\0\0"),
        struct.pack("=BBBBI", 2, 24, 0, 0, 1) + attribute(1, b"\x7f\0\0\1")[:-1],
        struct.pack("=BBBBI", 2, 24, 0, 0, 1) + b"\0\0\1\0",
        struct.pack("=BBBBI", 2, 24, 0, 0, 1) + attribute(1, b"\x7f\0\0\1") + attribute(8, b"\0"),
    ],
)
def test_malformed_addresses(payload: bytes) -> None:
    with pytest.raises(OSError, match="Bad message"):
        interfaces.parse_address(payload)


@given(st.binary(max_size=200))
def test_any_message(data: bytes) -> None:
    with contextlib.suppress(OSError):
        assert len(list(interfaces.messages(data))) <= len(data) // 16


@given(st.sampled_from([2, 10, 1]), st.binary(max_size=100))
def test_any_address(family: int, data: bytes) -> None:
    with contextlib.suppress(OSError):
        found = interfaces.parse_address(struct.pack("=BBBBI", family, 0, 0, 0, 1) + data)
        assert found is None or len(found[0]) in (4, 16)

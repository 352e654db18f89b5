"""The relays under test: how each is started, pinned and stopped.

A relay runs on the last core and the load on the others, unless told otherwise or there is only
one. Every relay listens on loopback only.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import builds

MANY = "8192"
READY_SECONDS = 20
_TICKS = os.sysconf("SC_CLK_TCK")
# Limits that would turn away a load that comes from one address; sizes stay at their defaults.
OPEN_LIMITS = (
    *("--mode", "relay", "--relay-service", "yes", "--relay-client", "no"),
    *("--relay-max-reservations", MANY, "--relay-max-reservations-per-ip", MANY),
    *("--relay-max-circuits", MANY, "--relay-max-circuits-per-peer", "4096"),
    *("--max-connections", MANY, "--max-connections-per-ip", MANY),
    *("--max-pending-handshakes", "1024", "--memory-limit", "1G", "--log-level", "warning"),
    *("--adapt-enabled", "no"),  # the load takes the processor, and must not look like a household
)
HAPROXY = """
global
    maxconn 4096
    nbthread 1
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port}
    server listener 127.0.0.1:{behind}
"""


class Cores:
    """Who runs where. `shared`: everyone everywhere, as the scheduler likes."""

    def __init__(self, shared: bool = False) -> None:
        usable = sorted(os.sched_getaffinity(0))
        apart = len(usable) > 1 and not shared
        self.relay = usable[-1:] if apart else usable
        self.load = usable[:-1] if apart else usable


class RelayError(Exception):
    """A relay did not start, or ended by itself."""


class Place:
    """Where a relay runs: a directory of its own, and these cores."""

    def __init__(self, directory: Path, cpus: Sequence[int]) -> None:
        self.directory = directory
        self.cpus = cpus


class Relay:
    """A running relay. `target`: the load's arguments that point at it."""

    def __init__(self, command: Sequence[str | Path], place: Place) -> None:
        self._log = place.directory / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=pinned(place.cpus),
            )
        self.target: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        return self.process.pid

    def await_address(self, pattern: str, form: str) -> None:
        """Wait until `pattern` shows on standard output; `form` makes the address of its groups."""
        found = self.await_said(pattern)
        self.target = ("-relay", found.expand(form))

    def await_said(self, pattern: str) -> re.Match[str]:
        """Wait until `pattern` shows on standard output."""
        assert self.process.stdout is not None
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while selector.select(READY_SECONDS):
                piece = os.read(self.process.stdout.fileno(), 4096)
                said += piece
                found = re.search(pattern, said.decode(errors="replace"))
                if found is not None:
                    return found
                if not piece:
                    break
        self.stop()
        raise RelayError(f"not ready: {said!r} {self._log.read_text()[-500:]}")

    def await_port(self, port: int) -> None:
        """Wait until it accepts connections."""

        def accepts() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        self.await_that(accepts)

    def await_that(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, of one that says nothing."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if ready():
                return
            time.sleep(0.01)
        self.stop()
        raise RelayError(f"not ready: {self._log.read_text()[-500:]}")

    def memory(self) -> dict[str, int]:
        """Resident bytes now: all, and those that no file backs; of its children, too."""
        sums = {"rss": 0, "anonymous": 0}
        for pid in self.family():
            text = Path(f"/proc/{pid}/status").read_text()
            for name, field in (("rss", "VmRSS"), ("anonymous", "RssAnon")):
                found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
                sums[name] += int(found[1]) * 1024 if found else 0  # a child that is ending
        return sums

    def cpu_seconds(self) -> float:
        """Processor time so far, with that of its children."""
        return sum(_cpu_seconds(pid) for pid in self.family())

    def family(self) -> list[int]:
        """The process and all that it started and that still lives."""
        found = [self.pid]
        for pid in found:
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(word) for word in path.read_text().split()]
        return found

    def complaint(self) -> str:
        """The end of what it logged, and whether it has ended."""
        ended = self.process.poll()
        state = "" if ended is None else f"the relay ended with status {ended}; "
        return state + self._log.read_text()[-500:].strip()

    def stop(self) -> None:
        if self.process.poll() is None:
            family = self.family()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Kind:
    """One relay to measure. Of one that is not `libp2p` only the bulk figures are taken."""

    def __init__(self, name: str, start: Callable[[Place], Relay], libp2p: bool = True) -> None:
        self.name = name
        self.libp2p = libp2p
        self._start = start

    def start(self, scratch: Path, cpus: Sequence[int]) -> Relay:
        directory = tempfile.mkdtemp(prefix=f"{self.name}-", dir=scratch)
        return self._start(Place(Path(directory), cpus))


def ours(name: str, command: Sequence[str]) -> Kind:
    """The node; `command` is put before its arguments."""

    return Kind(name, lambda place: start_node(command, place))


def start_node(command: Sequence[str], place: Place, *options: str) -> Relay:
    listen = ("--listen", _any_address(), "--data-dir", place.directory / "data")
    relay = Relay([*command, "run", *listen, *OPEN_LIMITS, *options], place)
    relay.await_address(r"ready peer_id=(\S+) listen=(\S+)\n", r"\2/p2p/\1")
    return relay


def go() -> Kind:
    program = builds.go_programs() / "relay"
    return Kind("go-libp2p", lambda place: says_address([program], place))


def rust() -> Kind:
    program = builds.rust_relay()
    return Kind("rust-libp2p", lambda place: says_address([program], place))


def js() -> Kind:
    def start(place: Place) -> Relay:
        return says_address(builds.js_relay(place.directory), place)

    with tempfile.TemporaryDirectory() as scratch:  # install now, not when the clock runs
        builds.js_relay(Path(scratch))
    return Kind("js-libp2p", start)


def haproxy() -> Kind:
    program = builds.haproxy()

    def start(place: Place) -> Relay:
        port, behind = free_ports(2)
        configuration = place.directory / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(port=port, behind=behind))
        relay = Relay([program, "-db", "-f", configuration], place)
        relay.await_port(port)
        relay.target = (
            *("-direct", f"127.0.0.1:{port}"),
            *("-direct-listen", f"127.0.0.1:{behind}"),
        )
        return relay

    return Kind("haproxy", start, libp2p=False)


def _cpu_seconds(pid: int) -> float:
    """Of all its threads and of the children that have ended. To a tick, or better: the kernel's
    account of a thread that runs counts nanoseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, ended = (sum(map(int, fields[at : at + 2])) / _TICKS for at in (11, 13))
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return max(own, sum(int(path.read_text().split()[0]) for path in threads) / 1e9) + ended


def pinned(cpus: Sequence[int], realtime: bool = False) -> Callable[[], None]:
    """What a child does before its program: keep to `cpus`; `realtime`: go before all others."""

    def prepare() -> None:
        os.sched_setaffinity(0, cpus)
        if realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    return prepare


def says_address(command: Sequence[str | Path], place: Place) -> Relay:
    relay = Relay([*command, _any_address()], place)
    relay.await_address(r"(/ip4/\S+/tcp/\d+/p2p/\w+)\s", r"\1")
    return relay


def _any_address() -> str:
    return f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}"


def free_ports(count: int) -> list[int]:
    """Free now, and below the range from which the kernel takes ports for connections."""
    found: list[int] = []
    for port in range(20000 + os.getpid() % 5000, 32768):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise RelayError("no free port between 20000 and 32768")

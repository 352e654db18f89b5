"""python -m bench.cache: the gateway beside nginx: warm and cold, one client and sixteen.

Prints a table and the targets, and writes bench/results/. A file of FILE bytes stands at an origin
(nginx). Warm: our gateway serves it from its store, nginx from its disk, both by sendfile. Cold:
both fetch it from the origin while clients wait, nginx by proxy_cache with a lock; once more from
an origin at the end of a line of LINE bytes a second, which few have at home. Clients discard
what they receive in the kernel, so that they cost little. Memory is what the gateway adds to a node
without one: idle, with CLIENTS clients of the file, and after the file was served. One core for
the server and the others for origin and clients, unless there is only one.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import random
import re
import selectors
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import builds, relays, report
from bench.relays import Cores, Place, Relay

FILE = 1 << 30
QUICK_FILE = 256 << 20
CLIENTS = 16
LINE = 118 << 20  # a gigabit
ROUNDS = 3
PATIENCE = 120.0  # seconds for one client
LIST = 1 << 16
RESULTS = builds.HERE / "results"
NAME = "file.bin"
_LIMITS = "worker_connections 256;"
NGINX = """
daemon off;
pid {at}/pid;
error_log stderr crit;
events {{ {limits} }}
http {{
    log_format sent $body_bytes_sent;
    access_log {at}/access.log sent;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {at}/a;
    proxy_temp_path {at}/b;
    fastcgi_temp_path {at}/c;
    uwsgi_temp_path {at}/d;
    scgi_temp_path {at}/e;
    {cache}
    server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""
_STATIC = "location / {{ root {root}; {more} }}"
_CACHE = "proxy_cache_path {at}/cache levels=1 keys_zone=z:10m max_size=20g;"
_PROXY = """
    location / {{
        proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_cache_valid 200 1h;
        proxy_cache_lock on; proxy_cache_lock_timeout 300s; proxy_cache_lock_age 300s;
        proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_max_temp_file_size 20480m;
    }}
"""

Row = dict[str, Any]
Start = Callable[[Place, int, int], Relay]  # a server in a place, at a port, of an origin's port


class Client:
    """Asks for the file once. `received`: bytes of the body so far."""

    def __init__(self, port: int, path: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(PATIENCE)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        self.sock.sendall(request.encode())
        self.received = 0
        self.length = -1

    def step(self, buffer: bytearray) -> bool:
        """Take what is there; whether that was all."""
        if self.length < 0:
            return self._head()
        got = self.sock.recv_into(buffer, len(buffer), socket.MSG_TRUNC)
        self.received += got
        if self.received < self.length and not got:
            raise RuntimeError(f"the body ended at {self.received} of {self.length} bytes")
        return self.received >= self.length

    def _head(self) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.sock.recv(LIST)
            if not piece:
                raise RuntimeError(f"no answer, but {head[:200]!r}")
            head += piece
        lines, _, body = head.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)", lines)
        if not lines.startswith(b"HTTP/1.1 200") or found is None:
            raise RuntimeError(lines.decode("latin-1")[:300])
        self.length = int(found[1])
        self.received = len(body)
        return self.received >= self.length


def download(port: int, path: str, count: int, look: Callable[[], None] = lambda: None) -> float:
    """Seconds until `count` clients at once have the file. `look` is called now and then."""
    buffer = bytearray(LIST * 16)
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as ends:
        for _ in range(count):
            client = Client(port, path)
            ends.callback(client.sock.close)
            selector.register(client.sock, selectors.EVENT_READ, client)
        looked = 0.0
        while selector.get_map():
            events = selector.select(PATIENCE)
            if not events:
                raise RuntimeError("nothing came for too long")
            for key, _ in events:
                if key.data.step(buffer):
                    selector.unregister(key.fileobj)
            if time.perf_counter() - looked > 0.05:
                looked = time.perf_counter()
                look()
    return time.perf_counter() - began


class Origin:
    """nginx with the file. `sent`: bytes of bodies so far."""

    def __init__(self, scratch: Path, size: int, cores: Cores) -> None:
        place = Place(scratch / "origin", cores.load)
        place.directory.mkdir()
        root = place.directory / "root"
        root.mkdir()
        made = random.Random(1)
        with (root / NAME).open("wb") as file:
            for _ in range(size >> 20):
                file.write(made.randbytes(1 << 20))
        self.root = root
        self.size = size
        [self.port] = relays.free_ports(1)
        self._log = place.directory / "access.log"
        self.server = nginx(place, self.port, _STATIC.format(root=root, more=""))
        self.line = relays.free_ports(2)[1]
        far = Place(scratch / "far", cores.load)
        far.directory.mkdir()
        more = f"limit_rate {LINE};"
        self._far = nginx(far, self.line, _STATIC.format(root=root, more=more))

    def stop(self) -> None:
        self.server.stop()
        self._far.stop()

    def sent(self) -> int:
        return sum(map(int, self._log.read_text().split()))


def nginx(place: Place, port: int, location: str, cache: str = "") -> Relay:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    text = NGINX.format(
        at=place.directory, limits=_LIMITS, port=port, location=location, cache=cache
    )
    config = place.directory / "nginx.conf"
    config.write_text("worker_processes 1;\nuser root;\n" + text)
    server = Relay([program, "-c", config, "-p", place.directory, "-e", "stderr"], place)
    server.await_port(port)
    return server


def static(root: Path) -> Start:
    return lambda place, port, _: nginx(place, port, _STATIC.format(root=root, more=""))


def proxy(place: Place, port: int, origin: int) -> Relay:
    cache = _CACHE.format(at=place.directory)
    return nginx(place, port, _PROXY.format(origin=origin), cache)


def gateway(command: Sequence[str], on: bool = True) -> Start:
    """Our node; `on`: with its gateway."""

    def start(place: Place, port: int, origin: int) -> Relay:
        config = place.directory / "kwaainet.toml"
        listen = f'gateway_listen = ["/ip4/127.0.0.1/tcp/{port}"]'
        config.write_text(
            f'[cache]\ngateway = {str(on).lower()}\n{listen}\nsize = "20G"\n'
            f'[[origin]]\nname = "o"\nurl = "http://127.0.0.1:{origin}"\n'
        )
        server = relays.start_node(command, place, "--config", str(config))
        if on:
            server.await_port(port)
        return server

    return start


@contextlib.contextmanager
def running(start: Start, scratch: Path, cores: Cores, origin: int) -> Iterator[tuple[Relay, int]]:
    """A server with nothing in its cache, and its port; its directory is removed at the end."""
    directory = Path(tempfile.mkdtemp(dir=scratch))
    port = relays.free_ports(2)[1]  # a node listens for peers at the first
    server = start(Place(directory, cores.relay), port, origin)
    try:
        yield server, port
    finally:
        server.stop()
        shutil.rmtree(directory)


def transfer(server: Relay, port: int, path: str, count: int, size: int) -> Row:
    """MB/s and processor seconds a GB of `count` clients at once, and the most memory meanwhile."""
    most = [0]

    def look() -> None:
        most[0] = max(most[0], server.memory()["anonymous"])

    before = server.cpu_seconds()
    seconds = download(port, path, count, look)
    cpu = server.cpu_seconds() - before
    moved = size * count
    return {
        "mb_per_second": moved / seconds / 1e6,
        "cpu_seconds_per_gb": cpu / moved * 1e9,
        "anonymous": most[0],
    }


def best(rows: list[Row]) -> Row:
    """The median of each figure."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def measure(
    starts: dict[str, tuple[Start, str]], scratch: Path, origin: Origin, cores: Cores, rounds: int
) -> dict[str, dict[str, Row]]:
    """By server and figure. Rounds alternate between the servers."""
    found: dict[str, dict[str, list[Row]]] = {name: {} for name in starts}
    for _ in range(rounds):
        for name, (start, path) in starts.items():
            for count in (1, CLIENTS):
                sent = origin.sent()
                with running(start, scratch, cores, origin.port) as (server, port):
                    cold = transfer(server, port, path, count, origin.size)
                    time.sleep(0.2)  # for the origin's log
                    cold["upstream"] = (origin.sent() - sent) / origin.size
                    found[name].setdefault(f"cold_{count}", []).append(cold)
                    download(port, path, 1)
                    warm = transfer(server, port, path, count, origin.size)
                    found[name].setdefault(f"warm_{count}", []).append(warm)
            with running(start, scratch, cores, origin.line) as (server, port):
                far = transfer(server, port, path, 1, origin.size)
                found[name].setdefault("line_1", []).append(far)
    return {name: {figure: best(rows) for figure, rows in by.items()} for name, by in found.items()}


def memory(command: Sequence[str], scratch: Path, origin: Origin, cores: Cores) -> dict[str, int]:
    """Resident bytes that the gateway adds: idle, and at most with CLIENTS cold clients."""
    with running(gateway(command, on=False), scratch, cores, origin.port) as (server, _):
        time.sleep(2)
        without = server.memory()["rss"]
    with running(gateway(command), scratch, cores, origin.port) as (server, port):
        time.sleep(2)
        idle = server.memory()["rss"]
        most = [idle]
        path = f"/o/{NAME}"
        download(port, path, CLIENTS, lambda: most.append(server.memory()["rss"]))
        return {"off": without, "idle": idle - without, f"clients_{CLIENTS}": max(most) - without}


def table(found: dict[str, dict[str, Row]]) -> str:
    """As Markdown."""
    figures = [f"{kind}_{count}" for kind in ("warm", "cold") for count in (1, CLIENTS)]
    figures.append("line_1")
    lines = ["| server | " + " | ".join(f"{figure} MB/s, CPU-s/GB" for figure in figures) + " |"]
    lines.append("|---|" + "---|" * len(figures))
    for name, by in found.items():
        cells = [
            f"{by[figure]['mb_per_second']:.0f}, {by[figure]['cpu_seconds_per_gb']:.2f}"
            for figure in figures
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(found: dict[str, dict[str, Row]], ours: str, added: dict[str, int]) -> list[str]:
    """What is asked of `ours`, a line for each target."""
    mine = found[ours]
    lines = []

    def say(text: str, value: float, limit: float, at_least: bool = False) -> None:
        met = value >= limit if at_least else value <= limit
        lines.append(f"{'met' if met else 'MISSED'}: {text}: {value:.2f}, asked {limit:.2f}")

    for count in (1, CLIENTS):
        warm, peer = mine[f"warm_{count}"], found["nginx static"][f"warm_{count}"]
        ratio = warm["mb_per_second"] / peer["mb_per_second"]
        say(f"warm, {count}: MB/s of nginx's", ratio, 0.9, at_least=True)
        ratio = warm["cpu_seconds_per_gb"] / peer["cpu_seconds_per_gb"]
        say(f"warm, {count}: CPU-s/GB of nginx's", ratio, 1.5)
        cold, peer = mine[f"cold_{count}"], found["nginx proxy_cache"][f"cold_{count}"]
        ratio = cold["mb_per_second"] / peer["mb_per_second"]
        say(f"cold, {count}: MB/s of nginx's", ratio, 0.9, at_least=True)
    far = mine["line_1"]["mb_per_second"] / found["nginx proxy_cache"]["line_1"]["mb_per_second"]
    say("cold at a gigabit line, 1: MB/s of nginx's", far, 0.9, at_least=True)
    say(f"{CLIENTS} cold clients: upstream bytes", mine[f"cold_{CLIENTS}"]["upstream"], 1.01)
    say("RSS added, idle, MB", added["idle"] / 1e6, 1)
    say(f"RSS added, {CLIENTS} clients, MB", added[f"clients_{CLIENTS}"] / 1e6, 8)
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a file of 256 MB, one round")
    parser.add_argument(
        "--ours", metavar="COMMAND", help="the node to measure, instead of this one"
    )
    parser.add_argument("--directory", type=Path, help="where files are kept, instead of /tmp")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else ROUNDS
    size = QUICK_FILE if arguments.quick else FILE
    command = arguments.ours.split() if arguments.ours else [sys.executable, "-P", "-m", "edge"]
    cores = Cores()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        scratch = Path(name)
        origin = Origin(scratch, size, cores)
        try:
            starts: dict[str, tuple[Start, str]] = {
                "ours": (gateway(command), f"/o/{NAME}"),
                "nginx static": (static(origin.root), f"/{NAME}"),
                "nginx proxy_cache": (proxy, f"/{NAME}"),
            }
            found = measure(starts, scratch, origin, cores, rounds)
            added = memory(command, scratch, origin, cores)
        finally:
            origin.stop()
    print(table(found))
    print()
    print("\n".join(targets(found, "ours", added)))
    RESULTS.mkdir(exist_ok=True)
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d-%H%M")
    path = RESULTS / f"{today}-{report.commit()}-cache.json"
    facts = {"machine": report.machine(cores), "size": size, "servers": found, "memory": added}
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

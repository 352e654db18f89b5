"""Names resolved through dnsmasq (Debian's dnsmasq-base), and what dead and lying servers do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvloop

from edge.swarm import dns
from edge.swarm.dns import resolve
from edge.wire.multiaddr import Multiaddr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
B = "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ"


def dnsmasq() -> str:
    path = shutil.which("dnsmasq", path=os.environ["PATH"] + ":/usr/sbin")
    if path is None and os.getuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "dnsmasq-base"], check=True)
        path = shutil.which("dnsmasq", path=os.environ["PATH"] + ":/usr/sbin")
    assert path is not None, "dnsmasq is missing. Run: sudo apt-get install dnsmasq-base"
    return path


def free_port() -> int:
    for port in random.sample(range(20000, 32000), 100):
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        with tcp, udp, contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def txt(name: str, *strings: str) -> str:
    return f"--txt-record=_dnsaddr.{name}," + ",".join(strings)


RECORDS = [
    txt("two.test", f"dnsaddr=/ip4/192.0.2.1/tcp/4001/p2p/{A}"),
    txt("two.test", f"dnsaddr=/ip6/2001:db8::1/tcp/4001/p2p/{B}"),
    txt("two.test", f"dnsaddr=/ip4/192.0.2.1/udp/4001/quic-v1/p2p/{A}"),  # nothing for TCP
    txt("two.test", "v=spf1 -all"),
    txt("two.test", "dnsaddr=/ip4/192.0.2.1/tcp/99999"),
    txt("joined.test", "dnsaddr=/ip4/192.0.2.2", f"/tcp/4001/p2p/{A}"),
    txt("names.test", f"dnsaddr=/dns4/localhost/tcp/7/p2p/{A}"),
    txt("names.test", f"dnsaddr=/dnsaddr/two.test/p2p/{A}"),
    txt("names.test", f"dnsaddr=/dns4/relay.test/tcp/7/p2p/{B}/p2p-circuit/p2p/{A}"),
    txt("loop.test", "dnsaddr=/dnsaddr/loop.test"),
    txt("loop.test", "dnsaddr=/dnsaddr/loop2.test"),
    txt("loop2.test", "dnsaddr=/dnsaddr/loop.test"),
    txt("loop2.test", "dnsaddr=/ip4/192.0.2.3/tcp/1"),
    *[txt(f"deep{i}.test", f"dnsaddr=/dnsaddr/deep{i + 1}.test") for i in range(6)],
    *[txt(f"deep{i}.test", f"dnsaddr=/ip4/192.0.2.{i}/tcp/1") for i in range(6)],
    *[txt("many.test", f"dnsaddr=/ip4/192.0.2.{i}/tcp/4001/p2p/{A}") for i in range(20)],
    *[txt("bomb.test", f"dnsaddr=/dnsaddr/bomb{i}.test") for i in range(40)],
    *[txt(f"bomb{i}.test", "dnsaddr=/ip4/192.0.2.9/udp/9") for i in range(40)],
]


@contextlib.contextmanager
def serving(port: int, *options: str, log: Path | None = None) -> Iterator[None]:
    command = [
        *(dnsmasq(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
        *("--pid-file=", "--user=", "--group=", "--listen-address=127.0.0.1", "--bind-interfaces"),
        *(f"--port={port}", "--local=/test/", "--cache-size=0", *options),
    ]
    if log is not None:
        command += ["--log-queries", f"--log-facility={log}"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while True:
            assert process.poll() is None, "dnsmasq ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    port = free_port()
    with serving(port, *RECORDS):
        yield "127.0.0.1", port


def resolved(address: str, *servers: tuple[str, int]) -> list[str]:
    return [str(one) for one in asyncio.run(resolve(Multiaddr.from_string(address), None, servers))]


@pytest.mark.parametrize(
    "address",
    [
        "/ip4/192.0.2.1/tcp/4001",
        f"/ip6/2001:db8::1/udp/4001/quic-v1/p2p/{A}",
        f"/dns4/relay.test/tcp/4001/p2p/{A}/p2p-circuit",
    ],
)
def test_what_has_nothing_to_resolve_comes_back(address: str) -> None:
    assert resolved(address) == [address]


# --- /dnsaddr ---


def test_dnsaddr(server: tuple[str, int]) -> None:
    assert set(resolved("/dnsaddr/two.test", server)) == {
        f"/ip4/192.0.2.1/tcp/4001/p2p/{A}",
        f"/ip6/2001:db8::1/tcp/4001/p2p/{B}",
    }


def test_dnsaddr_with_a_peer_takes_only_that_peers(server: tuple[str, int]) -> None:
    assert resolved(f"/dnsaddr/two.test/p2p/{B}", server) == [f"/ip6/2001:db8::1/tcp/4001/p2p/{B}"]
    assert resolved(f"/dnsaddr/loop2.test/p2p/{B}", server) == []


def test_strings_of_one_record_are_one_address(server: tuple[str, int]) -> None:
    assert resolved("/dnsaddr/joined.test", server) == [f"/ip4/192.0.2.2/tcp/4001/p2p/{A}"]


def test_names_behind_dnsaddr(server: tuple[str, int]) -> None:
    assert set(resolved(f"/dnsaddr/names.test/p2p/{A}", server)) == {
        f"/ip4/127.0.0.1/tcp/7/p2p/{A}",
        f"/ip4/192.0.2.1/tcp/4001/p2p/{A}",
        f"/dns4/relay.test/tcp/7/p2p/{B}/p2p-circuit/p2p/{A}",
    }


def test_loops_end(server: tuple[str, int]) -> None:
    assert resolved("/dnsaddr/loop.test", server) == ["/ip4/192.0.2.3/tcp/1"]


def test_depth_is_limited(server: tuple[str, int]) -> None:
    found = resolved("/dnsaddr/deep0.test", server)
    assert found == [f"/ip4/192.0.2.{i}/tcp/1" for i in range(dns.MAX_DEPTH + 1)]


def test_an_answer_too_long_for_udp_comes_over_tcp(server: tuple[str, int]) -> None:
    found = resolved("/dnsaddr/many.test", server)  # 20 records of 90 bytes
    every = {f"/ip4/192.0.2.{i}/tcp/4001/p2p/{A}" for i in range(20)}
    assert len(set(found)) == dns.MAX_RESULTS
    assert set(found) < every


def test_under_uvloop(server: tuple[str, int]) -> None:
    async def work() -> list[Multiaddr]:
        over_tcp = await resolve(Multiaddr.from_string("/dnsaddr/many.test"), None, [server])
        return over_tcp + await resolve(Multiaddr.from_string("/dns4/localhost/tcp/1"))

    found = uvloop.run(work())
    assert len(found) == dns.MAX_RESULTS + 1


def test_queries_are_limited(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with serving(port, *RECORDS, log=log):
        assert resolved("/dnsaddr/bomb.test", ("127.0.0.1", port)) == []
    asked = {
        line.split("query[TXT] ")[1] for line in log.read_text().splitlines() if "[TXT]" in line
    }
    assert len(asked) == dns.MAX_QUERIES


def test_a_name_that_does_not_exist(server: tuple[str, int]) -> None:
    assert resolved("/dnsaddr/nowhere.test", server) == []


def test_a_name_too_long_for_the_prefix(server: tuple[str, int]) -> None:
    assert resolved("/dnsaddr/" + ".".join(["x" * 62] * 4), server) == []


# --- dead and lying servers ---


def test_a_dead_server_costs_time_and_nothing_else(server: tuple[str, int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()
        assert resolved("/dnsaddr/two.test", silent.getsockname()) == []
        assert time.monotonic() - began >= 2
        assert len(resolved("/dnsaddr/two.test", silent.getsockname(), server)) == 2


def test_a_refused_port_is_passed_over(server: tuple[str, int]) -> None:
    assert len(resolved("/dnsaddr/two.test", ("127.0.0.1", free_port()), server)) == 2


def test_a_lost_query_is_sent_again() -> None:
    with udp_server(lambda asked, count: [honest(asked)] if count == 2 else []) as lossy:
        assert resolved("/dnsaddr/x.test", lossy) == ["/ip4/192.0.2.7/tcp/1"]


def test_lies_are_waited_past() -> None:
    def lie(asked: bytes, _: int) -> list[bytes]:
        forged = honest(asked).replace(b"192.0.2.7", b"6.6.6.6.6")
        return [
            b"",
            b"\0" * 40,
            bytes([forged[0] ^ 1]) + forged[1:],
            forged.replace(b"\x01x\x04test", b"\x01y\x04test"),
            honest(asked),
        ]

    with udp_server(lie) as liar:
        assert resolved("/dnsaddr/x.test", liar) == ["/ip4/192.0.2.7/tcp/1"]


def test_an_answer_from_elsewhere_does_not_count() -> None:
    """Another socket answers first, with the right id, to the right port."""

    def answer(asked: bytes, _: int) -> list[bytes]:
        return [honest(asked)]

    elsewhere = socket.socket(type=socket.SOCK_DGRAM)
    elsewhere.bind(("127.0.0.1", 0))
    with elsewhere, udp_server(answer, elsewhere, b"6.6.6.6.6") as server:
        assert resolved("/dnsaddr/x.test", server) == ["/ip4/192.0.2.7/tcp/1"]


@pytest.mark.parametrize("tcp_answer", [b"", b"\xff\xff", b"\0\x05abc", b"\0\x0c" + b"\0" * 12])
def test_a_broken_tcp_side(tcp_answer: bytes) -> None:
    def truncated(asked: bytes, _: int) -> list[bytes]:
        return [asked[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + asked[12:-11]]

    with udp_server(truncated) as server, socket.create_server(server) as listener:

        def serve() -> None:
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(1000)
                    sock.sendall(tcp_answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert resolved("/dnsaddr/x.test", server) == []
        thread.join()


def honest(asked: bytes) -> bytes:
    text = b"dnsaddr=/ip4/192.0.2.7/tcp/1"
    data = bytes([len(text)]) + text
    record = b"\xc0\x0c\0\x10\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data
    return asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:-11] + record


@contextlib.contextmanager
def udp_server(
    answers, elsewhere: socket.socket | None = None, instead: bytes = b""
) -> Iterator[tuple[str, int]]:
    """`answers(query, how many there have been)`: the datagrams to send back."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", free_port()))

        def serve() -> None:
            count = 0
            while True:
                asked, client = sock.recvfrom(2000)
                if not asked:
                    return
                count += 1
                if elsewhere is not None:
                    elsewhere.sendto(honest(asked).replace(b"192.0.2.7", instead), client)
                    time.sleep(0.1)
                for data in answers(asked, count):
                    sock.sendto(data, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            with socket.socket(type=socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join()


# --- /etc/resolv.conf ---


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("# no\nsearch x\nnameserver\t::1  # yes\n", ["::1"]),
        ("nameserver fe80::1%eth0\nnameserver ::2\nnameserver ::3", ["fe80::1%eth0", "::2"]),
        ("nameserver example.test\nnameserver\n\xff\n", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_system_servers(text: str, servers: list[str], tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text, "latin-1")
    assert dns.system_servers(str(path)) == [(server, 53) for server in servers]


def test_system_servers_without_a_file(tmp_path: Path) -> None:
    assert dns.system_servers(str(tmp_path / "none")) == [("127.0.0.1", 53)]


# --- /dns, /dns4, /dns6 ---


def test_names_from_the_system() -> None:
    assert resolved(f"/dns4/localhost/tcp/4001/p2p/{A}") == [f"/ip4/127.0.0.1/tcp/4001/p2p/{A}"]
    assert resolved("/dns6/ip6-localhost/tcp/1") in ([], ["/ip6/::1/tcp/1"])
    assert "/ip4/127.0.0.1/tcp/4001" in resolved("/dns/localhost/tcp/4001")
    assert resolved("/dns4/127.0.0.1/tcp/1") == ["/ip4/127.0.0.1/tcp/1"]


@pytest.mark.parametrize(
    "address",
    [
        "/dns4/localhost/udp/4001/quic-v1",
        "/dns4/localhost/tcp/443/wss",
        "/dns4/localhost",
        "/dns4/" + "x" * 64 + "/tcp/1",
        "/dns6/127.0.0.1/tcp/1",
    ],
)
def test_names_that_lead_nowhere(address: str) -> None:
    assert resolved(address) == []


RESOLVE = """
import asyncio, sys, time
from edge.swarm.dns import resolve
from edge.wire.multiaddr import Multiaddr
async def main():
    for text in sys.argv[1:]:
        began = time.monotonic()
        found = await resolve(Multiaddr.from_string(text))
        print(round(time.monotonic() - began, 1), *sorted(map(str, found)), flush=True)
asyncio.run(main())
print("out", flush=True)
"""


@pytest.fixture
def netns(tmp_path: Path) -> Iterator[list[str]]:
    """The command's beginning in a namespace with a resolv.conf of its own: 127.0.0.1."""
    assert os.getuid() == 0, "needs root"
    name = f"kwdns{os.getpid()}"
    etc = f"/etc/netns/{name}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    os.makedirs(etc)
    try:
        with open(etc + "/resolv.conf", "w") as file:
            file.write("nameserver 127.0.0.1\n")
        enter = ["ip", "netns", "exec", name]
        subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
        yield enter
    finally:
        shutil.rmtree(etc)
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.netns
def test_all_of_it_with_the_systems_own_configuration(netns: list[str]) -> None:
    command = [
        *(*netns, dnsmasq(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv"),
        *("--pid-file=", "--user=", "--group=", "--no-hosts", "--local=/test/"),
        *("--host-record=relay.test,192.0.2.1,2001:db8::1", "--log-facility=-"),
        txt("net.test", f"dnsaddr=/dns/relay.test/tcp/4001/p2p/{A}"),
    ]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        assert "started" in server.stderr.readline()
        addresses = [
            f"/dnsaddr/net.test/p2p/{A}",
            "/dns4/relay.test/tcp/1",
            "/dns6/relay.test/tcp/1",
            "/dns/relay.test/tcp/1",
            "/dns/nowhere.test/tcp/1",
        ]
        done = subprocess.run(
            [*netns, sys.executable, "-c", RESOLVE, *addresses],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        server.kill()
        server.communicate()
    found = [line.split()[1:] for line in done.stdout.splitlines()]
    assert found == [
        [f"/ip4/192.0.2.1/tcp/4001/p2p/{A}", f"/ip6/2001:db8::1/tcp/4001/p2p/{A}"],
        ["/ip4/192.0.2.1/tcp/1"],
        ["/ip6/2001:db8::1/tcp/1"],
        ["/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/tcp/1"],
        [],
        [],
    ]


SILENT = """
import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 53))
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.netns
def test_a_dead_dns_neither_raises_nor_keeps_the_process(netns: list[str]) -> None:
    silent = subprocess.Popen(
        [*netns, sys.executable, "-c", SILENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert silent.stdout is not None
        silent.stdout.readline()
        process = subprocess.Popen(
            [*netns, sys.executable, "-c", RESOLVE, "/dns/relay.test/tcp/1"],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert float(process.stdout.readline()) >= dns.TIMEOUT - 0.5
            assert process.stdout.readline() == "out\n"
            assert process.wait(timeout=60) == 0
    finally:
        silent.communicate()

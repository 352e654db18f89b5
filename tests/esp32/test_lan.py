"""What a device says by datagrams, compared with the big node's codecs."""

from __future__ import annotations

import random
import subprocess

import pytest
from devices import ROOT

from edge.crypto import Ed25519Key
from edge.wire import mdns, pcp
from edge.wire.peerid import PublicKey
from esp32.build import stage
from tests.counterparts import micropython

PEER = PublicKey(type=1, data=Ed25519Key.generate().public).peer_id()
HEAD = """
import sys
sys.path[:] = ["{folder}", "{standins}", "{boot}"]
from kw import lan
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """The lines that a text prints on a device, in which `lan` is kw.lan."""
    folder = stage(tmp_path_factory.mktemp("device"))
    standins = ROOT / "tests" / "esp32" / "device" / "standins"
    head = HEAD.format(folder=folder, standins=standins, boot=ROOT / "esp32" / "boot")
    interpreter = micropython.micropython()

    def call(text: str) -> list[str]:
        words = (interpreter, "-c", head + text)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return call


def test_its_answer_is_one_that_peers_understand(run) -> None:
    name = "0123456789abcdef0123456789abcdef"
    [line] = run(f'print(lan.answer("{name}", "{PEER}", "192.168.100.200", 4001).hex())')
    data = bytes.fromhex(line)
    assert len(data) <= 256
    [entry] = mdns.entries(mdns.decode(data))
    assert entry.peer == PEER and entry.ttl == 120
    assert [str(each.without_peer()) for each in entry.addresses] == [
        "/ip4/192.168.100.200/tcp/4001"
    ]


def test_it_answers_the_questions_of_peers_alone(run) -> None:
    question = mdns.query(mdns.SERVICE)
    strange = random.Random(1)
    others = [strange.randbytes(strange.randrange(600)) for _ in range(50)]
    others += [b"", bytes(12), question[:11], question[:2] + b"\x84" + question[3:]]
    lines = run(f"for data in {[question, *others]!r}: print(lan.asks(data))")
    assert lines == ["True", *["False"] * len(others)]


GATEWAY = """
told = []
one = lan.Lan("{peer}", 4001, told.append, lambda line: None)
one._gateway = "10.0.0.1"
for data in {answers!r}:
    one._granted(data)
print([each and each.hex() for each in told], one._wait)
"""


def test_the_gateways_answers_are_those_of_nat_pmp(run) -> None:
    public = b"\x00\x80\x00\x00" + bytes(4) + bytes((5, 1, 1, 10))
    port = b"\x00\x82\x00\x00" + bytes(4) + b"\x0f\xa1\x9c\x40" + (3600).to_bytes(4, "big")
    assert pcp.parse(public).external_ip == bytes((5, 1, 1, 10))
    assert pcp.parse(port).external_port == 40000
    refused = b"\x00\x82\x00\x02" + port[4:]
    private = public[:8] + bytes((192, 168, 1, 1))
    foreign = port[:8] + b"\0\1" + port[10:]
    for answers, told, wait in (
        ([public, port], "['040501010a069c40']", 1_800_000),
        ([public, refused], "[]", 0),
        ([public, foreign], "[]", 0),
        ([private, port], "[]", 1_800_000),
        ([b"", b"\0", public[:11], port[:15], port + b"x"], "[]", 0),
    ):
        assert run(GATEWAY.format(peer=PEER, answers=answers)) == [f"{told} {wait}"]


WAKE = """
import time
sent = []
one = lan.Lan("{peer}", 4001, print, lambda line: None)
one._open = lambda: None
one._send = lambda data, host, port: sent.append((data, host, port))
mac = bytes((1, 2, 3, 4, 5, 6))
one.wake(mac)
print(sent == [(b"\\xff" * 6 + mac * 16, "255.255.255.255", 9)])


def full():
    raise OSError(24)


one._open = full
one.wake(mac)
print(len(sent))
"""


def test_a_magic_packet_is_sent_if_there_is_a_socket(run) -> None:
    assert run(WAKE.format(peer=PEER)) == ["True", "1"]


WEEK = """
import time
now = time.ticks_ms()
one = lan.Lan("{peer}", 4001, lambda address: None, lambda line: None)
said = []
one._open = lambda: setattr(one, "_sock", one)
one._receive = lambda: False
one.close = lambda: None
one._send = lambda data, host, port: said.append(port)
one.move_to("10.0.0.2", "10.0.0.1", now)
for crowded in (False, True):
    for _ in range(7 * 24 * 60):
        now = time.ticks_add(now, 60_000)
        one.turn(now, crowded)
    asked = said.count(5351)
    one._tell = True
    one.turn(now, False)
    print(one.answers, asked, said.count(5351))
"""


def test_a_week_in_which_nobody_asks_changes_nothing(run) -> None:
    """MicroPython's ticks are compared over 6.2 days at most."""
    times = 7 * 24 * 12 * 2  # every five minutes, for the address and the port
    assert run(WEEK.format(peer=PEER)) == [f"2 {times} {times}", f"3 {times} {times + 2}"]


CALLS = """
import time
from kw.wake import Waker
sent, peer, others = [], b"peer", b"others"
now = start = time.ticks_ms()
waker = Waker({{peer: b"macmac"}}, sent.append, now, lambda line: None)
print(waker.call(others, True, now), waker.call(peer, True, now) is None, len(sent))
for _ in range(59):
    now = time.ticks_add(now, 1000)
    waker.sweep(now)
print(len(sent), waker.call(peer, False, now) is None)
for _ in range(2):
    now = time.ticks_add(now, 1000)
    waker.sweep(now)
print(waker.call(peer, True, now))
for own in (False, True):
    count = 0
    for _ in range(60):
        now = time.ticks_add(now, 60_000)
        waker.sweep(now)
        if waker.call(peer, own, now) is not None:
            count += 1
            waker.came(peer, now)
    print(count)
while time.ticks_diff(now, start) < 86_400_000:
    now = time.ticks_add(now, 60_000)
    waker.sweep(now)
print(waker.call(peer, False, now) is None)
"""


def test_a_machine_is_called_so_often_and_no_more(run) -> None:
    expected = ["None False 1", "20 False", "None", "12", "35", "False"]
    assert run(CALLS.format()) == expected

"""Peers, addresses and a clock for the tests of the peer store."""

from __future__ import annotations

from edge.wire.multiaddr import Multiaddr
from edge.wire.peerid import PeerId


def peer(number: int) -> PeerId:
    return PeerId(b"\x00\x24\x08\x01\x12\x20" + number.to_bytes(32, "big"))


def tcp(number: int, port: int = 4001) -> Multiaddr:
    return Multiaddr.from_ip((0x08000000 + number).to_bytes(4, "big"), port)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

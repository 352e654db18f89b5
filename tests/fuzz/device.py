"""What a device (esp32/kw) reads of strangers outside of libp2p, under CPython."""

from __future__ import annotations

import sys
import types
from typing import Any

from tests.esp32.devices import ROOT


def _modules() -> tuple[Any, Any]:
    """kw.lan and kw.portal, with what they take of MicroPython's own."""
    micropython = types.ModuleType("micropython")
    micropython.const = lambda value: value  # type: ignore[attr-defined]
    before = set(sys.modules)
    sys.modules["micropython"] = micropython
    sys.path.insert(0, str(ROOT / "esp32"))
    try:
        from kw import lan, portal  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
        for name in set(sys.modules) - before:
            if name == "micropython" or name.partition(".")[0] == "kw":
                del sys.modules[name]
    ticks = types.SimpleNamespace(ticks_ms=lambda: 0, ticks_diff=lambda one, other: one - other)
    lan.time = portal.time = ticks
    return lan, portal


_lan, _portal = _modules()


class _Client:
    """A browser at the setup page: what it says comes in two parts, what it hears is counted."""

    def __init__(self, said: bytes) -> None:
        self._parts = [said[: len(said) // 2], said[len(said) // 2 :], b""]
        self.heard = 0

    def read(self, most: int) -> bytes:
        part = self._parts[0]
        self._parts[0] = part[most:]
        if len(part) <= most and len(self._parts) > 1:
            self._parts.pop(0)
        return part[:most]

    def write(self, data: str | bytes) -> None:
        self.heard += len(data)

    def setblocking(self, blocks: bool) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def setup_pages(data: bytes) -> None:
    """One request to the page of the setup network; it is answered, or dropped with its client."""
    saved: list[dict[str, str]] = []
    page = _portal.Portal.__new__(_portal.Portal)
    page._peer, page._first, page._save = "peer", True, saved.append
    page._log, page._since, page._request = print, 0, b""
    page._client = client = _Client(data)
    while page._client is not None:
        page.turn(0)
        assert len(page._request) <= 1024 + 256
    assert client.heard < 2048
    for form in saved:
        assert sum(map(len, form.values())) <= len(data)


def device_datagrams(data: bytes) -> None:
    """A question of mDNS, or an answer of the gateway."""
    assert isinstance(_lan.asks(data), bool)
    told: list[bytes | None] = []
    one = _lan.Lan("peer", 4001, told.append, print)
    one._granted(data[:12])
    one._granted(data[12:])
    assert all(address is not None and len(address) == 8 for address in told)

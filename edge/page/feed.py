"""What changes on the page, to everybody who has it open: server-sent events.

A frame has the places whose text is another than before, and is made and encoded once for all. Who
has missed one, or comes anew, gets all places. A slow reader costs nothing: it is given what is new
when it has taken what was sent, and the server lets go of it if it takes nothing. While nobody
listens, nothing is kept and nothing runs.

Source: WHATWG HTML section 9.2 (server-sent events)
"""

from __future__ import annotations

import asyncio

from edge import log
from edge.units import KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.http.exchange import Exchange
    from edge.page.figures import Figures

MAX_LISTENERS = 16
_LISTENER = 24 * KIB  # bytes that one takes: its task, its connection, the frame
INTERVAL = 2.0  # seconds from frame to frame
_QUIET = 7  # of them without a frame, after which one says that the node still is there
_RETRY = "5"  # seconds
_STILL_HERE = b": still here\ndata: {}\n\n"
_HEADERS = [
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),  # nginx would hold frames back
]


class _Listener:
    __slots__ = ("ended", "may", "news", "seen")

    def __init__(self, may: Callable[[], bool]) -> None:
        self.may = may
        self.news = asyncio.Event()
        self.seen = 0  # the number of the last frame
        self.ended = False

    def end(self) -> None:
        self.ended = True
        self.news.set()


class Feed:
    """`figures`: all places, as they are now. `pool`: where the memory of listeners is leased."""

    def __init__(
        self, figures: Callable[[], Figures], pool: Pool, interval: float = INTERVAL
    ) -> None:
        self._figures = figures
        self._pool = pool
        self._interval = interval
        self._listeners: set[_Listener] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._shown: Figures = {}  # what those who have seen all have
        self._number = 0  # of the frame
        self._frame = b""
        self._whole = b""  # all places, as of that number; empty until somebody needs it
        self._quiet = 0

    @property
    def listeners(self) -> int:
        """How many there are now."""
        return len(self._listeners)

    async def serve(
        self, exchange: Exchange, headers: list[tuple[str, str]], may: Callable[[], bool]
    ) -> None:
        """Until the client leaves, or `may` says that it may not listen any more."""
        if exchange.bodiless:
            await exchange.head(200, [*_HEADERS, *headers], None)
            return
        if len(self._listeners) >= MAX_LISTENERS or not self._pool.take(_LISTENER):
            await exchange.refuse(503, "too many browsers look at it", ("Retry-After", _RETRY))
            return
        listener = _Listener(may)
        exchange.on_gone = listener.end
        try:
            self._add(listener)
            await exchange.head(200, [*_HEADERS, *headers], None)
            while not listener.ended and not exchange.gone:
                listener.news.clear()
                await exchange.data(self._next(listener))
                if listener.seen == self._number:
                    await listener.news.wait()
        finally:
            self._remove(listener)

    def close(self) -> None:
        """Let all go; who may listen comes again."""
        for listener in self._listeners:
            listener.end()

    # --- frames ---

    def _next(self, listener: _Listener) -> bytes:
        """What `listener` has not seen."""
        missed, listener.seen = self._number - listener.seen, self._number
        if missed == 1 and self._frame:
            return self._frame
        if not self._whole:
            self._whole = _encoded(self._shown)
        return self._whole

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)
        for listener in self._listeners:
            if not listener.may():
                listener.end()
        try:
            new = self._figures()
        except Exception as error:  # noqa: BLE001 - whatever it is, the page stays as it was
            log.error("page-failed", error=f"{type(error).__name__}: {error}")
            new = self._shown
        changed = {place: text for place, text in new.items() if self._shown.get(place) != text}
        self._quiet = 0 if changed else self._quiet + 1
        if changed:
            self._publish(_encoded(changed), new)
        elif self._quiet >= _QUIET:
            self._quiet = 0
            self._publish(_STILL_HERE, new)

    def _publish(self, frame: bytes, shown: Figures) -> None:
        self._number += 1
        self._frame, self._whole, self._shown = frame, b"", shown
        for listener in self._listeners:
            listener.news.set()

    # --- listeners ---

    def _add(self, listener: _Listener) -> None:
        if not self._listeners:
            self._number = 1
            self._shown = self._figures()
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)
        self._listeners.add(listener)

    def _remove(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        self._pool.give(_LISTENER)
        if not self._listeners and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._shown, self._frame, self._whole, self._quiet = {}, b"", b"", 0


def _encoded(figures: Figures) -> bytes:
    import json

    return b"data: " + json.dumps(figures, separators=(",", ":")).encode("ascii") + b"\n\n"

"""How far something is, as a bar on a terminal; on anything else it is silent."""

import shutil
import time

from edge.text import shown, size, span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TextIO

_FIRST, _INTERVAL = 0.01, 0.25  # seconds between two looks, at first and later
_WIDTH = 20
_LABEL = 30  # characters
_SMOOTH = 0.2  # the part that the newest speed has in the one shown


class Bar:
    """Of `label`, on the last line of `stream`."""

    def __init__(self, stream: "TextIO", label: str) -> None:
        self._stream = stream
        self._label = shown(label, _LABEL)
        self._visible = stream.isatty()
        self._at = time.monotonic()
        self._done = 0
        self._total = 0
        self._speed = 0.0  # bytes a second
        self._wait = _FIRST  # what is small is done soon

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self._put("")

    def show(self, done: int, total: int) -> None:
        """`done` of `total` bytes; returns when it is time to look again."""
        now = time.monotonic()
        if total != self._total or done < self._done:
            self._total, self._speed = total, 0.0
        elif now > self._at:
            speed = (done - self._done) / (now - self._at)
            self._speed += (speed - self._speed) * (_SMOOTH if self._speed else 1.0)
        self._at, self._done = now, done
        self._put(line(self._label, done, total, self._speed))
        time.sleep(self._wait)
        self._wait = min(2 * self._wait, _INTERVAL)

    def _put(self, text: str) -> None:
        if self._visible:
            columns = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{text[: columns - 1]}")
            self._stream.flush()


def line(label: str, done: int, total: int, speed: float) -> str:
    """The bar, the part, the speed and the time that is left."""
    part = min(done / total, 1.0) if total else 0.0
    bar = ("#" * round(part * _WIDTH)).ljust(_WIDTH)
    words = f"{label}  [{bar}] {part:4.0%}  {size(done)}"
    if speed > 0:
        words += f"  {speed / 1e6:.1f} MB/s  {span((total - done) / speed)} left"
    return words

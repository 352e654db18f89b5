"""Log lines on standard error: `<UTC time> <level> <event> key=value ...`, one per event.

Values may contain data from peers, so every value is escaped to printable ASCII on one line: it can
neither forge a line nor send control characters to the terminal. Each event name has a token
bucket; the next line that passes states the number of suppressed lines. If the reader of standard
error is slow, full or gone, lines are lost, without an exception or a delay. The standard `logging`
module is not used because it takes 1 MB.
"""

import os
import select
import time

LEVELS = ("debug", "info", "warning", "error")
BURST = 20.0  # lines of one event at once
PER_SECOND = 1.0  # sustained
MAX_LINE = 4096  # PIPE_BUF: written atomically, and without blocking if poll reports writable
MAX_VALUE = 512
MAX_EVENTS = 256  # buckets; further events share one

_STDOUT, _STDERR = 1, 2
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_BARE_NOT = frozenset(' "=\\')


class _Bucket:
    __slots__ = ("suppressed", "tokens", "updated")

    def __init__(self, now: float) -> None:
        self.tokens = BURST
        self.updated = now
        self.suppressed = 0

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + (now - self.updated) * PER_SECOND)
        self.updated = now
        if self.tokens < 1.0:
            self.suppressed += 1
            return False
        self.tokens -= 1.0
        return True


class _State:
    """The threshold, the buckets by event, the number of lines that could not be written, and by
    level the descriptor that they are written to.
    """

    __slots__ = ("buckets", "ends", "lost", "threshold")

    def __init__(self) -> None:
        self.ends = [_STDERR] * len(LEVELS)
        self.buckets: dict[str, _Bucket] = {}
        self.lost = 0
        self.threshold = LEVELS.index("info")


_state = _State()


def set_level(name: str) -> None:
    """Set the minimum severity to `name`, one of LEVELS; may be called at any time."""
    _state.threshold = LEVELS.index(name)


def separate() -> None:
    """Write what is below a warning to standard output: procd takes standard error for errors."""
    _state.ends[:2] = [_STDOUT] * 2


def debug(event: str, **fields: object) -> None:
    """Log for developers. `event` is a constant, such as "relay-refused"."""
    _log(0, event, fields)


def info(event: str, **fields: object) -> None:
    """Log an event of normal operation."""
    _log(1, event, fields)


def warning(event: str, **fields: object) -> None:
    """Log a problem for the operator's attention."""
    _log(2, event, fields)


def error(event: str, **fields: object) -> None:
    """Log a failure that the operator has to repair."""
    _log(3, event, fields)


def escape(text: str, limit: int = MAX_VALUE) -> str:
    """Escape `text` to printable ASCII on one line, quotes too, in at most `limit` characters.

    A truncated text ends in "...".
    """
    cut = len(text) > limit
    if cut:
        text = text[:limit]
    if not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        text = "".join([_escape_char(char) for char in text])
    return text + "..." if cut else text


def _escape_char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if " " <= char <= "~":
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _log(level: int, event: str, fields: dict[str, object]) -> None:
    if level < _state.threshold:
        return
    bucket = _bucket(event)
    if not bucket.take(time.monotonic()):
        return
    parts = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), LEVELS[level], event]
    parts += [f"{name}={_value(value)}" for name, value in fields.items()]
    if bucket.suppressed:
        parts.append(f"suppressed={bucket.suppressed}")
    if _state.lost:
        parts.append(f"lost={_state.lost}")
    if _write(" ".join(parts), _state.ends[level]):
        bucket.suppressed = _state.lost = 0
    else:
        _state.lost += 1


def _bucket(event: str) -> _Bucket:
    buckets = _state.buckets
    if event not in buckets and len(buckets) >= MAX_EVENTS:
        event = ""
    if event not in buckets:
        buckets[event] = _Bucket(time.monotonic())
    return buckets[event]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return escape(bytes(value[: MAX_VALUE // 2 + 1]).hex())
    if isinstance(value, list | tuple):
        value = ",".join([str(item) for item in value])
    text = str(value)
    if not text and isinstance(value, BaseException):
        text = type(value).__name__
    shown = escape(text)
    if shown and shown == text and _BARE_NOT.isdisjoint(text):
        return shown
    return f'"{shown}"'


def _write(line: str, end: int) -> bool:
    """Write `line` to the descriptor `end` without blocking; return whether it was written.

    O_NONBLOCK is not used: it belongs to the open file, which the parent process shares.
    """
    data = line.encode("ascii", "backslashreplace")
    if len(data) >= MAX_LINE:
        data = data[: MAX_LINE - 4] + b"..."
    try:
        poll = select.poll()
        poll.register(end, select.POLLOUT)
        if not any(ready == select.POLLOUT for _, ready in poll.poll(0)):
            return False
        return os.write(end, data + b"\n") == len(data) + 1
    except OSError:
        return False  # counted by the caller; there is no other place to report it

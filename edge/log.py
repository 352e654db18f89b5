"""Log lines on standard error: `<UTC time> <level> <event> key=value ...`, one per event.

What a peer sent ends up in the values, so every value is escaped to printable ASCII on one line:
it can neither forge a line nor reach the terminal. Each event name has a token bucket; the next
line that passes says how many were suppressed. A reader that is slow, full or gone costs lines,
never an exception and never a stall. Standard `logging` is not used: it costs a router 1 MB.
"""

import os
import select
import time

LEVELS = ("debug", "info", "warning", "error")
BURST = 20.0  # lines of one event at once
PER_SECOND = 1.0  # and in the long run
MAX_LINE = 4096  # PIPE_BUF: written in one piece, and without blocking where poll says writable
MAX_VALUE = 512
MAX_EVENTS = 256  # buckets kept; events beyond them share one

_STDERR = 2
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
    """The threshold, the buckets by event, and how many lines standard error did not take."""

    __slots__ = ("buckets", "lost", "threshold")

    def __init__(self) -> None:
        self.buckets: dict[str, _Bucket] = {}
        self.lost = 0
        self.threshold = LEVELS.index("info")


_state = _State()


def set_level(name: str) -> None:
    """Log `name` (one of LEVELS) and what is graver; may be called at any time."""
    _state.threshold = LEVELS.index(name)


def debug(event: str, **fields: object) -> None:
    """What only a developer wants. `event` is a constant: "<room> <what happened>"."""
    _log(0, event, fields)


def info(event: str, **fields: object) -> None:
    """What an operator wants to see once."""
    _log(1, event, fields)


def warning(event: str, **fields: object) -> None:
    """What an operator should look at some day."""
    _log(2, event, fields)


def error(event: str, **fields: object) -> None:
    """What an operator has to repair."""
    _log(3, event, fields)


def escape(text: str, limit: int = MAX_VALUE) -> str:
    """`text` as printable ASCII without line ends or unescaped quotes, cut to `limit` characters.

    What is cut ends in "...", so that it is not taken for the whole.
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
    if _write(" ".join(parts)):
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


def _write(line: str) -> bool:
    """Whether standard error took the line; never waits for it.

    O_NONBLOCK would do it too, but belongs to the open file, which the parent process shares.
    """
    data = line.encode("ascii", "backslashreplace")
    if len(data) >= MAX_LINE:
        data = data[: MAX_LINE - 4] + b"..."
    try:
        poll = select.poll()
        poll.register(_STDERR, select.POLLOUT)
        if not any(ready == select.POLLOUT for _, ready in poll.poll(0)):
            return False
        return os.write(_STDERR, data + b"\n") == len(data) + 1
    except OSError:
        return False  # the caller counts it; there is nowhere else to say it

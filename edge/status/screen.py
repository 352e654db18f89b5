"""A text that is shown again every few seconds: over the one before at a terminal, else below it.

At a terminal it has the whole window (the alternate screen of xterm's, which leaves what was there
as it was), follows its size, and gives it back however the command ends. A dumb terminal and a
pipe get blocks of lines with an empty line behind each.
"""

import os
import re
import select
import shutil
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Self

    Paint = Callable[["Size | None"], Sequence[str]]
    Size = tuple[int, int]  # columns, lines

REFRESH = 2.0  # seconds
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # with the cursor hidden
_HOME, _TO_LINE_END, _TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
_QUIT = b"qQ\x03\x04"
_WAKING = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)


def watch(paint: "Paint", records: bool = False) -> int:
    """Show what `paint` makes, again and again, until interrupted; the command's exit status.

    `paint` is given the size of the window, None where there is none. `records`: it makes lines for
    a program, which have no window and nothing between them.
    """
    able = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not records
    try:
        if able:
            with _Window() as window:
                while window.show(paint):
                    pass
            return 0
        while True:
            print("\n".join(paint(None) if records else [*paint(None), ""]), flush=True)
            time.sleep(REFRESH)
    except KeyboardInterrupt:
        return 0


def cut(line: str, columns: int) -> str:
    """The first `columns` of `line`, whose colours take none and all stay."""
    parts = re.split("(\x1b\\[[0-9;]*m)", line)  # every other one is a colour
    for i in range(0, len(parts), 2):
        parts[i] = parts[i][:columns]
        columns -= len(parts[i])
    return "".join(parts)


class _Window:
    """The terminal as a screen. Keys are read where Python has termios: the static binary's
    has not, and Ctrl-C ends it there.
    """

    def __init__(self) -> None:
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._keys = -1
        self._settings: list[Any] = []
        self._handlers = dict.fromkeys((*_WAKING, signal.SIGTERM), signal.SIG_DFL)

    def __enter__(self) -> "Self":
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in _WAKING:
            signal.signal(number, lambda *_: None)  # wakes, no more
            signal.siginterrupt(number, False)  # nor ends what termios does in the middle
        signal.signal(signal.SIGTERM, _end)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._woken)
        os.close(self._wake)

    def show(self, paint: "Paint") -> bool:
        """Paint the window, and wait; False: the user has had enough."""
        columns, lines = _size()
        text = [cut(line, columns) for line in paint((columns, lines))[:lines]]
        body = f"{_TO_LINE_END}\n".join(text)
        sys.stdout.write(f"{_HOME}{body}{_TO_LINE_END}{_TO_SCREEN_END}")
        sys.stdout.flush()
        return not any(self._read())

    def _read(self) -> "Iterator[bool]":
        """For each key that is pressed until it is time to paint again: whether it ends all."""
        until = time.monotonic() + REFRESH
        while (left := until - time.monotonic()) > 0:
            waiting = [self._woken] if self._keys < 0 else [self._woken, self._keys]
            ready, _, _ = select.select(waiting, [], [], left)
            if self._woken in ready:
                came = os.read(self._woken, 256)
                if signal.SIGTSTP in came:
                    self._pause()
                if signal.SIGTSTP in came or signal.SIGCONT in came:
                    self._take()
                return
            if self._keys in ready:
                pressed = os.read(self._keys, 64)
                if not pressed:  # it has hung up
                    yield True
                for key in pressed:
                    yield key in _QUIT

    def _take(self) -> None:
        """Have the window to ourselves, also when the shell has had it meanwhile."""
        if _is_behind():
            signal.raise_signal(signal.SIGTTOU)  # which stops it until the shell says `fg`
        self._take_keys()
        sys.stdout.write(_ENTER)

    def _take_keys(self) -> None:
        try:
            import termios
        except ImportError:
            return
        if not sys.stdin.isatty():
            return
        self._keys = sys.stdin.fileno()
        self._settings = self._settings or termios.tcgetattr(self._keys)
        single = termios.tcgetattr(self._keys)
        single[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self._keys, termios.TCSANOW, single)

    def _pause(self) -> None:
        """Let the shell have the window until it lets this process go on."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _give_back(self) -> None:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        if self._settings:
            import termios

            termios.tcsetattr(self._keys, termios.TCSANOW, self._settings)


def _size() -> "Size":
    """That of the window; what the environment says of one that does not know, as a serial line."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return size if all(size) else shutil.get_terminal_size()


def _is_behind() -> bool:
    """Whether the shell has started it with `&`, and has the terminal itself."""
    try:
        return os.tcgetpgrp(sys.stdout.fileno()) != os.getpgrp()
    except OSError:  # a terminal that controls nobody
        return False


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)

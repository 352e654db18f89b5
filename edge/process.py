"""The process itself: what it asks of the kernel before it serves, and its standard streams.

`begin` comes before anything else is imported, so this module needs next to nothing.

Source: signal(7), pthread_sigmask(3), core(5), PR_SET_DUMPABLE(2const),
PR_SET_PDEATHSIG(2const)
"""

import _signal  # type: ignore[import-not-found]  # signal without the enum module
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

# What a node acts on. Without a handler each would end it, or, as process 1, be lost.
_HELD = (_signal.SIGHUP, _signal.SIGUSR1, _signal.SIGTERM, _signal.SIGINT)

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # linux/prctl.h


def begin() -> None:
    """Make signals wait until `release_signals`, and have all three standard streams open."""
    hold_signals()
    _open_standard_streams()


def hold_signals() -> None:
    """Let signals wait: there are no handlers yet, or none any more."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _HELD)


def wait_for_signal(seconds: float) -> None:
    """Wait for one of those that are held, or so long."""
    _signal.sigtimedwait(_HELD, seconds)


def release_signals() -> None:
    """Take the signals that came meanwhile, and from now on each as it comes."""
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HELD)


def _open_standard_streams() -> None:
    """A standard descriptor that was closed would be the next socket's, which then gets the log."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = _nowhere()
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - for good


def is_ready() -> None:
    """The start is over: the static binary lets go of modules that it holds for the next import."""
    try:
        from _image import ready  # type: ignore[import-not-found]  # built in there
    except ImportError:
        return
    ready()


def forbid_dumps() -> None:
    """Keep the private key out of core files, and from other processes of the same user.

    A limit alone does not do for a kernel that pipes dumps to a program, as systemd's.
    """
    import resource
    from contextlib import suppress

    with suppress(OSError):  # a jail may have taken the call
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Get SIGTERM when the parent ends, however it does: a jail's supervisor that is killed."""
    _prctl(_PR_SET_PDEATHSIG, _signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    try:
        from _image import prctl  # built in there
    except ImportError:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    else:
        prctl(option, value)


def complain(line: object) -> None:
    """Print `line` on standard error, whatever becomes of it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: "TextIO") -> None:
    """Let what `stream` still holds, and what comes, go nowhere: it cannot be written."""
    nowhere = _nowhere()
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _nowhere() -> int:
    """A descriptor for what nobody is to see."""
    try:
        return os.open(os.devnull, os.O_RDWR)
    except OSError:  # a root directory without /dev: a pipe that is never read, and takes little
        import fcntl

        reader, writer = os.pipe()
        fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 3)  # for good, beside the standard streams
        os.close(reader)
        os.set_blocking(writer, False)
        return writer

"""Which version of the program this process becomes, and how a trial ends.

A version is tried by the program that was installed, at a start of `kwaainet run`. It first writes
that the trial has begun, then becomes the version (execve(2): the same process, so whoever watches
over it notices nothing). Until the version has said itself that it stays, every other start is one
of the version before: after a crash, a kill or a power cut the trial is over.

A version that hangs ends by SIGALRM: a timer of the kernel, which execve(2) preserves, and which
only a version that is ready puts off. What starts the node has to start it again, whatever it
ended by: `Restart=always`.

Source: execve(2), setitimer(2), flock(2)
"""

from __future__ import annotations

import os
import signal
import sys

from edge import log
from edge.update.errors import UpdateError
from edge.update.place import Place, State, here
from edge.update.release import is_newer
from edge.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

READY_WITHIN = 60.0  # seconds
STAYS = 300.0  # seconds from ready on
_MORE = 30.0  # seconds that a version has beyond that to say that it stays


def launch() -> None:
    """Become the version that counts; returns if that is this one."""
    found = here()
    if found is None or found[1]:
        return
    place = found[0]
    try:
        if os.stat(place.versions).st_uid != os.geteuid():
            return  # whoever may write them would be this user
        state = place.state()
    except OSError as error:
        log.warning("update-state-unreadable", error=error.strerror)
        return
    if sys.argv[1:2] == ["run"] and not {"--help", "-h"} & {*sys.argv}:
        _try(place, state)
        _become_checked(place, state)
    elif state.current and is_newer(state.current, VERSION):
        _become(place, state.current)


def _try(place: Place, state: State) -> None:
    """Begin a trial that waits; judge one that is over."""
    if not state.trial:
        return
    try:
        fd = place.lock()
        if fd < 0:
            return  # it is still being tried, or just being prepared
        state = place.state()
        if state.lock >= 0 or not state.trial:
            if state.trial:
                _refuse(place, state, "it ended before it had stayed for long enough")
            os.close(fd)
            return
        try:
            place.check(state.trial, target())
        except (UpdateError, OSError) as error:
            _refuse(place, state, error)
            os.close(fd)
            return
        state.lock = fd
        place.write(state)
        log.info("update-trial", version=state.trial)
        os.set_inheritable(fd, True)
        signal.setitimer(signal.ITIMER_REAL, READY_WITHIN)
        _become(place, state.trial)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _refuse(place, state, "it cannot be executed")
        os.close(fd)
    except OSError as error:  # a disk that is full or read-only: no trial today
        log.warning("update-trial-impossible", error=error.strerror)


def _refuse(place: Place, state: State, why: object) -> None:
    log.warning("update-refused", version=state.trial, why=why)
    state.refuse()
    place.write(state)


def _become_checked(place: Place, state: State) -> None:
    """The newest that is whole of those that have stayed."""
    for version in (state.current, state.previous):
        if not version or not is_newer(version, VERSION):
            continue
        try:
            place.check(version, target())
        except (UpdateError, OSError) as error:
            log.warning("update-damaged", version=version, why=error)
            continue
        _become(place, version)


def _become(place: Place, version: str) -> None:
    """Returns if that is impossible."""
    program = place.program(version)
    try:
        os.execv(program, [program, *sys.argv[1:]])  # noqa: S606 - itself, in another version
    except OSError as error:
        log.warning("update-not-executable", version=version, error=error.strerror)


class Trial:
    """The trial that this process, which is ready, is the subject of."""

    def __init__(self, place: Place, lock: int) -> None:
        self._place = place
        self._lock = lock
        os.set_inheritable(lock, False)
        signal.setitimer(signal.ITIMER_REAL, STAYS + _MORE)

    def stays(self) -> None:
        """It is over: this version counts from now on."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            state = self._place.state()
            log.info("update-kept", version=state.trial)
            state.keep()
            self._place.write(state)
            os.close(self._lock)
        except OSError as error:  # the version before is back at the next start
            log.error("update-not-kept", error=error.strerror)

    def stopped(self) -> None:
        """The owner has ended it before it was over: it is tried again."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            state = self._place.state()
            if state.lock >= 0:
                state.lock = -1
                self._place.write(state)
        except OSError as error:
            log.warning("update-trial-lost", error=error.strerror)


def trial(loop: AbstractEventLoop) -> Trial | None:
    """Of this process, if it is on one; it is over when it has stayed for long enough."""
    found = here()
    if found is None or not found[1]:
        return None
    try:
        state = found[0].state()
    except OSError:
        return None
    if state.lock < 0 or state.trial != found[1] or not _is_ours(found[0], state.lock):
        return None
    ours = Trial(found[0], state.lock)
    loop.call_later(STAYS, ours.stays)
    return ours


def _is_ours(place: Place, lock: int) -> bool:
    """Whether `lock` is a descriptor of this process, of that directory."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(place.versions))
    except OSError:
        return False


def target() -> str:
    """The binary's target; a source install has none. Raises UpdateError."""
    try:
        from _image import TARGET  # type: ignore[import-not-found]  # built in there
    except ImportError:
        raise UpdateError("this is not a static binary") from None
    return str(TARGET)

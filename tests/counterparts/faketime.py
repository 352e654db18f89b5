"""A wall clock that is wrong, for one process: Debian's libfaketime."""

from pathlib import Path


def wrong_clock(**settings: str) -> tuple[str, ...]:
    """The command that runs its arguments so, for Setup.within. `settings`: as libfaketime's.

    Time that only goes on, which is what the event loop has, stays right, and so do files.
    """
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    given = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", **settings}
    variables = [f"{name}={value}" for name, value in given.items()]
    return ("env", f"LD_PRELOAD={library}", *variables)


def clock_in(file: Path) -> tuple[str, ...]:
    """The same, by what `file` says at the moment: `@` and a date, or how far it is off."""
    return wrong_clock(FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1")

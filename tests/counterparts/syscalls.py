"""A process that may make some system calls and no others: libseccomp, by Debian's own Python."""

from collections.abc import Iterable
from pathlib import Path

_LOAD = Path(__file__).parent / "seccomp" / "load.py"


def filtered(calls: Iterable[str], families: Iterable[int]) -> tuple[str, ...]:
    """The command that runs its arguments so, for Setup.within; other calls fail with EPERM.

    `calls` that this machine's kernel does not have are passed over. `families`: those that a
    socket may be of.
    """
    numbers = ",".join([str(int(family)) for family in families])
    return ("/usr/bin/python3", "-I", str(_LOAD), ",".join(calls), numbers)

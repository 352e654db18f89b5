"""The one file of registers in which X25519 and Ed25519 compute, a device having one handshake.

Whoever begins takes the file; who had it before cannot go on.
"""

from kw import _field25519 as kernel

SCALAR = bytearray(32)
_file = bytearray(4 * kernel.WORDS)
_owner = None


class Taken(Exception):
    """Another computation has begun meanwhile. A mistake of the caller."""


def take(owner):
    """Make the file, and SCALAR, `owner`'s."""
    global _owner
    _owner = owner


def check(owner):
    """Raises Taken if the file is not `owner`'s."""
    if _owner is not owner:
        raise Taken


def run(part, swap=0):
    """Run a part of a program; its `<>` swap if `swap` is 1, not if it is 0."""
    kernel.run(0, 0, _file, part, len(part), swap)


def load(register, data):
    """Set a register to a number of 255 bits, in 32 bytes."""
    kernel.load(_file, register, data)


def number(register, value):
    """Set a register to a number that is no secret."""
    kernel.load(_file, register, value.to_bytes(32, "little"))


def store(register):
    """The number in a register, as 32 bytes; it is left there, reduced."""
    into = bytearray(32)
    kernel.store(_file, register, into)
    return bytes(into)


def finish(work):
    """All steps of a computation at once."""
    while not work.step():
        pass
    return work

"""Which of two slots a device runs, and records that outlive a power cut. No update replaces this.

A record is a JSON object in two files. The older file is written over, so that a cut at any byte
leaves the newer one: `NAME.0` and `NAME.1`, each "KWR1", a sequence number of 4 bytes, big-endian,
the text, and in front of it all 16 bytes of its SHA-256.

A slot is a folder of modules. An update goes into the one that does not run (kw.update), which then
is on trial: it is started once, and the next start is of the old one again unless it has called
`healthy` meanwhile. Beside the slots there may be the modules of a ROMFS partition, as a third.

Runs under MicroPython and, for who writes records on the owner's computer, under CPython.
"""

import hashlib
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = ("a", "b")
ROM = "rom"  # where MicroPython mounts a ROMFS partition
UPDATE = "update.kwu"  # where an update is put; kw.update says what it is made of
UPDATE_MAGIC = b"KWU1"
UPDATE_PREFIX = b"kwaainet-esp32-update:"
ABOUT = "about.json"  # in each slot: its version, and the processor that it is for
_MAGIC = b"KWR1"
_DIGEST = 16
_RECORD = "slots"
_GARBAGE = 2048  # bytes

running = ""  # the slot


def encode(number: int, value: "dict[str, Any]") -> bytes:
    """A record's file."""
    text = json.dumps(value)
    data = _MAGIC + number.to_bytes(4, "big") + text.encode()
    return hashlib.sha256(data).digest()[:_DIGEST] + data


def decode(data: bytes) -> "tuple[int, dict[str, Any]] | None":
    """The number and the value of a record's file; None if it was cut or is damaged."""
    head = _DIGEST + len(_MAGIC)
    if data[_DIGEST:head] != _MAGIC:
        return None
    if hashlib.sha256(data[_DIGEST:]).digest()[:_DIGEST] != data[:_DIGEST]:
        return None
    return int.from_bytes(data[head : head + 4], "big"), json.loads(data[head + 4 :].decode())


def read(name: str) -> "dict[str, Any] | None":
    """The newest whole record of this name."""
    copies = [copy for copy in (_copy(name, 0), _copy(name, 1)) if copy is not None]
    return max(copies, key=_number)[1] if copies else None


def write(name: str, value: "dict[str, Any]") -> None:
    """Replace the record: whenever power is cut, it is the old one or this. Raises OSError."""
    first, second = _copy(name, 0), _copy(name, 1)
    numbers = [-1 if copy is None else copy[0] for copy in (first, second)]
    older = 0 if numbers[0] <= numbers[1] else 1
    with open(f"{name}.{older}", "wb") as file:
        file.write(encode(max(numbers) + 1, value))


def _number(copy: "tuple[int, dict[str, Any]]") -> int:
    return copy[0]


def _copy(name: str, which: int) -> "tuple[int, dict[str, Any]] | None":
    try:
        with open(f"{name}.{which}", "rb") as file:
            return decode(file.read())
    except OSError:
        return None


def choose() -> str:
    """The slot to run now. One on trial is given up when it was started before."""
    state = read(_RECORD) or {"slot": _first()}
    trial = state.get("trial")
    if trial is None:
        return str(state["slot"])
    if state.get("started"):
        print("boot: the update did not prove itself, the old version runs again")
        del state["trial"]
        write(_RECORD, state)
        return str(state["slot"])
    state["started"] = True
    write(_RECORD, state)
    return str(trial)


def idle() -> str:
    """The slot that an update may overwrite: not that of the version that proved itself."""
    state = read(_RECORD) or {"slot": _first()}
    return SLOTS[1] if state["slot"] == SLOTS[0] else SLOTS[0]


def try_next(slot: str, digest: str) -> None:
    """Start `slot` on trial the next time. `digest`: of the update in it, in hexadecimal."""
    state = read(_RECORD) or {"slot": _first()}
    write(_RECORD, {"slot": state["slot"], "trial": slot, "digest": digest})


def last_update() -> "str | None":
    """The digest of the update that was last put into a slot, proven or not."""
    return (read(_RECORD) or {}).get("digest")


def healthy() -> bool:
    """The running slot has proven itself. True: it was on trial."""
    state = read(_RECORD) or {}
    if state.get("trial") is None or state["trial"] != running:
        return False
    write(_RECORD, {"slot": running, "digest": state["digest"]})
    return True


def _first() -> str:
    """The slot of a new device."""
    for slot in (SLOTS[0], ROM):
        if _exists(_folder(slot) + "/kw"):
            return slot
    return SLOTS[0]


def _folder(slot: str) -> str:
    here = os.getcwd()
    return "/rom" if slot == ROM else (here if here.endswith("/") else here + "/") + slot


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def run() -> None:
    """Run the device until it is reset. Control-C ends in MicroPython's shell."""
    global running
    import gc

    import machine  # type: ignore[import-not-found]

    # What modules leave behind while they load is not to lie between them.
    gc.threshold(_GARBAGE)  # type: ignore[attr-defined]
    update = _exists(UPDATE)
    # An update is checked by the version that has proven itself.
    running = (read(_RECORD) or {"slot": _first()})["slot"] if update else choose()
    print(f"boot: slot {running}")
    sys.path.insert(0, _folder(running))
    try:
        if update:
            from kw import update as updates  # type: ignore[import-not-found]

            updates.install()
        else:
            from kw import device

            device.run()
    except Exception as error:  # whatever it is: a device has nobody to ask
        sys.print_exception(error)  # type: ignore[attr-defined]
    getattr(machine, "reset", sys.exit)()  # MicroPython's unix port ends

"""Puts an update into the slot that does not run, if an owner's key has signed it.

An update is UPDATE_MAGIC, a signature by Ed25519, 64 bytes, and a ROMFS image of the modules.
Signed are UPDATE_PREFIX and the SHA-256 of the image. The image is read only after the signature
has been found good. It must be for this processor, which its file ABOUT names.

Whatever happens, the slot that runs is not touched. A cut of the power before the update is in its
slot starts all over; a cut after that finds it there by its digest.
"""

import hashlib
import json
import os
import sys

import kwboot

from kw import ed25519

_SIGNATURE = 64
_CHUNK = 512
_FILESYSTEM, _VERBATIM, _DIRECTORY, _FILE = 0x14A6B1, 2, 4, 5
_DEPTH = 4  # of folders
# As MicroPython numbers them in sys.implementation._mpy.
_ARCHITECTURES = ("", "x86", "x64") + ("",) * 7 + ("xtensawin", "rv32imc")


class UpdateError(Exception):
    """It is not one for this device."""


def install():
    """Install what lies in kwboot.UPDATE, and take it away. The device has to be reset then."""
    try:
        with open(kwboot.UPDATE, "rb") as file:
            digest = _check(file)
            if digest == kwboot.last_update():
                print("update: is there already")
            else:
                file.seek(len(kwboot.UPDATE_MAGIC) + _SIGNATURE)
                slot = kwboot.idle()
                _remove(slot)
                _unpack(file, slot)
                kwboot.try_next(slot, digest)
                print(f"update: in slot {slot}, on trial from now on")
    except (UpdateError, OSError, MemoryError) as error:
        print(f"update: refused: {error}")
    os.remove(kwboot.UPDATE)


def _check(file):
    """The image's digest, in hexadecimal. Raises UpdateError."""
    if file.read(len(kwboot.UPDATE_MAGIC)) != kwboot.UPDATE_MAGIC:
        raise UpdateError("no update")
    signature = file.read(_SIGNATURE)
    digest, buffer = hashlib.sha256(), bytearray(_CHUNK)
    while True:
        count = file.readinto(buffer)
        if not count:
            break
        digest.update(memoryview(buffer)[:count])
    found = digest.digest()
    keys = (kwboot.read("config") or {}).get("update_keys") or ()
    for key in keys:
        work = ed25519.Verify(bytes.fromhex(key), kwboot.UPDATE_PREFIX + found, signature)
        while not work.step():
            pass
        if work.ok:
            return found.hex()
    raise UpdateError("not signed by a key of this device's owner")


# --- the image: authentic, yet read as if it were not ---


def _unpack(file, folder):
    kind, size = _uint(file), _uint(file)
    if kind != _FILESYSTEM:
        raise UpdateError("no image of ROMFS")
    os.mkdir(folder)
    _entries(file, file.tell() + size, folder, 0)
    try:
        with open(f"{folder}/{kwboot.ABOUT}") as about:
            processor = json.load(about)["architecture"]
    except (OSError, KeyError, ValueError):
        raise UpdateError("does not say what it is")
    ours = _ARCHITECTURES[sys.implementation._mpy >> 10 & 15]
    if processor != ours:
        raise UpdateError(f"for {processor}, and this is {ours}")


def _entries(file, end, folder, depth):
    if depth > _DEPTH:
        raise UpdateError("too many folders in each other")
    while file.tell() < end:
        kind, size = _uint(file), _uint(file)
        after = file.tell() + size
        if after > end:
            raise UpdateError("cut short")
        if kind in (_DIRECTORY, _FILE):
            path = folder + "/" + _name(file)
            if kind == _DIRECTORY:
                os.mkdir(path)
                _entries(file, after, path, depth + 1)
            else:
                _copy(file, after, path)
        file.seek(after)


def _copy(file, end, path):
    """A file's contents, which are one record of verbatim data."""
    kind, size = _uint(file), _uint(file)
    if kind != _VERBATIM or file.tell() + size > end:
        raise UpdateError(f"{path} is not stored plainly")
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "wb") as out:
        while size:
            count = file.readinto(buffer[: min(size, _CHUNK)])
            if not count:
                raise UpdateError("cut short")
            out.write(buffer[:count])
            size -= count


def _name(file):
    size = _uint(file)
    name = file.read(min(size, 64)).decode()
    if not name or "/" in name or name[0] == ".":
        raise UpdateError("a file with a strange name")
    return name


def _uint(file):
    value = 0
    for _ in range(5):
        byte = file.read(1)
        if not byte:
            break
        value = value << 7 | byte[0] & 0x7F
        if byte[0] < 0x80:
            return value
    raise UpdateError("cut short")


def _remove(path):
    """A file or a folder with all in it, if it is there."""
    try:
        names = os.listdir(path)
    except OSError:
        try:
            os.remove(path)
        except OSError:
            pass
        return
    for name in names:
        _remove(path + "/" + name)
    os.rmdir(path)

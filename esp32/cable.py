"""A device at the serial port, by MicroPython's and Espressif's own programs.

What runs on it is text that MicroPython executes; it uses kwboot's records, so that a cable pulled
out at any moment leaves the old settings or the new.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from esp32.boot import kwboot
from esp32.images import OFFSET
from esp32.records import Record

_TOOL_MISSING = "{} is not installed; pip install 'kwaainet[esp32]'"
_LINE_TIME = 90.0  # seconds: a status line comes every minute
_BAUD = 115200


class CableError(Exception):
    """The device cannot be reached, or a program for it is missing."""


def script(config: Record, identity: Record) -> str:
    """What changes these settings of a device, and makes it this peer if it is none yet."""
    return (
        "import kwboot\n"
        'config = kwboot.read("config") or {}\n'
        f"config.update({config!r})\n"
        'kwboot.write("config", config)\n'
        'if kwboot.read("identity") is None:\n'
        f'    kwboot.write("identity", {identity!r})\n'
        'print("public", kwboot.read("identity")["public"])\n'
    )


def run(port: str, text: str) -> str:
    """Run `text` on the device, and start it anew. What it printed. Raises CableError.

    The text has secrets, which other users see in a command line.
    """
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "script.py"
        path.write_text(text)
        return _tool("mpremote", "connect", port, "run", str(path), "+", "reset")


def send(port: str, update: bytes) -> None:
    """Put an update on the device, and start it anew. Raises CableError."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / kwboot.UPDATE
        path.write_bytes(update)
        words = ("fs", "cp", str(path), f":{kwboot.UPDATE}", "+", "reset")
        _tool("mpremote", "connect", port, *words)


def flash(port: str, at: int, data: bytes) -> None:
    """Write `data` to the flash from the address `at` on. Raises CableError."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "flash.bin"
        path.write_bytes(data)
        _tool("esptool", "--port", port, "write-flash", hex(at), str(path))


def flash_image(port: str, image: bytes) -> None:
    """Write the file system. Raises CableError."""
    flash(port, OFFSET, image)


def status(port: str) -> Mapping[str, str]:
    """What the device's next status line says. Raises CableError."""
    try:
        import serial
    except ImportError:
        raise CableError(_TOOL_MISSING.format("pyserial")) from None
    line = serial.Serial()
    line.port, line.baudrate, line.timeout = port, _BAUD, 1.0
    line.dtr = line.rts = False  # as they are wired, they reset a board
    try:
        line.open()
        with line:
            return _status(line)
    except serial.SerialException as error:
        raise CableError(str(error)) from None


def _status(line: object) -> Mapping[str, str]:
    until = time.monotonic() + _LINE_TIME
    while time.monotonic() < until:
        text = line.readline().decode(errors="replace")  # type: ignore[attr-defined]
        found = parsed(text)
        if found:
            return found
    raise CableError("it said nothing for a minute and a half; is this its port, and does it run?")


def parsed(text: str) -> Mapping[str, str]:
    """The words of a status line; of any other line, nothing."""
    name, _, rest = text.strip().partition(" ")
    if name != "status":
        return {}
    return {key: value for key, _, value in (word.partition("=") for word in rest.split())}


def _tool(name: str, *words: str) -> str:
    command = (sys.executable, "-m", name, *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if f"No module named {name}" in done.stderr:
        raise CableError(_TOOL_MISSING.format(name))
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it failed"]
        told = [line for line in lines if "error" in line.lower()] or lines[-1:]
        raise CableError(f"{name}: {told[0].strip()}")
    return done.stdout

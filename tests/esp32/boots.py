"""A device that starts from an image of its flash, under MicroPython's unix port.

The radio and the chip are stand-ins (device/standins), with the limits of the real ones.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from littlefs import LittleFS, UserContext

from cross.cache import contents, made
from esp32 import build, images, manifest
from esp32.boot import kwboot
from tests.counterparts import micropython
from tests.counterparts.base import free_port

HERE = Path(__file__).parent
HEAP = 160 * 1024  # bytes, without the native code: the modules are in it, too
# Bytes of heap that flash.py and the stand-ins take, measured: on a device that is in the firmware.
STANDINS = 5 * 1024
ADDRESS = "127.0.0.1"
_TIME = 20  # seconds for a line to be said
RESET, POWER_CUT = 3, 4  # the exit status of the stand-in's reset, and ours


def slot() -> dict[str, bytes]:
    """The modules for the unix port, compiled once."""

    def make(folder: Path) -> None:
        build.compile_all("x86", folder)

    sources = manifest.modules()
    inputs = [*sources, *contents(*sources.values(), *build.MADE_BY)]
    folder = made("esp32-slot", inputs, make)
    return images.in_slot("x86", folder)


class Flash:
    """The flash of a device with the records `config` and `identity`, and what is beside it.

    `modules`: whether it has them, too, and not only its records.
    """

    def __init__(
        self, folder: Path, config: Mapping[str, Any], modules: bool = True, **identity: str
    ) -> None:
        self.path = folder / "flash.img"
        self.radio = folder / "radio.json"
        self.rtc = folder / "rtc"
        self.port = free_port()
        records = {"config": {"port": self.port, **config}} if config else {}
        if identity:
            records["identity"] = identity
        self.path.write_bytes(images.littlefs("x86", slot() if modules else {}, records))
        self.world()

    def world(self, **access_point: str) -> None:
        """From now on there is this access point, or none."""
        new = self.radio.with_suffix(".new")
        new.write_text(json.dumps(access_point))
        new.replace(self.radio)

    def read(self, path: str) -> bytes | None:
        """A file of the file system."""
        system = self._mounted()  # has to outlive its files
        try:
            with system.open(path, "rb") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Put a file there, as mpremote would."""
        system = self._mounted()
        with system.open(path, "wb") as file:
            file.write(data)
        self.path.write_bytes(bytes(system.context.buffer))

    def _mounted(self) -> LittleFS:
        """As it is; a device brings the version on disk up to that of its own code."""
        context = UserContext(buffer=bytearray(self.path.read_bytes()))
        system = LittleFS(context=context, block_size=4096, block_count=512, mount=False)
        system.mount()
        return system


def sent(flash: Flash, update: bytes) -> None:
    """Put an update on a device that is off, as mpremote would on one that is on."""
    flash.write(kwboot.UPDATE, update)


class Booted:
    """`async with Booted(flash) as device`: it has been switched on.

    `rom`: the ROMFS image that its modules are in; they are in the heap without one.
    """

    def __init__(
        self, flash: Flash, cut: int | None = None, speed: int = 1, rom: Path | None = None
    ) -> None:
        self.flash = flash
        self._rom = rom
        self.port = flash.port
        self.lines: list[str] = []
        self._cut = cut
        self._speed = speed
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        standins = HERE / "device" / "standins"
        environment = {
            "FLASH": str(self.flash.path),
            "RADIO": str(self.flash.radio),
            "RTC": str(self.flash.rtc),
            "STANDINS": str(standins),
            "SPEED": str(self._speed),
            "ROM": str(self._rom or ""),
            "CUT": "" if self._cut is None else str(self._cut),
        }
        interpreter = await asyncio.to_thread(micropython.micropython)
        self._process = await asyncio.create_subprocess_exec(
            interpreter,
            "-X",
            f"heapsize={HEAP if self._rom is None else micropython.HEAP + STANDINS}",
            HERE / "device" / "flash.py",
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        self._reader.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def said(self, text: str) -> str:
        """The first line with `text` in it, once it has been said."""
        async with asyncio.timeout(_TIME):
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                assert not self._reader.done(), "\n".join(self.lines)
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> int:
        """RESET or POWER_CUT."""
        async with asyncio.timeout(_TIME):
            while not self._reader.done():
                if "standin: power cut" in self.lines:
                    return POWER_CUT
                self._news.clear()
                await self._news.wait()
            return await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.lines.append(line.decode(errors="replace").rstrip())
            self._news.set()

"""A machine that qemu emulates, and the shell on its serial line."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import TracebackType


class GuestError(Exception):
    """The machine did not do what it was told. Carries what it said."""


class Console:
    """Begun by `boot`. Left, as a context, it has lost its power.

    `done`: the line behind what a command prints, with its exit status.
    """

    done = re.compile(rb"^@@(\d+)$", re.MULTILINE)

    async def boot(self, command: list[str | Path], ready: bytes, seconds: float) -> None:
        """Start qemu; it is up when it says `ready`, in at most so many seconds."""
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await asyncio.wait_for(self._read_to(re.compile(re.escape(ready))), seconds)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def told(self, command: str) -> tuple[int, str]:
        """The exit status of a command of the guest's shell, and what it prints."""
        assert self._process.stdin is not None
        line = f"{{ {command}; }} 2>&1; status=$?; echo; echo @@$status\n"
        self._process.stdin.write(line.encode())
        said, match = await self._read_to(self.done)
        text = said[: match.start()].decode(errors="replace").replace("\r", "").strip("\n")
        return int(match[1]), text

    async def _read_to(self, pattern: re.Pattern[bytes]) -> tuple[bytes, re.Match[bytes]]:
        assert self._process.stdout is not None
        said = b""
        while (match := pattern.search(said)) is None:
            more = await self._process.stdout.read(4096)
            if not more:
                text = said.decode(errors="replace")
                raise GuestError(f"the machine has stopped: {text}{self.last_words()}")
            said += more
        return said, match

    def last_words(self) -> str:
        """What more it has said than on this line."""
        return ""


def drive(disk: Path, *more: str) -> tuple[str, str]:
    """qemu's words for a disk."""
    return "-drive", ",".join([f"file={disk}", "format=raw", "if=virtio", *more])

"""What the gateway of an emulated router is asked, from where, and what it says."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from dataclasses import dataclass

from tests.counterparts.web import Answer, Asked, Bytes, Fault, WebHost

_READ = 1 << 18


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class Origin:
    """`async with Origin({"/a.gguf": data}) as origin`: a web server on the loopback."""

    def __init__(self, files: dict[str, bytes], context: ssl.SSLContext | None = None) -> None:
        self.files = files
        self._context = context
        self.faults: list[Fault] = []
        self.log: list[Asked] = []
        self._host = WebHost("origin", self._answer, self.log, self.faults)

    async def __aenter__(self) -> Origin:
        await self._host.start(context=self._context)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._host.stop()

    @property
    def port(self) -> int:
        return self._host.port

    @property
    def sent(self) -> int:
        """Bytes of bodies."""
        return self._host.sent

    def _answer(self, asked: Asked) -> Answer:
        data = self.files.get(asked.path)
        if data is None:
            return Answer(404)
        tag = f'"{len(data)}-{data[:8].hex()}"'
        return Answer(200, {"ETag": tag}, Bytes(data), ranged=True)


@dataclass
class Got:
    """What a client was sent: `count` bytes of the body, of which `wrong` or none were not those of
    the file, and whether that was all of it. `text` is a short body."""

    status: int = 0
    count: int = 0
    wrong: bool = False
    whole: bool = False
    text: str = ""


async def fetch(port: int, path: str, expected: bytes, most: int = 1 << 60) -> Got:
    """GET `path` of the gateway, and look at each byte; go away after `most`."""
    got = Got()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    except OSError:
        return got
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        got.status = int(head.split()[1])
        found = re.search(r"(?i)^content-length: (\d+)\r$", head, re.MULTILINE)
        size = int(found[1]) if found else 1 << 60
        while got.count < min(size, most) and (data := await reader.read(_READ)):
            got.wrong |= data != expected[got.count : got.count + len(data)]
            got.count += len(data)
            if size < 4096:
                got.text += data.decode(errors="replace")
        got.whole = got.count == size == len(expected)
    except (OSError, asyncio.IncompleteReadError):
        pass  # cut: `got` says how far it came
    finally:
        writer.close()
    return got

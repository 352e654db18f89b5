"""Fetches a release: its index, and what is still missing of its binary.

Source: RFC 9110 section 14 (ranges)
"""

from __future__ import annotations

import os

from edge.http.errors import OriginError
from edge.update.errors import UpdateError
from edge.update.release import MAX_INDEX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.client import HttpClient
    from edge.http.response import Response
    from edge.url import Url

INDEX = "releases.sig"
_CHUNK = 1 << 16
_TRIES = 5  # that bring nothing new, one after the other


async def index(client: HttpClient, url: Url) -> bytes:
    """The signed index. Raises UpdateError, OriginError."""
    response = await client.request("GET", url, f"{url.path}/{INDEX}")
    try:
        _expect(response, (200,), f"{url}/{INDEX}")
        data = b""
        while len(data) <= MAX_INDEX and (part := await response.read(_CHUNK)):
            data += part
        if len(data) > MAX_INDEX or not response.ended_well:
            raise UpdateError(f"{url}/{INDEX}: too long, or cut short")
        return data
    finally:
        response.close()


async def binary(client: HttpClient, url: Url, name: str, path: str, size: int) -> None:
    """All `size` bytes of `url`/`name`, in the file `path`; what is there is not asked for again.

    Returns when it is on the disk. Raises UpdateError, OriginError, OSError.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        have = os.fstat(fd).st_size
        if have > size:
            have = _from_start(fd)
        tries = 0
        while have < size:
            try:
                now = await _more(client, url, name, fd, have, size)
                failure = OriginError(f"{url}/{name}: cut short at {now} of {size} bytes")
            except OriginError as error:
                now, failure = os.fstat(fd).st_size, error
            tries = 0 if now > have else tries + 1
            if tries == _TRIES:
                raise failure
            have = now
        os.fsync(fd)
    finally:
        os.close(fd)


async def _more(client: HttpClient, url: Url, name: str, fd: int, have: int, size: int) -> int:
    """How much is there then."""
    headers = [("Range", f"bytes={have}-")] if have else []
    response = await client.request("GET", url, f"{url.path}/{name}", headers)
    try:
        _expect(response, (200, 206), f"{url}/{name}")
        if response.status == 206:
            if (response.headers.get("content-range") or "").split("-")[0] != f"bytes {have}":
                raise UpdateError(f"{url}/{name}: another range than was asked for")
        else:
            have = _from_start(fd)
        os.lseek(fd, have, os.SEEK_SET)
        while have < size and (part := await response.read(min(_CHUNK, size - have))):
            have += _write(fd, part)
        return have
    finally:
        response.close()


def _expect(response: Response, statuses: tuple[int, ...], what: str) -> None:
    if response.status not in statuses:
        raise UpdateError(f"{what}: answered with status {response.status}")


def _from_start(fd: int) -> int:
    os.ftruncate(fd, 0)
    return 0


def _write(fd: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return len(data)

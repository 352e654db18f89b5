"""Where a file comes from, as the rest of the cache sees it. Hub and plain origins make these."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.response import Response


class OriginError(Exception):
    """An origin, or a rule of ours, refuses: what a client is answered.

    `status`: of HTTP. `code`: X-Error-Code as the hub has it, "" for none. The text is one line for
    the person who waits.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ChangedError(OriginError):
    """The file is another one now: whoever made the Source asks for its metadata again."""


class Source(Protocol):
    """One file of an origin, in one version.

    `name`: by which the store knows it (edge/cache/names.py). `size`: bytes, None where the origin
    does not tell. `etag`: strong, in quotes, "" for none. `private`: not everybody could fetch it,
    so that it is offered to no peer.
    """

    name: bytes
    size: int | None
    etag: str
    private: bool

    async def open(self, start: int, end: int | None) -> Response:
        """The answer with the bytes from `start` to before `end` (None: the end): 206, or 200 with
        the whole. Redirects are followed to allowed hosts. Raises OriginError; ChangedError where
        the version is no longer there.
        """

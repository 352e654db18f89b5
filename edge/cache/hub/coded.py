"""Answers that come coded by gzip though they were asked not to, as some hosts on the way do.

It is not in the static binary, which has no zlib: there such an answer is refused.

Source: RFC 9110 section 8.4.1, RFC 1952
"""

from __future__ import annotations

import zlib

from edge.http.errors import OriginError
from edge.http.heads import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.response import Response

_CHUNK = 16 << 10  # bytes read at a time
_GZIP = 16 + zlib.MAX_WBITS


class Decoded:
    """As edge.http.response.Response, of the body as it was before it was coded."""

    __slots__ = ("_coded", "_decoder", "ended_well", "headers", "length", "status")

    def __init__(self, coded: Response) -> None:
        gone = ("content-encoding", "content-length")
        self.status = coded.status
        self.headers = Headers([field for field in coded.headers if field[0] not in gone])
        self.length = None
        self.ended_well = False
        self._coded = coded
        self._decoder = zlib.decompressobj(_GZIP)

    async def read(self, most: int) -> bytes:
        """At most `most` bytes of the body, b"" at its end. Raises OriginError, TlsError."""
        while not self._decoder.eof:
            data = self._decoder.unconsumed_tail or await self._coded.read(_CHUNK)
            try:
                found = self._decoder.decompress(data, most)
            except zlib.error:
                self.close()
                raise OriginError("a body that is not the gzip it says it is") from None
            if found:
                return found
            if not data:
                return b""  # cut short
        if await self._coded.read(1):
            raise OriginError("a body with more behind its gzip")
        self.ended_well = self._coded.ended_well
        return b""

    def close(self) -> None:
        """Let go of the rest."""
        self._coded.close()

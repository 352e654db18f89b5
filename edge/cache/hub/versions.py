"""One version of a file, as the hub's answers to HEAD tell it, and what clients are told of it.

What counts are the hub's own answers: the redirect that leads to the storage, and the answers on
the way to it. The storage is never asked what a file is.

Source: huggingface_hub (get_hf_file_metadata), hf-hub, @huggingface/hub (fileDownloadInfo)
"""

from __future__ import annotations

import hashlib

from edge.cache import names
from edge.cache.pull.source import OriginError
from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_NOTE = 4096  # bytes of a version that was written down
TOO_LARGE = 50_000_000_000  # bytes, from which on huggingface_hub refuses what is not Xet
_MAX_VALUE = 512
_FORM = 1
_HEX = frozenset("0123456789abcdef")


class Version:
    """`commit`: of the revision. `etag`: of the content, without quotes. `linked`: whether the hub
    told it as that of what it links to. `size`: bytes, None where the hub does not tell. `kind`,
    `disposition`: the headers Content-Type and Content-Disposition. "": what was not told.
    """

    __slots__ = ("commit", "disposition", "etag", "kind", "linked", "size")

    def __init__(
        self,
        commit: str,
        etag: str,
        linked: bool = False,
        size: int | None = None,
        kind: str = "",
        disposition: str = "",
    ) -> None:
        self.commit = commit
        self.etag = etag
        self.linked = linked
        self.size = size
        self.kind = kind
        self.disposition = disposition

    @classmethod
    def of(cls, answers: Sequence[tuple[int, Mapping[str, str]]]) -> Version:
        """Of the hub's answers to a HEAD, one for each redirect followed: status, and headers by
        their names in lower case. A later one has the last word. Raises OriginError.
        """
        told = {name: value[:_MAX_VALUE] for _, found in answers for name, value in found.items()}
        status, last = answers[-1]
        linked = plain_etag(told.get("x-linked-etag", ""))
        etag = linked or plain_etag(told.get("etag", ""))
        if not etag:
            raise OriginError(502, "the hub did not say which version of the file it has")
        size = _number(told.get("x-linked-size", ""))
        if size is None and status == 200:
            size = _number(last.get("content-length", ""))
        kind = told.get("content-type", "") if status == 200 else ""
        found = (kind, told.get("content-disposition", ""))
        return cls(told.get("x-repo-commit", ""), etag, bool(linked), size, *found)

    @classmethod
    def decode(cls, note: bytes) -> Version | None:
        """What `encode` wrote, None for anything else."""
        try:
            fields = packed.loads(note[: MAX_NOTE + 1], 16, 1) if len(note) <= MAX_NOTE else None
        except RemoteProtocolError:
            return None
        if not isinstance(fields, list) or len(fields) != 7 or fields[0] != _FORM:
            return None
        size = fields.pop(4)
        texts = all(isinstance(field, str) for field in [*fields[1:3], *fields[4:]])
        if not texts or not isinstance(size, int | None):
            return None
        _, commit, etag, linked, kind, disposition = fields
        return cls(commit, etag, bool(linked), size, kind, disposition)

    def encode(self) -> bytes:
        """For a note."""
        return packed.dumps(
            [_FORM, self.commit, self.etag, self.linked, self.size, self.kind, self.disposition]
        )

    def name(self, where: str, hashed: bool = True) -> bytes:
        """How the store knows it: by the hash that its tag is or, where it is none, by `where`."""
        if hashed and self.linked and _is_hex(self.etag, 64):
            return names.name(names.SHA256, bytes.fromhex(self.etag))
        if hashed and _is_hex(self.etag, 40):
            return names.name(names.GIT_SHA1, bytes.fromhex(self.etag))
        digest = hashlib.sha256(f"{where}\n{self.etag}".encode()).digest()
        return names.name(names.ORIGIN, digest)

    def headers(self, sized: bool = True) -> list[tuple[str, str]]:
        """What a client is told beside entity tag, length and range."""
        found = [("X-Repo-Commit", self.commit)] if self.commit else []
        if self.linked:
            found.append(("X-Linked-Etag", f'"{self.etag}"'))
            if sized and self.size is not None:
                found.append(("X-Linked-Size", str(self.size)))
        found.append(("Content-Type", self.kind or "application/octet-stream"))
        if self.disposition:
            found.append(("Content-Disposition", self.disposition))
        return found


def plain_etag(value: str) -> str:
    """An entity tag without W/ and quotes; "" for what is none."""
    etag = value.removeprefix("W/").strip('"')
    return etag if all(32 < ord(char) < 127 and char not in '"\\' for char in etag) else ""


def hides_size(agent: str, size: int | None) -> bool:
    """Whether a client that knew the size would refuse to fetch the file.

    huggingface_hub before 1.0 cannot do without it; those before 0.26 do not refuse.
    """
    return size is not None and size > TOO_LARGE and "hf_hub/0." not in agent


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and _HEX.issuperset(text)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

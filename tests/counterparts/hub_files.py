"""Repositories of the stand-in of the Hugging Face hub: content from a seed, the same each time."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from tests.counterparts.web import Body, Bytes

_BLOCK = 1 << 16
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


class Seeded:
    """`size` bytes that look random, and are the same for the same seed."""

    def __init__(self, seed: str, size: int) -> None:
        self._seed = seed
        self.size = size

    def read(self, start: int, length: int) -> bytes:
        end = min(self.size, start + length)
        first = start // _BLOCK
        blocks = [_block(self._seed, number) for number in range(first, -(-end // _BLOCK))]
        return b"".join(blocks)[start - first * _BLOCK : end - first * _BLOCK]


@functools.lru_cache(256)
def _block(seed: str, number: int) -> bytes:
    return random.Random(f"{seed} {number}").randbytes(_BLOCK)


class Sparse:
    """`head` and then zeros up to `size`: nobody is meant to read them all."""

    def __init__(self, head: Body, size: int) -> None:
        self._head = head
        self.size = size

    def read(self, start: int, length: int) -> bytes:
        found = self._head.read(start, length) if start < self._head.size else b""
        return found.ljust(min(length, self.size - start), b"\0")


class File:
    """A file of a repository: in git itself, or (`large`) by a pointer to the storage host.

    `sha256`: of the content; told, not computed, where it is given.
    """

    def __init__(self, body: Body | bytes, large: bool = False, sha256: str = "") -> None:
        self.body = Bytes(body) if isinstance(body, bytes) else body
        self.large = large
        self._told = sha256

    @functools.cached_property
    def sha256(self) -> str:
        return self._told or hashlib.sha256(self.data()).hexdigest()

    @functools.cached_property
    def pointer(self) -> bytes:
        return _POINTER.format(self.sha256, self.body.size).encode()

    @functools.cached_property
    def oid(self) -> str:
        """Of the git blob: of the pointer, where there is one."""
        blob = self.pointer if self.large else self.data()
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def tag(self) -> str:
        """What the hub's ETag tells of it, in quotes."""
        return f'"{self.sha256 if self.large else self.oid}"'

    @property
    def xet(self) -> str:
        """Its hash at the CAS host: none that a client could check without asking there."""
        return hashlib.sha256(f"xet {self.sha256}".encode()).hexdigest()

    def data(self) -> bytes:
        return self.body.read(0, self.body.size)

    def entry(self, path: str) -> dict[str, Any]:
        """As in a listing."""
        about: dict[str, Any] = {"type": "file", "oid": self.oid, "size": self.body.size}
        if self.large:
            size = len(self.pointer)
            about["lfs"] = {"oid": self.sha256, "size": self.body.size, "pointerSize": size}
            about["xetHash"] = self.xet
        return {**about, "path": path}


@dataclass
class Repository:
    """`kind`: models, datasets or spaces. `gate`: who may read it, for a gated one; `private`: it
    does not exist for others.
    """

    name: str
    kind: str = "models"
    gate: Set[str] | None = None
    private: bool = False
    revisions: dict[str, dict[str, File]] = field(default_factory=dict)  # by commit
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Mapping[str, File], branch: str = "main") -> str:
        """A new commit of `branch` with these files besides those it has."""
        now = {**self.files(branch), **files}
        listed = json.dumps([self.name, sorted((path, file.oid) for path, file in now.items())])
        digits = hashlib.sha1(listed.encode()).hexdigest()
        self.revisions[digits] = now
        self.branches[branch] = digits
        return digits

    def revision(self, name: str) -> str | None:
        """The commit that a branch, HEAD or the commit's own digits mean."""
        if name == "HEAD":
            name = "main"
        return self.branches.get(name) or (name if name in self.revisions else None)

    def files(self, revision: str = "main") -> dict[str, File]:
        commit = self.revision(revision)
        return self.revisions[commit] if commit else {}

    def entries(self, commit: str, folder: str, deep: bool) -> Iterator[dict[str, Any]]:
        """The listing of `folder`, "" for the root, in the order of names."""
        prefix = f"{folder}/" if folder else ""
        told = set()
        for path, file in sorted(self.revisions[commit].items()):
            if not path.startswith(prefix):
                continue
            parents = path.removeprefix(prefix).split("/")[:-1]
            for depth in range(1, (len(parents) if deep else min(1, len(parents))) + 1):
                above = prefix + "/".join(parents[:depth])
                if above not in told:
                    told.add(above)
                    oid = hashlib.sha1(above.encode()).hexdigest()
                    yield {"type": "directory", "oid": oid, "size": 0, "path": above}
            if deep or not parents:
                yield file.entry(path)


def model(name: str, kind: str = "models", **access: Any) -> Repository:
    """A repository as most are: small files, one large and one in a folder."""
    made = Repository(name, kind, **access)
    config = {"model_type": "bert", "hidden_size": 8, "vocab_size": 16}
    made.commit(
        {
            "config.json": File(json.dumps(config).encode()),
            "README.md": File(b"# A model\n" * 200),
            "model.safetensors": File(Seeded(name, 3_000_001), large=True),
            "onnx/model.onnx": File(Seeded(f"{name} onnx", 700_000), large=True),
        }
    )
    return made

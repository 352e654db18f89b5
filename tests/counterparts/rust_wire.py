"""KwaaiNet's messages of inference, read and written by Rust's rmp-serde (rust_wire/)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.counterparts.base import PeerError
from tests.counterparts.cargo_tool import crate

_SOURCE = Path(__file__).parent / "rust_wire"


class RustWire:
    """The process; it ends with the `with` block."""

    @staticmethod
    def install() -> Path:
        return crate("rust-wire", _SOURCE, "rust-wire")

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self.install()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def encode(self, kind: str, value: Any, *, positional: bool = False) -> bytes:
        """`value` as a message: named fields, or without their names. Raises PeerError."""
        asked = {"do": "encode", "kind": kind, "value": value, "positional": positional}
        return bytes.fromhex(self._ask(asked))

    def decode(self, kind: str, data: bytes) -> Any:
        """What it reads, bytes as lists of numbers. Raises PeerError with serde's words."""
        return self._ask({"do": "decode", "kind": kind, "data": data.hex()})

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "error" in said:
            raise PeerError(said["error"])
        return said["ok"]

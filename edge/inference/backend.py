"""What the room asks of whatever computes its blocks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from edge.inference.engine.spec import ModelSpec

    class Backend(Protocol):
        """Blocks [start, end) of one model, for sessions that its caller numbers.

        Rows are f32, one after the other, `spec.width * 4` bytes each. All calls raise
        BackendError.
        """

        spec: ModelSpec
        start: int
        end: int
        has_embedding: bool
        has_head: bool

        async def open(self, session: int, positions: int) -> None:
            """Make room for that many positions."""

        async def forward(
            self,
            session: int,
            position: int,
            rows: bytes | Sequence[int],
            start: int,
            end: int,
            logits: int = 0,
        ) -> bytes:
            """Compute blocks [start, end) for 32 rows at most, which begin at `position`.

            `rows`: hidden states, or tokens for the embedding. Hidden states come out; with
            `logits`, the logits of that many last rows instead.
            """

        async def truncate(self, session: int, position: int) -> None:
            """Forget what comes from `position` on."""

        async def close(self, session: int) -> None:
            """Give back the session's room."""

        async def bench(self) -> tuple[float, float]:
            """Blocks times rows a second: for calls of one row, and of 32."""


class BackendError(Exception):
    """`kind`: "gap", "full", "range", "bad" or "gone"."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind

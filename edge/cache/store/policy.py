"""Who is let in, when something else has to go for it. The seam for an admission policy.

It begins as the simplest: whoever asks is let in, and what was not used for longest goes (the
ticks of the index).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Policy:
    """Keys are names of files."""

    def touch(self, key: bytes) -> None:
        """The file is asked for, whether or not it is kept."""

    def admit(self, candidate: bytes, victims: Sequence[bytes]) -> bool:
        """Whether `candidate` is worth more than `victims`, who would have to go for it."""
        return True

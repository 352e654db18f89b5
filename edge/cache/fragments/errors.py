"""What goes wrong when pieces are fetched from peers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.wire.fragment import Refusal


class FragmentError(Exception):
    """Base of these. As it is: what was to be fetched could not be; the text says why."""


class PeerRefused(FragmentError):
    """A peer has answered that it does not give what was asked for."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.error}: {refusal.text}" if refusal.text else refusal.error)
        self.refusal = refusal


class PeerLied(FragmentError):
    """A peer has sent what does not belong to the file that was asked for."""

"""Whom to believe what the root of a file is: peers say it, and sign it.

Who wants one block of a file cannot hash the whole. It believes a peer that the owner trusts, or
two peers in two networks that agree, as long as no other one contradicts. A contradiction is
settled by the whole file, whose SHA-256 is its name; who was wrong is remembered and not asked.
"""

from __future__ import annotations

from edge.cache import names
from edge.wire.peerid import PeerId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Protocol

    from edge.wire.attestation import Attestation

    class Notes(Protocol):
        """What lasts, as the store has it."""

        def get(self, key: bytes) -> bytes | None:
            """The value of `key`."""

        def put(self, key: bytes, value: bytes) -> None:
            """Keep `value`."""


ENOUGH = 2  # peers that agree, none of which is trusted
MAX_VOICES = 16  # peers that are heard about a file
_LIAR = b"liar:"


class Liars:
    """Peers that were wrong about a file once. They are remembered as long as notes last."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def __contains__(self, peer: object) -> bool:
        return isinstance(peer, PeerId) and self._notes.get(_LIAR + peer.bytes) is not None

    def add(self, peer: PeerId, sha256: bytes) -> None:
        """`peer` was wrong about the file with this hash."""
        self._notes.put(_LIAR + peer.bytes, sha256)


class Claim:
    """What is said of a file: `root`, `size`; `manifest`: its id, None of what is no model."""

    __slots__ = ("manifest", "root", "size")

    def __init__(self, root: bytes, size: int, manifest: bytes | None) -> None:
        self.root = root
        self.size = size
        self.manifest = manifest

    def same_file(self, other: Claim) -> bool:
        """Whether both speak of the same content."""
        return (self.root, self.size) == (other.root, other.size)


class Voices:
    """What peers say of the file called `name`, by SHA-256 or root. `trusted`: by the owner."""

    def __init__(self, name: bytes, trusted: Container[PeerId], liars: Container[PeerId]) -> None:
        self._name = name
        self._trusted = trusted
        self._liars = liars
        self._claims: dict[PeerId, tuple[Claim, bytes]] = {}

    def hear(self, signer: PeerId, said: Attestation, network: bytes) -> bool:
        """Whether it counts. `network`: where the one who signed is, as far as it is known; the
        last word of a peer is what it says.
        """
        digest = said.root if self._name[0] == names.ROOT else said.sha256
        if digest != self._name[1:] or signer in self._liars:
            return False
        if signer not in self._claims and len(self._claims) >= MAX_VOICES:
            return False
        assert said.root is not None
        assert said.size is not None
        self._claims[signer] = (Claim(said.root, said.size, said.manifest), network)
        return True

    @property
    def trusted(self) -> bool:
        """Whether one has spoken that is trusted."""
        return any(peer in self._trusted for peer in self._claims)

    @property
    def believed(self) -> Claim | None:
        """What is to be believed; None: nothing so far, or peers contradict each other.

        Its manifest is the one that is believed by the same rule.
        """
        voices = self._loudest()
        claims = [claim for claim, _ in voices]
        if not claims or not all(claim.same_file(claims[0]) for claim in claims):
            return None
        if not self._enough(voices):
            return None
        naming = [(claim, network) for claim, network in voices if claim.manifest is not None]
        ids = {claim.manifest for claim, _ in naming}
        agreed = len(ids) == 1 and self._enough(naming)
        return Claim(claims[0].root, claims[0].size, ids.pop() if agreed else None)

    @property
    def contradicted(self) -> bool:
        """Whether the whole file has to tell who is right."""
        claims = [claim for claim, _ in self._loudest()]
        return not all(claim.same_file(claims[0]) for claim in claims)

    @property
    def candidates(self) -> list[Claim]:
        """What the file may be, what most say first."""
        found: list[tuple[int, Claim]] = []
        for claim, _ in self._claims.values():
            if not any(claim.same_file(other) for _, other in found):
                votes = sum(claim.same_file(other) for other, _ in self._claims.values())
                found.append((votes, claim))
        return [claim for _, claim in sorted(found, key=lambda one: -one[0])]

    def settle(self, root: bytes, size: int) -> list[PeerId]:
        """The whole file was hashed, and this is it: who was wrong, and is heard no more."""
        truth = Claim(root, size, None)
        wrong = [peer for peer, (claim, _) in self._claims.items() if not claim.same_file(truth)]
        for peer in wrong:
            del self._claims[peer]
        return wrong

    def _loudest(self) -> list[tuple[Claim, bytes]]:
        """Of those that are trusted, if one has spoken; else of all."""
        trusted = [voice for peer, voice in self._claims.items() if peer in self._trusted]
        return trusted or list(self._claims.values())

    def _enough(self, voices: list[tuple[Claim, bytes]]) -> bool:
        if self.trusted:
            return bool(voices)
        return len({network for _, network in voices}) >= ENOUGH

"""Whom to believe what a file is."""

from edge.cache import names
from edge.cache.attestations import MAX_VOICES, Claim, Liars, Voices
from edge.wire.attestation import Attestation
from edge.wire.peerid import PeerId

SHA256, ROOT, OTHER = b"s" * 32, b"r" * 32, b"o" * 32
NAME = names.name(names.SHA256, SHA256)


class Notes(dict[bytes, bytes]):
    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


def peer(number: int) -> PeerId:
    return PeerId(b"\x12\x20" + bytes(31) + bytes([number]))


def said(root: bytes = ROOT, size: int = 5, manifest: bytes | None = None) -> Attestation:
    return Attestation(sha256=SHA256, size=size, root=root, manifest=manifest)


def voices(*trusted: int, name: bytes = NAME) -> Voices:
    return Voices(name, {peer(number) for number in trusted}, Liars(Notes()))


def root(of: Voices) -> bytes | None:
    return None if of.believed is None else of.believed.root


def test_one_stranger_is_not_believed_two_are() -> None:
    heard = voices()
    assert root(heard) is None
    assert heard.hear(peer(1), said(), b"a")
    assert root(heard) is None
    assert heard.hear(peer(2), said(), b"b")
    assert root(heard) == ROOT
    assert not heard.contradicted


def test_two_of_one_network_are_one_voice() -> None:
    heard = voices()
    for number in range(5):
        heard.hear(peer(number), said(), b"a")
    assert root(heard) is None


def test_one_peer_that_speaks_twice_is_one_voice() -> None:
    heard = voices()
    heard.hear(peer(1), said(), b"a")
    heard.hear(peer(1), said(), b"b")
    assert root(heard) is None


def test_a_contradiction_is_believed_by_nobody() -> None:
    heard = voices()
    for number, network in ((1, b"a"), (2, b"b"), (3, b"c")):
        heard.hear(peer(number), said(), network)
    heard.hear(peer(4), said(OTHER), b"d")
    assert heard.contradicted
    assert root(heard) is None
    assert [claim.root for claim in heard.candidates] == [ROOT, OTHER]
    assert heard.settle(ROOT, 5) == [peer(4)]
    assert root(heard) == ROOT


def test_another_size_is_a_contradiction_too() -> None:
    heard = voices()
    heard.hear(peer(1), said(), b"a")
    heard.hear(peer(2), said(size=6), b"b")
    assert heard.contradicted


def test_who_is_trusted_is_enough_and_outweighs_all_others() -> None:
    heard = voices(9)
    heard.hear(peer(1), said(OTHER), b"a")
    heard.hear(peer(2), said(OTHER), b"b")
    assert root(heard) == OTHER
    heard.hear(peer(9), said(manifest=b"m" * 32), b"a")
    assert root(heard) == ROOT
    assert heard.believed is not None
    assert heard.believed.manifest == b"m" * 32
    assert not heard.contradicted


def test_two_that_are_trusted_may_contradict_each_other() -> None:
    heard = voices(8, 9)
    heard.hear(peer(8), said(), b"a")
    heard.hear(peer(9), said(OTHER), b"b")
    assert root(heard) is None
    assert heard.contradicted


def test_a_manifest_is_believed_by_the_same_rule() -> None:
    heard = voices()
    heard.hear(peer(1), said(manifest=b"m" * 32), b"a")
    heard.hear(peer(2), said(), b"b")
    assert heard.believed is not None
    assert heard.believed.manifest is None
    heard.hear(peer(3), said(manifest=b"m" * 32), b"c")
    assert heard.believed.manifest == b"m" * 32
    heard.hear(peer(4), said(manifest=b"n" * 32), b"d")
    assert heard.believed.manifest is None
    assert root(heard) == ROOT


def test_a_file_may_be_meant_by_its_root() -> None:
    heard = voices(1, name=names.name(names.ROOT, ROOT))
    assert not heard.hear(peer(1), said(OTHER), b"a")
    assert heard.hear(peer(1), said(), b"a")
    assert root(heard) == ROOT


def test_other_files_liars_and_too_many_are_not_heard() -> None:
    notes = Notes()
    liars = Liars(notes)
    liars.add(peer(1), SHA256)
    heard = Voices(NAME, frozenset(), Liars(notes))
    assert peer(1) in liars
    assert peer(2) not in liars
    assert not heard.hear(peer(1), said(), b"a")
    other = Attestation(sha256=OTHER, size=5, root=ROOT)
    assert not heard.hear(peer(2), other, b"a")
    assert all(heard.hear(peer(100 + n), said(), b"a") for n in range(MAX_VOICES))
    assert not heard.hear(peer(99), said(), b"b")
    assert heard.hear(peer(100), said(), b"b")  # one that has spoken may say it again


def test_claims_are_compared_by_content() -> None:
    assert Claim(ROOT, 5, None).same_file(Claim(ROOT, 5, OTHER))
    assert not Claim(ROOT, 5, None).same_file(Claim(ROOT, 6, None))

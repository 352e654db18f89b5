"""Who may write a record: its owner over its own connection, or with a signature that holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.dht import protected, validation
from edge.dht.validation import AT_ONCE, REST, SHARE, named_peer, vouches
from edge.wire import packed
from edge.wire.envelope import seal_voucher
from edge.wire.peerid import PeerId
from tests.dht import reference
from tests.dht.peers import NOW, Kept, announcement, key, key_pair, named, peer

A, B, C = (peer(number) for number in range(3))
QM = PeerId(b"\x12\x20" + bytes(range(32)))


# --- a record that names a peer ---


@pytest.mark.parametrize("owner", [A, QM])
def test_a_peer_writes_its_own_record(owner: PeerId) -> None:
    kept = Kept()
    assert kept.store(owner, "x", b"\x01", named(owner))
    assert kept.subkeys("x") == {named(owner): b"\x01"}
    assert kept.storage.report()["owned"] == 1


def test_nobody_else_does() -> None:
    kept = Kept()
    assert not kept.store(B, "x", b"\x01", named(A))
    assert kept.refusals("not-owner") == 1
    assert kept.find("x") is None


@pytest.mark.parametrize("head", [b"\xda\x00\x34", b"\xdb\x00\x00\x00\x34"])
def test_nor_under_its_name_in_another_encoding(head: bytes) -> None:
    kept = Kept()
    assert not kept.store(B, "x", b"\x01", head + str(A).encode())
    assert kept.refusals("not-owner") == 1


def test_a_cid_names_the_same_peer() -> None:
    cid = "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l"
    kept = Kept()
    assert named_peer(packed.dumps(cid)) == PeerId.from_string(cid)
    assert not kept.store(B, "x", b"\x01", packed.dumps(cid))
    assert kept.store(PeerId.from_string(cid), "x", b"\x01", packed.dumps(cid))


@pytest.mark.parametrize(
    "name", ["llama", "12D3Koo", "1" * 52, str(A)[:-1] + "0", f"{A} ", "é" * 26, 7, None]
)
def test_other_names_are_free(name: object) -> None:
    assert named_peer(packed.dumps(name)) is None


def test_a_copy_for_a_cache_is_kept_until_the_owner_writes() -> None:
    kept = Kept()
    assert kept.store(B, "x", b"copy", named(A), life=900, cached=True)
    assert kept.subkeys("x") == {named(A): b"copy"}
    assert kept.store(A, "x", b"own", named(A), life=300)  # though it expires sooner
    assert kept.subkeys("x") == {named(A): b"own"}
    assert not kept.store(B, "x", b"copy", named(A), life=900, cached=True)
    assert kept.refusals("owned") == 1
    kept.wait(300)
    assert kept.find("x") is None
    assert kept.store(B, "x", b"copy", named(A), life=900, cached=True)


def test_an_owner_takes_the_place_of_a_strangers_plain_value_and_keeps_it() -> None:
    kept = Kept()
    assert kept.store(B, "x", b"squatted", life=9000)
    assert kept.store(A, "x", b"own", named(A), life=300)
    assert kept.subkeys("x") == {named(A): b"own"}
    assert not kept.store(B, "x", b"again", life=9000)
    assert kept.refusals("owned") == 1


def test_free_subkeys_stand_beside_those_of_owners() -> None:
    kept = Kept()
    assert kept.store(A, "x", b"\x01", named(A))
    assert kept.store(B, "x", b"\x02", packed.dumps("note"))
    assert kept.store(C, "x", b"\x03", packed.dumps("note"), life=400)
    assert kept.subkeys("x") == {named(A): b"\x01", packed.dumps("note"): b"\x03"}


def test_permissive_anybody_writes_anything() -> None:
    kept = Kept(permissive=True)
    assert kept.store(A, "x", b"\x01", named(A), life=10)
    assert kept.store(B, "x", b"\x02", named(A), life=11)
    assert kept.subkeys("x") == {named(A): b"\x02"}
    assert kept.store(B, "y", b"unsigned", packed.dumps("[owner:ssh-rsa AAAA]"))


# --- signed addresses ---


def test_addresses_that_the_peer_has_signed_vouch_for_a_record_a_stranger_brings() -> None:
    owner, value = announcement(key_pair(1))
    kept = Kept()
    assert kept.store(B, "x", value, named(owner))
    assert kept.subkeys("x") == {named(owner): value}
    assert kept.storage.report()["free"] == 1


def test_they_are_better_than_a_copy_and_worse_than_the_owner() -> None:
    """They vouch for addresses alone: anybody can put them into another value."""
    owner, value = announcement(key_pair(1))
    _, changed = announcement(key_pair(1), state=0)
    kept = Kept()
    assert kept.store(B, "x", b"copy", named(owner), life=900, cached=True)
    assert kept.store(B, "x", value, named(owner), life=300)
    assert not kept.store(B, "x", b"copy", named(owner), life=999, cached=True)
    assert kept.store(owner, "x", b"own", named(owner), life=200)
    assert not kept.store(B, "x", changed, named(owner), life=900)
    assert kept.subkeys("x") == {named(owner): b"own"}


def wrong_values() -> dict[str, bytes]:
    _, value = announcement(key_pair(1))
    owner, other = announcement(key_pair(2))
    voucher = seal_voucher(key_pair(1), owner, 1)

    def fields(table: object) -> bytes:
        return packed.dumps(packed.Extension(0x40, packed.dumps([2, 1.0, table])))

    return {
        "of another peer": other,
        "changed": value[:-3] + bytes([value[-3] ^ 1]) + value[-2:],
        "another envelope": fields({"addrs_signed": voucher}),
        "cut short": fields({"addrs_signed": voucher[:40]}),
        "not bytes": fields({"addrs_signed": "text"}),
        "no table": fields("addrs_signed"),
        "not packed": b"\xc1addrs_signed",
        "deep": b"\x91" * 1000 + packed.dumps("addrs_signed"),
    }


@pytest.mark.parametrize("case", wrong_values())
def test_a_wrong_signature_is_refused(case: str) -> None:
    owner, _ = announcement(key_pair(1))
    value = wrong_values()[case]
    kept = Kept()
    assert not vouches(value, owner)
    assert not kept.store(B, "x", value, named(owner), cached=True)
    assert kept.storage.refusals == {"bad-signature": 1}


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The values whose signatures have been verified, as they are."""
    seen: list[bytes] = []
    real = validation.vouches

    def counted(value: bytes, owner: PeerId) -> bool:
        seen.append(value)
        return real(value, owner)

    monkeypatch.setattr(validation, "vouches", counted)
    return seen


def test_equal_values_are_verified_once(verified: list[bytes]) -> None:
    owner, value = announcement(key_pair(1))
    kept = Kept()
    for block in range(32):
        assert kept.store(B, f"m.{block}", value, named(owner), life=300)
        assert kept.store(C, f"m.{block}", value, named(owner), life=400)
    assert verified == [value]


def test_what_costs_little_is_looked_at_first(verified: list[bytes]) -> None:
    owner, value = announcement(key_pair(1))
    kept = Kept()
    assert kept.store(owner, "x", b"own", named(owner))
    kept.store(B, "x", value, named(owner), life=900)
    kept.store(B, "y", value, named(owner), life=-1)
    kept.store(B, "y", value * 1000, named(owner))
    assert kept.storage.refusals == {"owned": 1, "expired": 1, "too-large": 1}
    assert verified == []


def test_who_sends_a_wrong_signature_is_not_looked_at_for_a_while(verified: list[bytes]) -> None:
    owner, value = announcement(key_pair(1))
    _, wrong = announcement(key_pair(2))
    kept = Kept()
    assert not kept.store(B, "x", wrong, named(owner))
    assert not kept.store(B, "x", value, named(owner))
    assert kept.storage.refusals == {"bad-signature": 1, "signature-unread": 1}
    assert kept.store(C, "x", value, named(owner))
    kept.wait(REST)
    assert kept.store(B, "x", value, named(owner), life=400)
    assert verified == [wrong, value]


def test_signatures_take_a_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends them chooses a kind of key that takes long."""
    kept = Kept()
    taken = 0.125

    def slow(value: bytes, owner: PeerId) -> bool:
        kept.monotonic += taken
        return True

    monkeypatch.setattr(validation, "vouches", slow)
    owners = iter(range(500, 1000))

    def flood() -> int:
        before = kept.storage.report()["free"]
        for _ in range(50):
            number = next(owners)
            kept.store(B, "x", b"addrs_signed%d" % number, named(peer(number)))
        return int(kept.storage.report()["free"]) - before

    assert AT_ONCE / taken <= flood() <= AT_ONCE / taken + 2
    kept.wait(taken / SHARE + 1)
    assert 1 <= flood() <= 2
    assert kept.refusals("signature-unread") > 80


# --- hivemind's protected records ---


def records(count: int) -> list[tuple[bytes, bytes, bytes, float]]:
    """Protected records as hivemind signs them."""
    plain = [
        (key(f"k{number}").hex(), "s" * number, packed.dumps([number, b"v" * number]).hex())
        for number in range(count)
    ]
    wanted = [(*each, NOW + number + 0.25) for number, each in enumerate(plain)]
    answers = reference.ask(signed=[wanted])["signed"]
    return [
        (bytes.fromhex(name), bytes.fromhex(subkey), bytes.fromhex(value), expiration)
        for (name, _, _, expiration), (subkey, value) in zip(wanted, answers, strict=True)
    ]


def test_what_hivemind_signs_is_stored_whoever_brings_it() -> None:
    kept = Kept()
    for number, (name, subkey, value, expiration) in enumerate(records(3)):
        assert protected.is_protected(name, subkey)
        assert kept.storage.store(name, subkey, value, expiration, True, B)
        forger = peer(100 + number)
        assert not kept.storage.store(name, subkey, b"forged", expiration + 1, False, forger)
    assert kept.storage.report()["owned"] == 3
    assert kept.refusals("bad-signature") == 3


CHANGES: dict[str, Callable[[bytes, bytes, bytes, float], tuple[bytes, bytes, bytes, float]]] = {
    "nothing": lambda k, s, v, e: (k, s, v, e),
    "key": lambda k, s, v, e: (k[::-1], s, v, e),
    "subkey": lambda k, s, v, e: (k, s + b"x", v, e),
    "value": lambda k, s, v, e: (k, s, b"\x93" + v[1:], e),
    "expiration": lambda k, s, v, e: (k, s, v, e + 1),
    "signature": lambda k, s, v, e: (k, s, v[:-9] + b"A" + v[-8:], e),
    "no signature": lambda k, s, v, e: (k, s, v[: v.index(b"[signature:")], e),
    "two signatures": lambda k, s, v, e: (k, s, v + v[v.index(b"[signature:") :], e),
    "an empty signature": lambda k, s, v, e: (
        k,
        s,
        v[: v.index(b"[signature:")] + b"[signature:]",
        e,
    ),
    "signature in front": lambda k, s, v, e: (
        k,
        s,
        v[v.index(b"[signature:") :] + v[: v.index(b"[signature:")],
        e,
    ),
    "the owner twice": lambda k, s, v, e: (k, s + s, v, e),
    "another owner as well": lambda k, s, v, e: (k, s + b"[owner:ssh-rsa AAAA]", v, e),
    "an owner that is no key": lambda k, s, v, e: (k, s.replace(b"ssh-rsa", b"ssh-rsb"), v, e),
    "a key cut short": lambda k, s, v, e: (k, s.replace(b"]", b"A]"), v, e),
    "an owner over two lines": lambda k, s, v, e: (k, s.replace(b"ssh-rsa ", b"ssh-rsa\n"), v, e),
    "no owner": lambda k, s, v, e: (k, s.replace(b"[owner:", b"[owner "), v, e),
}


def test_hivemind_agrees_on_every_change() -> None:
    """Of a record without an owner it says that it is valid; here it is free."""
    (original,) = records(1)
    changed = {name: change(*original) for name, change in CHANGES.items()}
    asked = [(k.hex(), s.hex(), v.hex(), e) for k, s, v, e in changed.values()]
    answers = reference.ask(valid=[asked])["valid"]
    theirs = dict(zip(changed, [bool(answer) for answer in answers], strict=True))
    ours = {
        name: not protected.is_protected(record[0], record[1]) or protected.verify(*record)
        for name, record in changed.items()
    }
    assert ours == theirs
    assert ours["nothing"]
    assert ours["signature in front"]
    assert sum(ours.values()) <= 4
